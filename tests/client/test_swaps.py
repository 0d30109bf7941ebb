"""While the alias moves to and fro between two models, every answer is right and of one collection as a whole."""

import threading
from collections import Counter
from itertools import cycle

import pytest

from vitrine.client import Example, Filters, Query
from vitrine.index import collections

THREADS = 8
PRODUCTS = 24
STEP = 360 // PRODUCTS
ALIAS_S = 0.02


def shelf(side, turn):
    """Products of one collection: the picture of each angle lies `turn` degrees from it, as its model sees it."""
    said = {"category": f"{side}/things", "brand": side, "title": f"thing {side}", "attributes": {"side": side}}
    return {f"{side}{n}/0": (n * STEP + turn, said) for n in range(PRODUCTS)}


class Turned:
    """A model that sees every picture turned."""

    def __init__(self, protractor, model_id, turn):
        self.protractor, self.model_id, self.dim, self.turn = protractor, model_id, 2, turn

    def embed(self, pictures):
        return self.protractor.embed((key, str(float(data) + self.turn).encode()) for key, data in pictures)


def two_models(shop):
    plain = shop.embedders["m1"]
    shop.embedders = {"one": Turned(plain, "one", 0), "two": Turned(plain, "two", 180)}
    return {
        side: shop.serve(shelf(side, model.turn), run, model_id=side)
        for run, (side, model) in zip(("r1", "r2"), shop.embedders.items(), strict=True)
    }


def check(answer, n):
    """What is wrong with an answer to the picture of product n, or nothing."""
    side = answer.model_id
    wrong = []
    if answer.collection != {"one": "shop__r1", "two": "shop__r2"}[side]:
        wrong.append(f"{answer.collection} of model {side}")
    if {hit.attributes["side"] for hit in answer.hits} | {hit.brand for hit in answer.hits} != {side}:
        wrong.append("hits of another collection")
    if [one.value for one in answer.categories] != [side, f"{side}/things"]:
        wrong.append(f"counts of {answer.categories}")
    if not answer.hits or answer.hits[0].product_id != f"{side}{n}" or answer.hits[0].score < 0.999:
        wrong.append(f"another product first: {answer.hits[0].product_id if answer.hits else None}")
    return wrong


def ask(client, number):
    """One question, of six kinds in turn, about one product in turn; answers say what is wrong."""
    n = number % PRODUCTS
    photo = Example(str(n * STEP).encode())
    match number // PRODUCTS % 6:
        case 0:
            return check(client.find(Query((photo,), k=3)), n)
        case 1:
            return check(client.find(Query((photo,), words="thing", collapse=True, diversity=0.1, k=3)), n)
        case 2:
            return [one for answer in client.find_many([Query((photo,))] * 2) for one in check(answer, n)]
        case 3:
            query = Query((photo,), filters=Filters(in_stock=True))
            return check(client.find(query, embedded=client.embed(query)), n)
        case 4:
            [hit] = client.search_picture(str(n * STEP).encode(), 1)
            return [] if hit.product_id in {f"one{n}", f"two{n}"} and hit.score > 0.999 else [f"{hit.product_id} first"]
        case _:
            query = Query((photo,), k=2)
            first = client.find(query)
            rest = client.find(Query((photo,), k=2, cursor=first.next_cursor))
            return check(first, n) + [f"a page of {rest.collection}"] * (first.collection != rest.collection)


def swapped_while_asked(shop, queries):
    """What went wrong in so many questions from 8 threads, and how many swaps there were meanwhile."""
    made = two_models(shop)
    client = shop.client(alias_s=ALIAS_S, deadline_s=60.0)
    client.embedder(made["one"]), client.embedder(made["two"])
    numbers, lock, wrong, seen = iter(range(queries)), threading.Lock(), [], Counter()

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                wrong.extend(ask(client, number))
                seen[client.collection.name] += 1
            except Exception as error:  # noqa: BLE001  # any failure is counted
                wrong.append(repr(error))

    swaps = 0
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for side in cycle(made):
        collections.swap(shop.store, "shop", made[side].name)
        swaps += 1
        threads[0].join(ALIAS_S)
        if not any(thread.is_alive() for thread in threads):
            break
    for thread in threads:
        thread.join()
    return wrong, swaps, seen


def test_no_answer_fails_or_mixes_while_the_alias_moves(shop):
    wrong, swaps, seen = swapped_while_asked(shop, 2_000)

    assert wrong == []
    assert swaps > 5
    assert min(seen.values()) > 100


@pytest.mark.parametrize("any_shop", ["lite"], indirect=True)
def test_no_answer_fails_or_mixes_on_a_database(any_shop):
    wrong, swaps, seen = swapped_while_asked(any_shop, 150)

    assert wrong == []
    assert swaps > 5
    assert len(seen) == 2


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("any_shop", ["lite", "server"], indirect=True)
def test_no_answer_of_ten_thousand_fails_or_mixes_on_a_database(any_shop):
    wrong, swaps, seen = swapped_while_asked(any_shop, 10_000)

    assert wrong == []
    assert swaps > 100
    assert min(seen.values()) > 1_000
