"""Settings of the Kafka consumer."""

from typing import Annotated

from pydantic import Field, model_validator

from vitrine.settings.section import Section


class Stream(Section):
    """How listings are taken in."""

    batch_size: int = Field(default=256, ge=1, le=4_096)
    """Most products of a batch."""
    batch_bytes: int = Field(default=16_000_000, ge=1)
    """Size of records from which a batch takes no more, in bytes."""
    batch_age_s: float = Field(default=0.2, ge=0, le=60)
    """Longest time that a record waits for others of its batch, in seconds."""
    in_flight_records: int = Field(default=2_048, ge=1)
    """Most records read beyond the last commits: what a kill costs at most."""
    in_flight_bytes: int = Field(default=128_000_000, ge=1)
    """Size of records under way at which reading pauses, in bytes."""
    member: str = Field(default="", max_length=249)
    """Name of this member, which no other of the group has: a restart within `session_timeout_s` moves no partition."""
    session_timeout_s: float = Field(default=45.0, ge=1, le=1_800)
    """Silence after which the group takes a member for dead, in seconds; the brokers set bounds."""
    heartbeat_s: float = Field(default=3.0, gt=0)
    """Time between signs of life, in seconds; at most a third of `session_timeout_s`."""
    commit_every_s: float = Field(default=1.0, gt=0)
    """Time between commits, in seconds; at most a sixth of `session_timeout_s`."""
    drain_s: float = Field(default=20.0, gt=0)
    """Longest time to finish what is under way when partitions leave or the service ends, in seconds."""
    settle_s: list[Annotated[float, Field(gt=0)]] = [30.0, 900.0]
    """How long after a version was applied it is read back, in seconds; empty: never."""
    settle_bytes: int = Field(default=256_000_000, ge=1)
    """Most memory for what waits to be read back, in bytes; beyond it the oldest is not checked, and counted."""
    accept_gap: bool = False
    """Begin a view although the log no longer holds all events since its catalogue."""
    stop_after_bad: int = Field(default=1_000, ge=1)
    """Records in a row without a usable event after which the service stops: the input is broken, not a record."""
    follow_every_s: float = Field(default=1.0, gt=0)
    """Time between looks at the alias, in seconds."""
    stall_s: float = Field(default=300.0, gt=0)
    """Standstill of a part of the service, outages aside, after which it is not live, in seconds."""
    host: str = "127.0.0.1"
    """Address of /live, /ready and /metrics."""
    port: int = Field(default=8_001, ge=0, le=65_535)
    """Port of /live, /ready and /metrics; 0: a free one, which is told."""

    @model_validator(mode="after")
    def _in_time(self) -> "Stream":
        if self.heartbeat_s > self.session_timeout_s / 3:
            raise ValueError("heartbeat_s must be at most a third of session_timeout_s")
        if self.commit_every_s > self.session_timeout_s / 6:
            raise ValueError("commit_every_s must be at most a sixth of session_timeout_s")
        return self
