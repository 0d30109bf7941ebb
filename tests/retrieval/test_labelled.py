"""Labelled pictures of a catalogue."""

from pathlib import Path

import pytest

from tests.retrieval.builders import catalogue, picture
from vitrine.errors import BadInput
from vitrine.retrieval.labelled import Labelled, read
from vitrine.settings import Settings


def pictures(uri: str, columns: list[str], split: str = "") -> list[Labelled]:
    return list(read(Settings(catalog=[uri]), columns, split))


def test_labels_are_columns_one_by_one_or_joined(tmp_path: Path) -> None:
    images = [picture(0), picture(1)]
    uri = catalogue(
        tmp_path / "c.parquet", image=images, category=["A/B", "A/C"], colour=["red", None], part=["x", "y"]
    )
    first, second = pictures(uri, ["category", "colour", "category+colour", "product_id"], "part")
    assert (first.card.labels, first.part, first.data) == (("A/B", "red", "A/B red", "p0"), "x", images[0])
    assert (second.card.labels, second.part) == (("A/C", "", "", "p1"), "y")


def test_a_picture_without_bytes_has_its_reason(tmp_path: Path) -> None:
    uri = catalogue(tmp_path / "c.parquet", image=[picture(0), None], category=["A", "B"])
    assert [one.reason for one in pictures(uri, ["category"])] == ["", "missing"]


@pytest.mark.parametrize(("columns", "split", "named"), [(["colour"], "", "colour"), (["category"], "part", "part")])
def test_a_column_that_no_row_has_is_named(tmp_path: Path, columns: list[str], split: str, named: str) -> None:
    uri = catalogue(tmp_path / "c.parquet", image=[picture(0)], category=["A"])
    with pytest.raises(BadInput, match=f"c.parquet: no row says {named}: set --label and --split_column"):
        pictures(uri, columns, split)


def test_of_two_versions_of_a_product_the_newer_one_counts(tmp_path: Path) -> None:
    images = [picture(0), picture(1)]
    uri = catalogue(tmp_path / "c.parquet", product_id=["p", "p"], version=[2, 1], image=images, category=["A", "B"])
    assert [(one.data, one.card.labels) for one in pictures(uri, ["category"])] == [(images[0], ("A",))]
