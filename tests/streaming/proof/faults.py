"""What is done to a run while records come: each is a story that a test tells by its name."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing

from tests.streaming.proof.members import Member
from tests.streaming.proof.shops_eye import Shop, make_shop, point
from tests.streaming.proof.stage import SESSION_S, Stage

SEAMS = (
    "before the DLQ acknowledgement",
    "after the DLQ acknowledgement",
    "after poll",
    "after embed",
    "between rows and ledger",
    "after the ledger",
    "before commit",
    "after commit",
)
"""Those of the dead letters come first, while there is still poison to come."""


def none(stage: Stage) -> None:
    """One member, left alone."""
    stage.start()


def killed(stage: Stage, seams: Sequence[str] = SEAMS) -> None:
    """A member dies at each seam in turn; the next takes its place at once, under its name in the group."""
    for number, seam in enumerate(seams):
        after = 1 if "DLQ" in seam else 2 + number % 3
        assert stage.start(static="one", kill_at=seam, after=after).await_death() < 0, f"nobody died {seam}"
    stage.start(static="one")


def killed_in_a_rebalance(stage: Stage) -> None:
    """The first member dies while a second one joins."""
    first = stage.start(kill_at="inside a rebalance")
    stage.until(first.joined, "the first member's joining")
    stage.start()
    assert first.await_death() < 0, "nobody died inside a rebalance"


def killed_everywhere(stage: Stage) -> None:
    """At each seam in turn, the last time inside a rebalance."""
    killed(stage)
    stage.members[-1].kill()
    killed_in_a_rebalance(stage)


def joined(stage: Stage) -> None:
    """A second member joins while the first has much in flight."""
    stage.start(slow_s=0.5)
    stage.until(lambda: stage.done() > 40, "the first member's work")
    stage.start(slow_s=0.5)


def zombie(stage: Stage) -> None:
    """A member stands still in the middle of a write, and goes on with it when the group has long given it up."""
    first, _ = stage.start(freeze_at=10), stage.start()
    stage.until(first.frozen, "the tenth write")
    with stage.outage(extra_s=stage.play.rest_s):
        time.sleep(2.5 * SESSION_S)
        first.thaw()


def storm(stage: Stage) -> None:
    """Three members come and go, by SIGTERM and SIGKILL."""
    for number in range(5):
        stage.start()
        done = stage.done()
        stage.until(lambda done=done: stage.done() > done + 5, "work of the group")
        alive = [member for member in stage.members if member.alive]
        if len(alive) == 3:
            alive[0].kill() if number % 2 else alive[0].finish()
    stage.start()


def replaced(stage: Stage) -> None:
    """A second process takes the name of a static member; the first is fenced and must leave by itself."""
    first = stage.start(static="one")
    stage.until(lambda: stage.done() > 20, "the first member's work")
    stage.start(static="one")
    _replaced(first)


def frozen_and_replaced(stage: Stage) -> None:
    """The same while the first stands still in the middle of a write."""
    first = stage.start(static="one", freeze_at=10)
    stage.until(first.frozen, "the tenth write")
    with stage.outage(extra_s=stage.play.rest_s):
        stage.start(static="one")
        time.sleep(SESSION_S)
        first.thaw()
        _replaced(first)


def _replaced(member: Member) -> None:
    """Wait until it has ended as a member whose name was taken, and not by a crash."""
    assert member.await_death(within_s=4 * SESSION_S) == 1
    assert "another process runs as member one" in member.words(), member.words()


def slow_database(stage: Stage) -> None:
    """Each write takes a second."""
    stage.start(slow_s=1.0)


def broker_killed(stage: Stage) -> None:
    """The broker is away for longer than a session."""
    assert stage.servers.broker
    stage.start()
    stage.until(lambda: stage.done() > 20, "some work")
    with stage.outage(extra_s=5):
        stage.servers.broker.kill()
        time.sleep(1.5 * SESSION_S)
        stage.servers.broker.restart()


def database_killed(stage: Stage) -> None:
    """Milvus is away until it has loaded its collections again."""
    assert stage.servers.database
    stage.start()
    stage.until(lambda: stage.done() > 20, "some work")
    with stage.outage(extra_s=5), closing(Shop(stage.servers.milvus, stage.play.dim)) as shop:
        stage.servers.database.restart()
        stage.until(lambda: not shop.look().error, "an answer of Milvus", within_s=120)


def swapped(stage: Stage) -> None:
    """The alias moves to an empty collection, which is then fed from the log's beginning, and back."""
    stage.start()
    stage.until(lambda: stage.done() > 40, "some work")
    serving = stage.eyes.serving()
    other = make_shop(stage.servers.milvus, model_id=stage.play.model_id, dim=stage.play.dim, run="second", serve=False)
    point(stage.servers.milvus, other.name)
    done = stage.done()
    stage.until(lambda: stage.done() > done + 60, "work on the other collection")
    point(stage.servers.milvus, serving)


FAULTS: dict[str, Callable[[Stage], None]] = {
    fault.__name__: fault
    for fault in (
        none,
        joined,
        killed,
        killed_in_a_rebalance,
        zombie,
        storm,
        replaced,
        frozen_and_replaced,
        slow_database,
        broker_killed,
        database_killed,
        swapped,
    )
}
