"""What looks after topics, offsets and groups."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import NoError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code
from kafka.structs import OffsetAndMetadata

from vitrine.broker.connections import administrator
from vitrine.broker.faults import translated
from vitrine.errors import BadInput
from vitrine.events.dead_letter import HEADERS_BYTES
from vitrine.retry import again
from vitrine.settings import Kafka

Offsets = dict[int, int]
"""Offsets by partition."""


class Admin:
    """A connection for such work; its calls raise as `faults.translated`, an outage after `patience_s` of trying."""

    def __init__(self, client: KafkaAdminClient, *, patience_s: float) -> None:
        self._client = client
        self._patience_s = patience_s

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; 0 if it is not there."""
        return int(self._tried(f"look at topic {topic}", partial(self._partitions, topic)))

    def require(self, topic: str) -> int:
        """How many partitions a topic has; BadInput if it is not there."""
        partitions = self.partitions(topic)
        if not partitions:
            raise BadInput(f"Kafka has no topic {topic}: make it, or name another")
        return partitions

    def create_topics(self, kafka: Kafka, *, partitions: int, replication: int = -1) -> None:
        """Make the topics of listings and of dead letters; one that is there stays as it is.

        A `replication` of -1 is the broker's own.
        """
        sizes = {kafka.topic: kafka.max_message_bytes, kafka.dlq_topic: kafka.max_message_bytes + HEADERS_BYTES}
        for topic, max_bytes in sizes.items():
            wanted = {
                "num_partitions": partitions,
                "replication_factor": replication,
                "configs": {"max.message.bytes": str(max_bytes)},
            }
            self._tried(f"make topic {topic}", partial(self._create, topic, wanted))

    def drop_topics(self, topics: Sequence[str]) -> None:
        """Delete topics with all their records; one that is not there is no fault."""
        for topic in topics:
            self._tried(f"delete topic {topic}", partial(self._drop, topic))

    def beginnings(self, topic: str) -> Offsets:
        """The first offset that each partition still has."""
        return self._listed(topic, OffsetSpec.EARLIEST)

    def ends(self, topic: str) -> Offsets:
        """The offset that each partition's next record will have."""
        return self._listed(topic, OffsetSpec.LATEST)

    def offsets_at(self, topic: str, moment_us: int) -> Offsets:
        """The offset of each partition's first record that is not older; its end where there is none."""
        ends = self.ends(topic)
        found = self._listed(topic, moment_us // 1_000)
        return {partition: found[partition] if found[partition] >= 0 else end for partition, end in ends.items()}

    def committed(self, group: str, topic: str) -> Offsets:
        """What a group has committed; without the partitions for which it has nothing."""
        found = self._tried(f"read the offsets of group {group}", lambda: self._client.list_group_offsets(group)[group])
        return {place.partition: said.offset for place, said in found.items() if place.topic == topic}

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Set the offsets of a group without members, which is made if it is not there, and read them back.

        Raises:
            BadInput: the group has members, or a partition does not exist.
        """
        wanted = {TopicPartition(topic, partition): OffsetAndMetadata(at) for partition, at in offsets.items()}
        result = self._tried(
            f"set the offsets of group {group}", lambda: self._client.alter_group_offsets(group, wanted)
        )
        refused = {place.partition: said.__name__ for place, said in result.items() if said is not NoError}
        if refused:
            raise BadInput(f"cannot set the offsets of group {group}: {refused}; it may have members still")
        kept = self.committed(group, topic)
        if any(kept.get(partition) != at for partition, at in offsets.items()):
            raise BadInput(
                f"group {group} has offsets {kept} after they were set to {dict(offsets)}: who else sets them?"
            )

    def members(self, group: str) -> int:
        """How many members a group has; 0 if it is not there."""
        found = self._tried(f"look at group {group}", lambda: self._client.describe_groups([group])[group])
        return len(found["members"])

    def drop_group(self, group: str) -> None:
        """Forget a group and its offsets; one that is not there is no fault.

        Raises:
            BadInput: it has members.
        """
        said = self._tried(f"delete group {group}", lambda: self._client.delete_groups([group])[group])
        if said not in ("OK", "GroupIdNotFoundError"):
            raise BadInput(f"cannot delete group {group}: {said}")

    def _listed(self, topic: str, wanted: OffsetSpec | int) -> Offsets:
        places = [TopicPartition(topic, partition) for partition in range(self.require(topic))]
        found = self._tried(
            f"read the offsets of topic {topic}",
            lambda: self._client.list_partition_offsets(dict.fromkeys(places, wanted)),
        )
        return {place.partition: found[place].offset for place in places}

    def _partitions(self, topic: str) -> int:
        (found,) = self._client.describe_topics([topic])
        fault = for_code(found["error_code"])
        if fault is UnknownTopicOrPartitionError:
            return 0
        if fault is not NoError:
            raise fault
        return len(found["partitions"])

    def _create(self, topic: str, wanted: Mapping[str, object]) -> None:
        with suppress(TopicAlreadyExistsError):
            self._client.create_topics({topic: wanted}, wait_for_metadata=True)

    def _drop(self, topic: str) -> None:
        with suppress(UnknownTopicOrPartitionError):
            self._client.delete_topics([topic])

    def _tried(self, doing: str, call: Callable[[], Any]) -> Any:  # the library has no types
        """What the call gives; a coordinator that is not there yet, as on a new broker, is waited for."""

        def once() -> Any:
            with translated(doing):
                return call()

        return again(once, patience_s=self._patience_s)


@contextmanager
def admin(kafka: Kafka) -> Iterator[Admin]:
    """An `Admin` that is closed after the block; opening it raises as `connections.consumer`."""
    with closing(administrator(kafka)) as client:
        yield Admin(client, patience_s=kafka.timeout_s)
