"""Some lists with the titles of their products, for a person to judge."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as fn


@dataclass(frozen=True, slots=True)
class Example:
    """A product with its support, and what goes with it, best first: titles and pair counts."""

    title: str
    support: int
    related: tuple[tuple[str, int], ...]


def examples(raw: DataFrame, related: DataFrame, *, n: int, length: int) -> list[Example]:
    """The lists of the `n` products with the highest support, at most `length` products each."""
    most = related.where("rank = 1").orderBy(fn.desc("support"), "product_id").limit(n).collect()  # n rows
    shown = [row["product_id"] for row in most]
    lists = related.where(fn.col("product_id").isin(shown) & (fn.col("rank") <= length)).orderBy("product_id", "rank")
    found: dict[str, list[tuple[str, int]]] = {product: [] for product in shown}
    for row in lists.collect():  # n * length rows
        found[row["product_id"]].append((row["related_id"], row["pair_count"]))
    known = titles(raw, {*shown, *(related_id for rows in found.values() for related_id, _ in rows)})
    return [
        Example(
            known[row["product_id"]],
            row["support"],
            tuple((known[one], count) for one, count in found[row["product_id"]]),
        )
        for row in most
    ]


def titles(raw: DataFrame, products: set[str]) -> Mapping[str, str]:
    """The title that each product has most often in the raw events, of equally frequent ones the last; else its id."""
    named = raw.where(fn.col("product_id").isin(sorted(products)) & fn.col("title").isNotNull())
    counts = named.groupBy("product_id", "title").agg(fn.count("*").alias("rows"))
    most = counts.groupBy("product_id").agg(fn.max(fn.struct("rows", "title"))["title"].alias("title"))
    return {product: product for product in products} | {row["product_id"]: row["title"] for row in most.collect()}
