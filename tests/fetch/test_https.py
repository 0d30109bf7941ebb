"""What web servers answer, and what becomes of it."""

import gzip
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from vitrine.fetch.outages import Outages
from vitrine.product import Reason

pytestmark = pytest.mark.timeout(30)

PICTURE = "/pics/a.jpg"


def in_turn(*answers: bytes):
    """The answers one after another, and the last one again and again."""
    waiting = list(answers)

    def answer(send, _request) -> bool:
        send(waiting.pop(0) if len(waiting) > 1 else waiting[0])
        return True

    return answer


def test_a_picture_is_read_and_its_server_told_who_asks(serve, fetcher, reply) -> None:
    server = serve({PICTURE: reply(b"picture")})
    assert fetcher(server).read(server.uri()) == b"picture"
    (seen,) = server.seen
    assert seen.headers.pop("user-agent").startswith("vitrine/")
    host = f"shop.test:{server.port}"
    assert seen.headers == {"host": host, "accept": "*/*", "accept-encoding": "identity"}
    assert server.names == ["shop.test"]


def test_a_query_is_sent_and_never_shown(serve, fetcher, reply, reject) -> None:
    server = serve({PICTURE: reply(b"picture"), "/pics/gone": reply(b"", "410 Gone")})
    shop = fetcher(server)
    assert shop.read(server.uri(f"{PICTURE}?X-Signature=s3cr3t%2F=")) == b"picture"
    assert server.targets() == [f"{PICTURE}?X-Signature=s3cr3t%2F="]
    for path in ("/pics/gone", "/pics/../x", "/elsewhere", "/pics/a\\b"):
        assert "s3cr3t" not in reject(shop, server.uri(f"{path}?X-Signature=s3cr3t")).detail


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("204 No Content", Reason.FETCH_FAILED),
        ("206 Partial Content", Reason.FETCH_FAILED),
        ("300 Multiple Choices", Reason.FETCH_FAILED),
        ("302 Found", Reason.FETCH_FAILED),
        ("304 Not Modified", Reason.FETCH_FAILED),
        ("400 Bad Request", Reason.FETCH_FAILED),
        ("401 Unauthorized", Reason.FETCH_FAILED),
        ("403 Forbidden", Reason.FETCH_FAILED),
        ("404 Not Found", Reason.MISSING),
        ("410 Gone", Reason.MISSING),
        ("418 I'm a teapot", Reason.FETCH_FAILED),
    ],
)
def test_an_answer_that_is_no_picture_is_not_asked_for_again(serve, fetcher, reply, reject, status, reason) -> None:
    server = serve({PICTURE: reply(b"", status)})
    error = reject(fetcher(server, fetch_attempts=3), server.uri())
    assert (error.reason, error.detail) == (reason, f"{server.uri()}: HTTP {status[:3]}")
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", ["500 Oops", "503 Busy", "429 Too Many Requests"])
def test_a_busy_server_is_asked_again(serve, fetcher, reply, reject, status) -> None:
    server = serve({PICTURE: in_turn(reply(b"", status), reply(b"picture")), "/pics/b": reply(b"", status)})
    shop = fetcher(server, fetch_attempts=2)
    assert shop.read(server.uri()) == b"picture"
    error = reject(shop, server.uri("/pics/b"))
    assert (error.reason, error.detail) == (Reason.FETCH_FAILED, f"{server.uri('/pics/b')}: HTTP {status[:3]}")
    assert server.targets() == [PICTURE, PICTURE, "/pics/b", "/pics/b"]


def test_a_wish_for_a_later_time_is_granted_within_the_deadline_only(serve, fetcher, reply, reject) -> None:
    in_two_seconds = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    server = serve(
        {
            "/pics/soon": in_turn(reply(b"", "429 Busy", retry_after="1"), reply(b"picture")),
            "/pics/date": in_turn(reply(b"", "503 Busy", retry_after=in_two_seconds), reply(b"picture")),
            "/pics/late": reply(b"", "429 Busy", retry_after="3600"),
            "/pics/tomorrow": reply(b"", "429 Busy", retry_after=tomorrow),
            "/pics/odd": in_turn(reply(b"", "429 Busy", retry_after="Mon, soon ²"), reply(b"picture")),
        }
    )
    shop = fetcher(server, fetch_attempts=2)
    for path in ("/pics/soon", "/pics/date", "/pics/odd"):
        assert shop.read(server.uri(path)) == b"picture"
    server.seen.clear()
    for path in ("/pics/late", "/pics/tomorrow"):
        assert reject(shop, server.uri(path)).reason == Reason.FETCH_FAILED
    assert server.targets() == ["/pics/late", "/pics/tomorrow"]


def test_redirects_are_followed_below_the_prefixes_only(serve, fetcher, reply, reject) -> None:
    server = serve({PICTURE: reply(b"picture"), "/other/a.jpg": reply(b"secret")})
    other = serve({"/pics/b.jpg": reply(b"other picture")})
    shop = fetcher(server, prefixes=[server.uri("/pics/"), other.uri("/pics/")])

    def to(location: str, status: str = "302 Found") -> str:
        server.answers["/pics/to"] = reply(b"moved", status, location=location)
        return server.uri("/pics/to")

    for location in (server.uri(), PICTURE, "a.jpg", "./x/../a.jpg", f"//shop.test:{server.port}{PICTURE}"):
        assert shop.read(to(location)) == b"picture"
    assert shop.read(to(other.uri("/pics/b.jpg"), "308 Permanent Redirect")) == b"other picture"
    for location in (
        server.uri("/other/a.jpg"),
        "../other/a.jpg",
        "/pics/%2e%2e/other/a.jpg",
        server.uri().replace("https:", "http:"),
        "file:///etc/passwd",
        "/etc/passwd",
        "s3://bucket/a.jpg",
        "data:image/png;base64,AAAA",
        f"//user:s3cr3t@shop.test:{server.port}{PICTURE}",
        "https://[::1",
        "https://127.0.0.1/pics/a.jpg",
        "\\\\shop.test\\pics\\a.jpg",
    ):
        error = reject(shop, to(location))
        assert error.reason == Reason.FORBIDDEN_ADDRESS, location
        assert "s3cr3t" not in error.detail
    assert "/other/a.jpg" not in server.targets()


def test_at_most_three_redirects_are_followed(serve, fetcher, reply, reject) -> None:
    steps = {f"/pics/{n}": reply(b"", "302 Found", location=f"{n - 1}") for n in range(1, 5)}
    server = serve({**steps, "/pics/0": reply(b"picture"), "/pics/loop": reply(b"", "302 Found", location="loop")})
    shop = fetcher(server)
    assert shop.read(server.uri("/pics/3")) == b"picture"
    assert reject(shop, server.uri("/pics/4")).reason == Reason.FETCH_FAILED
    server.seen.clear()
    assert "redirects" in reject(shop, server.uri("/pics/loop")).detail
    assert len(server.seen) == 4


def test_no_more_bytes_are_read_than_allowed(serve, fetcher, reply, reject) -> None:
    sent: list[int] = []

    def endless(send, _request) -> bool:
        send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in itertools.count():
            sent.append(number)
            send(b"3e8\r\n" + bytes(1_000) + b"\r\n")
        return False

    def until_closed(send, _request) -> bool:
        send(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1_001))
        return False

    declared = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"  # no body: it must not be waited for
    answers = {"/pics/endless": endless, "/pics/declared": declared, "/pics/closed": until_closed}
    server = serve({**answers, PICTURE: reply(bytes(1_000))})
    shop = fetcher(server)
    assert len(shop.read(server.uri())) == 1_000
    for path in answers:
        assert reject(shop, server.uri(path)).reason == Reason.TOO_LARGE


def test_what_is_compressed_is_not_unpacked(serve, fetcher, reply, reject) -> None:
    bomb = gzip.compress(bytes(900_000))
    server = serve({PICTURE: reply(bomb, content_encoding="gzip"), "/pics/b": reply(b"b", content_encoding="identity")})
    shop = fetcher(server)
    error = reject(shop, server.uri())
    assert (error.reason, "gzip" in error.detail) == (Reason.FETCH_FAILED, True)
    assert shop.read(server.uri("/pics/b")) == b"b"


BROKEN = {
    "nothing": b"",
    "garbage": b"\x1b[31m\x00\r\n\r\n",
    "another protocol": b"220 ftp.shop.test\r\n",
    "half a status line": b"HTTP/1.1 2",
    "half the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half the body": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
    "a chunk without a size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab",
    "a word as length": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nab",
    "a length of 5,000 digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\nab",
    "a status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "headers of a megabyte": b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "a hundred thousand headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    "another encoding of chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nab",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_answer_has_failed(serve, fetcher, reject, kind) -> None:
    def answer(send, _request) -> bool:
        send(BROKEN[kind])
        return False

    server = serve({PICTURE: answer})
    assert reject(fetcher(server), server.uri()).reason == Reason.FETCH_FAILED


def drop_by_drop(text: bytes, then: bytes):
    def answer(send, _request) -> bool:
        send(text)
        pause = threading.Event()
        while not pause.wait(0.02):
            send(then)
        return False

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        drop_by_drop(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        drop_by_drop(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
        drop_by_drop(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        drop_by_drop(b"HTTP/1.1 404 Not Found\r\nContent-Length: 900\r\n\r\n", b"x"),
        drop_by_drop(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        lambda _send, _request: threading.Event().wait(1),
    ],
    ids=["header", "body", "chunks", "body of a 404", "endless announcements", "silence"],
)
def test_a_slow_answer_ends_at_the_deadline(serve, fetcher, reject, answer) -> None:
    server = serve({PICTURE: answer})
    shop = fetcher(server, fetch_timeout_s=0.5, fetch_attempts=3, max_bytes=1_000_000)
    assert reject(shop, server.uri()).reason in (Reason.FETCH_FAILED, Reason.MISSING)
    assert len(server.seen) <= 1


def test_tries_end_at_the_deadline(serve, fetcher, reply, reject) -> None:
    server = serve({PICTURE: reply(b"", "500 Oops")})
    assert reject(fetcher(server, fetch_timeout_s=2, fetch_attempts=10), server.uri()).reason == Reason.FETCH_FAILED
    assert 1 < len(server.seen) < 10


def test_a_connection_is_used_again_also_after_what_is_no_picture(serve, fetcher, reply, reject) -> None:
    server = serve(
        {
            PICTURE: reply(b"picture"),
            "/pics/to": reply(b"see there", "302 Found", location="a.jpg"),
            "/pics/none": reply(b"<html>", "404 Not Found"),
        }
    )
    shop = fetcher(server)
    for _ in range(3):
        assert shop.read(server.uri()) == shop.read(server.uri("/pics/to")) == b"picture"
        assert reject(shop, server.uri("/pics/none")).reason == Reason.MISSING
    assert (len(server.seen), server.connections) == (12, 1)


def test_what_a_server_wants_to_be_kept_is_not_kept(serve, fetcher, reply) -> None:
    server = serve({PICTURE: reply(b"picture", set_cookie="a=b", strict_transport_security="max-age=9")})
    shop = fetcher(server)
    assert shop.read(server.uri()) == shop.read(server.uri()) == b"picture"
    assert "cookie" not in server.seen[1].headers


def test_many_threads_share_few_connections(serve, fetcher, reply) -> None:
    five = threading.Barrier(5, timeout=1)

    def answer(send, request) -> bool:
        with suppress(threading.BrokenBarrierError):
            five.wait()
        send(reply(request.target.encode()))
        return True

    server = serve({"*": answer})
    shop = fetcher(server, fetch_threads=4, fetch_attempts=3)
    with ThreadPoolExecutor(16) as pool:
        read = list(pool.map(lambda n: shop.read(server.uri(f"/pics/{n}")), range(200)))
    assert read == [f"/pics/{n}".encode() for n in range(200)]
    assert server.most_busy == 4


def test_a_server_that_is_away_is_not_asked_for_each_picture(serve, fetcher, reply, reject) -> None:
    server = serve({PICTURE: in_turn(reply(b"", "503 Busy"), reply(b"picture"))})
    moment = 0.0
    shop = fetcher(server, outages=Outages(patience_s=0, pause_s=60, clock=lambda: moment))
    assert "HTTP 503" in reject(shop, server.uri()).detail
    error = reject(shop, server.uri())
    where = f"https://shop.test:{server.port}"
    assert (error.reason, error.detail) == (Reason.FETCH_FAILED, f"{where} does not answer; asked again in 60 s")
    assert len(server.seen) == 1
    moment = 60.0
    assert shop.read(server.uri()) == b"picture"
