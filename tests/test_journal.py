"""The journal: what was noted is there after a kill, in order."""

from datetime import UTC, datetime
from pathlib import Path

from vitrine.journal import Journal
from vitrine.storage import directory


def test_entries_come_back_in_the_order_in_which_they_were_noted(tmp_path: Path) -> None:
    for number in range(12):
        Journal(directory(str(tmp_path))).note("import", job=str(number))
    found = Journal(directory(str(tmp_path))).entries()
    assert [(entry.what, entry.facts) for entry in found] == [("import", {"job": str(n)}) for n in range(12)]
    assert all(datetime.fromisoformat(entry.at).tzinfo == UTC for entry in found)


def test_a_run_that_began_nothing_has_an_empty_journal(tmp_path: Path) -> None:
    assert Journal(directory(str(tmp_path))).entries() == []
