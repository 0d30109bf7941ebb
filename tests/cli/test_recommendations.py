"""The operator looks after recommendations as after products."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.cli import main
from vitrine.index.publishing import publish_related
from vitrine.index.store import connect
from vitrine.settings import Milvus


@pytest.fixture
def shop(tmp_path: Path) -> Milvus:
    """A database whose alias `related` has served two runs, both empty."""
    milvus = Milvus(uri=str(tmp_path / "shop.db"))
    names = ("product_id", "related_id", "score", "rank", "pair_count", "support", "related_support")
    pq.write_table(pa.table({name: pa.array([], pa.string()) for name in names}), tmp_path / "related.parquet")
    files = [str(tmp_path / "related.parquet")]
    with connect(milvus) as store:
        for run in ("monday", "tuesday"):
            publish_related(
                store, milvus, alias="related", related=files, supports=[], run=run, as_of="2026-11-20T03:00:00+00:00"
            )
    return milvus


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["vitrine", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out + err


def test_what_an_alias_of_recommendations_serves_is_told_and_taken_back(
    shop: Milvus, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = f"--milvus.uri={shop.uri}", "--milvus.alias=related"

    code, out = told(capsys, monkeypatch, "status", *here)
    lines = ["alias       related", "serves      related__tuesday", "rows        0"]
    lines += ["as of       2026-11-20 03:00:00 UTC", "rollback    related__monday"]
    assert (code, out.splitlines()) == (0, lines)

    assert told(capsys, monkeypatch, "rollback", *here) == (0, "related serves related__monday again\n")
    code, out = told(capsys, monkeypatch, "rollback", *here)
    assert (code, out) == (1, "vitrine: alias related has no earlier collection to go back to\n")


def test_a_search_of_recommendations_says_that_they_are_no_products(
    shop: Milvus, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out = told(capsys, monkeypatch, "search", f"--milvus.uri={shop.uri}", "--milvus.alias=related", "--id=bag")

    assert (code, out) == (1, "vitrine: alias related serves related, not products: choose another alias\n")
