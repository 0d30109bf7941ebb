"""Vitrine: visual product search for shops that run on Spark, Kafka and Milvus."""

__version__ = "0.1.0"
