"""Whatever the order, the times and the batches in which events come: the newest version of each product counts."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.streaming.shop import SEEN, Shop, delete, upsert
from vitrine.errors import VitrineError
from vitrine.events import Listing
from vitrine.index import collections
from vitrine.index.store import connect
from vitrine.settings import Milvus
from vitrine.testing import MemoryStore

if TYPE_CHECKING:
    from deploy.local.milvus import Server

PRODUCTS = "pq"


class Killed(VitrineError):
    pass


@dataclass(frozen=True)
class Case:
    """Events of some products in the order in which they come, and when their applier is killed."""

    arrivals: tuple[Listing, ...]
    batches: tuple[int, ...]
    kills: tuple[int, ...]


@st.composite
def histories(draw, product_id: str, *, keep_the_rule: bool = True) -> list[Listing]:
    """Versions of one product; bytes are left out only of pictures that the version before listed too.

    Without the rule they are left out at will, and pictures come by address as well.
    """
    events: list[Listing] = []
    listed: set[str] = set()
    for version in range(1, draw(st.integers(1, 5)) + 1):
        if draw(st.integers(0, 4)) == 0:
            events.append(delete(product_id, version))
            listed = set()
            continue
        names = draw(st.lists(st.sampled_from("abcd"), max_size=4))
        left_out = [draw(st.booleans()) and (name in listed or not keep_the_rule) for name in names]
        words = [name if out else name.upper() for name, out in zip(names, left_out, strict=True)]
        events.append(upsert(product_id, version, " ".join(words), price=version, title=f"{product_id}{version}"))
        listed = set(names)
    return events


@st.composite
def cases(draw, *, keep_the_rule: bool = True) -> Case:
    said = [event for one in PRODUCTS for event in draw(histories(one, keep_the_rule=keep_the_rule))]
    order = random.Random(draw(st.integers(0, 2**32)))
    arrivals = [*said, *order.choices(said, k=draw(st.integers(0, 4)))]
    if draw(st.booleans()):
        order.shuffle(arrivals)
    batches = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    return Case(tuple(arrivals), tuple(batches), draw(st.lists(st.integers(0, 3), max_size=4).map(tuple)))


def of_its_own(case: Case) -> Case:
    """The case with products that no other has, so that many share a collection."""
    mark = uuid4().hex
    arrivals = [
        replace(one, event=one.event.model_copy(update={"product_id": f"{mark}/{one.event.product_id}"}))
        for one in case.arrivals
    ]
    return replace(case, arrivals=tuple(arrivals))


def run(case: Case, shop: Shop) -> None:
    """Take the events in batches; a killed batch is taken again from its first event on, cut into other batches."""
    place, turn, kills = 0, 0, list(case.kills)
    while place < len(case.arrivals):
        size = case.batches[turn % len(case.batches)]
        turn += 1
        try:
            shop.take(*case.arrivals[place : place + size], may_write=fuse(kills.pop()) if kills else lambda: None)
        except Killed:
            continue
        place += size


def fuse(calls: int):
    """Kills before the call that writes after so many others."""
    left = [calls]

    def may_write() -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1

    return may_write


def newest(case: Case, product_id: str) -> Listing:
    events = [one for one in case.arrivals if one.event.product_id == product_id]
    return max(events, key=lambda one: one.event.version)


def expected(listing: Listing, names: list[str]) -> str:
    if listing.event.op == "delete":
        return f"{listing.event.version}: deleted"
    return " ".join([f"{listing.event.version}:", *names])


def names(listing: Listing) -> list[str]:
    return [SEEN[image.sha256] for image in listing.event.images]


def check(case: Case, shop: Shop) -> None:
    run(case, shop)
    for product_id in {one.event.product_id for one in case.arrivals}:
        stands = newest(case, product_id)
        assert shop.states(product_id) == expected(stands, names(stands))
        if stands.event.op == "upsert" and stands.event.images:
            assert shop.field(product_id, "title") == stands.event.title
            assert shop.field(product_id, "price") == stands.event.price


@given(cases())
@settings(max_examples=400)
def test_the_end_is_that_of_applying_each_products_newest_version_once(case):
    check(case, Shop(MemoryStore()))


@given(cases(keep_the_rule=False))
@settings(max_examples=200)
def test_where_bytes_never_came_a_picture_is_missing_and_nothing_else_is_wrong(case):
    shop = Shop(MemoryStore())

    run(case, shop)

    for product_id in {one.event.product_id for one in case.arrivals}:
        stands = newest(case, product_id)
        said = shop.states(product_id)
        assert said.replace("[", "").replace("]", "") == expected(stands, names(stands))


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with connect(Milvus(uri=str(tmp_path_factory.mktemp("lite") / "shop.db"))) as store:
        yield Shop(store)


@pytest.fixture(scope="module")
def server(milvus_server: "Server") -> Iterator[Shop]:
    with connect(Milvus(uri=milvus_server.uri, token_file=milvus_server.token_file)) as store:
        shop = Shop(store, f"order_{uuid4().hex[:8]}")
        yield shop
        collections.drop(store, shop.collection)


@given(cases())
@settings(max_examples=40)
def test_the_same_on_milvus_lite(lite: Shop, case: Case):
    check(of_its_own(case), lite)


@given(cases())
@settings(max_examples=5)
def test_the_same_on_a_real_server(server: Shop, case: Case):
    check(of_its_own(case), server)
