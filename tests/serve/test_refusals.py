"""What is refused, how early, and in which words."""

import logging
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serve.conftest import Asking, sent
from vitrine.settings import Pictures, Settings

KEY, OTHER = "0123456789abcdef-web", "0123456789abcdef-app"
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id"}


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The members of a problem, after its form was looked at."""
    told: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert told.keys() >= MEMBERS
    assert (told["status"], told["request_id"]) == (answer.status_code, answer.headers["x-request-id"])
    assert len(told["detail"]) > 10
    return told


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text(f"web {KEY}\napp {OTHER}\n")
    return path


@pytest.fixture(scope="module")
def guarded(asking: Asking, keys_file: Path) -> httpx.Client:
    """A caller without a key of a service that wants one."""
    return asking(keys_file=keys_file)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "key_needed"),
        ({"X-API-Key": "wrong-key-0123456789"}, "key_unknown"),
        ({"X-API-Key": KEY[:-1]}, "key_unknown"),
        ({"Authorization": "Bearer wrong"}, "key_unknown"),
        ({"Authorization": f"Basic {KEY}"}, "key_needed"),
    ],
)
@pytest.mark.parametrize("path", ["/search", "/products/p1", "/images/p1%2F0", "/metrics", "/absent"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_without_a_known_key_nothing_is_answered(
    guarded: httpx.Client, method: str, path: str, headers: dict[str, str], code: str
) -> None:
    answer = guarded.request(method, path, headers=headers)
    assert (answer.status_code, problem(answer)["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_page_its_pictures_and_the_probes_need_no_key(guarded: httpx.Client) -> None:
    for path in ("/", "/static/app.js", f"/thumbs/{'0' * 64}.webp", "/live", "/ready", "/about", "/openapi.json"):
        assert guarded.get(path).status_code == 200
    assert guarded.get("/about").json()["key_required"] is True


@pytest.mark.parametrize("headers", [{"X-API-Key": KEY}, {"Authorization": f"Bearer {OTHER}"}])
def test_each_key_is_answered(guarded: httpx.Client, headers: dict[str, str]) -> None:
    assert guarded.get("/products/p1", headers=headers).status_code == 200
    assert guarded.get("/metrics", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n", 401),
        (f"POST /search HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: 100000000\r\n\r\n", 413),
    ],
)
def test_key_and_size_are_answered_before_the_body_comes(guarded: httpx.Client, head: str, status: int) -> None:
    with socket.create_connection((guarded.base_url.host, guarded.base_url.port or 0), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4_096).startswith(f"HTTP/1.1 {status} ".encode())


def test_whoever_sends_all_of_a_body_first_still_reads_the_refusal(guarded: httpx.Client) -> None:
    with socket.create_connection((guarded.base_url.host, guarded.base_url.port or 0), timeout=30) as connection:
        connection.sendall(b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n" + bytes(5_000_000))
        assert connection.recv(4_096).startswith(b"HTTP/1.1 401 ")


def test_100_mb_without_a_length_are_refused(caller: httpx.Client) -> None:
    chunks = (bytes(1_000_000) for _ in range(100))
    answer = caller.post("/search", content=chunks, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert (answer.status_code, problem(answer)["code"]) == (413, "too_large")


def test_a_key_has_its_rate(asking: Asking, keys_file: Path) -> None:
    caller = asking(keys_file=keys_file, rate=0.5)
    statuses = [caller.get("/products/p1", headers={"X-API-Key": KEY}).status_code for _ in range(2)]
    refused = caller.get("/products/p1", headers={"X-API-Key": KEY})
    assert statuses == [200, 429] or refused.status_code == 429
    assert problem(refused)["code"] == "too_many_requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert caller.get("/products/p1", headers={"X-API-Key": OTHER}).status_code == 200


def test_a_public_page_is_answered_without_a_key_at_its_own_rate(asking: Asking, keys_file: Path) -> None:
    caller = asking(keys_file=keys_file, public_page=True, public_rate=0.01)
    assert caller.get("/about").json()["key_required"] is False
    assert caller.get("/products/p1").status_code == 200
    assert caller.get("/products/p1").status_code == 429
    assert caller.get("/metrics").status_code == 401
    assert caller.get("/products/p1", headers={"X-API-Key": "wrong-key-0123456789"}).status_code == 401
    assert caller.get("/products/p1", headers={"X-API-Key": KEY}).status_code == 200


def test_metrics_may_be_open(asking: Asking, keys_file: Path) -> None:
    assert asking(keys_file=keys_file, open_metrics=True).get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ('{"k": 0}', "k"),
        ('{"k": 201}', "k"),
        ('{"k": "many"}', "k"),
        ('{"colour": "red"}', "colour"),
        ('{"words": "%s"}' % ("x" * 201), "words"),
        ('{"filters": {"price_min": -1}}', "filters.price_min"),
        ('{"filters": {"price_max": NaN}}', ""),
        ('{"filters": {"price_min": 9, "price_max": 1}}', ""),
        ('{"filters": {"brands": [1]}}', "filters.brands.0"),
        ('{"box": {"left": 0.9, "top": 0, "width": 0.5, "height": 1}}', "box"),
        ('{"examples": [{"product_id": "p1", "image_id": "p1/0"}]}', "examples.0"),
        ('{"examples": [{"product_id": "p1", "weight": 0}]}', "examples.0"),
        ('{"filters": {"brands": ["\\ud800"]}}', ""),
        ("[]", ""),
        ("[" * 100_000, ""),
        ('{"k": ', ""),
        ("\x00", ""),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not_told(
    caller: httpx.Client, drawn_pictures: list[bytes], question: str, field: str
) -> None:
    answer = caller.post("/search", **sent(drawn_pictures[1], question))
    told = problem(answer)
    assert (answer.status_code, told["code"]) in {(422, "bad_request"), (400, "bad_body")}
    if field:
        assert field in [one["field"] for one in told["errors"]]
    assert "many" not in answer.text


def test_no_picture_and_no_product_is_no_question(caller: httpx.Client) -> None:
    for question in ({}, {"words": "red"}, {"examples": [{"product_id": "p1", "weight": -1}]}):
        assert problem(caller.post("/search", json=question))["code"] == "nothing_asked"
    assert problem(caller.post("/categorise", json={}))["code"] == "nothing_asked"


def test_a_picture_that_cannot_be_used_says_why(caller: httpx.Client) -> None:
    told = problem(caller.post("/search", **sent(b"GIF89a but no more")))
    assert (told["status"], told["code"], told["reason"]) == (422, "bad_picture", "truncated")


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"x", "text/plain", "unsupported_body"),
        (b"x", "", "unsupported_body"),
        (b"x", "multipart/form-data", "bad_body"),
        (b"x", "multipart/form-data; boundary=b", "bad_body"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b", "bad_body"),
        (b"--b\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b", "bad_body"),
        (b"", "multipart/form-data; boundary=b; charset=\xff", "nothing_asked"),
        (b"{", "application/json", "bad_body"),
        (b"\xff\xfe", "application/json", "bad_body"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(caller: httpx.Client, content: bytes, kind: Any, code: str) -> None:
    answer = caller.post("/search", content=content, headers=[(b"Content-Type", kind.encode("latin-1"))])
    assert problem(answer)["code"] in {code, "bad_body"}
    assert answer.status_code < 500


def test_a_form_has_no_other_parts(caller: httpx.Client, drawn_pictures: list[bytes]) -> None:
    two = [("picture", drawn_pictures[0]), ("picture", drawn_pictures[1])]
    assert problem(caller.post("/search", files=two))["code"] == "bad_body"
    assert problem(caller.post("/search", files={"photo": drawn_pictures[0]}))["code"] == "bad_body"
    assert problem(caller.post("/search", files=[("f", b"x")] * 1_001))["code"] == "bad_body"
    large = {"files": {"picture": drawn_pictures[0]}, "data": {"query": " " * 200_001}}
    assert problem(caller.post("/search", **large))["code"] == "bad_body"


def test_addresses_and_methods_that_are_not_there_are_problems(caller: httpx.Client) -> None:
    assert problem(caller.get("/absent"))["code"] == "not_found"
    assert problem(caller.get("/search/"))["code"] == "not_found"
    wrong = caller.get("/search")
    assert (problem(wrong)["code"], wrong.headers["allow"]) == ("wrong_method", "POST")
    assert problem(caller.delete("/products/p1"))["code"] == "wrong_method"
    assert problem(caller.get("/products/p1/similar", params={"k": "many"}))["errors"][0]["field"] == "query.k"


@pytest.mark.parametrize(
    "uri", ["http://169.254.169.254/latest", "https://127.0.0.1/", "file:///etc/passwd", "s3://x/y"]
)
def test_addresses_of_pictures_are_not_taken(caller: httpx.Client, uri: str) -> None:
    assert problem(caller.post("/search", json={"picture_uri": uri}))["code"] == "addresses_off"


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest",
        "https://127.0.0.1/x.jpg",
        "https://localhost/x.jpg",
        "https://[::1]/x.jpg",
        "https://127.0.0.1.nip.io@cdn.example/x.jpg",
        "file:///etc/passwd",
        "gopher://cdn.example/",
        "https://localhost:1/../x.jpg",
    ],
)
def test_where_addresses_are_taken_they_lead_nowhere_private(asking: Asking, uri: str) -> None:
    pictures = Pictures(prefixes=["https://localhost/", "https://cdn.example/"], fetch_timeout_s=2, fetch_attempts=1)
    told = problem(
        asking(settings=Settings(pictures=pictures), picture_addresses=True).post("/search", json={"picture_uri": uri})
    )
    assert (told["code"], told["reason"]) == ("bad_picture", "forbidden_address")


def test_a_picture_at_an_allowed_address_is_searched_with(
    asking: Asking, drawn_pictures: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(drawn_pictures[1])
    caller = asking(settings=Settings(pictures=Pictures(prefixes=[str(tmp_path)])), picture_addresses=True)
    answer = caller.post("/search", json={"picture_uri": f"file://{tmp_path}/photo.jpg"})
    assert answer.json()["hits"][0]["product_id"] == "p1"


def test_other_sites_pages_may_call_only_where_they_are_listed(asking: Asking, caller: httpx.Client) -> None:
    listed = asking(origins=["https://shop.example"])
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    asked = listed.options("/search", headers={"Origin": "https://shop.example", **preflight})
    assert asked.headers["access-control-allow-origin"] == "https://shop.example"
    assert listed.options("/search", headers={"Origin": "https://evil.example", **preflight}).status_code == 400
    failed = listed.get("/products/sofa", headers={"Origin": "https://shop.example"})
    assert failed.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in caller.get("/live", headers={"Origin": "https://shop.example"}).headers


def test_nothing_that_was_asked_is_logged(
    asking: Asking, drawn_pictures: list[bytes], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, query: object, **_: object) -> None:
        raise ValueError(repr(query))

    from vitrine.client import Client

    caller = asking()
    monkeypatch.setattr(Client, "find", broken)
    with caplog.at_level(logging.DEBUG):
        answer = caller.post("/search", **sent(drawn_pictures[1], '{"filters": {"brands": ["Secretbrand"]}}'))
    assert (answer.status_code, problem(answer)["code"]) == (500, "fault")
    line = f"fault request_id={answer.headers['x-request-id']} error=ValueError"
    deadline_s = time.monotonic() + 30
    while line not in caplog.text and time.monotonic() < deadline_s:  # it is written after the answer
        time.sleep(0.01)
    assert line in caplog.text
    assert "Secretbrand" not in caplog.text
