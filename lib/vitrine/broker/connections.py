"""Clients of Kafka: the one place that says how they are set up."""

import ssl
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.range import RangePartitionAssignor

from vitrine.broker.opening import opened
from vitrine.errors import BadInput, BadSettings
from vitrine.events.dead_letter import HEADERS_BYTES
from vitrine.settings import Kafka

METADATA_MAX_AGE_MS = 30_000
"""How old the list of partitions may be, in milliseconds: how soon new ones are found."""

_BATCH_BYTES = 1 << 20
_LINGER_MS = 5


def consumer(kafka: Kafka, *, group: str | None = None, **options: Any) -> KafkaConsumer:
    """A consumer without partitions, that commits nothing and resets no offset by itself.

    `options` are kafka-python's own, for members of a group: `group_instance_id`, `session_timeout_ms` and so on.

    Raises:
        Unavailable: no broker answers.
        BadInput: they answer and do not let us in; the text says the likely cause.
        BadSettings: no broker is named.
    """
    ours = {
        "group_id": group,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",  # an offset that is gone must be told, not replaced by another
        "allow_auto_create_topics": False,
        "isolation_level": "read_committed",  # what a transaction took back was never said
        "partition_assignment_strategy": (RangePartitionAssignor,),
    }
    return opened(kafka, KafkaConsumer, {**ours, **_shared(kafka), **options})


def producer(kafka: Kafka) -> KafkaProducer:
    """A producer whose records are acknowledged by all replicas, in order and once; raises as `consumer`."""
    ours = {
        "acks": "all",
        "enable_idempotence": True,
        "batch_size": _BATCH_BYTES,  # a record above it goes alone, which costs pictures most of the throughput
        "linger_ms": _LINGER_MS,
        "max_request_size": max(kafka.max_message_bytes, _BATCH_BYTES) + 2 * HEADERS_BYTES,
        "max_block_ms": _ms(kafka.timeout_s),
        "delivery_timeout_ms": max(_ms(kafka.delivery_timeout_s), _ms(kafka.timeout_s) + _LINGER_MS),
        "allow_auto_create_topics": False,
    }
    return opened(kafka, KafkaProducer, {**ours, **_shared(kafka)})


def administrator(kafka: Kafka) -> KafkaAdminClient:
    """A client for topics, offsets and groups; raises as `consumer`."""
    return opened(kafka, KafkaAdminClient, _shared(kafka))


def _shared(kafka: Kafka) -> dict[str, Any]:
    if not kafka.bootstrap:
        raise BadSettings("no Kafka is named: set kafka.bootstrap to host:port")
    options: dict[str, Any] = {
        "bootstrap_servers": list(kafka.bootstrap),
        "client_id": kafka.client_id,
        "security_protocol": kafka.security_protocol,
        "request_timeout_ms": _ms(kafka.timeout_s),
        "bootstrap_timeout_ms": _ms(kafka.bootstrap_timeout_s),
        # By default a client comes back up to 47 s after its broker did.
        "reconnect_backoff_max_ms": kafka.reconnect_backoff_max_ms,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
    }
    if kafka.is_encrypted:
        options["ssl_context"] = _trust(kafka)
    if kafka.is_sasl:
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.username
        options["sasl_plain_password"] = kafka.secret()
    return options


def _trust(kafka: Kafka) -> ssl.SSLContext:
    """What encrypted connections trust and show; BadInput if a file of certificates or keys cannot be used."""
    try:
        context = ssl.create_default_context(cafile=kafka.ca_file)
    except OSError as error:  # faults of TLS are OSErrors too
        raise BadInput(f"kafka.ca_file {kafka.ca_file} holds no certificates: {error}") from error
    shown, key = kafka.client_certificate_file, kafka.client_key_file
    if shown and key:
        try:
            context.load_cert_chain(shown, key)
        except OSError as error:
            raise BadInput(f"kafka.client_certificate_file {shown} with its key cannot be used: {error}") from error
    return context


def _ms(seconds: float) -> int:
    return round(seconds * 1_000)
