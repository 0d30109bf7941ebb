"""What callers are answered."""

import hashlib
import json
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.serve.conftest import ODD_ID, Asking, sent
from vitrine.settings import Settings, Thumbnails
from vitrine.testing import FakeEmbedder

HASH = "[0-9a-f]{64}"


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [hit["product_id"] for hit in answer.json()["hits"]]


def test_a_picture_finds_its_own_product_first(caller: httpx.Client, drawn_pictures: list[bytes]) -> None:
    answer = caller.post("/search", **sent(drawn_pictures[1]))
    assert ids(answer)[0] == "p1"
    assert sorted(ids(answer)) == sorted(["p0", "p1", "p2", "p3", ODD_ID])
    told = answer.json()
    assert (told["collection"], told["model_id"], told["narrowed_to"], told["next_cursor"]) == (
        "shop__r1", "fake", None, None,
    )  # fmt: skip
    best = told["hits"][0]
    assert best | {"image": ""} == {
        "product_id": "p1", "image_id": "p1/0", "score": 1.0, "likeness": None, "title": "title p1",
        "category": "Shoes/Sandals", "brand": "Acme", "price": 10.0, "in_stock": True, "attributes": {},
        "image": "", "sources": ["looks alike"], "more_like_this": 0,
    }  # fmt: skip
    assert best["image"] == f"/thumbs/{hashlib.sha256(drawn_pictures[1]).hexdigest()}.webp"
    assert {"value": "Shoes", "count": 4} in told["facets"]["categories"]
    assert {"value": "Bolt", "count": 3} in told["facets"]["brands"]
    assert set(told["took_ms"]) == {"embed", "search"}


def test_a_price_that_is_not_known_is_null(caller: httpx.Client, drawn_pictures: list[bytes]) -> None:
    assert caller.post("/search", **sent(drawn_pictures[0], '{"k": 1}')).json()["hits"][0]["price"] is None


def test_filters_leave_out_what_does_not_pass(caller: httpx.Client, drawn_pictures: list[bytes]) -> None:
    def found(**filters: object) -> set[str]:
        return set(ids(caller.post("/search", **sent(drawn_pictures[1], json.dumps({"filters": filters})))))

    assert found(categories=["Bags"]) == {"p2"}
    assert found(categories=["Shoes"], brands=["Acme"]) == {"p1", "p3"}
    assert found(in_stock=True) == {"p0", "p1", "p2", ODD_ID}
    assert found(price_min=15, price_max=30) == {"p2", "p3"}
    assert found(brands=['" or 1 == 1 or brand == "']) == set()


def test_stored_products_ask_without_a_picture(caller: httpx.Client) -> None:
    question = {"examples": [{"product_id": "p1"}, {"image_id": "p2/0", "weight": -0.5}]}
    assert "p1" not in ids(caller.post("/search", json=question))
    assert sorted(ids(caller.post("/search", json=question))) == sorted(["p0", "p3", ODD_ID])


def test_pages_follow_each_other_by_the_cursor(caller: httpx.Client, drawn_pictures: list[bytes]) -> None:
    first = caller.post("/search", **sent(drawn_pictures[1], '{"k": 3}'))
    question = json.dumps({"k": 3, "cursor": first.json()["next_cursor"]})
    second = caller.post("/search", **sent(drawn_pictures[1], question))
    assert sorted(ids(first) + ids(second)) == sorted(["p0", "p1", "p2", "p3", ODD_ID])
    assert second.json()["next_cursor"] is None
    other = caller.post("/search", **sent(drawn_pictures[2], question))
    assert (other.status_code, other.json()["code"]) == (410, "cursor_expired")


def test_words_say_that_they_chose(caller: httpx.Client, drawn_pictures: list[bytes]) -> None:
    told = caller.post("/search", **sent(drawn_pictures[1], '{"words": "p2"}')).json()
    assert [note["code"] for note in told["notes"]] == ["words_reranked"]
    assert told["notes"][0]["text"].endswith(".")


def test_a_product_has_all_its_pictures(caller: httpx.Client) -> None:
    told = caller.get("/products/p0").json()
    assert [(one["image_id"], one["position"]) for one in told["images"]] == [("p0/0", 0), ("p0/1", 1)]
    assert (told["title"], told["collection"]) == ("title p0", "shop__r1")


@pytest.mark.parametrize("what", ["similar", "related"])
def test_a_stored_product_is_not_its_own_neighbour(caller: httpx.Client, what: str) -> None:
    found = ids(caller.get(f"/products/p1/{what}", params={"k": 2}))
    assert len(found) == 2
    assert "p1" not in found


@pytest.mark.parametrize("what", ["", "/similar", "/related"])
def test_an_id_is_one_segment_whatever_it_holds(caller: httpx.Client, what: str) -> None:
    answer = caller.get(f"/products/{quote(ODD_ID, safe='')}{what}")
    assert answer.status_code == 200
    assert ODD_ID not in [hit["product_id"] for hit in answer.json().get("hits", [])]


@pytest.mark.parametrize("what", ["", "/similar", "/related"])
@pytest.mark.parametrize("product_id", ["sofa", "%ff", "%00", "x" * 257, "p1%20", "p1%2F0"])
def test_a_product_that_is_not_there_is_a_404(caller: httpx.Client, product_id: str, what: str) -> None:
    answer = caller.get(f"/products/{product_id}{what}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_product")


def test_similar_products_may_have_to_be_in_stock(caller: httpx.Client) -> None:
    assert "p3" in ids(caller.get("/products/p1/similar"))
    assert "p3" not in ids(caller.get("/products/p1/similar", params={"in_stock": True}))


def test_related_products_say_why(caller: httpx.Client) -> None:
    assert {source for hit in caller.get("/products/p1/related").json()["hits"] for source in hit["sources"]} == {
        "looks alike"
    }


def test_a_session_is_recommended_what_it_has_not_seen(caller: httpx.Client) -> None:
    found = ids(caller.get("/recommendations", params={"recent": ["p0", "p1"], "k": 2}))
    assert found
    assert not {"p0", "p1"} & set(found)
    assert ids(caller.get("/recommendations", params={"user": "0" * 32})) == []


def test_a_session_and_a_user_at_once_is_refused(caller: httpx.Client) -> None:
    for params in ({}, {"recent": "p0", "user": "0" * 32}, {"user": "anna"}):
        assert caller.get("/recommendations", params=params).status_code == 422


def test_a_picture_is_categorised(caller: httpx.Client, drawn_pictures: list[bytes]) -> None:
    guess = caller.post("/categorise", **sent(drawn_pictures[2])).json()["guess"]
    assert guess["path"] == "Bags"
    assert set(guess) == {"path", "p", "sure", "level", "calibrated", "alternatives", "none_of_these", "brand"}


def test_a_box_asks_with_a_part_of_the_picture(caller: httpx.Client, drawn_pictures: list[bytes]) -> None:
    whole = '{"box": {"left": 0.25, "top": 0.25, "width": 0.5, "height": 0.5}}'
    answer = caller.post("/search", **sent(drawn_pictures[1], whole))
    assert answer.status_code == 200
    assert answer.json()["hits"][0]["score"] < 1


def test_a_picture_asked_with_before_is_not_embedded_again(asking: Asking, drawn_pictures: list[bytes]) -> None:
    network = FakeEmbedder()
    caller = asking(embedder=network)
    passes = [caller.post("/search", **sent(drawn_pictures[1])) and network.forward_passes for _ in range(3)]
    assert passes[0] == passes[1] == passes[2]
    assert 'vitrine_vector_cache_total{found="yes"} 2.0' in caller.get("/metrics").text


def test_the_way_to_a_picture_leads_to_its_thumbnail(
    asking: Asking, drawn_pictures: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("thumbs")
    caller = asking(settings=Settings(thumbnails=Thumbnails(uri=str(place))))
    sha256 = hashlib.sha256(drawn_pictures[1]).hexdigest()
    _ = Path(place, sha256[:2]).mkdir(), Path(place, sha256[:2], f"{sha256}.webp").write_bytes(b"RIFF webp")
    way = caller.get("/images/p1%2F0")
    assert (way.status_code, way.headers["location"]) == (307, f"/thumbs/{sha256}.webp")
    assert way.headers["cache-control"] == "no-cache"
    assert caller.get("/images/p1/0").headers["location"] == way.headers["location"]
    shown = caller.get(way.headers["location"])
    assert (shown.content, shown.headers["content-type"]) == (b"RIFF webp", "image/webp")
    assert shown.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = caller.get(way.headers["location"], headers={"If-None-Match": shown.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    lacking = caller.get(f"/thumbs/{'0' * 64}.webp")
    assert (lacking.status_code, lacking.headers["content-type"]) == (200, "image/svg+xml")
    assert (lacking.headers["cache-control"], lacking.content[:4]) == ("no-store", b"<svg")


def test_a_picture_that_is_not_there_is_a_404(caller: httpx.Client) -> None:
    for image_id in ("p1%2F7", "sofa", "%ff", ""):
        answer = caller.get(f"/images/{image_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_image")


def test_without_thumbnails_pictures_of_allowed_origins_are_shown(asking: Asking, drawn_pictures: list[bytes]) -> None:
    caller = asking(image_origins=["https://cdn.example"])
    answer = caller.post("/search", **sent(drawn_pictures[1]))
    assert answer.json()["hits"][0]["image"] == "https://cdn.example/1.jpg"
    assert "img-src 'self' blob: https://cdn.example;" in answer.headers["content-security-policy"]


def test_the_page_and_its_files_are_checked_at_each_visit(caller: httpx.Client) -> None:
    page = caller.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for path in ("/", "/static/app.css"):
        first = caller.get(path)
        assert first.headers["cache-control"] == "no-cache"
        assert caller.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    for path in ("/static/absent.js", "/static/../application.py", "/static/%2e%2e/application.py", "/static/"):
        assert caller.get(path).json()["code"] == "not_found"


def test_every_answer_has_an_id_and_headers_that_keep_browsers_strict(caller: httpx.Client) -> None:
    for path in ("/", "/live", "/absent", "/products/sofa", "/thumbs/x"):
        headers = caller.get(path).headers
        assert len(headers["x-request-id"]) == 32
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert "server" not in headers


def test_a_guess_tells_whether_its_probabilities_were_measured(
    caller: httpx.Client, drawn_pictures: list[bytes]
) -> None:
    assert caller.post("/categorise", **sent(drawn_pictures[1])).json()["guess"]["calibrated"] is False


def test_only_what_needs_no_key_may_be_kept_by_a_cache(caller: httpx.Client) -> None:
    for path in ("/products/p1", "/products/p1/similar", "/recommendations?recent=p1", "/metrics", "/absent"):
        assert caller.get(path).headers["cache-control"] == "no-store"
    assert caller.get("/").headers["cache-control"] == "no-cache"


def test_probes_and_the_page_s_facts_are_told(caller: httpx.Client) -> None:
    assert caller.get("/live").json() == caller.get("/ready").json() == {"status": "ok"}
    about = caller.get("/about").json()
    assert (about["key_required"], about["max_picture_bytes"]) == (False, 10_000_000)


def test_metrics_name_addresses_of_the_description_and_nothing_that_was_asked(
    asking: Asking, drawn_pictures: list[bytes]
) -> None:
    caller = asking()
    caller.post("/search", **sent(drawn_pictures[1], '{"filters": {"brands": ["Secretbrand"]}, "words": "Secretword"}'))
    caller.get("/products/Secretid/similar")
    caller.get("/Secretpath")
    text = caller.get("/metrics").text
    assert 'vitrine_requests_total{route="/search",status="200"} 1.0' in text
    assert 'vitrine_requests_total{route="/products/{product_id}/similar",status="404"} 1.0' in text
    assert 'vitrine_requests_total{route="other",status="404"} 1.0' in text
    assert 'vitrine_serving_info{collection="shop__r1",model_id="fake"} 1.0' in text
    assert 'vitrine_stage_seconds_count{stage="pass"} 2.0' in text
    assert "Secret" not in text
