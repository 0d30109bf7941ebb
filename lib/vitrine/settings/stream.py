"""Settings of the Kafka consumer."""

from pydantic import Field

from vitrine.settings.section import Section


class Stream(Section):
    """How listings are taken in."""

    batch_size: int = Field(default=64, ge=1, le=4_096)
    """Most products of a batch."""
