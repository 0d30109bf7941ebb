"""The Kafka consumer, run from the checkout as `python -m streaming`."""
