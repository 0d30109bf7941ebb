"""The service over a real Milvus server."""

import json

import httpx
import pytest

from tests.serve.conftest import sent
from tests.serve.real_shop import fill, picture
from vitrine.serve.running import serving
from vitrine.settings import Milvus, Serve, Settings


@pytest.mark.slow
def test_pictures_stored_products_and_filters_are_answered_from_a_real_server(on_server: Milvus) -> None:
    milvus = on_server.model_copy(update={"alias": "served"})
    fill(milvus)
    settings = Settings(milvus=milvus, serve=Serve(port=0, timeout_s=60))
    with serving(settings) as url, httpx.Client(base_url=url, timeout=60) as caller:
        found = caller.post("/search", **sent(picture(3), '{"k": 3, "collapse": false}')).json()
        assert found["hits"][0]["product_id"] == "P3"
        assert found["hits"][0]["score"] >= 0.9999
        cheap = json.dumps({"k": 8, "collapse": False, "filters": {"price_max": 2}, "words": "P1"})
        told = caller.post("/search", **sent(picture(3), cheap)).json()["hits"]
        assert sorted(hit["product_id"] for hit in told) == ["P0", "P1", "P2"]
        assert told[0]["product_id"] == "P1"
        similar = caller.get("/products/P5/similar", params={"k": 2}).json()["hits"]
        assert len(similar) == 2
        assert caller.get("/ready").status_code == 200
