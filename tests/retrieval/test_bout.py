"""One model's vectors in the arena: neighbours, mistakes, and what distortion takes."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.retrieval.builders import bout, directions, labelled, picture
from tests.retrieval.conftest import MakeArena
from vitrine.embedding import Batch
from vitrine.product import Reason, Reject
from vitrine.retrieval.arena import Arena
from vitrine.retrieval.bout import NOTHING, Bout
from vitrine.retrieval.distortions import DISTORTIONS
from vitrine.retrieval.histogram import HistogramEmbedder
from vitrine.retrieval.mistakes import NEIGHBOURS, SHOWN, mistakes
from vitrine.retrieval.robustness import robustness
from vitrine.retrieval.timing import MOST, WARM_UP, latency
from vitrine.retrieval.vectors import Embedded, embedded
from vitrine.settings import Pictures
from vitrine.telemetry import progress

whole = st.integers(-3, 3).map(float)


def embed(embedder: HistogramEmbedder, arena: Arena) -> Bout:
    with progress("test", 0, "pictures") as shown:
        sides = [embedded(embedder, side.pictures(), shown) for side in (arena.queries, arena.gallery)]
    return Bout(arena, *sides)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.booleans())
def test_neighbours_are_the_best_of_a_whole_sort_without_the_own_product_or_picture(
    make_arena: MakeArena, data: st.DataObject, exact: bool
) -> None:
    products = data.draw(st.tuples(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), st.just(list("abccddd"))))
    contents = [data.draw(st.sampled_from([b"x", b"y"])) for _ in products[0]], [b"%c" % one for one in b"zzzxxyz"]
    column = "product_id" if exact else "kind"
    kinds = {"a": "x", "b": "y", "c": "x", "d": "y"}
    asked, searched = (
        [labelled(one, one if exact else kinds[one], data=held) for one, held in zip(*side, strict=True)]
        for side in zip(products, contents, strict=True)
    )
    own = contents if exact else products
    arena = make_arena(asked, searched, columns=[column])
    queries = data.draw(arrays(np.float32, (len(asked), 2), elements=whole))
    gallery = data.draw(arrays(np.float32, (len(searched), 2), elements=whole))
    found = bout(arena, queries, gallery).nearest(column, 5).tolist()
    for i, query in enumerate(queries):
        allowed = [j for j in range(len(gallery)) if own[1][j] != own[0][i]]
        order = sorted(allowed, key=lambda j: (-float(query @ gallery[j]), j))[:5]
        assert found[i] == order + [NOTHING] * (5 - len(order))


def test_what_could_not_be_embedded_is_counted_and_the_others_keep_their_places(
    make_arena: MakeArena, histogram: HistogramEmbedder, drawn: Arena
) -> None:
    good = drawn.queries.picture(0)
    searched = [labelled("a", "x", data=b"broken"), labelled("b", "x", data=good), labelled("c", "y", data=b"broken")]
    found = embed(histogram, make_arena([labelled("q", "x", data=good)], searched))
    assert found.gallery.places.tolist() == [1]
    assert found.gallery.unusable == {"unsupported_format": 2}
    assert found.labels("kind")[1].tolist() == [0]
    assert found.nearest("kind", 2).tolist() == [[0, NOTHING]]


def test_the_surest_mistakes_come_first_with_their_neighbours(make_arena: MakeArena) -> None:
    arena = make_arena(
        [labelled("q0", "x"), labelled("q1", "x"), labelled("q2", "y"), labelled("q3", "z")],
        [labelled("a", "y"), labelled("b", "x")],
    )
    # q0 and q1 are nearest to a, which is wrong, q1 more so; q2 is right; nothing has q3's label.
    found = mistakes(bout(arena, directions(20, 5, 0, 0), directions(0, 90)), "kind")
    assert [(one.query, [place for place, _ in one.found]) for one in found] == [(1, [0, 1]), (0, [0, 1])]
    assert found[0].found[0][1] == pytest.approx(np.cos(np.radians(5)))


def test_mistakes_are_at_most_twelve_with_eight_neighbours_each(make_arena: MakeArena) -> None:
    asked = [labelled(f"q{n}", "x") for n in range(30)]
    arena = make_arena(asked, [labelled(f"g{n}", "x" if n == 0 else "y") for n in range(20)])
    found = mistakes(bout(arena, directions(*range(30)), directions(180, *range(19))), "kind")
    assert len(found) == SHOWN
    assert {len(one.found) for one in found} == {NEIGHBOURS}


def test_robustness_compares_the_same_queries_before_and_after(histogram: HistogramEmbedder, drawn: Arena) -> None:
    found = robustness(histogram, embed(histogram, drawn), "kind", most=5, seed=1, limits=Pictures())
    assert found is not None
    assert found.n == 5
    assert {name: tuple(left) for name, left in found.recalls.items()} == {
        name: strengths for name, (_, strengths) in DISTORTIONS.items()
    }
    assert all(
        found.drops()[name][at] == found.clean - left for name, by in found.recalls.items() for at, left in by.items()
    )
    assert found == robustness(histogram, embed(histogram, drawn), "kind", most=5, seed=1, limits=Pictures())
    assert robustness(histogram, embed(histogram, drawn), "kind", most=0, seed=1, limits=Pictures()) is None


class HalfBlind(HistogramEmbedder):
    """Refuses every other picture; to all others it gives the same vector."""

    dim = 2

    def embed(self, pictures: Iterable[tuple[int, bytes]]) -> Iterator[Batch[int]]:
        for key, _ in pictures:
            if key % 2:
                yield Batch((key,), (Reject(Reason.CORRUPT),), np.empty((0, 2), np.float32))
            else:
                yield Batch((key,), (None,), directions(0))


def test_a_distorted_query_that_cannot_be_embedded_has_found_nothing(make_arena: MakeArena) -> None:
    asked = [labelled(f"q{n}", "x", data=picture(n)) for n in range(4)]
    arena = make_arena(asked, [labelled("a", "x"), labelled("b", "y")])
    before = bout(arena, directions(0, 0, 0, 0), directions(0, 90))
    found = robustness(HalfBlind(Pictures()), before, "kind", most=8, seed=1, limits=Pictures())
    assert found is not None
    assert found.clean == 1
    assert {left for by_strength in found.recalls.values() for left in by_strength.values()} == {0.5}


def test_calls_are_timed_one_by_one_after_a_warm_up() -> None:
    asked: list[int] = []
    found = latency(asked.append, range(3 * MOST))
    assert asked == [*range(WARM_UP), *range(MOST)]
    assert found.n == MOST
    assert 0 <= found.p50 <= found.p99


def test_vectors_keep_the_places_that_they_are_given(histogram: HistogramEmbedder, drawn: Arena) -> None:
    pictures = [(7, drawn.queries.picture(1) or b""), (3, b"broken"), (9, drawn.queries.picture(0) or b"")]
    with progress("test", 3, "pictures") as shown:
        found = embedded(histogram, pictures, shown)
    assert found.places.tolist() == [7, 9]
    assert isinstance(found, Embedded)
    assert np.array_equal(found.vectors[1:], np.concatenate([b.vectors for b in histogram.embed(pictures[2:])]))
