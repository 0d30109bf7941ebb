"""Address, token and certificates of the gRPC side, and which importer a version leads to."""

import base64
import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import trustme
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

from vitrine.errors import BadInput
from vitrine.index.bulk.importer import open_importer
from vitrine.settings import Milvus


class Server(milvus_pb2_grpc.MilvusServiceServicer):
    """Says its version to who has the token."""

    version = "v2.6.16"

    def GetVersion(self, request, context):  # noqa: N802
        told = dict(context.invocation_metadata()).get("authorization", "")
        if base64.b64decode(told) != b"root:secret":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure")
        return milvus_pb2.GetVersionResponse(version=self.version)


@pytest.fixture
def served(tmp_path):
    """A server with a certificate for milvus.shop, and the settings that reach it."""
    authority = trustme.CA()
    own = authority.issue_cert("milvus.shop")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    credentials = grpc.ssl_server_credentials([(own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())])
    servicer = Server()
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(servicer, server)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        given = {"uri": f"https://127.0.0.1:{port}", "token": "root:secret", "timeout_s": 20}
        yield servicer, given | {"ca_file": tmp_path / "ca.pem", "server_name": "milvus.shop"}
        server.stop(None).wait()


@pytest.mark.parametrize(("text", "files_per_job"), [("v2.3.5-lite", 1), ("v2.4.0", 1024), ("v2.6.16", 1024)])
def test_the_version_decides_how_jobs_are_asked_for(served, text, files_per_job):
    servicer, settings = served
    servicer.version = text

    with open_importer(Milvus(**settings)) as importer:
        assert importer.files_per_job == files_per_job


def test_an_address_of_ip_version_6_is_reached():
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(Server(), server)
        port = server.add_insecure_port("[::1]:0")
        server.start()
        with open_importer(Milvus(uri=f"http://[::1]:{port}", token="root:secret", timeout_s=20)) as importer:
            assert importer.files_per_job == 1024
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"token": "root:wrong"}, "check milvus.token"),
        ({"token": None}, "check milvus.token"),
        ({"server_name": ""}, "its certificate is not trusted"),
        ({"ca_file": None, "server_name": "milvus.shop"}, "its certificate is not trusted"),
    ],
)
def test_who_is_not_trusted_is_told_in_one_line(served, change, text):
    with pytest.raises(BadInput, match=text) as refused, open_importer(Milvus(**served[1] | change)):
        pass
    assert "\n" not in str(refused.value)
    assert "wrong" not in str(refused.value)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path):
    absent = Milvus(uri="https://milvus", ca_file=tmp_path / "absent.pem")

    with (
        pytest.raises(BadInput, match=r"^cannot read milvus\.ca_file .*absent\.pem: No such file"),
        open_importer(absent),
    ):
        pass
