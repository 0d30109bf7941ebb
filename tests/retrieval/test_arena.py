"""Two sides with the same numbers for the same products and classes, and what cannot be judged refused."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.retrieval.builders import labelled
from tests.retrieval.conftest import MakeArena, MakeSpool
from vitrine.errors import BadInput
from vitrine.matching import answerable


def test_pictures_come_back_from_the_spool_in_any_order(make_spool: MakeSpool) -> None:
    spool = make_spool()
    for data in (b"first", b"", b"third"):
        spool.add(data)
        assert spool.read(0) == b"first"
    assert [spool.read(i) for i in (2, 1, 0)] == [b"third", b"", b"first"]
    assert len(spool) == 3


def test_pictures_in_the_spool_are_in_no_directory(
    make_spool: MakeSpool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    make_spool().add(b"first")
    assert not [*tmp_path.iterdir()]


def test_products_and_classes_have_the_same_numbers_on_both_sides(make_arena: MakeArena) -> None:
    asked = [labelled("a", "cup", "red"), labelled("b", "", "blue")]
    searched = [labelled("b", "mug", "blue"), labelled("c", "cup", "red"), labelled("a", "mug", "")]
    arena = make_arena(asked, searched, columns=["kind", "colour"])
    assert (arena.queries.products.tolist(), arena.gallery.products.tolist()) == ([0, 1], [1, 2, 0])
    assert (arena.queries.labels["kind"].tolist(), arena.gallery.labels["kind"].tolist()) == ([0, -1], [1, 0, 1])
    assert arena.gallery.labels["colour"].tolist() == [1, 0, -1]
    assert arena.classes == {"kind": ("cup", "mug"), "colour": ("red", "blue")}


def test_pictures_without_bytes_are_counted_by_reason(make_arena: MakeArena) -> None:
    broken = [labelled("x", "cup", reason="missing"), labelled("y", "cup", reason="missing")]
    arena = make_arena([labelled("a", "cup"), broken[0]], [labelled("b", "cup"), labelled("c", "mug"), broken[1]])
    assert (len(arena.queries), len(arena.gallery), arena.rejected) == (1, 2, {"missing": 2})


def test_drawn_queries_are_some_of_them_in_their_order_with_all_that_is_said_of_them(make_arena: MakeArena) -> None:
    asked = [labelled(f"q{n}", f"kind {n % 3}", data=b"%d" % n) for n in range(20)]
    whole = make_arena(asked, [labelled("a", "kind 0"), labelled("b", "kind 1")]).queries
    some = whole.drawn(6, seed=5)
    assert len(some) == 6
    assert some.rows.tolist() == sorted({*some.rows.tolist()}) != list(range(6))
    for place, row in enumerate(some.rows.tolist()):
        assert some.picture(place) == b"%d" % row
        assert (some.titles[place], some.products[place]) == (f"Title of q{row}", row)
        assert some.labels["kind"][place] == row % 3
    assert np.array_equal(whole.drawn(6, seed=5).rows, some.rows)
    assert whole.drawn(20, seed=5) is whole


def test_the_own_product_is_not_searched_or_where_it_is_looked_for_the_very_picture(make_arena: MakeArena) -> None:
    asked = [labelled("a", "a", "cup", data=b"front")]
    searched = [labelled("a", "a", "mug", data=b"back"), labelled("b", "b", "cup", data=b"front")]
    arena = make_arena(asked, searched, columns=["product_id", "kind"])
    for column, hidden in (("product_id", [False, True]), ("kind+product_id", [False, True]), ("kind", [True, False])):
        queries, gallery = arena.own(column)
        assert (gallery == queries).tolist() == hidden


def test_a_product_known_by_no_other_picture_than_the_query_is_not_looked_for(make_arena: MakeArena) -> None:
    served = [labelled(one, one, data=one.encode()) for one in "abc"]
    with pytest.raises(BadInput, match="no query shares its product_id with another picture in the gallery"):
        make_arena(served, served, columns=["product_id"])
    arena = make_arena(served, [*served, labelled("b", "b", data=b"another")], columns=["product_id"])
    assert answerable(arena.labels("product_id"), arena.own("product_id")).tolist() == [False, True, False]


def test_an_empty_side_is_named_with_what_was_rejected(make_arena: MakeArena) -> None:
    with pytest.raises(BadInput, match=r"no picture for the gallery \(rejected: missing 1\): check splits"):
        make_arena([labelled("a", "cup")], [labelled("b", "cup", reason="missing")])


def test_a_label_with_one_class_tells_nothing(make_arena: MakeArena) -> None:
    with pytest.raises(BadInput, match="fewer than two classes of kind"):
        make_arena([labelled("a", "cup")], [labelled("b", "cup"), labelled("c", "cup"), labelled("d", "")])


def test_queries_whose_only_partners_are_of_their_own_product_cannot_be_judged(make_arena: MakeArena) -> None:
    searched = [labelled("a", "cup"), labelled("b", "mug")]
    with pytest.raises(BadInput, match="no query shares its kind with a picture of another product"):
        make_arena([labelled("a", "cup"), labelled("c", "jug"), labelled("d", "")], searched)
