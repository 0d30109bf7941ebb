"""Settings of the Kafka that listings come from."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from vitrine.errors import BadInput
from vitrine.settings.section import Section


def _address(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536 or "://" in address:
        raise ValueError("must be host:port")
    return address


Address = Annotated[str, AfterValidator(_address)]
Topic = Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]


class Kafka(Section):
    """The brokers and topics of listings; none is asked where `bootstrap` is empty."""

    bootstrap: list[Address] = []
    """Brokers to begin with, as host:port."""
    topic: Topic = "listings"
    """Topic of listing events."""
    dlq_topic: Topic = "listings.dlq"
    """Topic of records that cannot be used; it must accept 4 kB more a record than the topic of events."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How brokers are spoken to: SSL encrypts, SASL asks for a user and a password."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the password is shown, with SASL."""
    username: str = ""
    """User, with SASL."""
    password: SecretStr | None = None
    """Its password; never a flag, which others on the machine can read."""
    password_file: Path | None = None
    """File that holds the password, where it is not in VITRINE_KAFKA__PASSWORD."""
    ca_file: Path | None = None
    """Certificates that vouch for the brokers, in PEM; those of the system by default."""
    client_certificate_file: Path | None = None
    """Certificate to show to brokers that ask for one, in PEM; goes with client_key_file."""
    client_key_file: Path | None = None
    """Key of that certificate."""
    client_id: str = Field(default="vitrine", min_length=1)
    """Name by which brokers' logs and quotas know this program."""
    bootstrap_timeout_s: float = Field(default=15.0, gt=0)
    """Longest wait for a first broker that answers, in seconds."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Longest wait for one call, in seconds."""
    delivery_timeout_s: float = Field(default=120.0, gt=0)
    """Longest wait until a sent record is acknowledged, all tries together, in seconds."""
    reconnect_backoff_max_ms: int = Field(default=1_000, ge=50)
    """Longest pause before a broker that went away is tried again, in milliseconds."""
    max_message_bytes: int = Field(default=8_388_608, ge=1_024)
    """Largest record, in bytes: `max.message.bytes` of the topic."""

    @model_validator(mode="after")
    def _one_password(self) -> "Kafka":
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        has_password = self.password is not None or self.password_file is not None
        if self.is_sasl and not (self.username and has_password):
            raise ValueError(f"{self.security_protocol} needs username, and VITRINE_KAFKA__PASSWORD or password_file")
        if not self.is_sasl and (self.username or has_password):
            raise ValueError(f"{self.security_protocol} shows no password: set security_protocol to SASL_SSL")
        return self

    @model_validator(mode="after")
    def _certified(self) -> "Kafka":
        own = self.client_certificate_file, self.client_key_file
        if any(own) and not all(own):
            raise ValueError("client_certificate_file and client_key_file go together")
        if (self.ca_file or any(own)) and not self.is_encrypted:
            raise ValueError(f"{self.security_protocol} has no certificates: set security_protocol to SSL or SASL_SSL")
        return self

    @property
    def is_sasl(self) -> bool:
        """Whether brokers ask for a user and a password."""
        return self.security_protocol.startswith("SASL")

    @property
    def is_encrypted(self) -> bool:
        """Whether connections are encrypted."""
        return self.security_protocol.endswith("SSL")

    def secret(self) -> str:
        """The password in the clear, or an empty string.

        Raises:
            BadInput: password_file cannot be read.
        """
        if self.password_file is None:
            return self.password.get_secret_value() if self.password else ""
        try:
            return self.password_file.read_text("utf-8").strip()
        except OSError as error:
            raise BadInput(f"cannot read kafka.password_file {self.password_file}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise BadInput(f"kafka.password_file {self.password_file} holds no text") from None
