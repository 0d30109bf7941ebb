"""Whatever an address says, only the prefixes are reached; seen from the resolver and from the server."""

import posixpath
from collections import Counter
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vitrine.errors import BadRecord

PORT = "PORT"


def often(usual: str, odd: str) -> st.SearchStrategy[str]:
    return st.sampled_from([usual] * 40 + odd.split())


PIECES = often(
    "a.jpg", "red/ é 照片 %20 %2f // ? &x=/pics/ /pics PICS %70ics secret % %zz .. . /../ %2e%2e %2E. ..;x"
) | often("b.jpg", "%252e%252e %5c \\ ; %00 # %0d%0a")
PATHS = st.builds(
    lambda root, pieces: root + "".join(pieces),
    often("/pics/", "/ /pics //pics/ /other/ ../pics/"),
    st.lists(PIECES | st.sampled_from(["\r\n", "\t", " ", "\ud800"]) | st.text(max_size=3), max_size=4),
)
ADDRESSES = PATHS | st.builds(
    lambda *parts: "".join(parts),
    often("https://", "HTTPS:// http:// https:/ https: // file:// s3:// ftp://"),
    often("", "user@ user:word@ shop.test@ shop.test:443@ %40"),
    often(
        "shop.test",
        "SHOP.Test shop.test. shop.test.. ſhop.test shop.test\u3002 shop.test%2eevil.test shop.test.evil.test evil.test"
        " evilshop.test shop.test%00.evil.test shop.test\\.evil.test 127.0.0.1 2130706433 0x7f.1 [::1]",
    ),
    often(f":{PORT}", f":0{PORT} : :443 :99999 :{PORT}@evil.test"),
    PATHS,
)


def is_inside(target: str) -> bool:
    """Whether the most liberal reader of a path stays in /pics/: it decodes twice and takes \\ for /."""
    path = unquote(unquote(target.partition("?")[0])).replace("\\", "/")
    parts = [part.partition(";")[0] for part in path.split("/")]
    return f"{posixpath.normpath('/'.join(parts))}/".replace("//", "/").startswith("/pics/")


@pytest.mark.parametrize("way", ["in the catalogue", "in a redirect"])
def test_no_address_reaches_what_no_prefix_covers(serve, fetcher, reply, way: str) -> None:
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    location = ""

    def redirect(send, _request) -> bool:
        send(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % location.encode("utf-8", "replace"))
        return True

    server = serve({"/pics/to": redirect, "*": reply(b"picture")})
    shop = fetcher(server, ips=resolve, fetch_timeout_s=5)
    outcomes = Counter[str]()

    @settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
    @given(ADDRESSES)
    def holds(text: str) -> None:
        nonlocal location
        location = text.replace(PORT, str(server.port))
        server.seen.clear()
        try:
            outcomes[shop.read(server.uri("/pics/to") if way == "in a redirect" else location).decode()] += 1
        except BadRecord as error:
            outcomes[error.reason if error.detail.isprintable() else "unprintable"] += 1
        assert all(is_inside(target) for target in server.targets())
        assert {request.headers["host"] for request in server.seen} <= {f"shop.test:{server.port}"}

    holds()
    assert set(asked) == {("shop.test", server.port)}
    assert set(server.names) == {"shop.test"}
    assert outcomes["unprintable"] == 0
    assert outcomes["picture"] >= 20
    assert outcomes["forbidden_address"] >= 100
