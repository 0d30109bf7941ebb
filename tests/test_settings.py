import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vitrine.errors import BadInput
from vitrine.flags import walk
from vitrine.settings import Features, Milvus, Model, Settings

SECRET = "geheim-4711"


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in walk(Settings) if not (field.description or "").endswith(".")] == []


def test_settings_cannot_be_changed_once_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().work = "elsewhere"  # type: ignore[misc]


def test_an_unknown_key_is_refused_at_every_depth() -> None:
    with pytest.raises(ValidationError, match="alias_name"):
        Milvus(alias_name="products")  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="catalogue"):
        Settings(catalogue=["a"])  # type: ignore[call-arg]


def test_a_token_shows_in_no_text_of_the_settings() -> None:
    settings = Settings(milvus=Milvus(token=SECRET))  # type: ignore[arg-type]
    shown = [repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()]
    assert not [text for text in shown if SECRET in text]
    assert settings.milvus.secret() == SECRET


@pytest.mark.parametrize("stated", [{"token": [SECRET]}, {"tokn": SECRET}, {"token": SECRET, "token_file": "f"}])
def test_a_token_that_is_refused_is_not_repeated_in_the_error(stated: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(milvus=stated)  # type: ignore[arg-type]
    assert SECRET not in str(refused.value)


def test_a_token_is_read_from_its_file_without_the_line_end(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    assert Milvus(token_file=tmp_path / "token").secret() == SECRET
    assert Milvus().secret() == ""


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(BadInput, match=r"milvus\.token_file .*/token"):
        Milvus(token_file=tmp_path / "token").secret()


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValidationError, match="must not hold a password") as refused:
        Milvus(uri=f"https://root:{SECRET}@milvus:19530")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("stated", "trouble"),
    [
        ({"uri": "ftp://milvus"}, "uri must be a path, http:// or https://"),
        ({"uri": "http://milvus:19530", "ca_file": "ca.pem"}, "are for an https:// uri"),
        ({"uri": "http://milvus:19530", "server_name": "milvus"}, "are for an https:// uri"),
        ({"uri": "https://milvus", "client_key_file": "own.key"}, "go together"),
        ({"uri": "https://milvus", "client_key_file": "own.key", "client_certificate_file": "own.pem"}, "go together"),
    ],
)
def test_certificates_that_would_not_be_used_are_refused(stated: dict[str, str], trouble: str) -> None:
    with pytest.raises(ValidationError, match=trouble):
        Milvus.model_validate(stated)


@pytest.mark.parametrize(
    ("uri", "lite"), [("shop.db", True), ("/data/shop.db", True), ("http://a:19530", False), ("https://a", False)]
)
def test_a_path_is_milvus_lite(uri: str, lite: bool) -> None:
    assert Milvus(uri=uri).is_lite is lite


@pytest.mark.parametrize("alias", ["", "a-b", "ä", "a b", "a/b", "_", "1a", "a" * 101])
def test_an_alias_that_cannot_name_collections_is_refused(alias: str) -> None:
    with pytest.raises(ValidationError, match="alias"):
        Milvus(alias=alias)


@given(st.from_regex(r"[A-Za-z_][A-Za-z0-9]{1,20}", fullmatch=True))
def test_an_alias_of_letters_digits_and_underscores_passes(alias: str) -> None:
    assert Milvus(alias=alias).alias == alias


def test_a_run_may_begin_with_a_digit() -> None:
    assert Settings(run="20261120t0300").run == "20261120t0300"


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "CPU", "", "cuda:0,1"])
def test_a_device_that_does_not_exist_is_refused(device: str) -> None:
    with pytest.raises(ValidationError, match="device"):
        Model(device=device)


def test_an_empty_work_directory_is_refused() -> None:
    with pytest.raises(ValidationError, match="work"):
        Settings(work="")


@pytest.mark.parametrize(
    ("work", "features", "models"),
    [
        ("w", "w/features", "w/models"),
        ("w/", "w/features", "w/models"),
        ("s3://b/w", "s3://b/w/features", "s3://b/w/models"),
    ],
)
def test_stores_are_inside_the_work_directory_by_default(work: str, features: str, models: str) -> None:
    settings = Settings(work=work)
    assert (settings.features_uri, settings.model_store_uri) == (features, models)


def test_stores_can_be_elsewhere() -> None:
    settings = Settings(features=Features(uri="/f"), model=Model(store="/m"))
    assert (settings.features_uri, settings.model_store_uri) == ("/f", "/m")


def test_settings_travel_to_other_processes() -> None:
    settings = Settings(catalog=["a"], spark={"master": "local[1]"})
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert json.loads(settings.model_dump_json())["spark"] == {"master": "local[1]"}
