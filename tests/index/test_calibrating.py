"""Products held out and looked up among staged rows, against a plain look at every pair."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrine.embedding import Vectors
from vitrine.index import schema
from vitrine.index.calibrating import UNSAID, HeldOut, calibrate, draw, nearest_products
from vitrine.index.thresholds import measure


@dataclass(frozen=True)
class Rows:
    """Rows of a catalogue: their products, categories, (n, dim) vectors and brands, empty if not given."""

    products: list[str]
    categories: list[str]
    vectors: Vectors
    brands: Sequence[str] = ()

    def staged(self, place: Path, files: int = 1) -> list[str]:
        """Parquet files of these rows, in order."""
        names = []
        for number, some in enumerate(np.array_split(np.arange(len(self.products)), files)):
            columns = {
                schema.PRODUCT_ID: pa.array([self.products[row] for row in some], pa.string()),
                schema.CATEGORY: pa.array([self.categories[row] for row in some], pa.string()),
                schema.BRAND: pa.array([self.brands[row] if self.brands else "" for row in some], pa.string()),
                schema.VECTOR: pa.array(list(self.vectors[some]), pa.list_(pa.float32())),
            }
            names.append(str(place / f"{number}.parquet"))
            pq.write_table(pa.table(columns), names[-1])
        return names


def unit(vectors: Vectors) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def shop(products: int = 400, *, kinds: int = 4, spread: float = 1.0) -> Rows:
    """One row a product, near the middle of its kind."""
    dice = np.random.default_rng(3)
    middles, of = dice.standard_normal((kinds, 16)), dice.integers(kinds, size=products)
    vectors = unit(middles[of] + spread * dice.standard_normal((products, 16)))
    return Rows([f"p{number}" for number in range(products)], [f"All/Kind {kind}" for kind in of], vectors)


def plainly(held_out: HeldOut, rows: Rows, below: float, k: int) -> list[list[tuple[float, str]]]:
    """The same as `nearest_products`, pair by pair: cosines and products."""
    found = []
    for own, vector in zip(held_out.product_ids, held_out.vectors, strict=True):
        best: dict[str, float] = {}
        for other, row in zip(rows.products, rows.vectors, strict=True):
            score = float(vector @ row)
            if other != own and score < below:
                best[other] = max(score, best.get(other, -2.0))
        found.append(sorted(((score, other) for other, score in best.items()), reverse=True)[:k])
    return found


@settings(max_examples=30)
@given(
    products=st.lists(st.integers(0, 12), min_size=1, max_size=60),
    k=st.integers(1, 6),
    below=st.sampled_from([0.5, 0.9, 2.0]),
    files=st.integers(1, 3),
)
def test_neighbours_are_those_of_a_look_at_every_pair(tmp_path_factory, products, k, below, files) -> None:
    vectors = unit(np.random.default_rng(len(products)).standard_normal((len(products), 4)))
    kinds, brands = ([f"{name}{number % n}" for number in products] for name, n in (("c", 3), ("b", 4)))
    rows = Rows([f"p{number}" for number in products], kinds, vectors, brands)
    paths = rows.staged(tmp_path_factory.mktemp("staged"), files)
    held_out = draw(paths, 20, seed=1)
    found = nearest_products(paths, held_out, below=below, k=k)
    labels = {name: (hash(kind), hash(brand)) for name, kind, brand in zip(rows.products, kinds, brands, strict=True)}
    for row, wanted in enumerate(plainly(held_out, rows, below, k)):
        there = np.isfinite(found.scores[row])
        assert found.scores[row][there].tolist() == pytest.approx([score for score, _ in wanted], abs=1e-6)
        assert found.products[row][there].tolist() == [hash(other) for _, other in wanted]
        assert [tuple(codes) for codes in found.labels[row][there].tolist()] == [labels[other] for _, other in wanted]


def test_a_product_of_many_pictures_does_not_keep_others_away(tmp_path: Path) -> None:
    """Twenty pictures of one product are nearer to the first than any other product is."""
    near = [[1.0, 0.01 * number] for number in range(20)]
    rows = Rows([*["many"] * 20, "b", "c"], ["x"] * 22, unit(np.array([*near, [1.0, 0.5], [1.0, 0.7]])))
    held_out = HeldOut(["a"], np.array([[hash("x"), UNSAID]]), unit(np.array([[1.0, 0.0]])))
    found = nearest_products(rows.staged(tmp_path), held_out, below=2.0, k=3)
    assert found.products.tolist() == [[hash("many"), hash("b"), hash("c")]]


def test_a_product_is_drawn_once_with_what_it_says(tmp_path: Path) -> None:
    rows = Rows(["a", "a", "b"], ["x", "x", ""], unit(np.eye(3)), ["", "", "Acme"])
    held_out = draw(rows.staged(tmp_path), 10, seed=0)
    assert held_out.product_ids == ["a", "b"]
    assert held_out.labels.tolist() == [[hash("x"), UNSAID], [UNSAID, hash("Acme")]]
    assert held_out.vectors.tolist() == rows.vectors[[0, 2]].tolist()


def test_the_same_files_give_the_same_calibration_however_they_are_cut(tmp_path: Path) -> None:
    rows = shop()
    (tmp_path / "cut").mkdir()
    assert calibrate(rows.staged(tmp_path)) == calibrate(rows.staged(tmp_path / "cut", 7))


def test_kinds_that_lie_apart_make_sharper_votes_than_kinds_that_mix(tmp_path: Path) -> None:
    apart = calibrate(shop(spread=0.3).staged(tmp_path))
    mixed = calibrate(shop(spread=2.0).staged(tmp_path))
    assert apart is not None
    assert mixed is not None
    assert apart.temperature < mixed.temperature


def test_a_stranger_is_farther_off_than_99_of_100_products_are(tmp_path: Path) -> None:
    rows = shop()
    found = calibrate(rows.staged(tmp_path))
    assert found is not None
    thresholds = measure(rows.vectors, rows.products)
    cosines = rows.vectors @ rows.vectors.T
    np.fill_diagonal(cosines, -1)
    nearest = np.where(cosines < thresholds.duplicate, cosines, -1).max(axis=1)
    assert np.mean(nearest < found.stranger) == pytest.approx(0.01, abs=0.003)
    assert found.thresholds == thresholds


def test_a_near_duplicate_does_not_tell_the_category(tmp_path: Path) -> None:
    """Each picture has a twin of its own category, by which all others would be outvoted."""
    one = shop(8_000, spread=1.5)
    twins = [f"twin of {name}" for name in one.products]
    vectors = unit(np.concatenate([one.vectors, one.vectors + 0.001]))
    both = Rows([*one.products, *twins], [*one.categories, *one.categories], vectors)
    without, with_twins = calibrate(one.staged(tmp_path)), calibrate(both.staged(tmp_path))
    assert without is not None
    assert with_twins is not None
    assert with_twins.temperature > without.temperature / 2


def test_who_has_no_category_does_not_vote_on_it(tmp_path: Path) -> None:
    """Half of the shop says nothing: as if it were not there."""
    rows = shop(2_000, spread=1.5)
    said = [category if number % 2 else "" for number, category in enumerate(rows.categories)]
    half = calibrate(replace(rows, categories=said).staged(tmp_path))
    assert half is not None
    assert half.temperature == pytest.approx(calibrate(rows.staged(tmp_path)).temperature, rel=0.5)


def test_brands_have_a_temperature_of_their_own(tmp_path: Path) -> None:
    rows = shop(800)
    dice = np.random.default_rng(1)
    found = calibrate(replace(rows, brands=[f"brand {dice.integers(9)}" for _ in rows.products]).staged(tmp_path))
    assert found is not None
    assert found.brand_temperature > found.temperature
    assert calibrate(rows.staged(tmp_path)).brand_temperature is None


@pytest.mark.parametrize("categories", [["All"], [""], ["", *[""] * 8, "some"]], ids=["one", "none", "few"])
def test_categories_that_say_nothing_leave_the_other_measures(tmp_path: Path, categories: list[str]) -> None:
    rows = shop()
    found = calibrate(replace(rows, categories=(categories * 400)[:400]).staged(tmp_path))
    told = calibrate(rows.staged(tmp_path))
    assert found is not None
    assert told is not None
    assert found == replace(told, temperature=None)


def test_of_few_products_nothing_is_measured(tmp_path: Path) -> None:
    assert calibrate(shop(99).staged(tmp_path)) is None


def test_a_shop_of_one_picture_many_times_has_no_calibration(tmp_path: Path) -> None:
    rows = shop()
    same = Rows(rows.products, rows.categories, np.repeat(rows.vectors[:1], 400, axis=0))
    assert calibrate(same.staged(tmp_path)) is None
