"""Settings of the HTTP service."""

from pydantic import Field

from vitrine.settings.section import Section


class Serve(Section):
    """How the service is reached."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8_000, ge=0, le=65_535)
    """Port to listen on; 0: a free one, which is told."""
