"""Every row of the catalogue ends as one thing."""

from dataclasses import replace

import pytest

from vitrine import account
from vitrine.errors import GateFailed


@pytest.fixture
def mixed(small_run, drawn_pictures):
    """Six rows in three units: three embedded, two rejected, a duplicate."""
    images = [drawn_pictures[0], b"<html>", drawn_pictures[1], b"", drawn_pictures[2], drawn_pictures[3]]
    return small_run({"product_id": list("abcdea"), "image": images}, rows_per_group=2)


def test_units_are_added_up(mixed) -> None:
    counts = account.settle(mixed.run, mixed.done, 6, max_reject_ratio=1)
    assert (counts.rows, counts.embedded, counts.reused, counts.rejected, counts.duplicates) == (6, 3, 0, 2, 1)
    assert counts.rejected_by_reason == {"unsupported_format": 1, "missing": 1}
    assert counts.forward_passes == 2


@pytest.mark.parametrize("lost", ["embedded", "reused", "rejected", "duplicates", "rows", "catalog_rows"])
def test_one_row_too_many_or_too_few_anywhere_fails(mixed, lost) -> None:
    for change in (-1, 1):
        wrong = replace(mixed.done[0], **{lost: getattr(mixed.done[0], lost) + change})
        with pytest.raises(GateFailed, match="gate account failed"):
            account.settle(mixed.run, [wrong, *mixed.done[1:]], 6, max_reject_ratio=1)


def test_a_unit_that_is_missing_fails(mixed) -> None:
    with pytest.raises(GateFailed, match="4 of 4 pictures accounted for, 4 of 6 rows of the catalogue read"):
        account.settle(mixed.run, mixed.done[1:], 6, max_reject_ratio=1)


def test_rejects_are_allowed_up_to_the_ratio(mixed) -> None:
    assert account.settle(mixed.run, mixed.done, 6, max_reject_ratio=2 / 6).rejected == 2
    with pytest.raises(GateFailed) as raised:
        account.settle(mixed.run, mixed.done, 6, max_reject_ratio=0.33)
    said = str(raised.value)
    assert said.startswith("gate rejects failed: 2 of 6 rows were rejected (missing 1, unsupported_format 1)")
    assert said.endswith("mend the catalogue or raise --max-reject-ratio")
