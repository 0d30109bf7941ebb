import pytest
from pydantic import ValidationError

from vitrine.errors import Unavailable
from vitrine.index.bulk import choose
from vitrine.settings import Milvus
from vitrine.testing import MemoryStore

SERVER = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("settings", "way"),
    [
        ({"uri": "shop.db", "import_uri": "/imports"}, "insert: Milvus Lite has no bulk import"),
        ({"uri": SERVER}, "insert: milvus.import_uri is not set"),
        ({"uri": SERVER, "import_uri": "/imports", "load": "insert"}, "insert: milvus.load says so"),
    ],
)
def test_what_the_settings_settle_asks_nobody(settings, way):
    assert str(choose(MemoryStore(), Milvus(**settings))) == way


def test_auto_inserts_where_the_import_cannot_be_reached(tmp_path):
    way = choose(MemoryStore(), Milvus(uri=SERVER, import_uri=str(tmp_path), timeout_s=0.5))

    assert way.by == "insert"
    assert way.reason.startswith(f"asking {SERVER} for its version: ")
    assert "\n" not in way.reason


def test_a_wish_to_import_is_not_changed_into_an_insert(tmp_path):
    with pytest.raises(Unavailable, match=f"^asking {SERVER} for its version: "):
        choose(MemoryStore(), Milvus(uri=SERVER, import_uri=str(tmp_path), load="import", timeout_s=0.5))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"uri": "shop.db", "import_uri": "/imports"}, "load is import, but Milvus Lite has no bulk import"),
        ({"uri": SERVER}, "load is import, which needs import_uri"),
    ],
)
def test_an_import_that_cannot_be_is_a_wrong_setting(settings, text):
    with pytest.raises(ValidationError, match=text):
        Milvus(load="import", **settings)


@pytest.mark.parametrize("uri", ["/mnt/imports", "file:///mnt/imports", "s3://bucket", "s3://bucket/imports"])
def test_a_place_that_workers_and_server_may_share_is_taken(uri):
    assert Milvus(import_uri=uri).import_uri == uri


@pytest.mark.parametrize("uri", ["imports", "file://host/imports", "file:imports", "s3://", "https://host/x", ""])
def test_any_other_place_is_refused(uri):
    with pytest.raises(ValidationError, match="import_uri must be an absolute directory"):
        Milvus(import_uri=uri)


@pytest.mark.parametrize("uri", ["s3://key:secret@bucket/x", "s3://bucket/x?endpoint_override=http://host"])
def test_a_place_holds_no_secret_and_no_options(uri):
    with pytest.raises(ValidationError, match="must hold no password and no options") as refused:
        Milvus(import_uri=uri)
    assert "secret" not in str(refused.value)
