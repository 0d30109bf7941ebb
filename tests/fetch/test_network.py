"""Where connections lead: names, addresses, certificates."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from vitrine.fetch import Fetcher
from vitrine.fetch.network import is_public, resolve
from vitrine.product import Reason

pytestmark = pytest.mark.timeout(30)

NOWHERE = "2e00::1"
"""Public by its number, and of a block that nobody has."""


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:93.184.216.34",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::93.184.216.34",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_special_addresses_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_addresses_of_the_internet_are_public(text: str) -> None:
    assert is_public(ip_address(text))


def test_a_name_has_all_its_addresses_once() -> None:
    assert set(resolve("localhost", 443)) <= {"127.0.0.1", "::1"}
    assert resolve("127.0.0.1", 443) == ["127.0.0.1"]


def test_a_private_address_is_refused_unless_the_host_is_ones_own(serve, fetcher, reply, reject) -> None:
    server = serve({"*": reply(b"picture")})
    assert fetcher(server).read(server.uri()) == b"picture"
    error = reject(fetcher(server, private_hosts=["other.test"]), server.uri())
    assert error.reason == Reason.FORBIDDEN_ADDRESS
    assert "127.0.0.1" in error.detail
    assert "pictures.private_hosts" in error.detail
    assert len(server.seen) == server.connections == 1


@pytest.mark.parametrize("ip", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1"])
def test_ones_own_host_is_never_where_clouds_keep_secrets(serve, fetcher, reply, reject, ip) -> None:
    server = serve({"*": reply(b"picture")})
    assert reject(fetcher(server, ips=[ip]), server.uri()).reason == Reason.FORBIDDEN_ADDRESS


@pytest.mark.parametrize("ips", [[NOWHERE, "127.0.0.1"], ["127.0.0.1", NOWHERE]])
def test_a_name_with_a_public_and_a_private_address_is_refused(serve, fetcher, reply, reject, ips) -> None:
    server = serve({"*": reply(b"picture")})
    shop = fetcher(server, ips=ips, private_hosts=[])
    assert reject(shop, server.uri()).reason == Reason.FORBIDDEN_ADDRESS
    assert server.connections == 0


class Changing:
    """A resolver that gives one list of addresses after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0)


def test_what_is_checked_is_what_is_connected_to(serve, fetcher, reply, reject) -> None:
    """A name that is public when it is checked, and private when it is asked for once more."""
    server = serve({"*": reply(b"picture")})
    names = Changing([NOWHERE], ["127.0.0.1"])
    shop = fetcher(server, ips=names, private_hosts=[], fetch_timeout_s=1)
    assert reject(shop, server.uri()).reason == Reason.FETCH_FAILED
    assert names.asked == [("shop.test", server.port)]
    assert reject(shop, server.uri()).reason == Reason.FORBIDDEN_ADDRESS
    assert server.connections == 0


def test_every_new_connection_is_checked_anew(serve, fetcher, reply, reject) -> None:
    server = serve({"/pics/last": reply(b"picture", connection="close"), "*": reply(b"picture")})
    names = Changing(["127.0.0.1"], ["169.254.169.254"])
    shop = fetcher(server, ips=names)
    for path in ("/pics/a", "/pics/b", "/pics/last"):
        assert shop.read(server.uri(path)) == b"picture"
    assert len(names.asked) == 1
    assert reject(shop, server.uri("/pics/a")).reason == Reason.FORBIDDEN_ADDRESS
    assert (len(names.asked), server.connections) == (2, 1)


def test_a_redirect_to_a_private_address_is_refused(serve, fetcher, reply, reject) -> None:
    server = serve({"*": reply(b"secret")})
    inner = f"https://inner.test:{server.port}/"
    server.answers["/pics/to"] = reply(b"", "302 Found", location=inner)
    shop = fetcher(server, prefixes=[server.uri("/pics/"), inner])
    error = reject(shop, server.uri("/pics/to"))
    assert (error.reason, "inner.test" in error.detail) == (Reason.FORBIDDEN_ADDRESS, True)
    assert server.targets() == ["/pics/to"]


def test_the_next_address_of_a_name_is_tried(serve, fetcher, reply) -> None:
    server = serve({"*": reply(b"picture")})
    assert fetcher(server, ips=["127.0.0.2", "127.0.0.1"]).read(server.uri()) == b"picture"


def test_a_name_that_leads_nowhere_has_failed(serve, fetcher, reply, reject) -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    server = serve({"*": reply(b"picture")})
    error = reject(fetcher(server, ips=unknown), server.uri())
    assert (error.reason, "shop.test leads nowhere" in error.detail) == (Reason.FETCH_FAILED, True)
    assert reject(fetcher(server, ips=[]), server.uri()).reason == Reason.FETCH_FAILED


def test_a_server_that_is_not_there_has_failed(serve, fetcher, reject) -> None:
    server = serve({})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"https://shop.test:{taken.getsockname()[1]}/"
        error = reject(fetcher(server, prefixes=[closed]), f"{closed}a.jpg")
    assert (error.reason, "refused" in error.detail) == (Reason.FETCH_FAILED, True)


def test_a_server_that_accepts_and_says_nothing_ends_at_the_deadline(serve, fetcher, reject) -> None:
    server = serve({})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"https://shop.test:{silent.getsockname()[1]}/"
        assert reject(fetcher(server, prefixes=[place], fetch_timeout_s=0.5), place).reason == Reason.FETCH_FAILED


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6_works_by_name_and_by_number(serve, fetcher, reply) -> None:
    try:
        server = serve({"*": reply(b"picture")}, ip="::1")
    except OSError:
        pytest.skip("this machine has no ::1")
    assert fetcher(server, ips=["::1"]).read(server.uri()) == b"picture"
    place = f"https://[::1]:{server.port}/"
    shop = fetcher(server, ips=resolve, prefixes=[place], private_hosts=["::1"])
    assert shop.read(f"https://[0:0:0:0:0:0:0:1]:{server.port}/a.jpg") == b"picture"
    assert [seen.headers["host"] for seen in server.seen] == [f"shop.test:{server.port}", f"[::1]:{server.port}"]


def test_a_number_is_as_private_as_a_name(serve, fetcher, reply, reject) -> None:
    server = serve({"*": reply(b"picture")})
    place = f"https://127.0.0.1:{server.port}/"
    assert reject(fetcher(server, ips=resolve, prefixes=[place]), place).reason == Reason.FORBIDDEN_ADDRESS
    assert fetcher(server, ips=resolve, prefixes=[place], private_hosts=["127.0.0.1"]).read(place) == b"picture"


@pytest.mark.parametrize("fault", ["another name", "expired", "another authority", "no TLS"])
def test_a_server_that_cannot_prove_its_name_is_not_asked(serve, fetcher, reply, reject, authority, fault) -> None:
    import trustme

    yesterday = datetime.now(UTC) - timedelta(days=1)
    server = serve(
        {"*": reply(b"picture")},
        certificate={
            "another name": lambda: authority.issue_cert("evil.test"),
            "expired": lambda: authority.issue_cert("shop.test", not_after=yesterday),
            "another authority": lambda: trustme.CA().issue_cert("shop.test"),
            "no TLS": lambda: authority.issue_cert("shop.test"),
        }[fault](),
    )
    if fault == "no TLS":
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate no handshake ends well
    error = reject(fetcher(server, fetch_attempts=2), server.uri())
    assert error.reason == Reason.FETCH_FAILED
    assert ("certificate" in error.detail) == (fault != "no TLS")
    assert (server.seen, server.connections) == ([], 2 if fault == "no TLS" else 1)


def test_proxies_of_the_environment_are_not_asked(serve, fetcher, reply, monkeypatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = serve({"*": reply(b"picture")})
    shop: Fetcher = fetcher(server)
    assert shop.read(server.uri()) == b"picture"
