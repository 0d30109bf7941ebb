"""Swaps and models: which collection answers while the world changes."""

import threading

import numpy as np
import pytest

from vitrine.client import Embedded, Example, Note, Query
from vitrine.client.following import Followed
from vitrine.client.models import Models
from vitrine.errors import BadInput, ModelMismatch, Unavailable
from vitrine.index.schema import Contents
from vitrine.index.store import NotThere

DEADLINE_S = 30.0


def picture(angle):
    return Query((Example(str(angle).encode()),))


def first(answer):
    return answer.hits[0].product_id, answer.notes


class Gate:
    """Gives the embedders of a shop, those of other models only once it is opened."""

    def __init__(self, shop):
        self.embedders = dict(shop.embedders)
        self.opened, self.asked = threading.Event(), threading.Event()

    def __call__(self, model_id):
        if model_id not in self.embedders:
            self.asked.set()
            assert self.opened.wait(DEADLINE_S)
            self.embedders[model_id] = type(self.embedders["m1"])(model_id)
        return self.embedders[model_id]


def test_an_alias_is_asked_for_once_a_second(shop):
    shop.serve({"a/0": 0})
    now = [100.0]
    followed = Followed(1.0, clock=lambda: now[0])
    seen = []
    for now[0], run in ((100.0, "r2"), (100.9, "r3"), (101.1, "r4"), (102.2, "r5")):
        seen.append(followed.behind(shop.store, "shop", Contents.PRODUCTS).name)
        shop.serve({"a/0": 0}, run)

    assert seen == ["shop__r1", "shop__r1", "shop__r3", "shop__r4"]


def test_what_was_served_before_answers_until_the_new_model_is_ready(shop):
    shop.serve({"old/0": 0})
    gate = Gate(shop)
    client = shop.client(gate, alias_s=0.0, deadline_s=DEADLINE_S)
    assert first(client.find(picture(0))) == ("old", ())

    shop.serve({"new/0": 0}, "r2", model_id="m2")

    assert first(client.find(picture(0))) == ("old", (Note.PREVIOUS,))
    assert client.find(Query((Example(product_id="new"),))).collection == "shop__r2"
    gate.opened.set()
    assert client.embedder(client.collection).model_id == "m2"
    assert first(client.find(picture(0))) == ("new", ())


def test_a_swap_to_the_same_model_is_followed_at_once(shop):
    shop.serve({"old/0": 0})
    client = shop.client(alias_s=0.0)
    client.find(picture(0))
    shop.serve({"new/0": 0}, "r2")

    assert first(client.find(picture(0))) == ("new", ())


def test_where_the_previous_collection_is_gone_the_new_model_is_waited_for(shop):
    shop.serve({"old/0": 0})
    gate = Gate(shop)
    client = shop.client(gate, alias_s=0.0, deadline_s=DEADLINE_S)
    client.find(picture(0))
    shop.serve({"new/0": 0}, "r2", model_id="m2")
    shop.store.drop("shop__r1")
    opening = threading.Thread(target=lambda: gate.asked.wait(DEADLINE_S) and gate.opened.set())
    opening.start()

    assert first(client.find(picture(0))) == ("new", ())
    opening.join()


class Late(Gate):
    """Finds no other model at first; the second look takes until it is opened."""

    def __call__(self, model_id):
        if model_id not in self.embedders and not self.asked.is_set():
            self.asked.set()
            raise BadInput(f"model {model_id} is not in the bundled models")
        return super().__call__(model_id)


def test_a_model_that_is_found_nowhere_is_refused_with_both_ids_until_it_is_found(shop):
    shop.serve({"old/0": 0})
    late = Late(shop)
    client = shop.client(late, alias_s=0.0, deadline_s=DEADLINE_S)
    client.find(picture(0))
    shop.serve({"new/0": 0}, "r2", model_id="m9")
    with pytest.raises(BadInput, match="model m9 is not in the bundled models"):
        client.embedder(client.collection)

    for _ in range(3):
        with pytest.raises(ModelMismatch, match="model m9, not of model m1"):
            client.find(picture(0))
    assert client.find(Query((Example(product_id="new"),))).collection == "shop__r2"
    late.opened.set()
    assert client.embedder(client.collection).model_id == "m9"
    assert first(client.find(picture(0))) == ("new", ())


def test_a_model_that_never_was_found_is_named(shop):
    shop.serve({"a/0": 0}, model_id="m9")

    with pytest.raises(BadInput, match="model m9 is not in the bundled models"):
        shop.client().find(picture(0))


def test_a_model_that_takes_too_long_is_unavailable(shop):
    shop.serve({"a/0": 0}, model_id="m2")
    gate = Gate(shop)

    with pytest.raises(Unavailable, match="m2 is still being loaded"):
        shop.client(gate, deadline_s=0.05).find(picture(0))
    gate.opened.set()


def test_a_model_is_made_once_for_all_threads_and_again_after_a_failure(shop):
    shop.serve({"a/0": 0})
    made, outcomes = [], [Unavailable("the model store is away"), shop.embedders["m1"]]

    def make(model_id):
        made.append(model_id)
        outcome = outcomes[min(len(made) - 1, 1)]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    client = shop.client(make, deadline_s=DEADLINE_S)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(client.find(picture(0)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 8
    assert made[:2] == ["m1", "m1"]
    assert len(made) == 2


def test_vectors_whose_collection_is_gone_answer_from_the_new_one_of_the_same_model(shop):
    shop.serve({"old/0": 0})
    client = shop.client(alias_s=0.0)
    embedded = client.embed(picture(0))
    shop.serve({"new/0": 0}, "r2")
    assert first(client.find(picture(0), embedded=embedded)) == ("old", (Note.PREVIOUS,))
    shop.store.drop("shop__r1")

    assert first(client.find(picture(0), embedded=embedded)) == ("new", ())


def test_vectors_whose_collection_is_gone_are_embedded_again_for_another_model(shop):
    shop.serve({"old/0": 0})
    client = shop.client(alias_s=0.0)
    embedded = client.embed(picture(0))
    shop.serve({"new/0": 0}, "r2", model_id="m2")
    shop.store.drop("shop__r1")

    with pytest.raises(NotThere):
        client.find(picture(0), embedded=Embedded(embedded.collection, np.asarray(embedded.vectors)))


def test_a_client_that_is_ready_has_searched_and_has_its_model(shop):
    with pytest.raises(BadInput, match="no alias shop"):
        shop.client().ready()
    made = shop.serve({"a/0": 0})
    shop.embedders.clear()
    with pytest.raises(BadInput, match="model m1"):
        shop.client().ready()
    shop.embedders["m1"] = object()

    assert shop.client().ready() == made


def test_embedders_of_models_that_nobody_asks_for_are_let_go(shop):
    made = []

    def make(model_id):
        made.append(model_id)
        return shop.embedders["m1"]

    models = Models(make)
    for model_id in ("m1", "m2", "m1", "m3", "m1", "m3"):
        models.get(model_id, DEADLINE_S)

    assert made == ["m1", "m2", "m3"]
    models.get("m2", DEADLINE_S)
    assert made == ["m1", "m2", "m3", "m2"]
