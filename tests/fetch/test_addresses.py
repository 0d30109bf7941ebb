import pytest

from vitrine.errors import BadInput, BadRecord, BadSettings
from vitrine.fetch import Fetcher, check, shared
from vitrine.fetch.addresses import address, prefix
from vitrine.product import Reason
from vitrine.settings import Pictures


@pytest.mark.parametrize(
    "uri",
    [
        "a.jpg",
        "pics/a.jpg",
        "file://host/pics/a.jpg",
        "file://a.jpg",
        "file:///pics/a.jpg?x",
        "http://shop.example/a.jpg",
        "ftp://shop.example/a.jpg",
        "data:image/png;base64,AAAA",
        "s3a://bucket/a.jpg",
        "s3:///pics/a.jpg",
        "s3://bucket",
        "s3://bucket/",
        "s3://bucket/pics/",
        "s3://bucket/pics//a.jpg",
        "s3://bucket/pics/./a.jpg",
        "s3://bucket/pics/../a.jpg",
        "s3://bucket/pics/%2e%2e/a.jpg",
        "s3://bucket/pics/a.jpg?endpoint_override=http://evil.example",
        "s3://bucket/pics/a.jpg#x",
        "s3://key:s3cr3t@bucket/pics/a.jpg",
        "https://key:s3cr3t@shop.example/a.jpg",
        "://",
    ],
)
def test_what_is_no_address_is_forbidden(uri: str) -> None:
    with pytest.raises(BadRecord) as caught:
        address(uri)
    assert caught.value.reason == Reason.FORBIDDEN_ADDRESS
    assert "s3cr3t" not in caught.value.detail


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pics",
        "file://host/pics",
        "file:///pics?region=x",
        "http://shop.example/",
        "https://",
        "https://user@shop.example/",
        "https://shop.example/?x=1",
        "https://shop.example/a/../",
        "https://bücher.example/",
        "https://*.shop.example/",
        "s3://",
        "s3://bucket/?access_key=x",
        "hdfs://name/pics",
    ],
)
def test_a_prefix_that_is_none_is_a_mistake_in_the_settings(text: str) -> None:
    with pytest.raises(BadSettings, match=r"^pictures\.prefixes: "):
        check(Pictures(prefixes=[text]))


def test_credentials_in_a_prefix_are_refused_and_not_repeated() -> None:
    for text in (
        "s3://key:s3cr3t@bucket/pics/",
        "https://key:s3cr3t@shop.example/",
        "https://key:s3/cr3t@shop.example",
    ):
        with pytest.raises(BadSettings) as caught:
            check(Pictures(prefixes=[text]))
        assert "s3cr3t" not in str(caught.value)
        assert "cr3t" not in str(caught.value)


def test_good_prefixes_pass() -> None:
    for text in ("/data/pics", "file:///data/pics/", "s3://bucket", "s3://bucket/a?region=eu-1", "https://cdn.example"):
        check(Pictures(prefixes=[text]))
        assert prefix(text).path.endswith("/")


def test_a_file_without_certificates_is_named(tmp_path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for place in (tmp_path / "none.pem", empty, tmp_path):
        with pytest.raises(BadInput, match=r"pictures\.ca_file .*: "):
            check(Pictures(ca_file=place))


def test_without_prefixes_every_address_is_refused_and_the_setting_named() -> None:
    for uri in ("/pics/a.jpg", "s3://bucket/a.jpg", "https://shop.example/a.jpg"):
        with pytest.raises(BadRecord, match=r"forbidden_address: .*pictures\.prefixes is empty"):
            Fetcher(Pictures()).read(uri)


def test_an_empty_address_is_missing() -> None:
    with pytest.raises(BadRecord, match="missing"):
        Fetcher(Pictures(prefixes=["/pics"])).read("")


def test_a_process_has_one_fetcher_for_equal_limits() -> None:
    limits = Pictures(prefixes=["/pics"])
    assert shared(limits) is shared(limits.model_copy()) is not shared(Pictures(prefixes=["/other"]))
