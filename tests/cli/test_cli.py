"""The operator's tool, on a small shop in Milvus Lite with the bundled model."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.milvus import Server
from vitrine import __version__
from vitrine.cli import main
from vitrine.index import collections, schema
from vitrine.index.collections import Facts
from vitrine.index.load import finish
from vitrine.index.rows import row
from vitrine.index.store import connect
from vitrine.product import Product
from vitrine.rendering import draw, jpeg, look
from vitrine.settings import Milvus, Model, Pictures
from vitrine.vision.engine import engine_of
from vitrine.vision.training import shipping
from vitrine.vision.weights import resolve

PRODUCTS = 6


def picture(number: int, *, view: int = 0) -> bytes:
    return jpeg(draw(look(number), view=view))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with shop.db, where the alias `products` has served two collections."""
    place = tmp_path_factory.mktemp("shop")
    spec = resolve(Model()).spec
    engine = engine_of(spec.model_id, None, Pictures(), "cpu")
    batch = next(iter(engine.embed((f"P{number}", picture(number)) for number in range(PRODUCTS))))
    with connect(Milvus(uri=str(place / "shop.db"))) as store:
        for run in ("monday", "tuesday"):
            facts = Facts("products", run, spec.model_id, spec.dim, "2026-11-20T03:00:00+00:00")
            made = collections.create(store, facts)
            for key, vector in zip(batch.keys, batch.vectors, strict=True):
                product = Product(key, title=f"Titel 标题 {key}", category="Toys", price=9.5)
                built, _ = row(product, 0, sha256="0" * 64, uri="", event_us=0, indexed_us=0)
                store.insert(made.name, [{**built, schema.VECTOR: vector}])
            finish(store, made.ledger)
            finish(store, made.name)
            collections.swap(store, "products", made.name)
    return place


class Tool:
    """Runs `vitrine` in the shop's directory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["vitrine", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return int(ended.value.code or 0), out, err


@pytest.fixture
def vitrine(shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tool:
    monkeypatch.chdir(shop)
    monkeypatch.setenv("VITRINE_MILVUS__URI", "shop.db")
    return Tool(monkeypatch, capsys)


def test_a_new_view_of_a_product_finds_it_first(vitrine: Tool, shop: Path) -> None:
    (shop / "photo.jpg").write_bytes(picture(3, view=2))
    code, out, _ = vitrine("search", "photo.jpg", "-k", "2")
    assert code == 0
    assert out.splitlines()[0].split()[1] == "P3"
    assert len(out.splitlines()) == 2


def test_json_is_one_object_a_product(vitrine: Tool) -> None:
    code, out, _ = vitrine("search", "--id", "P1", "-k", "3", "--json")
    hits = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert len(hits) == 3
    assert "P1" not in {hit["product_id"] for hit in hits}
    assert hits[0]["title"].startswith("Titel 标题")


def test_the_columns_of_a_chinese_title_line_up_with_those_of_an_english_one(vitrine: Tool) -> None:
    _, out, _ = vitrine("search", "--id", "P1")
    assert {line.index("9.50") for line in out.splitlines()} == {out.splitlines()[0].index("9.50")}


def test_a_filter_is_handed_to_milvus(vitrine: Tool) -> None:
    code, out, _ = vitrine("search", "--id", "P1", "--filter", 'product_id == "P4"')
    assert (code, [line.split()[1] for line in out.splitlines()]) == (0, ["P4"])


def test_an_answer_can_be_a_page(vitrine: Tool, shop: Path) -> None:
    (shop / "photo.jpg").write_bytes(picture(2))
    code, _, _ = vitrine("search", "photo.jpg", "--html", "answer.html")
    page = (shop / "answer.html").read_text(encoding="utf-8")
    assert code == 0
    assert page.count("data:image/") >= 1
    assert "Titel 标题 P2" in page


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["search", "--id", "nope"], 1, "vitrine: products has no product 'nope'\n"),
        (["search", "absent.jpg"], 1, "vitrine: cannot read the picture absent.jpg: No such file or directory\n"),
        (["status", "--milvus.alias=other"], 0, ""),
        (["rollback", "--milvus.alias=other"], 1, "vitrine: alias other has no earlier collection to go back to\n"),
        (
            ["status", "--milvus.uri=absent.db"],
            1,
            "vitrine: there is no database absent.db: run jobs/reindex.py first, or name another milvus.uri\n",
        ),
        (["status", "--config=absent.toml"], 2, "vitrine: there is no settings file absent.toml\n"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(vitrine: Tool, arguments: list[str], code: int, complaint: str) -> None:
    found, _, err = vitrine(*arguments)
    assert (found, err) == (code, complaint)


@pytest.mark.parametrize("arguments", [["search"], ["search", "a.jpg", "--id", "x"], ["search", "-k", "0"], ["fly"]])
def test_wrong_usage_is_exit_code_two(vitrine: Tool, arguments: list[str]) -> None:
    assert vitrine(*arguments)[0] == 2


def test_a_picture_that_cannot_be_used_is_an_error_with_its_reason(vitrine: Tool, shop: Path) -> None:
    (shop / "note.txt").write_text("not a picture")
    code, _, err = vitrine("search", "note.txt")
    assert code == 1
    assert err.startswith("vitrine: unsupported_format")


def test_status_and_rollback_go_together(vitrine: Tool) -> None:
    assert "serves      products__tuesday" in vitrine("status")[1]
    assert vitrine("rollback") == (0, "products serves products__monday again\n", "")
    code, out, _ = vitrine("status")
    assert code == 0
    assert "serves      products__monday" in out
    assert f"rows        {PRODUCTS}" in out
    assert vitrine("rollback")[0] == 1


def test_doctor_names_each_part_and_the_licence_of_the_weights(vitrine: Tool) -> None:
    code, out, _ = vitrine("doctor")
    parts = [line.split()[1] for line in out.splitlines()]
    assert code == 0
    assert parts == ["python", "java", "spark", "torch", "weights", "licence", "milvus", "load", "disk"]
    assert "LICENSE.weights.md" in out
    assert "insert: Milvus Lite has no bulk import" in out


def test_doctor_shows_the_terms_of_weights_in_a_file(vitrine: Tool, tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(shipping.file_of(replace(resolve(Model()), notice="for research only")))
    code, out, _ = vitrine("doctor", "--model.weights", str(file))
    assert code == 0
    assert "ok  licence   for research only" in out


def test_doctor_says_which_way_rows_would_come_into_a_server(
    vitrine: Tool, milvus_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINE_MILVUS__TOKEN_FILE", str(milvus_server.token_file))
    monkeypatch.setenv("VITRINE_MILVUS__IMPORT_URI", str(tmp_path))
    code, out, _ = vitrine("doctor", "--milvus.uri", milvus_server.uri)
    assert code == 0
    assert [line.split(maxsplit=2)[2] for line in out.splitlines() if line.split()[1] == "load"] == [
        "import: the probe passed on Milvus 2.3.5"
    ]
    assert f"Milvus 2.3.5-lite at {milvus_server.uri}: no alias products yet" in out


def test_doctor_gives_the_cure_of_what_is_wrong(vitrine: Tool, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "occupied").write_text("a file")
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    monkeypatch.setenv("VITRINE_MODEL__WEIGHTS", "absent.safetensors")
    monkeypatch.setenv("VITRINE_WORK", "occupied/work")
    code, out, _ = vitrine("doctor")
    bad = {line.split()[1]: line for line in out.splitlines() if line.startswith("BAD")}
    assert code == 1
    assert "apt-get install openjdk-17-jre-headless" in bad["java"]
    assert "cannot read model.weights absent.safetensors" in bad["weights"]
    assert "set work to a writable directory" in bad["disk"]


def test_the_version_is_printed(vitrine: Tool) -> None:
    assert vitrine("--version") == (0, f"vitrine {__version__}\n", "")


@pytest.mark.parametrize("command", ["search", "status", "rollback", "doctor"])
def test_every_command_explains_itself(vitrine: Tool, command: str) -> None:
    code, out, _ = vitrine(command, "--help")
    assert code == 0
    assert "--milvus.uri" in out
