"""Phases: noted before their block, timed with it."""

from pathlib import Path

import pytest

from vitrine.journal import Journal
from vitrine.phases import Phases
from vitrine.storage import directory


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(directory(str(tmp_path)))


def test_a_phase_is_in_the_journal_before_its_work_begins(journal: Journal) -> None:
    with Phases(journal).phase("load", collection="products__a"):
        (entry,) = journal.entries()
    assert (entry.what, entry.facts) == ("load", {"collection": "products__a"})


def test_phases_are_timed_also_when_they_fail(journal: Journal) -> None:
    phases = Phases(journal)
    with pytest.raises(KeyError), phases.phase("load"):
        raise KeyError
    with phases.phase("index"):
        pass
    assert list(phases.seconds()) == ["load", "index"]
    assert all(seconds > 0 for seconds in phases.seconds().values())


def test_earlier_starts_of_the_run_count(journal: Journal) -> None:
    with Phases(journal).phase("load"):
        pass
    later = Phases(journal)
    with later.phase("load"):
        pass
    assert (later.begun("load"), later.begun("index"), list(later.seconds())) == (2, 0, ["load"])
