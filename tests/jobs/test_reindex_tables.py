"""Catalogues that Spark alone can read."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from vitrine.errors import BadInput
from vitrine.rendering import sample_pictures


def test_a_table_of_spark_is_indexed_like_the_same_rows_in_parquet(shop, spark: SparkSession) -> None:
    shop.write({"product_id": [f"P{number}" for number in range(5)], "image": sample_pictures(5)})
    shop.run("parquet")
    from_parquet = shop.vectors()
    spark.read.parquet(str(shop.place / "catalog.parquet")).write.orc(str(shop.place / "catalog.orc"))
    report = shop.run("orc", catalog=[f"orc:{shop.place}/catalog.orc"])
    assert (report.read_by, report.rows, report.reused) == ("spark", 5, 5)
    assert shop.vectors().keys() == from_parquet.keys()


def test_parquet_is_read_without_spark(shop) -> None:
    shop.write({"product_id": ["A"], "image": sample_pictures(1)})
    assert shop.run("parquet").read_by == "pyarrow"


@pytest.mark.parametrize("source", ["table:no.such_table", "nonsense:/data", "orc:/no/such/place"])
def test_a_table_that_spark_cannot_read_is_named(shop, source: str) -> None:
    with pytest.raises(BadInput, match=f"Spark cannot read the catalogue {source}: "):
        shop.run("table", catalog=[source])
    assert shop.collections() == []


def test_a_run_that_goes_on_reads_the_table_as_it_was_written_down(shop, spark: SparkSession) -> None:
    shop.write({"product_id": ["A", "B"], "image": sample_pictures(2)})
    table = Path(shop.place / "catalog.orc")
    spark.read.parquet(str(shop.place / "catalog.parquet")).write.orc(str(table))

    def broken() -> None:
        raise RuntimeError("the network is away")

    with pytest.raises(Exception, match="the network is away"):
        shop.run("table", broken, catalog=[f"orc:{table}"])
    assert shop.run("table", catalog=[f"orc:{table}"]).embedded == 2
