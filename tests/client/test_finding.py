"""Queries with examples, words, filters, variety and pages, and what their answers say."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vitrine.client import Box, Example, Filters, Note, Query, Source, StaleCursor, UnknownProduct
from vitrine.errors import BadInput, BadRecord, BadSettings, ModelMismatch
from vitrine.index.calibration import Calibration
from vitrine.index.thresholds import Thresholds

COUNTED = Calibration(0.02, 0.1, Thresholds(similar=0.7, very_close=0.97, duplicate=0.999))
CATALOGUE = {
    "bag/0": (0, {"title": "Red bag", "category": "Bags/Totes", "brand": "Acme", "price": 10.0}),
    "bag/1": (90, {"title": "Red bag", "category": "Bags/Totes", "brand": "Acme", "price": 10.0}),
    "sack/0": (10, {"title": "Blue sack", "category": "Bags", "brand": "Blu", "price": 30.0}),
    "tote/0": (20, {"title": "红色 手提包", "category": "Bags/Totes", "in_stock": False}),
    "hat/0": (60, {"title": "Red hat", "category": "Hats", "brand": "Acme", "price": 8.0}),
    "cap/0": (-90, {"title": "Cap", "category": "Hats", "attributes": {"colour": "red"}}),
}


def looking(*degrees, **options):
    return Query(tuple(Example(str(one).encode()) for one in degrees), **options)


def ids(answer):
    return [hit.product_id for hit in answer.hits]


def scores(answer):
    return [hit.score for hit in answer.hits]


@pytest.fixture
def served(shop):
    shop.serve(CATALOGUE, calibration=COUNTED)
    return shop


def test_every_database_answers_the_same(any_shop):
    made = any_shop.serve(CATALOGUE, calibration=COUNTED)
    client = any_shop.client()

    answer = client.find(looking(80))

    cosines = [float(np.cos(np.radians(angle))) for angle in (10, 20, 60, 70, 170)]
    assert [hit.image_id for hit in answer.hits] == ["bag/1", "hat/0", "tote/0", "sack/0", "cap/0"]
    assert scores(answer) == pytest.approx(cosines, abs=1e-5)
    assert [hit.likeness for hit in answer.hits] == ["very close", "similar", "distant", "distant", "distant"]
    assert (answer.collection, answer.model_id, answer.next_cursor) == (made.name, "m1", "")
    assert ids(client.find(looking(0, filters=Filters(categories=("Bags",), price_min=1)))) == ["bag", "sack"]
    assert ids(client.find(looking(0, filters=Filters(attributes={"colour": "red"})))) == ["cap"]
    assert ids(client.find(looking(0, words="hat")))[0] == "hat"
    assert ids(client.find(looking(0, expression="price > 9"))) == ["bag", "sack"]
    liked = Query((Example(product_id="bag"), Example(image_id="hat/0", weight=-1)), k=2)
    assert ids(client.find(liked)) == ["tote", "sack"]
    first = client.find(looking(0, k=2, collapse=True, diversity=0.3))
    rest = client.find(looking(0, k=9, cursor=first.next_cursor, collapse=True, diversity=0.3))
    assert {*ids(first), *ids(rest)} == {"bag", "sack", "tote", "hat", "cap"}


def test_a_vector_a_stored_picture_and_a_picture_of_the_same_look_answer_the_same(served, angle, tmp_path):
    (tmp_path / "photo").write_bytes(b"60")
    asked = [
        Example(b"60"),
        Example(tmp_path / "photo"),
        Example(vector=7 * angle(60)),
        Example(image_id="hat/0"),
        Example(product_id="hat"),
    ]

    found = [served.client().find(Query((one,), k=9)) for one in asked]

    assert [ids(answer) for answer in found[:3]] == [["hat", "bag", "tote", "sack", "cap"]] * 3
    assert [ids(answer) for answer in found[3:]] == [["bag", "tote", "sack", "cap"]] * 2
    assert scores(found[1]) == pytest.approx(scores(found[2]), abs=1e-6)


def test_each_picture_of_a_stored_product_asks(served):
    answer = served.client().find(Query((Example(product_id="bag"),)))

    assert [(hit.product_id, round(hit.score, 3)) for hit in answer.hits] == [
        ("sack", 0.985),
        ("tote", 0.94),
        ("hat", 0.866),
        ("cap", 0.0),
    ]


def test_likes_that_are_alike_ask_as_their_mean_and_dislikes_push_away(served):
    client = served.client()

    between = client.find(Query((Example(b"0"), Example(b"40"))))
    away = client.find(Query((Example(b"20"), Example(b"90", weight=-1))))

    assert (ids(between)[0], between.hits[0].score) == ("tote", pytest.approx(1.0))
    assert ids(away)[:2] == ["bag", "sack"]
    assert {hit.likeness for answer in (between, away) for hit in answer.hits} == {None}


def test_weights_pull_the_mean(served):
    def first(weight):
        return ids(served.client().find(Query((Example(b"0", weight=weight), Example(b"60")), k=1)))

    assert (first(9.0), first(0.1)) == (["sack"], ["hat"])


def test_examples_that_are_different_things_are_each_searched_for(shop):
    shop.serve({f"bag{i}/0": i / 10 for i in range(210)} | {f"hat{i}/0": 90 - i / 10 for i in range(210)})

    answer = shop.client().find(Query((Example(b"0"), Example(b"90", weight=2)), k=4))

    assert ids(answer) == ["hat0", "hat1", "hat2", "hat3"]
    answer = shop.client().find(Query((Example(b"0"), Example(b"90")), k=4))
    assert ids(answer) == ["bag0", "hat0", "bag1", "hat1"]
    assert answer.notes == (Note.FUSED,)
    assert scores(answer) == pytest.approx([1.0] * 4, abs=1e-5)


def test_words_choose_among_what_looks_alike_and_the_answer_says_so(served):
    answer = served.client().find(looking(10, words="red"))

    assert ids(answer)[:2] == ["bag", "hat"]
    assert {hit.product_id for hit in answer.hits if Source.WORDS in hit.sources} == {"bag", "hat"}
    assert all(hit.sources[0] is Source.LOOKS for hit in answer.hits)
    assert answer.notes == (Note.WORDS,)
    assert "chose" in Note.WORDS.text


def test_chinese_words_find_chinese_titles(served):
    assert ids(served.client().find(looking(60, words="红色手提包")))[0] == "tote"


def test_words_that_nothing_holds_change_nothing_and_are_told(served):
    plain, answer = served.client().find_many([looking(10), looking(10, words="zebra")])

    assert (answer.hits, answer.notes) == (plain.hits, (Note.WORDS_UNFOUND,))


def test_every_level_of_a_category_is_counted_before_it_is_filtered_by(served):
    answer = served.client().find(looking(0, filters=Filters(categories=("Hats",), brands=("Acme",), price_min=1)))

    assert ids(answer) == ["hat"]
    assert [(one.value, one.count) for one in answer.categories] == [("Bags", 2), ("Bags/Totes", 1), ("Hats", 1)]
    assert [(one.value, one.count) for one in answer.brands] == [("Acme", 2), ("Blu", 1)]


def test_pages_follow_each_other_without_gap_or_repetition(shop):
    shop.serve({f"p{i}/0": i / 10 for i in range(57)})
    client, cursor, pages = shop.client(), "", []
    while cursor or not pages:
        answer = client.find(looking(0, k=20, cursor=cursor))
        pages.append(ids(answer))
        cursor = answer.next_cursor

    assert [len(page) for page in pages] == [20, 20, 17]
    assert [one for page in pages for one in page] == [f"p{i}" for i in range(57)]


def test_pages_end_with_the_pool(shop):
    shop.serve({f"p{i}/0": i / 10 for i in range(300)})
    client = shop.client()
    first = client.find(looking(0, k=150))

    second = client.find(looking(0, k=150, cursor=first.next_cursor))

    assert (len(second.hits), second.next_cursor) == (50, "")


def test_the_next_page_comes_from_the_collection_of_the_first(served):
    client = served.client(alias_s=0.0)
    first = client.find(looking(0, k=1))
    served.serve({"new/0": 0}, "r2")

    assert ids(client.find(looking(0, k=1, cursor=first.next_cursor))) == ["sack"]
    assert ids(client.find(looking(0, k=1))) == ["new"]
    served.store.drop("shop__r1")
    with pytest.raises(StaleCursor, match="not served any more"):
        client.find(looking(0, k=1, cursor=first.next_cursor))


def test_near_duplicates_are_folded_into_the_better_one(shop):
    shop.serve(
        {
            "a/0": (0, {"sha256": "1" * 64}),
            "copy/0": (30, {"sha256": "1" * 64}),
            "near/0": 1,
            "other/0": 20,
            "twin/0": 21,
        },
        calibration=COUNTED,
    )

    answer = shop.client().find(looking(0, collapse=True))

    assert [(hit.product_id, hit.more_like_this) for hit in answer.hits] == [
        ("a", ("near", "copy")),
        ("other", ("twin",)),
    ]
    assert ids(shop.client().find(looking(0))) == ["a", "near", "other", "twin", "copy"]


def test_diversity_puts_another_look_before_a_better_answer(served):
    plain, varied = served.client().find_many([looking(15, k=3), looking(15, k=3, diversity=0.7)])

    assert ids(plain) == ["sack", "tote", "bag"]
    assert ids(varied) == ["sack", "cap", "hat"]


def test_nothing_close_is_told(served):
    assert Note.NOTHING_CLOSE in served.client().find(looking(180)).notes
    assert served.client().find(looking(30)).notes == ()


def test_without_a_calibration_no_word_is_said_about_likeness(shop):
    shop.serve(CATALOGUE)

    answer = shop.client().find(looking(180))

    assert (answer.hits[0].likeness, answer.notes) == (None, ())


def shelves():
    shoes = {f"shoe{i}/0": (i / 4, {"category": "Shoes/Boots"}) for i in range(40)}
    return {**shoes, "hat/0": (9.9, {"category": "Hats"})}


def test_a_sure_category_narrows_only_on_request_and_says_so(shop):
    shop.serve(shelves(), calibration=COUNTED)
    client = shop.client()

    open_, narrowed = client.find_many([looking(9.9, k=3), looking(9.9, k=3, narrow=True)])

    assert (open_.guess.narrows, open_.narrowed_to, "hat" in ids(open_)) == ("Shoes/Boots", "", True)
    assert (narrowed.narrowed_to, "hat" in ids(narrowed)) == ("Shoes/Boots", False)
    assert Note.NARROWED in narrowed.notes
    chosen = client.find(looking(9.9, narrow=True, filters=Filters(categories=("Hats",))))
    assert (ids(chosen), chosen.narrowed_to) == (["hat"], "")


def test_the_guess_is_of_the_whole_shop_whatever_is_filtered(shop):
    shop.serve({name: (angle, {**said, "price": 9.0}) for name, (angle, said) in shelves().items()})
    client = shop.client()

    plain, cheap, other = client.find_many(
        [looking(3), looking(3, filters=Filters(price_max=1)), looking(3, expression='category == "Hats"')]
    )

    assert (len(plain.hits), ids(cheap), ids(other)) == (10, [], ["hat"])
    for answer in (plain, cheap, other):
        assert (answer.guess.path, answer.guess.none_of_these) == ("Shoes/Boots", False)


def test_narrowing_by_itself_never_empties_an_answer(shop):
    shelf = shelves() | {"hat/0": (9.9, {"category": "Hats", "brand": "B"})}
    shop.serve(shelf, calibration=COUNTED)

    answer = shop.client().find(looking(3, narrow=True, filters=Filters(brands=("B",))))

    assert (ids(answer), answer.narrowed_to, Note.NARROWED in answer.notes) == (["hat"], "", False)
    assert answer.guess.narrows == "Shoes/Boots"


def test_a_picture_is_categorised_by_its_neighbours(shop):
    shop.serve(shelves(), calibration=COUNTED)

    guess = shop.client().categorise(b"3")

    assert (guess.path, guess.sure, guess.none_of_these) == ("Shoes/Boots", "Shoes/Boots", False)
    with pytest.raises(BadInput, match="only a picture"):
        shop.client().categorise(Example(product_id="hat"))


def test_a_stored_product_needs_no_guess_and_no_model(served):
    served.embedders.clear()

    assert served.client().find(Query((Example(product_id="hat"),))).guess is None


def test_what_several_examples_show_is_not_guessed(served):
    client = served.client()

    alike, different, one = client.find_many([looking(0, 10), looking(0, 90), looking(0)])

    assert (alike.guess, different.guess, one.guess.path) == (None, None, "Bags/Totes")


def test_many_queries_are_answered_like_each_alone(served):
    queries = [
        looking(0),
        looking(60, filters=Filters(in_stock=True)),
        Query((Example(product_id="hat"),), k=2),
        looking(0, 90, 45, words="red", k=3),
        looking(80, filters=Filters(categories=("Bags",))),
    ]
    client = served.client()

    together, alone = client.find_many(queries), [client.find(query) for query in queries]

    assert [replace(one, hits=(), guess=None) for one in together] == [
        replace(one, hits=(), guess=None) for one in alone
    ]
    for one, other in zip(together, alone, strict=True):
        assert [(hit.product_id, hit.sources) for hit in one.hits] == [
            (hit.product_id, hit.sources) for hit in other.hits
        ]
        assert [hit.score for hit in one.hits] == pytest.approx([hit.score for hit in other.hits], abs=1e-6)
    assert client.find_many([]) == []


def test_a_query_can_be_embedded_first_and_searched_later(served):
    client, query = served.client(), looking(60)

    embedded = client.embed(query)

    assert embedded.collection == client.target(query) == client.collection
    served.embedders["m1"].seen.clear()
    assert ids(client.find(query, embedded=embedded)) == ids(client.find(looking(60)))
    assert served.embedders["m1"].seen == [b"60"]


def test_only_the_part_in_the_box_is_embedded(served):
    halves = Image.new("RGB", (40, 20), "white")
    halves.paste("black", (20, 0, 40, 20))
    file = io.BytesIO()
    halves.save(file, "PNG")
    whole, right = Box(0, 0, 1, 1), Box(0.5, 0, 0.5, 1)

    examples = (Example(file.getvalue(), box=whole), Example(file.getvalue(), box=right), Example(halves))
    data = served.client().pictures(Query(examples))

    assert data[0] == file.getvalue()
    part = Image.open(io.BytesIO(data[1]))
    assert (part.size, part.getcolors()) == ((20, 20), [(400, (0, 0, 0))])
    assert Image.open(io.BytesIO(data[2])).tobytes() == halves.tobytes()


def test_what_is_not_stored_is_named(served):
    client = served.client()

    for example, words in ((Example(product_id="sofa"), "no product 'sofa'"), (Example(image_id="x/0"), "no picture")):
        with pytest.raises(UnknownProduct, match=words):
            client.find(Query((example,)))
    with pytest.raises(UnknownProduct, match="no picture 'bag/7'"):
        client.image("bag/7")
    with pytest.raises(UnknownProduct, match="no product 'sofa'"):
        client.product("sofa")


def test_a_stored_product_tells_its_pictures(served):
    client = served.client()

    assert [hit.image_id for hit in client.product("bag")] == ["bag/0", "bag/1"]
    assert (client.image("bag/1").title, client.image("bag/1").score) == ("Red bag", 1.0)


def test_a_picture_that_cannot_be_used_says_why(served):
    with pytest.raises(BadRecord, match="corrupt: not an angle"):
        served.client().find(Query((Example(b"0"), Example(b"north"))))


def test_vectors_of_another_model_or_shape_are_refused(served, angle):
    client, query = served.client(alias_s=0.0), looking(0)
    embedded = client.embed(query)
    cursor = client.find(replace(query, k=1)).next_cursor

    with pytest.raises(BadInput, match=r"shape \(3,\), shop__r1 holds \(2,\)"):
        client.find(Query((Example(vector=np.ones(3)),)))
    with pytest.raises(BadInput, match=r"have shape \(1, 2\), shop__r1 wants \(2, 2\)"):
        client.find(looking(0, 1), embedded=embedded)
    other = served.serve({"new/0": 0}, "r2", model_id="m2")
    with pytest.raises(ModelMismatch, match="m1, not of model m2"):
        client.find(replace(query, cursor=cursor), embedded=replace(embedded, collection=other))


def test_words_alone_and_dislikes_alone_are_refused():
    for examples in ((), (Example(b"0", weight=-1),)):
        with pytest.raises(BadSettings, match="nothing to look like"):
            Query(examples, words="red")
