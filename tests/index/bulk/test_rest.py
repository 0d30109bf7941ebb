"""REST import against a stand-in: no Milvus from 2.4 on was at hand."""

import ssl

import pytest
import trustme

from tests.index.bulk.stand_in import TOKEN, Stand, serving
from vitrine.errors import BadInput, Unavailable
from vitrine.index.bulk import connections
from vitrine.index.bulk.importer import Phase
from vitrine.index.bulk.loading import submit
from vitrine.index.bulk.over_rest import RestImporter
from vitrine.index.bulk.watching import see_through
from vitrine.settings import Milvus
from vitrine.storage import directory

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def paths(stand, stage, unit):
    """Two files of the bucket, of three rows and of two."""
    vectors = unit(5)
    made = stage({f"a/{i}": vectors[i] for i in range(3)}, {f"b/{i}": vectors[i] for i in range(2)})
    stand.bucket.mkdir()
    for number, file in enumerate(made):
        (stand.bucket / f"{number}.parquet").hardlink_to(file)
    return ["0.parquet", "1.parquet"]


def loaded(importer, paths, collection="shop__1", **settings):
    job = importer.submit(collection, paths)
    return see_through(importer, [job], Milvus(**settings), collection=collection)


def test_files_of_a_job_are_sent_as_a_list_of_lists(stand, over_http, paths):
    assert loaded(over_http(), paths) == 5
    assert stand.created == [{"collectionName": "shop__1", "files": [["0.parquet"], ["1.parquet"]]}]


def test_a_job_is_pending_then_importing_then_done(over_http, paths):
    importer = over_http()
    job = importer.submit("shop__1", paths)

    states = [importer.state(job) for _ in range(3)]

    assert [(state.phase, state.rows, state.percent) for state in states] == [
        (Phase.PENDING, 0, 0),
        (Phase.IMPORTING, 2, 50),
        (Phase.DONE, 5, 100),
    ]


def test_as_many_files_go_into_a_job_as_milvus_takes(stand, over_http, tmp_path):
    jobs = submit(over_http(), "shop__1", [f"{i}.parquet" for i in range(1025)], journal=directory(str(tmp_path / "j")))

    assert [len(job["files"]) for job in stand.created] == [1024, 1]
    assert jobs == ["1", "2"]


def test_a_key_that_is_not_in_the_servers_bucket_fails_the_job(over_http, paths):
    with pytest.raises(BadInput, match=r"^import job 1 into shop__1 failed: 2\.parquet: key does not exist$"):
        loaded(over_http(), [*paths, "2.parquet"])


def test_a_collection_that_is_not_there_is_named(over_http, paths):
    with pytest.raises(BadInput, match=r"^import/create at http://127\S+: collection not found\[collection=nowhere\]$"):
        loaded(over_http(), paths, "nowhere")


def test_a_job_that_the_server_does_not_know_has_failed(over_http):
    state = over_http().state("77")

    assert state.phase is Phase.FAILED
    assert "import job does not exist, jobID=77" in state.reason


@pytest.mark.parametrize("token", [None, "root:wrong"])
def test_a_wrong_token_is_a_wrong_setting_and_is_not_told(over_http, paths, token):
    with pytest.raises(BadInput, match=r"user hasn't authenticated: check milvus\.token ") as refused:
        loaded(over_http(token=token), paths)
    assert "wrong" not in str(refused.value)


def test_a_token_that_became_wrong_does_not_count_as_a_failed_job(over_http):
    with pytest.raises(BadInput, match=r"check milvus\.token "):
        over_http(token="root:wrong").state("1")


@pytest.mark.parametrize("fault", [500, 502, 503, 429, (200, b'{"code": 8, "message": "rate limit exceeded"}')])
def test_a_server_that_is_busy_is_asked_again(stand, over_http, paths, fault):
    importer = over_http()
    job = importer.submit("shop__1", paths)
    stand.faults.extend([fault, fault])

    assert see_through(importer, [job], Milvus(), collection="shop__1") == 5
    assert stand.asked["describe"] == 5


@pytest.mark.parametrize(
    ("fault", "text"), [(502, "HTTP 502"), ((200, b'{"code": 8, "message": "rate limit"}'), "rate limit")]
)
def test_a_job_that_may_have_been_taken_is_not_asked_for_twice(stand, over_http, paths, fault, text):
    stand.faults.append(fault)

    with pytest.raises(Unavailable, match=rf"^import/create at http://127\S+: {text}$"):
        loaded(over_http(), paths)

    assert stand.asked == {"create": 1}


def test_a_server_that_hangs_is_unavailable_after_the_time_out(stand, over_http, paths):
    stand.faults.append("hang")

    with pytest.raises(Unavailable, match=r"^import/create at http://127\S+: timed out$"):
        loaded(over_http(timeout_s=0.2), paths)


def test_a_server_that_is_gone_is_unavailable():
    with connections.client(Milvus(uri="http://127.0.0.1:9")) as client, pytest.raises(Unavailable, match="refused"):
        RestImporter(client, (2, 6, 16)).state("1")


def test_jobs_that_are_held_end_the_wait(stand, over_http, paths):
    stand.held = True

    with pytest.raises(Unavailable, match=r"^import jobs 1 have not moved"):
        loaded(over_http(), paths, import_stall_s=0.1)


@pytest.mark.parametrize(
    "fault", [(200, b"<html>proxy</html>"), (200, b"[]"), (200, b'{"code": "x"}'), (404, b"404 page not found")]
)
def test_what_does_not_answer_as_milvus_does_is_told_in_one_line(stand, over_http, paths, fault):
    stand.faults.append(fault)

    with pytest.raises(BadInput, match=rf"HTTP {fault[0]}, which is no answer of Milvus$"):
        loaded(over_http(), paths)


def test_the_servers_certificate_is_checked(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("milvus.shop").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def asked(**settings):
        place = Milvus(uri=stand.uri, token=TOKEN, **settings)
        with connections.client(place) as client:
            return RestImporter(client, (2, 6, 16), place.server_name).state("1")

    with serving(Stand(tmp_path), context) as stand:
        for wrong in ({}, {"ca_file": tmp_path / "ca.pem"}):
            with pytest.raises(BadInput, match=r"its certificate is not trusted: check milvus\.ca_file"):
                asked(**wrong)
        assert "does not exist" in asked(ca_file=tmp_path / "ca.pem", server_name="milvus.shop").reason


def test_a_client_shows_its_own_certificate(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    own = authority.issue_cert("vitrine")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    files = dict.fromkeys(("client_certificate_file", "client_key_file"), tmp_path / "own.pem")

    with serving(Stand(tmp_path), context) as stand:
        place = Milvus(uri=stand.uri, token=TOKEN, ca_file=tmp_path / "ca.pem", **files)
        with connections.client(place) as client:
            assert "does not exist" in RestImporter(client, (2, 6, 16)).state("1").reason


def test_a_certificate_that_cannot_be_read_is_told_in_one_line(tmp_path):
    with pytest.raises(BadInput, match=r"milvus\.ca_file and its like: No such file or directory$"):
        connections.client(Milvus(uri="https://milvus", ca_file=tmp_path / "absent.pem"))


def test_an_address_without_a_port_means_milvus_own():
    with connections.client(Milvus(uri="http://milvus")) as client:
        assert str(client.base_url) == "http://milvus:19530"
