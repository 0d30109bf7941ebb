import threading

import pytest

from vitrine.errors import BadInput, Unavailable
from vitrine.index.bulk.importer import JobState, Phase
from vitrine.index.bulk.watching import ASKED_AT_ONCE, see_through, watch
from vitrine.settings import Milvus

pytestmark = pytest.mark.usefixtures("quick")

PENDING = JobState(Phase.PENDING)
DONE = JobState(Phase.DONE, 100, 100)
AWAY = Unavailable("connection refused")


def importing(rows):
    return JobState(Phase.IMPORTING, rows, rows)


class Script:
    """An importer whose answers about each job are given; the last one stays."""

    def __init__(self, **answers):
        self.answers = {job: list(given) for job, given in answers.items()}
        self.asked = []

    def state(self, job):
        self.asked.append(job)
        given = self.answers[job]
        answer = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def rows_of(script, milvus=None, **arguments):
    return see_through(script, list(script.answers), milvus or Milvus(), collection="shop__1", **arguments)


def test_rows_of_all_jobs_are_counted_as_they_come():
    script = Script(a=[PENDING, importing(40), DONE], b=[importing(10), DONE])
    heard = []

    assert rows_of(script, progress=heard.append) == 200
    assert heard == [10, 130, 60]


def test_a_job_that_has_ended_is_not_asked_for_again():
    script = Script(a=[DONE], b=[PENDING, PENDING, DONE])

    rows_of(script)

    assert sorted(script.asked) == ["a", "b", "b", "b"]


def test_one_failed_job_fails_the_load_with_the_servers_reason_in_one_line_once_all_have_ended(caplog):
    script = Script(a=[PENDING, importing(1), DONE], b=[JobState(Phase.FAILED, reason="float vector is\nirregular")])

    with pytest.raises(BadInput, match=r"^import job b into shop__1 failed: float vector is irregular$"):
        rows_of(script)

    assert script.asked.count("a") == 3
    assert caplog.messages == ["import failed collection=shop__1 job=b reason=float vector is irregular"]


def test_jobs_that_a_restart_of_the_server_ended_may_be_asked_for_again_unless_another_failed():
    lost = JobState(Phase.LOST, reason="task marked failed as service restarted")

    with pytest.raises(Unavailable, match=r"^import job b into shop__1 failed: task marked failed as service"):
        rows_of(Script(a=[DONE], b=[lost]))
    with pytest.raises(BadInput, match=r"^import job b into shop__1 failed: no such file"):
        rows_of(Script(a=[lost], b=[JobState(Phase.FAILED, reason="no such file")]))


def test_an_outage_is_outwaited():
    script = Script(a=[importing(1), AWAY, AWAY, AWAY, DONE])

    assert rows_of(script, Milvus(patience_s=60)) == 100


def test_an_outage_longer_than_the_patience_ends_the_wait():
    with pytest.raises(Unavailable, match=r"^connection refused$"):
        rows_of(Script(a=[importing(1), AWAY]), Milvus(patience_s=0.05))


def test_jobs_that_do_not_move_end_the_wait():
    script = Script(a=[importing(1)], b=[DONE], c=[PENDING])

    with pytest.raises(Unavailable, match=r"^import jobs a, c have not moved for 0 s$"):
        rows_of(script, Milvus(import_stall_s=0.05))


def test_a_job_that_moves_however_slowly_is_waited_for():
    script = Script(a=[importing(rows) for rows in range(50)] + [DONE])

    assert rows_of(script, Milvus(import_stall_s=0.3)) == 100


def test_jobs_are_asked_for_at_the_same_time():
    together = threading.Barrier(ASKED_AT_ONCE, timeout=20)

    class Meeting(Script):
        def state(self, job):
            together.wait()
            return super().state(job)

    assert rows_of(Meeting(**{f"job{i}": [DONE] for i in range(ASKED_AT_ONCE)})) == 100 * ASKED_AT_ONCE


def test_a_failed_job_has_ended_too():
    script = Script(a=[PENDING, JobState(Phase.FAILED)], b=[DONE])

    *_, last = watch(script, ["a", "b"], Milvus())

    assert {job: state.phase for job, state in last.items()} == {"a": Phase.FAILED, "b": Phase.DONE}
