"""Where the reading of partitions begins: at their commits, else at the log's beginning, never past what is gone."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from vitrine.errors import BadInput

Partitions = Collection[TopicPartition]


def starts(
    consumer: KafkaConsumer, partitions: Partitions, *, as_of: datetime, accept_gap: bool, timeout_ms: int
) -> dict[TopicPartition, int]:
    """For each partition the offset to read from.

    That is the committed one. A partition without is read from the log's beginning, which must hold all since `as_of`,
    the moment that the view's catalogue shows; `accept_gap` waives that.

    Raises:
        BadInput: the log no longer holds what is to be read, or does not reach as far as the commits.
    """
    if not partitions:
        return {}
    committed = {one: consumer.committed(one, timeout_ms=timeout_ms) for one in partitions}
    first = consumer.beginning_offsets(list(partitions), timeout_ms=timeout_ms)
    after = consumer.end_offsets(list(partitions), timeout_ms=timeout_ms)
    for partition, offset in committed.items():
        if offset is not None:
            _check_commit(partition, offset, first[partition], after[partition])
    new = [partition for partition, offset in committed.items() if offset is None]
    if not accept_gap:
        _check_reach(consumer, {one: first[one] for one in new}, after, as_of=as_of, timeout_ms=timeout_ms)
    return {one: first[one] if offset is None else offset for one, offset in committed.items()}


def _check_commit(partition: TopicPartition, offset: int, first: int, after: int) -> None:
    where = f"offset {offset} of {partition.topic} partition {partition.partition}"
    if offset < first:
        raise BadInput(
            f"{where}, the next to be read, is gone: the log begins at {first}. Events are lost to this view: reindex"
        )
    if offset > after:
        raise BadInput(
            f"{where}, the next to be read, is beyond the log's end {after}: the topic was made anew. Reindex, "
            "or set the group's offsets"
        )


def _check_reach(
    consumer: KafkaConsumer,
    first: Mapping[TopicPartition, int],
    after: Mapping[TopicPartition, int],
    *,
    as_of: datetime,
    timeout_ms: int,
) -> None:
    """A log that has lost its beginning must still hold something older than `as_of`."""
    cut = {partition: offset for partition, offset in first.items() if offset > 0}
    if not cut:
        return
    moment_ms = max(0, round(as_of.timestamp() * 1_000))
    since: Mapping[TopicPartition, Any] = consumer.offsets_for_times(dict.fromkeys(cut, moment_ms), timeout_ms)
    for partition, offset in cut.items():
        found = since.get(partition)
        reaches = offset < after[partition] if found is None else found.offset > offset
        if not reaches:
            raise BadInput(
                f"the log of {partition.topic} partition {partition.partition} begins at offset {offset}, after "
                f"{as_of.isoformat()}, which the view's catalogue shows: events between are gone. Reindex with a newer "
                "catalogue, or go on without them (--accept_gap)"
            )
