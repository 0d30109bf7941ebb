import pytest

from vitrine.errors import BadInput
from vitrine.index.bulk.versions import loses_deletes, parse, written


@pytest.mark.parametrize(
    ("text", "version"), [("v2.3.5-lite", (2, 3, 5)), ("2.6.16", (2, 6, 16)), ("v2.6.2-dev+1", (2, 6, 2))]
)
def test_a_version_is_read_from_what_a_server_calls_itself(text, version):
    assert parse(text) == version
    assert written(version) in text


@pytest.mark.parametrize("text", ["", "master-20261101", "Zilliz Cloud (compatible with Milvus 2.6)"])
def test_a_server_without_a_version_is_quoted(text):
    with pytest.raises(BadInput, match="calls its version"):
        parse(text)


@pytest.mark.parametrize("version", ["2.4.0", "2.5.17", "2.5.30", "2.6.0", "2.6.15"])
def test_versions_that_lose_deletes_of_imported_rows_are_known(version):
    assert loses_deletes(parse(version))


@pytest.mark.parametrize("version", ["2.3.5", "2.3.21", "2.6.16", "2.6.20", "3.0.0"])
def test_other_versions_are_left_to_the_probe(version):
    assert not loses_deletes(parse(version))
