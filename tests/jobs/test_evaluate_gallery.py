"""jobs/evaluate.py --gallery and --collection from the command line."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.evaluate import main
from vitrine.catalog.labels import is_held_out
from vitrine.embedding import Embedder, Vectors
from vitrine.index import collections, rows, schema
from vitrine.index.collections import Facts
from vitrine.index.store import connect
from vitrine.product import Product
from vitrine.rendering import draw, gif, jpeg, look
from vitrine.retrieval.models import named
from vitrine.settings import Milvus, Model, Settings
from vitrine.vision.model_store import publish
from vitrine.vision.weights import resolve

FAULTY_PILLOW = Path(__file__).parents[1] / "faulty_pillow"
COLOURS = ("--models", "histogram", "--resamples", "50", "--robust", "3")
LOOKS = 5
SMALL = ("--model.image_size", "32", "--model.precision", "fp32")


def picture(number: int) -> bytes:
    return jpeg(draw(look(number % LOOKS), view=number // LOOKS, size=48))


def catalogue(path: Path, *, products: int = 30, first: int = 0, **changes: Sequence[object]) -> str:
    """Products of five looks, a third of them for validation."""
    numbers = range(first, first + products)
    columns: dict[str, Sequence[object]] = {
        "product_id": [f"p{n}" for n in numbers],
        "title": [f"Title {n}" for n in numbers],
        "category": [f"Look {n % LOOKS}" for n in numbers],
        "size": ["large" if n % 2 else "small" for n in numbers],
        "split": ["train" if n % 3 else "validation" for n in numbers],
        "image": [picture(n) for n in numbers],
    }
    pq.write_table(pa.table({**columns, **changes}), path)
    return str(path)


def metrics(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "metrics.json").read_text("utf-8"))
    return found


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("vitrine: ")
    return line


def test_a_split_is_judged_printed_and_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    uri = catalogue(tmp_path / "c.parquet")
    parts = ("--gallery-split", "train", "--query-split", "validation")
    labels = ("--label", "category", "category+size", "--k", "3")
    assert main(["--gallery", uri, *parts, *labels, *COLOURS, "--report", str(tmp_path / "out")]) == 0
    found, printed = metrics(tmp_path / "out"), capsys.readouterr().out
    assert (found["queries"], found["gallery"]) == (10, 20)
    judged = found["models"]["histogram"]["labels"]
    assert set(judged) == {"category", "category+size"}
    assert set(judged["category"]["by_class"]) == {f"Look {n}" for n in range(LOOKS)}
    value, (low, high) = judged["category"]["overall"]["mrr"], judged["category"]["intervals"]["mrr"]
    assert f"{value:.3f} ({low:.3f} to {high:.3f})" in printed
    assert "same category+size: 10 queries, 0 left out" in printed
    assert "Same category+size" in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert printed.splitlines()[-1] == str(tmp_path / "out" / "report.html")


def test_again_it_gives_the_same_figures_but_for_times(tmp_path: Path) -> None:
    uri = catalogue(tmp_path / "c.parquet")
    for name in ("a", "b"):
        given = ["--gallery", uri, "--held_out", "0.4", "--most_queries", "6", *COLOURS]
        assert main([*given, "--work", str(tmp_path), "--run", name]) == 0
    first, again = (metrics(tmp_path / "evaluations" / name) for name in ("a", "b"))
    for found in (first, again):
        del found["models"]["histogram"]["speed"]
    assert first == again
    assert first["queries"] == 6


def test_without_parts_products_are_held_out_and_none_stands_on_both_sides(tmp_path: Path) -> None:
    ids = [f"p{n // 2}" for n in range(30)]
    uri = catalogue(tmp_path / "c.parquet", product_id=ids, position=pa.array([n % 2 for n in range(30)], pa.int32()))
    given = ["--gallery", uri, "--label", "category", "--held_out", "0.4", *COLOURS]
    assert main([*given, "--report", str(tmp_path / "out")]) == 0
    asked = [one for one in ids if is_held_out(one, 0.4)]
    assert (metrics(tmp_path / "out")["queries"], metrics(tmp_path / "out")["gallery"]) == (len(asked), 30 - len(asked))
    assert 0 < len(asked) < 30


def test_photos_of_their_own_catalogue_find_their_very_product(tmp_path: Path) -> None:
    photos = [jpeg(draw(look(n % LOOKS), view=n // LOOKS, size=40)) for n in range(8)]
    queries = catalogue(tmp_path / "q.parquet", products=8, image=photos)
    gallery = catalogue(tmp_path / "c.parquet")
    given = ["--gallery", gallery, "--queries", queries, "--label", "product_id", "category", *COLOURS]
    assert main([*given, "--report", str(tmp_path / "out")]) == 0
    judged = metrics(tmp_path / "out")["models"]["histogram"]["labels"]
    assert judged["product_id"]["overall"]["recall@5"] > 0.5
    assert judged["category"]["queries"] == 8


def test_models_of_different_sizes_and_dimensions_stand_side_by_side(tmp_path: Path) -> None:
    uri = catalogue(tmp_path / "c.parquet", products=12)
    given = ["--gallery", uri, "--held_out", "0.4", "--robust", "0", "--report", str(tmp_path / "out"), *SMALL]
    assert main(given) == 0
    found = metrics(tmp_path / "out")["models"]
    assert list(found) == ["bundled", "untrained", "histogram"]
    assert len({one["model_id"] for one in found.values()}) == 3
    assert found["untrained"]["notice"].startswith("UNTRAINED")
    assert found["bundled"]["robustness"] == {}


def test_corrupt_and_missing_pictures_are_counted_and_the_others_judged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    images: list[object] = [picture(n) for n in range(30)]
    images[1], images[2], images[3], images[4] = b"no picture", images[2][:400], None, b""  # type: ignore[index]
    uri = catalogue(tmp_path / "c.parquet", image=images)
    given = ["--gallery", uri, "--gallery_split", "train", "--query_split", "validation", *COLOURS]
    assert main([*given, "--report", str(tmp_path / "out")]) == 0
    found = metrics(tmp_path / "out")
    assert sum(found["rejected"].values()) + sum(found["models"]["histogram"]["unusable"].values()) == 4
    assert found["models"]["histogram"]["unusable"]["unsupported_format"] >= 1
    assert found["rejected"]["missing"] >= 1
    printed, page = capsys.readouterr().out, (tmp_path / "out" / "report.html").read_text("utf-8")
    assert f"rejected pictures: missing {found['rejected']['missing']}" in printed
    assert "unusable for histogram: " in printed
    assert "unusable for histogram" in page


def test_a_picture_that_kills_its_decoder_is_counted_and_the_others_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(FAULTY_PILLOW)
    images = [picture(n) for n in range(30)]
    images[4] = gif(draw(look(4), size=48)) + b" segmentation fault"
    uri = catalogue(tmp_path / "c.parquet", image=images)
    given = ["--gallery", uri, "--gallery_split", "train", "--query_split", "validation", *COLOURS]
    assert main([*given, "--report", str(tmp_path / "out")]) == 0
    found = metrics(tmp_path / "out")
    assert found["rejected"] == {"decoder_crash": 1}
    assert (found["queries"], found["gallery"]) == (10, 19)


def test_pictures_beyond_the_limits_are_counted_and_those_just_within_survive_distortion(tmp_path: Path) -> None:
    images = [picture(n) for n in range(30)]
    given = ["--models", "histogram", "--resamples", "0", "--robust", "10", "--held_out", "0.4"]
    tight = ["--pictures.max_bytes", str(max(map(len, images))), "--pictures.max_pixels", str(48 * 48)]
    for name, limits in (("wide", []), ("tight", tight)):
        uri = catalogue(tmp_path / "c.parquet", image=images)
        assert main(["--gallery", uri, *given, *limits, "--report", str(tmp_path / name)]) == 0
    wide, narrow = (metrics(tmp_path / name)["models"]["histogram"]["robustness"] for name in ("wide", "tight"))
    assert narrow == wide
    images[3] += bytes(5_000)
    images[5] = jpeg(draw(look(0), view=1, size=49))
    uri = catalogue(tmp_path / "c.parquet", image=images)
    assert main(["--gallery", uri, *given, *tight, "--report", str(tmp_path / "beyond")]) == 0
    assert metrics(tmp_path / "beyond")["rejected"] == {"too_large": 1, "too_many_pixels": 1}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--label", "material"], "no row says material"),
        (["--label", "shop"], "fewer than two classes of shop"),
        (["--label", "serial"], "no query shares its serial"),
        (["--gallery_split", "train", "--query_split", "test"], "no picture for the queries"),
        (["--gallery_split", "train", "--query_split", "x", "--split_column", "part"], "no row says part"),
        (["--held_out", "0.000001"], "no picture for the queries"),
        (["--models", "magic.pth"], "cannot read model.weights magic.pth"),
        (["--models", "0123456789ab"], "model 0123456789ab is not in"),
    ],
)
def test_what_cannot_be_judged_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], told: str
) -> None:
    serials = [str(n) for n in range(30)]
    uri = catalogue(tmp_path / "c.parquet", shop=["one"] * 30, serial=serials)
    models = () if "--models" in arguments else COLOURS
    assert main(["--gallery", uri, *models, *arguments, "--report", str(tmp_path / "out")]) == 1
    assert told in last_line(capsys)
    assert not (tmp_path / "out" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--gallery", "c", "--gallery_split", "train"], "give gallery_split and query_split together"),
        (["--gallery", "c", "--gallery_split", "a", "--query_split", "a"], "are the same part"),
        (["--gallery", "c", "--collection", "--queries", "q"], "collection takes queries, and neither gallery"),
        (["--collection"], "collection takes queries"),
        (["--collection", "--queries", "q", "--models", "histogram"], "neither gallery nor models"),
        (["--collection", "--queries", "q", "--gallery_split", "a"], "searched whole: drop gallery_split"),
        (["--queries", "q"], "queries need something to search"),
        (["--gallery", "c", "--held_out", "1"], "held_out"),
        (["--gallery", "c", "--robust", "-1"], "robust"),
    ],
)
def test_contradictions_are_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(arguments) == 2
    assert told in last_line(capsys)


def embedded(embedder: Embedder, pictures: Sequence[bytes]) -> Vectors:
    return np.concatenate([batch.vectors for batch in embedder.embed(enumerate(pictures))])


def serve(milvus: Milvus, embedder: Embedder, numbers: Sequence[int]) -> None:
    """Serve products as a reindex would."""
    facts = Facts(alias=milvus.alias, run="a", model_id=embedder.model_id, dim=embedder.dim, as_of="2026-11-21")
    with connect(milvus) as store:
        made = collections.create(store, facts)
        vectors = embedded(embedder, [picture(n) for n in numbers])
        stated = []
        for n, vector in zip(numbers, vectors, strict=True):
            product = Product(f"p{n}", version=1, title=f"Title {n}", category=f"Look {n % LOOKS}")
            row, _ = rows.row(product, 0, sha256=sha256(picture(n)).hexdigest(), uri="", event_us=0, indexed_us=0)
            stated.append({**row, schema.VECTOR: vector})
        store.insert(made.name, stated)
        store.prepare(made.name)
        collections.swap(store, milvus.alias, made.name)


def published(place: Path) -> Embedder:
    """A small model in the store of these work files."""
    weights = resolve(Model(weights="random:5", image_size=32, dim=24))
    publish(weights, str(place / "models"))
    return named(Settings(work=str(place)), weights.spec.model_id)[0]


def judge_collection(milvus: Milvus, given: Sequence[str], place: Path) -> None:
    """What is served is judged exactly as its pictures would be, and its index beside it."""
    embedder = published(place)
    serve(milvus, embedder, range(10, 30))
    queries = catalogue(place / "q.parquet", products=10)
    common = ["--queries", queries, "--robust", "0", "--resamples", "0", "--work", str(place)]
    assert main(["--collection", *given, *common, "--report", str(place / "served")]) == 0
    gallery = catalogue(place / "c.parquet", products=20, first=10)
    assert (
        main(["--gallery", gallery, "--models", embedder.model_id, *common, "--report", str(place / "embedded")]) == 0
    )
    (served,), (same,) = (metrics(place / name)["models"].values() for name in ("served", "embedded"))
    assert served["model_id"] == same["model_id"]
    assert served["labels"]["category"]["overall"] == pytest.approx(same["labels"]["category"]["overall"], abs=1e-3)
    assert served["speed"]["index_recall@10"] == 1
    assert "index_recall@10" not in same["speed"]
    part = ["--collection", *given, *common, "--query_split", "validation", "--report", str(place / "part")]
    assert main(part) == 0
    assert metrics(place / "part")["queries"] == 4


def test_a_served_collection_is_judged_as_its_pictures_are_and_its_index_beside_it(tmp_path: Path) -> None:
    uri = str(tmp_path / "shop.db")
    judge_collection(Milvus(uri=uri), ["--milvus.uri", uri], tmp_path)


def test_a_picture_that_is_served_is_no_answer_to_itself(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    uri, queries = str(tmp_path / "shop.db"), catalogue(tmp_path / "q.parquet", products=6)
    serve(Milvus(uri=uri), published(tmp_path), range(6))
    given = ["--collection", "--queries", queries, "--milvus.uri", uri, "--work", str(tmp_path)]
    assert main([*given, "--label", "product_id"]) == 1
    assert "no query shares its product_id with another picture in the gallery" in last_line(capsys)


def test_a_collection_of_a_real_server_too(on_server: Milvus, tmp_path: Path) -> None:
    milvus = on_server.model_copy(update={"alias": "judged"})
    given = ["--milvus.uri", milvus.uri, "--milvus.token_file", str(milvus.token_file), "--milvus.alias", "judged"]
    judge_collection(milvus, given, tmp_path)


def test_a_collection_whose_model_is_nowhere_or_an_alias_of_nothing_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    uri, queries = str(tmp_path / "shop.db"), catalogue(tmp_path / "q.parquet", products=4)
    given = ["--collection", "--queries", queries, "--milvus.uri", uri, "--work", str(tmp_path)]
    assert main(given) == 1
    assert "there is no database" in last_line(capsys)
    histogram, _ = named(Settings(), "histogram")
    serve(Milvus(uri=uri), histogram, range(4))
    assert main(given) == 1
    assert "model hsv-8x4x4 is not in the model store" in last_line(capsys)
    assert main([*given, "--milvus.alias", "others"]) == 1
    assert "alias others serves nothing" in last_line(capsys)
