"""Measures of how much two products belong together, as formulas over what `pairs.count` counted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as fn

from vitrine.cooccurrence.pairing import UNIT
from vitrine.cooccurrence.pairs import Counted
from vitrine.errors import BadSettings

DEFAULT = "gap-weighted"
SAR = "sar-"
"""Begins the names of measures whose sessions are the whole histories of users: see `pairs.of_users`."""

_LEFTWARDS = 0.5
"""What a related product before the product counts, relative to one after it: notes, section 2.7."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a pair of products (i, j): columns, and numbers that are the same for all pairs.

    `c` sessions hold both, `n_i` and `n_j` the one and the other, `sessions` are all and `products` all products.
    """

    sessions: int
    products: int
    shrinkage: float

    @property
    def c(self) -> Column:
        """c_ij."""
        return fn.col("pair_count").cast("double")

    @property
    def n_i(self) -> Column:
        """n_i = c_ii."""
        return fn.col("support").cast("double")

    @property
    def n_j(self) -> Column:
        """n_j = c_jj."""
        return fn.col("related_support").cast("double")

    def total(self, name: str) -> Column:
        """A sum of weights as it was before it became a whole number of units."""
        return fn.col(name) / UNIT


@dataclass(frozen=True, slots=True)
class Measure:
    """A formula, the sums of `pairs.SUMS` that it needs, and whether it wants users' histories as sessions."""

    score: Callable[[Evidence], Column]
    sums: tuple[str, ...] = ()
    of_users: bool = False


def _cooccurrence(of: Evidence) -> Column:
    return of.c


def _jaccard(of: Evidence) -> Column:
    return of.c / (of.n_i + of.n_j - of.c)


def _cosine(of: Evidence) -> Column:
    return of.c / fn.sqrt(of.n_i * of.n_j)


def _lift(of: Evidence) -> Column:
    return of.c / (of.n_i * of.n_j)


def _inclusion(of: Evidence) -> Column:
    return of.c / fn.least(of.n_i, of.n_j)


def _mutual_information(of: Evidence) -> Column:
    return fn.log2(of.products * _lift(of))


def _lexicographers(of: Evidence) -> Column:
    return of.c * _mutual_information(of)


def _llr(of: Evidence) -> Column:
    """Mahout's log-likelihood ratio: notes, section 2.3, as 2 * sum of k * ln(k * sessions / (row * column)).

    That is the same, and does not lose the digits of a small ratio among the millions of sessions.
    """
    out_i, out_j = of.sessions - of.n_i, of.sessions - of.n_j
    both = _share(of.sessions, of.c, of.n_i * of.n_j)
    one = _share(of.sessions, of.n_i - of.c, of.n_i * out_j) + _share(of.sessions, of.n_j - of.c, out_i * of.n_j)
    neither = _share(of.sessions, of.sessions - of.n_i - of.n_j + of.c, out_i * out_j)
    return fn.greatest(fn.lit(0.0), 2 * (both + one + neither))


def _share(sessions: int, k: Column, row_by_column: Column) -> Column:
    return fn.when(k > 0, k * fn.ln(k * sessions / row_by_column)).otherwise(0.0)


def _gap_weighted(of: Evidence) -> Column:
    """Notes, section 2.7."""
    weight = of.total("forward") + _LEFTWARDS * of.total("backward")
    return weight / fn.sqrt((of.n_i + of.shrinkage) * (of.n_j + of.shrinkage))


_SETS: Mapping[str, Callable[[Evidence], Column]] = {
    "cooccurrence": _cooccurrence,
    "jaccard": _jaccard,
    "lift": _lift,
    "cosine": _cosine,
    "inclusion": _inclusion,
    "mutual-information": _mutual_information,
    "lexicographers-mi": _lexicographers,
}

MEASURES: Mapping[str, Measure] = {
    DEFAULT: Measure(_gap_weighted, ("forward", "backward")),
    **{name: Measure(score) for name, score in _SETS.items()},
    "llr": Measure(_llr),
    **{SAR + name.replace("lexicographers-mi", "lexmi"): Measure(score, (), True) for name, score in _SETS.items()},
    "association-rules": Measure(lambda of: fn.col("positions").cast("double"), ("positions",)),
    "sequential-rules": Measure(lambda of: of.total("inverse_gap"), ("inverse_gap",)),
    "sequential-rules-quadratic": Measure(lambda of: of.total("inverse_square_gap"), ("inverse_square_gap",)),
    "markov": Measure(lambda of: fn.col("consecutive").cast("double"), ("consecutive",)),
}
"""All measures by name: the default (notes, section 2.7), sets of sessions (2.1, LLR 2.3), SAR, session-rec (2.2)."""


def measure(name: str) -> Measure:
    """The measure of that name.

    Raises:
        BadSettings: there is none; the text names all.
    """
    if name not in MEASURES:
        raise BadSettings(f"measure {name} is unknown: choose from {', '.join(MEASURES)}")
    return MEASURES[name]


def sums(names: Iterable[str]) -> set[str]:
    """The sums that `pairs.count` must take for these measures."""
    return {each for name in names for each in measure(name).sums}


def scored(counted: Counted, name: str, *, shrinkage: float = 20.0, threshold: int = 1) -> DataFrame:
    """`counted.pairs` with `score` (double), for pairs that at least `threshold` sessions hold and that have one.

    Pairs of a product with itself are in: for sets of sessions with c = n, for the others with what repeats add.
    `shrinkage` is that of the default measure; no other has one. Scores of rules and of the default are above 0.
    """
    wanted = measure(name)
    score = wanted.score(Evidence(counted.sessions, counted.products, shrinkage))
    rows = counted.pairs.filter(fn.col("pair_count") >= threshold).withColumn("score", score)
    return rows.filter(fn.col("score") > 0) if wanted.sums else rows


def similarities(
    counted: Counted, name: str, *, shrinkage: float = 20.0, threshold: int = 1, diagonal: bool = False
) -> DataFrame:
    """The whole table of a measure: product_id, related_id, score; what has no row is 0.

    With `diagonal`, products have a row with themselves, as SAR keeps it in its scores of users.
    """
    rows = scored(counted, name, shrinkage=shrinkage, threshold=threshold)
    kept = rows if diagonal else rows.filter(fn.col("product_id") != fn.col("related_id"))
    return kept.select("product_id", "related_id", "score")
