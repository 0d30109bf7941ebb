"""One unit of a reindex, run without Spark."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow.parquet as pq
import pytest

from vitrine.embedding import Batch
from vitrine.errors import BadInput
from vitrine.index import schema
from vitrine.product import Reason, Reject
from vitrine.rendering import draw, look
from vitrine.rendering.broken import BROKEN_PICTURES
from vitrine.run import manifests, outcomes
from vitrine.testing import FakeEmbedder
from vitrine.unit import run_unit


def no_embedder() -> FakeEmbedder:
    raise AssertionError("an embedder was made although no picture needs one")


def rows(small) -> list[dict[str, object]]:
    """All finished rows, in the order of the units."""
    files = [small.run.file(one.rows_file) for one in small.done if one.rows_file]
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def noted(small, *columns: str) -> list[tuple[object, ...]]:
    return [tuple(row[c] for c in columns) for table in outcomes(small.run, small.done) for row in table.to_pylist()]


def test_every_row_ends_as_one_thing(small_run, drawn_pictures) -> None:
    broken = [make(draw(look(1), size=64)) for make in BROKEN_PICTURES.values()]
    images = [drawn_pictures[0], *broken, drawn_pictures[1], drawn_pictures[2]]
    ids = [f"p{number}" for number in range(len(images) - 2)] + ["p0", "x" * 257]
    (one,) = small_run({"product_id": ids, "image": images}).done
    assert one.rows == len(images) == one.embedded + one.reused + one.rejected + one.duplicates
    assert (one.reused, one.duplicates) == (0, 1)
    assert one.catalog_rows == len(images)


def test_a_reject_says_what_was_wrong_and_where_the_picture_is(small_run, drawn_pictures) -> None:
    small = small_run({"product_id": ["a", "b"], "image": [drawn_pictures[0], b"<html>"]})
    found = noted(small, "image_id", "outcome", "reason", "row")
    assert found == [("a/0", "embedded", "", 0), ("b/0", "rejected", "unsupported_format", 1)]
    assert noted(small, "detail")[1][0].startswith("begins with 3c 68 74 6d 6c")


def test_a_list_gives_a_row_for_each_picture_and_an_empty_one_a_reject(small_run, drawn_pictures) -> None:
    images = [drawn_pictures[:2], [], None, [drawn_pictures[2], None]]
    small = small_run({"product_id": ["a", "b", "c", "d"], "images": images})
    assert noted(small, "image_id", "outcome", "reason") == [
        ("a/0", "embedded", ""),
        ("a/1", "embedded", ""),
        ("b/0", "rejected", "missing"),
        ("c/0", "rejected", "missing"),
        ("d/0", "embedded", ""),
        ("d/1", "rejected", "missing"),
    ]
    assert (small.done[0].rows, small.done[0].catalog_rows) == (6, 4)


def test_each_row_has_the_vector_of_its_own_picture(small_run, drawn_pictures) -> None:
    images = [b"broken" if number % 5 == 3 else picture for number, picture in enumerate(drawn_pictures[:22])]
    small = small_run({"product_id": [str(number) for number in range(22)], "image": images})
    assert len(rows(small)) == 18
    for row in rows(small):
        (alone,) = FakeEmbedder(dim=16).embed([(0, images[int(row[schema.PRODUCT_ID])])])
        assert row[schema.VECTOR] == alone.vectors[0].tolist()


def test_rows_carry_what_the_catalogue_says(small_run, drawn_pictures) -> None:
    columns = {
        "product_id": ["a/b"],
        "position": [3],
        "image": [drawn_pictures[0]],
        "version": [7],
        "title": ["衬衫" * 400],
        "category": ["Apparel/Topwear"],
        "price": [9.5],
        "in_stock": [False],
        "colour": ["red"],
    }
    small = small_run(columns)
    (row,) = rows(small)
    assert {name: row[name] for name in ("image_id", "position", "version", "category", "price", "in_stock")} == {
        "image_id": "a/b/3",
        "position": 3,
        "version": 7,
        "category": "Apparel/Topwear",
        "price": 9.5,
        "in_stock": False,
    }
    assert (row["attributes"], len(row["title"]), small.done[0].cut_texts) == ('{"colour":"red"}', 341, 1)
    assert (row["event_us"], row["indexed_us"]) == (small.run.as_of_us, small.run.started_us)


def test_no_embedder_is_made_where_no_picture_needs_one(small_run, drawn_pictures) -> None:
    columns = {"product_id": ["a", "a", "b"], "image": [drawn_pictures[0], drawn_pictures[0], b"GIF89a"]}
    (first,) = small_run(columns).done
    assert (first.embedded, first.rejected, first.duplicates) == (1, 1, 1)
    pictures_known = {"product_id": ["a", "b", "c"], "image": [drawn_pictures[0], None, drawn_pictures[0]]}
    (second,) = small_run(pictures_known, "b", make_embedder=no_embedder).done
    assert (second.reused, second.rejected, second.forward_passes, second.rows_file) == (2, 1, 0, "")


def test_a_unit_of_duplicates_leaves_no_files(small_run, drawn_pictures) -> None:
    columns = {"product_id": ["a", "a"], "image": drawn_pictures[:2]}
    small = small_run(columns, make_embedder=no_embedder, deleted={"a": 5})
    (one,) = small.done
    assert (one.rows, one.duplicates) == (2, 2)
    assert (one.rows_file, one.hits_file, one.unreachable_file, one.outcomes_file) == ("", "", "", "")
    assert list(outcomes(small.run, small.done)) == []


def test_hits_wait_without_vectors_in_the_order_of_their_hashes(small_run, drawn_pictures) -> None:
    columns = {"product_id": [str(number) for number in range(20)], "image": drawn_pictures[:20]}
    small_run(columns)
    (one,) = small_run(columns, "b").done
    hits = pq.read_table(small_run(None, "b").run.file(one.hits_file))
    assert schema.VECTOR not in hits.column_names
    hashes = hits[schema.IMAGE_SHA256].to_pylist()
    assert (len(hashes), hashes) == (20, sorted(hashes))


def test_an_attempt_done_again_replaces_the_earlier_one(small_run, drawn_pictures) -> None:
    small = small_run({"product_id": ["a", "b"], "image": drawn_pictures[:2]})
    again = run_unit(small.plan.units[0], small.job, lambda: FakeEmbedder(dim=16))
    assert manifests(small.run) == [again]
    assert again.rows_file != small.done[0].rows_file
    assert pq.read_table(small.run.file(again.rows_file)) == pq.read_table(small.run.file(small.done[0].rows_file))


def test_hashes_that_a_resumed_run_lists_anew_are_seen_by_the_same_process(small_run, drawn_pictures) -> None:
    small = small_run({"product_id": ["a"], "image": drawn_pictures[:1]})
    again = small_run(None)
    assert (small.done[0].embedded, again.done[0].embedded, again.done[0].reused) == (1, 0, 1)


def test_an_embedder_that_fails_commits_nothing(small_run, drawn_pictures, tmp_path) -> None:
    class Failing(FakeEmbedder):
        def embed(self, pictures: Iterable[tuple[object, bytes]]) -> Iterator[Batch[object]]:
            yield next(super().embed(pictures))
            raise ValueError("out of luck")

    columns = {"product_id": list("abcdefgh"), "image": drawn_pictures[:8]}
    with pytest.raises(ValueError, match="out of luck"):
        small_run(columns, make_embedder=lambda: Failing(dim=16))
    left = {path.name for path in (tmp_path / "work/runs/a").rglob("*") if path.is_file()}
    assert left == {"run.json", "plan.parquet", "known-hashes.bin"}


def test_a_file_that_has_fewer_rows_than_planned_is_refused(small_run, drawn_pictures) -> None:
    small = small_run({"product_id": ["a", "b"], "image": drawn_pictures[:2]})
    file = small.plan.units[0].pieces[0].file
    pq.write_table(pq.read_table(file).slice(0, 1), file)
    with pytest.raises(BadInput, match=r"catalog\.parquet has changed since it was planned: start a new run"):
        run_unit(small.plan.units[0], small.job, lambda: FakeEmbedder(dim=16))


def test_addresses_are_fetched_and_rows_keep_them(small_run, drawn_pictures, tmp_path) -> None:
    (tmp_path / "a.jpg").write_bytes(drawn_pictures[0])
    uris = [str(tmp_path / "a.jpg"), str(tmp_path / "none.jpg"), "/etc/passwd"]
    small = small_run({"product_id": ["a", "b", "c"], "image_uri": uris}, pictures={"prefixes": [str(tmp_path)]})
    assert [row[schema.IMAGE_URI] for row in rows(small)] == uris[:1]
    assert noted(small, "reason") == [("",), ("missing",), ("forbidden_address",)]
    assert small.done[0].unreachable_file == ""


def test_what_cannot_be_reached_just_now_is_a_reject_and_waits_as_a_row(small_run, put_out_of_reach, tmp_path) -> None:
    place = tmp_path / "a.jpg"
    put_out_of_reach(place)
    allowed = {"prefixes": [str(tmp_path), "/proc"]}
    small = small_run({"product_id": ["a"], "image_uri": [str(place)]}, pictures=allowed)
    (one,) = small.done
    assert (one.rejected, noted(small, "reason")) == (1, [("fetch_failed",)])
    (row,) = pq.read_table(small.run.file(one.unreachable_file)).to_pylist()
    assert (row[schema.IMAGE_ID], row[schema.IMAGE_URI], row[schema.IMAGE_SHA256]) == ("a/0", str(place), "")


def test_a_process_that_embeds_nothing_loads_no_network() -> None:
    program = (
        "import sys, vitrine.unit, vitrine.vision.request\n"
        "print([name for name in ('torch', 'torchvision', 'pymilvus') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def refusing() -> FakeEmbedder:
    """An embedder whose decoder takes nothing."""

    class Refusing(FakeEmbedder):
        def embed(self, pictures: Iterable[tuple[object, bytes]]) -> Iterator[Batch[object]]:
            for key, _ in pictures:
                yield Batch((key,), (Reject(Reason.CORRUPT, "no end"),), np.empty((0, 16), np.float32))

    return Refusing(dim=16)


def test_bytes_that_no_decoder_takes_are_tried_once(small_run, drawn_pictures) -> None:
    columns = {"product_id": ["a", "b"], "image": drawn_pictures[:2]}
    first = small_run(columns, make_embedder=refusing)
    again = small_run(columns, "b", make_embedder=no_embedder)
    assert noted(first, "outcome", "reason", "detail", "sha256") == noted(
        again, "outcome", "reason", "detail", "sha256"
    )
    assert again.done[0].rejected == 2


def test_what_a_header_or_a_limit_forbids_reaches_no_embedder(small_run, drawn_pictures) -> None:
    columns = {"product_id": ["a", "b"], "image": [drawn_pictures[0], drawn_pictures[1][:100]]}
    small = small_run(columns, make_embedder=no_embedder, pictures={"max_pixels": 100})
    assert noted(small, "reason") == [("too_many_pixels",), ("truncated",)]
    allowed = small_run(columns, "b")
    assert [reason for (reason,) in noted(allowed, "reason")] == ["", "truncated"]


class Isolating(FakeEmbedder):
    """Notes how often it was asked to isolate its pictures."""

    asked = 0

    @contextmanager
    def isolated(self) -> Iterator[FakeEmbedder]:
        self.asked += 1
        yield self


def test_a_unit_that_lost_its_process_is_done_again_with_its_pictures_isolated(small_run, drawn_pictures) -> None:
    small = small_run({"product_id": ["a", "b"], "image": drawn_pictures[:2]})
    embedder = Isolating(dim=16)
    run_unit(small.plan.units[0], small.job, lambda: embedder)
    assert embedder.asked == 0
    small.run.place.write("attempts/000000", b"")
    again = run_unit(small.plan.units[0], small.job, lambda: embedder)
    assert (embedder.asked, again.embedded) == (1, 2)
    run_unit(small.plan.units[0], small.job, lambda: embedder)
    assert embedder.asked == 1


def test_an_isolated_unit_that_fails_is_isolated_the_next_time(small_run, drawn_pictures) -> None:
    small = small_run({"product_id": ["a"], "image": drawn_pictures[:1]})
    small.run.place.write("attempts/000000", b"")
    with pytest.raises(AssertionError):
        run_unit(small.plan.units[0], small.job, no_embedder)
    embedder = Isolating(dim=16)
    run_unit(small.plan.units[0], small.job, lambda: embedder)
    assert embedder.asked == 1


def test_an_attempt_is_noted_before_the_first_picture_is_decoded(small_run, drawn_pictures) -> None:
    def looking() -> FakeEmbedder:
        seen.extend(small.run.place.names("attempts"))
        return FakeEmbedder(dim=16)

    seen: list[str] = []
    small = small_run({"product_id": ["a"], "image": drawn_pictures[:1]})
    run_unit(small.plan.units[0], small.job, looking)
    assert (seen, small.run.place.names("attempts")) == (["attempts/000000"], [])
