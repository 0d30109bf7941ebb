"""Small arenas: drawn pictures with labels, asked and searched by the colour histogram."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from tests.retrieval.builders import labelled, picture
from vitrine.retrieval.arena import Arena, Census
from vitrine.retrieval.histogram import HistogramEmbedder
from vitrine.retrieval.labelled import Labelled
from vitrine.retrieval.spool import Spool
from vitrine.settings import Pictures

MakeArena = Callable[..., Arena]


MakeSpool = Callable[[], Spool]


@pytest.fixture
def make_spool() -> Iterator[MakeSpool]:
    """`make_spool()` is an empty place for pictures."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Spool())


@pytest.fixture
def make_arena(make_spool: MakeSpool) -> MakeArena:
    """`make_arena(queries, gallery, columns=["kind"])`, of labelled pictures."""

    def make(asked: Sequence[Labelled], searched: Sequence[Labelled], *, columns: Sequence[str] = ("kind",)) -> Arena:
        census = Census(columns)
        return census.arena(census.take_in(asked, make_spool()), census.take_in(searched, make_spool()))

    return make


@pytest.fixture
def drawn(make_arena: MakeArena) -> Arena:
    """Eight pictures that are asked with, sixteen that are searched, of four drawn looks."""
    asked = [labelled(f"q{n}", f"look {n % 4}", data=picture(n % 4)) for n in range(8)]
    searched = [labelled(f"g{n}", f"look {n % 4}", data=picture(n % 4, view=1 + n // 4)) for n in range(16)]
    return make_arena(asked, searched)


@pytest.fixture
def histogram() -> HistogramEmbedder:
    """An embedder that needs no network, and finds what has the same colours."""
    return HistogramEmbedder(Pictures())
