"""Settings of the Kafka that listings come from."""

from pydantic import Field

from vitrine.settings.section import Section


class Kafka(Section):
    """The brokers and topics of listings; none is asked where `bootstrap` is empty."""

    bootstrap: list[str] = []
    """Brokers to begin with, as host:port."""
    topic: str = Field(default="listings", min_length=1)
    """Topic of listing events."""
    dlq_topic: str = Field(default="listings.dlq", min_length=1)
    """Topic of records that cannot be used."""
