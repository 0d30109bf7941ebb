"""A database that is away, frozen, killed, or has let go of a collection: one second try, and an end in time."""

import os
import signal
import threading
from contextlib import closing

import pytest
from pymilvus import MilvusClient

from deploy.local import milvus
from vitrine.client import Example, Query
from vitrine.errors import BadInput, Unavailable, VitrineError
from vitrine.index.store import connect
from vitrine.retry import again
from vitrine.settings import Milvus
from vitrine.testing import MemoryStore

EAST = Query((Example(b"0"),))
STORED = Query((Example(product_id="bag"),))


class Stumbling(MemoryStore):
    """A store that fails so many reads as it is told."""

    def __init__(self, error=Unavailable):
        super().__init__()
        self.failures, self.error, self.tried = 0, error, 0

    def search(self, *arguments, **options):
        self.tried += 1
        if self.failures > 0:
            self.failures -= 1
            raise self.error("searching shop__r1: away")
        return super().search(*arguments, **options)


@pytest.fixture
def stumbling(shop):
    shop.store = Stumbling()
    shop.serve({"bag/0": 0, "hat/0": 50})
    return shop


ASKED = {
    "find": lambda client: client.find(EAST),
    "find_many": lambda client: client.find_many([EAST, STORED]),
    "search_picture": lambda client: client.search_picture(b"0"),
    "search_product": lambda client: client.search_product("bag"),
    "related": lambda client: client.related("bag"),
    "recommend": lambda client: client.recommend(recent=["bag"]),
    "substitutes": lambda client: client.substitutes("bag"),
    "categorise": lambda client: client.categorise(b"0"),
    "ready": lambda client: client.ready(),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_fails_once_is_read_again(stumbling, name):
    stumbling.store.failures = 1

    assert ASKED[name](stumbling.client())
    assert stumbling.store.tried >= 2


@pytest.mark.parametrize("name", ASKED)
def test_what_fails_twice_is_unavailable(stumbling, name):
    stumbling.store.failures = 2

    with pytest.raises(Unavailable, match="away"):
        ASKED[name](stumbling.client())
    assert stumbling.store.tried == 2


def test_no_second_try_begins_after_the_deadline(stumbling):
    stumbling.store.failures = 1

    with pytest.raises(Unavailable, match="away"):
        stumbling.client(deadline_s=0.0).find(STORED)
    assert stumbling.store.tried == 1


def test_what_the_caller_must_change_is_not_tried_again(stumbling):
    stumbling.store.failures, stumbling.store.error = 1, BadInput

    with pytest.raises(BadInput, match="away"):
        stumbling.client().find(STORED)
    assert stumbling.store.tried == 1


def test_a_second_try_embeds_nothing_again(stumbling):
    stumbling.store.failures = 1
    stumbling.client().find(EAST)

    assert stumbling.embedders["m1"].seen == [b"0"]


def test_a_collection_that_is_dropped_after_it_was_resolved_is_resolved_again(shop):
    shop.serve({"old/0": 0})
    client = shop.client(alias_s=3_600)
    assert client.find(EAST).collection == "shop__r1"
    shop.serve({"new/0": 0}, "r2")
    shop.store.drop("shop__r1")

    assert client.find(EAST).collection == "shop__r2"
    assert client.find(EAST).notes == ()


def test_a_client_of_another_deadline_shares_what_is_known(stumbling):
    client = stumbling.client(deadline_s=0.0)
    stumbling.store.failures = 1

    assert client.within(30.0).find(STORED).hits
    assert client.within(30.0).find(EAST).hits


@pytest.fixture
def on_a_server(shop, on_server):
    """A shop on the real server, whose settings alone would let a call wait longer than a test may take."""
    with connect(on_server.model_copy(update={"timeout_s": 3_600.0})) as store:
        shop.store = store
        shop.serve({"bag/0": 0, "hat/0": 50})
        yield shop


def test_a_collection_that_another_program_released_or_dropped_is_answered_all_the_same(on_a_server, on_server):
    client = on_a_server.client(alias_s=3_600, deadline_s=120)
    assert client.find(EAST).hits
    with closing(MilvusClient(on_server.uri, token=on_server.secret(), dedicated=True)) as theirs:
        theirs.release_collection("shop__r1")
        assert client.find(EAST).hits
        on_a_server.serve({"new/0": 0}, "r2")
        theirs.drop_collection("shop__r1")

    assert client.find(EAST).collection == "shop__r2"


def test_a_frozen_server_is_unavailable_by_the_deadline_of_the_call(on_a_server, milvus_server):
    client = on_a_server.client(deadline_s=120)
    client.ready()
    client.recommend(recent=["bag"])
    stored = {name: ask for name, ask in ASKED.items() if name != "ready"}
    os.kill(milvus_server.process.id, signal.SIGSTOP)
    try:
        outcomes = in_threads(stored, client.within(1.0))
    finally:
        os.kill(milvus_server.process.id, signal.SIGCONT)
    assert outcomes == dict.fromkeys(stored, Unavailable)
    assert again(lambda: client.find(EAST).hits, patience_s=120)


def in_threads(asked, client):
    """What kind of error each of the questions ended in, all asked at once."""
    outcomes = {}

    def ask(name):
        try:
            outcomes[name] = asked[name](client)
        except VitrineError as error:
            outcomes[name] = type(error)

    threads = [threading.Thread(target=ask, args=(name,)) for name in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.slow
def test_a_killed_server_is_unavailable_until_it_is_back(shop, tmp_path):
    server = milvus.start(tmp_path)
    try:
        with connect(Milvus(uri=server.uri, token_file=server.token_file)) as store:
            shop.store = store
            shop.serve({"bag/0": 0, "hat/0": 50})
            client = shop.client(deadline_s=5.0)
            assert client.find(EAST).hits
            server.kill()
            assert in_threads(ASKED, client) == dict.fromkeys(ASKED, Unavailable)
            server.restart()
            assert again(lambda: client.find(EAST).hits, patience_s=120)
    finally:
        server.stop()
