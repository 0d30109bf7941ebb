"""The program on Milvus Lite with the bundled model: same vectors as elsewhere, and hostile pictures."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.hostile.pictures import MAX_BYTES, deadly, pictures
from tests.serve.conftest import sent
from tests.serve.real_shop import PRODUCTS, fill, picture
from vitrine.client import connect
from vitrine.index.search import Hit
from vitrine.settings import Milvus

FAULTY_PILLOW = Path(__file__).parents[1] / "faulty_pillow"
READY_WITHIN_S = 240
BOX = '{"k": 8, "collapse": false, "box": {"left": 0.2, "top": 0.1, "width": 0.6, "height": 0.7}}'
WHOLE = '{"k": 8, "collapse": false}'


@dataclass(frozen=True)
class Running:
    """A program that serves, and what a client in another process was answered before it."""

    program: "subprocess.Popen[str]"
    caller: httpx.Client
    by_client: list[Hit]


def until_ready(caller: httpx.Client) -> None:
    """Wait for the model and for the process that decodes."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    while caller.get("/ready").status_code != 200:
        assert time.monotonic() < deadline_s, "the service does not get ready"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = tmp_path_factory.mktemp("shop")
    fill(Milvus(uri=str(place / "shop.db")))
    with connect(str(place / "shop.db")) as client:
        by_client = client.search_picture(picture(3, view=2), PRODUCTS)
    flags = [f"--milvus.uri={place}/shop.db", f"--work={place}", "--port=0", "--model.device=cpu"]
    limits = [f"--pictures.max_bytes={MAX_BYTES}", "--pictures.decode_timeout_s=5", "--timeout_s=120"]
    program = subprocess.Popen(
        [sys.executable, "-m", "vitrine", "serve", *flags, *limits],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(FAULTY_PILLOW), *sys.path])},
    )
    assert program.stdout
    url = program.stdout.readline().removeprefix("serving on ").strip()
    with httpx.Client(base_url=url, timeout=150) as caller:
        try:
            until_ready(caller)
            yield Running(program, caller, by_client)
        finally:
            program.kill()
            program.communicate()


def test_client_and_service_answer_the_same_neighbours_with_the_same_scores(running: Running) -> None:
    told = running.caller.post("/search", **sent(picture(3, view=2), WHOLE)).json()["hits"]
    assert [hit["product_id"] for hit in told] == [hit.product_id for hit in running.by_client]
    assert [hit["score"] for hit in told] == pytest.approx([hit.score for hit in running.by_client], abs=1e-4)
    assert told[0]["product_id"] == "P3"


def test_a_stored_picture_finds_the_vector_that_the_job_wrote(running: Running) -> None:
    for number in range(PRODUCTS):
        best = running.caller.post("/search", **sent(picture(number), WHOLE)).json()["hits"][0]
        assert best["product_id"] == f"P{number}"
        assert best["score"] >= 0.9999


@pytest.mark.slow
@pytest.mark.parametrize("question", [WHOLE, BOX])
def test_hostile_pictures_are_refused_with_their_reason_and_the_service_lives_on(
    running: Running, question: str
) -> None:
    asked = list(pictures()) if question == WHOLE else list(deadly())
    told = {}
    for name, _, data in asked:
        answer = running.caller.post("/search", **sent(data or b"", question))
        assert answer.status_code in {200, 413, 422}, (name, answer.text)
        told[name] = "embedded" if answer.status_code == 200 else answer.json().get("reason", answer.json()["code"])
    assert told == {name: outcome for name, outcome, _ in asked}
    assert running.caller.post("/search", **sent(picture(1), WHOLE)).json()["hits"][0]["product_id"] == "P1"


def test_a_stop_ends_the_program_and_what_it_started(running: Running) -> None:
    running.program.send_signal(signal.SIGTERM)
    running.program.wait(timeout=60)
    with pytest.raises(httpx.TransportError):
        running.caller.get("/live")
