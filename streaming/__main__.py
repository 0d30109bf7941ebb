"""Listings: sellers' changes become searchable within seconds.

Reads   the topic of listing events (--kafka.bootstrap, --kafka.topic), pictures by address where events name one,
        the alias (--milvus.alias) and what its collection states of a product.
Writes  that collection and its ledger; records that cannot be used into --kafka.dlq_topic; offsets of the consumer
        group vitrine.COLLECTION.
Again   at least once: what a kill leaves undone is done again, and the end state is that of each product's newest
        version. Several at once share the partitions; give each its own --member.
Run     python -m streaming --kafka.bootstrap localhost:9092 --milvus.uri http://localhost:19530
"""

import sys
from collections.abc import Sequence

from streaming.operating import spare_the_log, stop_on_signals
from streaming.service import run
from vitrine import flags
from vitrine.telemetry import configure_logging


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service from a command line; returns the exit code."""
    configure_logging()
    spare_the_log()
    return flags.exit_code(lambda: _serve(sys.argv[1:] if arguments is None else arguments))


def _serve(arguments: Sequence[str]) -> None:
    settings = flags.load(arguments, program="python -m streaming", story=__doc__ or "", home="stream")
    run(settings, stop=stop_on_signals())


if __name__ == "__main__":
    sys.exit(main())
