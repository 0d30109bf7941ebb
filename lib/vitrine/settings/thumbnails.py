"""Settings of the small pictures that services show."""

from pydantic import Field

from vitrine.settings.section import Section


class Thumbnails(Section):
    """Small pictures by the hash of the picture that they show."""

    uri: str | None = None
    """Directory or URI where they are written and read; none are made where it is not set."""
    size: int = Field(default=256, ge=32, le=1_024)
    """Longest side, in pixels."""
