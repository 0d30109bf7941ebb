import json
from dataclasses import replace

import pytest

from vitrine.errors import BadInput, BadSettings
from vitrine.index import collections, schema
from vitrine.index.calibration import Calibration
from vitrine.index.collections import Facts
from vitrine.index.thresholds import Thresholds

FACTS = Facts(alias="shop", run="r1", model_id="m1", dim=2, as_of="2026-01-01T00:00:00+00:00")


def serve(store, run):
    """Make the collection of a run and swap the alias to it."""
    made = collections.create(store, Facts("shop", run, "m1", 2, FACTS.as_of))
    collections.swap(store, "shop", made.name)
    return made.name


def test_names_carry_alias_run_and_from_the_second_on_the_attempt():
    assert collections.collection_name("shop", "r1") == "shop__r1"
    assert collections.collection_name("shop", "r1", 2) == "shop__r1_2"
    assert collections.ledger_name("shop", "r1", 2) == "shop_ledger__r1_2"


@pytest.mark.parametrize("alias", ["1shop", "shop_ledger"])
def test_aliases_that_cannot_name_collections_are_refused(alias):
    with pytest.raises(BadSettings, match=alias):
        collections.collection_name(alias, "r1")


def test_facts_come_back_from_their_description():
    assert collections.parse(collections.describe(FACTS), "shop__r1") == FACTS


@pytest.mark.parametrize("description", ["", "a catalogue", "[]", "{}", '{"schema_version": 1}'])
def test_a_foreign_collection_is_refused(description):
    with pytest.raises(BadInput, match=r"^collection shop__r1 was not made by Vitrine: choose another milvus\.alias$"):
        collections.parse(description, "shop__r1")


def test_a_collection_of_another_schema_is_refused():
    newer = collections.describe(FACTS).replace('"schema_version": 1', '"schema_version": 2')

    with pytest.raises(BadInput, match="has schema version 2, this program needs 1"):
        collections.parse(newer, "shop__r1")


def test_nothing_is_served_before_the_first_swap(store):
    collections.create(store, FACTS)

    assert collections.current(store, "shop") is None


def test_what_is_served_is_known_by_name_ledger_and_facts(store):
    made = collections.create(store, FACTS)
    collections.swap(store, "shop", made.name)

    assert collections.current(store, "shop") == made
    assert (made.name, made.ledger, made.facts.model_id) == ("shop__r1", "shop_ledger__r1", "m1")


def test_what_was_measured_of_a_collection_is_known_wherever_it_is_served(store):
    measured = Calibration(0.035, 0.77, Thresholds(similar=0.9, very_close=0.95, duplicate=0.98), brand_temperature=0.2)
    made = collections.create(store, replace(FACTS, calibration=measured))
    collections.swap(store, "shop", made.name)

    assert collections.current(store, "shop").facts.calibration == measured


def test_a_collection_made_before_measures_were_kept_has_none():
    told = json.loads(collections.describe(FACTS))
    del told["calibration"]

    assert collections.parse(json.dumps(told), "shop__r1").calibration is None


@pytest.mark.parametrize(
    ("part", "name"), [(None, "new"), ("thresholds", "new"), (None, "stranger"), ("thresholds", "similar")]
)
def test_what_another_version_measured_costs_at_most_the_measures(part, name):
    measured = Calibration(0.035, 0.77, Thresholds(similar=0.9, very_close=0.95, duplicate=0.98))
    told = json.loads(collections.describe(replace(FACTS, calibration=measured)))
    values = told["calibration"][part] if part else told["calibration"]
    if name == "new":
        values[name] = 1
    else:
        del values[name]

    found = collections.parse(json.dumps(told), "shop__r1").calibration
    assert found == (measured if name == "new" else None)


def test_another_attempt_of_a_run_has_another_name(store):
    collections.create(store, FACTS)
    store.drop("shop__r1")

    assert collections.create(store, FACTS).name == "shop__r1_2"  # its ledger is still there


def test_an_alias_that_serves_a_foreign_collection_is_not_touched(store):
    store.create("theirs", schema.pictures(2), description="")
    store.point("shop", "theirs")

    for call in (lambda: collections.create(store, FACTS), lambda: collections.swap(store, "shop", "theirs")):
        with pytest.raises(BadInput, match="theirs was not made by Vitrine"):
            call()
    assert (store.resolve("shop"), store.collections()) == ("theirs", ["theirs"])


def test_an_alias_that_is_the_name_of_a_collection_is_refused(store):
    store.create("shop", schema.pictures(2), description="")

    with pytest.raises(BadInput, match="shop is a collection, not an alias"):
        collections.create(store, FACTS)


def test_rollback_serves_what_was_served_before(store):
    first, second, third = (serve(store, run) for run in ("r1", "r2", "r3"))
    assert [one.name for one in collections.candidates(store, "shop")] == [second, first]

    assert collections.rollback(store, "shop").name == second
    assert collections.rollback(store, "shop").name == first

    assert store.resolve("shop") == first
    with pytest.raises(BadInput, match="shop has no earlier collection"):
        collections.rollback(store, "shop")
    assert third in store.collections()


def test_a_collection_that_failed_its_gates_is_no_way_back(store):
    first = serve(store, "r1")
    collections.create(store, Facts("shop", "failed", "m1", 2, FACTS.as_of))
    serve(store, "r2")

    assert [one.name for one in collections.candidates(store, "shop")] == [first]


def test_the_way_back_ends_where_a_name_was_given_again(store):
    serve(store, "r1")
    serve(store, "r2")
    for name in ("shop__r1", "shop_ledger__r1"):
        store.drop(name)
    serve(store, "r1")

    assert [one.name for one in collections.candidates(store, "shop")] == ["shop__r2"]


def test_older_collections_are_dropped_with_their_ledgers(store):
    for run in ("r1", "r2", "r3"):
        serve(store, run)

    assert collections.retire(store, "shop", keep=1) == ["shop_ledger__r1", "shop__r1"]

    assert store.collections() == ["shop__r2", "shop__r3", "shop_ledger__r2", "shop_ledger__r3"]


def test_a_failed_attempt_is_dropped_before_what_was_served(store):
    serve(store, "r1")
    collections.create(store, Facts("shop", "failed", "m1", 2, FACTS.as_of))
    serve(store, "r2")

    assert collections.retire(store, "shop", keep=1) == ["shop_ledger__failed", "shop__failed"]


@pytest.mark.parametrize("gone", ["shop__half", "shop_ledger__half"])
def test_half_a_collection_is_dropped_too(store, gone):
    collections.create(store, Facts("shop", "half", "m1", 2, FACTS.as_of))
    store.drop(gone)
    serve(store, "r1")

    collections.retire(store, "shop", keep=1)

    assert store.collections() == ["shop__r1", "shop_ledger__r1"]


def test_what_any_alias_serves_stays(store):
    for run in ("r1", "r2", "r3"):
        serve(store, run)
    store.point("pinned", "shop__r1")

    assert collections.retire(store, "shop", keep=1) == []


def test_what_is_newer_than_the_served_collection_stays(store):
    serve(store, "r1")
    collections.create(store, Facts("shop", "loading", "m1", 2, FACTS.as_of))

    assert collections.retire(store, "shop", keep=1) == []


def test_collections_of_other_aliases_and_strangers_stay(store):
    store.create("shop__theirs", schema.pictures(2), description="")
    other = collections.create(store, Facts("shop__b", "r1", "m1", 2, FACTS.as_of))
    serve(store, "r1")

    assert collections.retire(store, "shop", keep=1) == []
    assert {"shop__theirs", other.name, other.ledger} <= set(store.collections())


def test_nothing_is_dropped_while_nothing_is_served(store):
    collections.create(store, FACTS)

    assert collections.retire(store, "shop", keep=1) == []


def test_what_a_failed_run_made_is_dropped_and_what_is_served_is_not(store, caplog):
    serve(store, "r1")
    failed = collections.create(store, Facts("shop", "failed", "m1", 2, FACTS.as_of))

    collections.abandon(store, failed)
    collections.abandon(store, collections.find(store, "shop__r1"))

    assert "shop__r1" in store.collections()
    assert not {failed.name, failed.ledger} & set(store.collections())
    assert "left behind collection=shop__r1" in caplog.text
