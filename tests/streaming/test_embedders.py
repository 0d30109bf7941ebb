"""Models are loaded once, and servers that are away are asked ever more seldom."""

from streaming.embedders import Embedders
from streaming.outages import LONGEST_PAUSE_S, Pauses
from vitrine.embedding import Embedder
from vitrine.testing import FakeEmbedder


def test_a_model_is_loaded_once_for_all_views_and_attempts_until_it_is_let_go() -> None:
    made: list[str] = []

    def make(model_id: str) -> Embedder:
        made.append(model_id)
        return FakeEmbedder(model_id, dim=16)

    embedders = Embedders(make)
    views = [embedders.of("a"), embedders.of("a"), embedders.of("b")]
    assert [view.model_id for view in views] == ["a", "a", "b"]
    assert made == ["a", "b"]
    embedders.keep({"a"})
    embedders.of("a")
    embedders.of("b")
    assert made == ["a", "b", "b"]


def test_pauses_grow_while_it_fails_and_begin_anew_when_it_has_passed() -> None:
    now_s = [0.0]
    pauses = Pauses(lambda: now_s[0])
    waited: list[float] = []
    for _ in range(9):
        pauses.failed()
        began_s = now_s[0]
        while not pauses.over:
            now_s[0] += 0.1
        waited.append(now_s[0] - began_s)
    assert waited == sorted(waited)
    assert waited[0] < 0.4
    assert LONGEST_PAUSE_S <= waited[-1] < LONGEST_PAUSE_S + 0.2
    pauses.passed()
    pauses.failed()
    now_s[0] += 0.3
    assert pauses.over
