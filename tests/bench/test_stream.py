"""The bench of the stream: its figures from hand-made samples, and that it runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.stream_cases import longest_pause, rate
from tests.bench.stream_events import padded, told_apart, upload
from tests.bench.stream_stack import Sample
from vitrine.events import decode

ROOT = Path(__file__).resolve().parents[2]


def sample(at_s: float, committed: int, cpu_s: float = 0.0) -> Sample:
    return Sample(at_s, committed, 1_000, 1, cpu_s)


def test_a_rate_leaves_out_the_beginning_and_the_end() -> None:
    samples = [sample(0, 0), sample(8, 100, 1), sample(9, 500, 2), sample(10, 900, 3), sample(30, 1_000, 9)]

    found = rate(samples, event_bytes=1e6)

    assert found == {"events_per_s": 400, "mb_per_s": 400, "events_per_cpu_s": 400}


def test_a_rate_may_begin_after_the_first_records() -> None:
    samples = [sample(0, 0), sample(90, 450, 90), sample(91, 600, 91), sample(92, 800, 92), sample(99, 1_000, 99)]

    assert rate(samples, event_bytes=1e6, first=500)["events_per_s"] == 200


def test_the_longest_pause_is_that_between_commits_that_moved() -> None:
    samples = [sample(0, 0), sample(5, 10), sample(6, 10), sample(8, 10), sample(9, 20), sample(10, 30), sample(20, 30)]

    assert longest_pause(samples) == 4


def test_an_upload_is_an_event_with_one_picture() -> None:
    [picture] = padded(1, 2_000)
    message = upload("P1", picture)

    listing = decode(message.key, message.value, message.headers)

    assert (listing.event.product_id, list(listing.pictures.values())) == ("P1", [picture])
    assert len(picture) == 2_000


def test_pictures_that_come_again_are_told_apart() -> None:
    assert len(set(told_apart([b"a", b"b"], 10))) == 10


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_the_bench_of_the_stream_measures_every_case_and_saves_it(tmp_path: Path) -> None:
    arguments = ["--scale", "0.02", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "tests/bench/stream.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (saved,) = tmp_path.glob("*-stream.json")
    cases = json.loads(saved.read_text())["cases"]
    assert list(cases) == ["saturation", "freshness", "overload", "loop", "backlog"]
    assert [cases["saturation"]["service"]["lost"], cases["loop"]["lost"], cases["backlog"]["lost"]] == [0, 0, 0]
    assert cases["freshness"]["not_found"] == 0
    assert cases["backlog"]["applied_again"] <= cases["backlog"]["in_flight_bound"]
    assert "p99_s" in done.stdout
