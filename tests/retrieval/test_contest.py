"""A model judged, and its figures as they are told."""

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.retrieval.builders import labelled, picture
from tests.retrieval.conftest import MakeArena
from vitrine.errors import BadInput
from vitrine.report import render
from vitrine.retrieval import results
from vitrine.retrieval.arena import Arena
from vitrine.retrieval.contest import Contender, Entry, contend
from vitrine.retrieval.histogram import HistogramEmbedder
from vitrine.retrieval.pages import page
from vitrine.retrieval.tables import tables
from vitrine.settings import Evaluate, Pictures
from vitrine.thumbnails import small

SHRINK = partial(small, limits=Pictures(), side=160)
WANTED = Evaluate(k=[3], robust=3, resamples=200)
NAMES = {"recall@1", "recall@3", "precision@3", "recall@5", "precision@5", "map@r", "mrr"}


@pytest.fixture
def judged(drawn: Arena, histogram: HistogramEmbedder) -> Contender:
    """What the colour histogram reaches on the drawn looks."""
    return contend(Entry("colours", histogram, notice="mind this"), drawn, WANTED, Pictures())


def test_a_model_is_judged_at_one_five_and_what_is_asked_for(judged: Contender) -> None:
    score = judged.scores["kind"]
    assert set(score.judged.means()) == set(score.intervals) == NAMES
    assert all(low <= score.judged.means()[name] <= high for name, (low, high) in score.intervals.items())
    assert (judged.speed.embed.n, judged.speed.index_recall, judged.unusable) == (8, None, {})


def test_pictures_of_a_product_are_drawn_together(make_arena: MakeArena, histogram: HistogramEmbedder) -> None:
    red, other = picture(0), picture(1)
    searched = [labelled("g0", "x", data=red), labelled("g1", "y", data=other)]
    asked = [("x", red)] * 6 + [("x", other)] * 6

    def width(products: list[str]) -> float:
        arena = make_arena([labelled(p, x, data=d) for p, (x, d) in zip(products, asked, strict=True)], searched)
        found = contend(Entry("colours", histogram), arena, WANTED.model_copy(update={"robust": 0}), Pictures())
        assert found.scores["kind"].judged.means()["recall@1"] == 0.5
        low, high = found.scores["kind"].intervals.get("recall@1", (0.0, 0.0))
        return high - low

    one_each, six = width([f"q{n}" for n in range(12)]), width([f"q{n // 2}" for n in range(12)])
    assert 0 < one_each < six
    assert width([f"q{n // 3}" for n in range(12)]) == 0  # four products tell nothing of others


def test_a_model_without_a_vector_of_any_answer_is_refused(make_arena: MakeArena, histogram: HistogramEmbedder) -> None:
    searched = [labelled("a", "x", data=b"broken"), labelled("b", "y", data=picture(0))]
    arena = make_arena([labelled("q", "x", data=picture(0))], searched)
    with pytest.raises(
        BadInput, match=r"colours has no vectors .* by kind \(unusable pictures: unsupported_format 1\)"
    ):
        contend(Entry("colours", histogram), arena, WANTED, Pictures())


def test_unusable_pictures_of_both_sides_are_counted_by_reason(
    make_arena: MakeArena, histogram: HistogramEmbedder
) -> None:
    good = picture(0)
    asked = [labelled("q", "x", data=good), labelled("r", "x", data=b"broken")]
    searched = [labelled("a", "x", data=good), labelled("b", "y", data=good[:300]), labelled("c", "y", data=b"broken")]
    found = contend(Entry("colours", histogram), make_arena(asked, searched), WANTED, Pictures())
    assert found.unusable == {"unsupported_format": 2, "truncated": 1}


def test_a_query_that_a_model_cannot_embed_has_found_nothing(
    make_arena: MakeArena, histogram: HistogramEmbedder
) -> None:
    good = picture(0)
    asked = [labelled("q", "x", data=b"broken"), labelled("r", "x", data=good), labelled("s", "z", data=good)]
    searched = [labelled("a", "x", data=good), labelled("b", "y", data=picture(1))]
    found = contend(Entry("colours", histogram), make_arena(asked, searched), WANTED, Pictures()).scores["kind"].judged
    assert (found.asked.tolist(), found.figures["recall@1"].tolist(), found.left_out) == ([1, 0], [1, 0], 1)


def test_the_product_and_its_kind_are_judged_side_by_side(make_arena: MakeArena, histogram: HistogramEmbedder) -> None:
    asked = [labelled("a", "a", "x", data=picture(0))]
    searched = [
        labelled("a", "a", "x", data=picture(0) + b"in another file"),
        labelled("b", "b", "y", data=picture(0)),
        labelled("c", "c", "x", data=picture(5)),
    ]
    arena = make_arena(asked, searched, columns=["product_id", "kind"])
    found = contend(Entry("colours", histogram), arena, WANTED, Pictures())
    assert found.scores["product_id"].judged.means()["recall@1"] == 1
    assert found.scores["kind"].judged.means()["recall@1"] == 0


def test_metrics_json_holds_all_of_it(drawn: Arena, judged: Contender) -> None:
    told = json.loads(json.dumps(results.metrics(drawn, [judged]), allow_nan=False))
    model = told["models"]["colours"]
    assert (told["queries"], told["gallery"], told["rejected"]) == (8, 16, {})
    assert set(model) == {"model_id", "runs_on", "notice", "unusable", "labels", "robustness", "speed"}
    kind = model["labels"]["kind"]
    assert set(kind["overall"]) == set(kind["intervals"]) == NAMES
    assert set(kind["by_class"]) == {"look 0", "look 1", "look 2", "look 3"}
    assert kind["by_class"]["look 1"].keys() >= NAMES | {"queries", "intervals"}
    assert np.isclose(
        np.mean([one["mrr"] for one in kind["by_class"].values()]), kind["overall"]["mrr"], atol=1e-4
    )  # of as many queries each
    assert set(model["speed"]["search_ms"]) == {"p50", "p99", "n"}
    assert set(model["robustness"]["drop"]["blur"]) == {"0.01", "0.02", "0.04"}


def test_tables_have_a_line_for_each_model(drawn: Arena, judged: Contender) -> None:
    lines = tables(drawn, [judged, replace(judged, name="the other")]).splitlines()
    assert lines[0] == "same kind: 8 queries, 0 left out"
    assert [line.split(" |")[0] for line in lines[4:6]] == ["| colours  ", "| the other"]
    value = judged.scores["kind"].judged.means()["map@r"]
    assert f" {value:.3f} (" in lines[4]
    assert any(re.match(r"\| crop +\| +0\.5 \| ", line) for line in lines)
    for table in "\n".join(lines).split("\n\n"):
        widths = {len(line) for line in table.splitlines() if line.startswith("|")}
        assert len(widths) <= 1


def test_the_page_shows_models_distortions_and_mistakes_and_escapes_what_comes_from_outside(
    make_arena: MakeArena, histogram: HistogramEmbedder
) -> None:
    asked = [labelled(f"<q{n}>", "<x>", data=picture(0)) for n in range(6)]
    searched = [labelled("a", "<x>", data=picture(1)), labelled("b", "y", data=picture(0))]
    arena = make_arena(asked, searched)
    found = contend(Entry("<i>colours", histogram, notice="mind <this>"), arena, WANTED, Pictures())
    shown = render(page("run", arena, [found], facts={"seed": "1"}, shrink=SHRINK))
    assert "<x>" not in shown
    assert "<i>" not in shown
    assert "<this>" not in shown
    for said in (
        "Same kind",
        "strong distortion",
        "Hardest by kind",
        "Surest mistakes",
        "mind &lt;this&gt;",
        "embed p99",
    ):
        assert said in shown
    assert shown.count("data:image/") == 6 * 3


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (["bundled", "/w/spring/weights.safetensors"], ["bundled", "spring/weights"]),
        (["resnet50:/w/a/weights.pt", "s3://shop/b/weights.pt"], ["a/weights", "b/weights"]),
        (["/w/a/weights.pt", "/v/a/weights.pt"], ["/w/a/weights.pt", "/v/a/weights.pt"]),
    ],
)
def test_the_page_calls_files_by_directory_and_stem_where_these_tell_them_apart(
    drawn: Arena, judged: Contender, names: list[str], called: list[str]
) -> None:
    shown = page("run", drawn, [replace(judged, name=name) for name in names], facts={}, shrink=SHRINK)
    assert [one.name for one in shown.contests[0].contestants] == called
    assert shown.facts == {short: name for name, short in zip(names, called, strict=True) if short != name}


def test_of_losses_and_times_the_least_is_best(drawn: Arena, judged: Contender) -> None:
    contests = page("run", drawn, [judged], facts={}, shrink=SHRINK).contests
    losses = [f"Drop of recall@10, {how} distortion" for how in ("mild", "medium", "strong")]
    assert [one.title for one in contests if one.least] == [*losses, "Time"]


def test_without_distorted_queries_and_intervals_the_page_has_none(drawn: Arena, histogram: HistogramEmbedder) -> None:
    plain = Evaluate(robust=0, resamples=0)
    found = contend(Entry("colours", histogram), drawn, plain, Pictures())
    assert (found.robustness, found.scores["kind"].intervals) == (None, {})
    assert "distortion" not in tables(drawn, [found])
    assert "Drop of" not in render(page("run", drawn, [found], facts={}, shrink=SHRINK))
    assert results.metrics(drawn, [found])["models"]["colours"]["robustness"] == {}  # type: ignore[index]
