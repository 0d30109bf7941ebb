"""Why no broker could be reached: the library says only that it was not, so the brokers are asked how they listen."""

import socket
import ssl
from collections.abc import Sequence

from vitrine.errors import BadInput, Unavailable, VitrineError
from vitrine.settings import Kafka

_CALL_S = 3.0


def cause(kafka: Kafka, context: ssl.SSLContext | None, told: Sequence[str]) -> VitrineError:
    """The likely cause, as the error to raise; `told` is what the library logged, `context` that of its connections."""
    for address in kafka.bootstrap:
        refusal = _unreachable(address)
        if refusal is None:
            return _misunderstood(kafka, address, context, told)
    places = ", ".join(kafka.bootstrap)
    return Unavailable(f"no Kafka broker answers at {places} ({refusal}): does it run, and is kafka.bootstrap right?")


def _misunderstood(kafka: Kafka, address: str, context: ssl.SSLContext | None, told: Sequence[str]) -> VitrineError:
    """Why a broker that listens did not let us in."""
    if context is not None:
        distrust = _distrust(address, context)
        if distrust:
            return BadInput(f"{address} {distrust}")
    elif _speaks_tls(address):
        return BadInput(f"{address} is encrypted: set kafka.security_protocol to SSL or SASL_SSL")
    return _refused(kafka, address, "\n".join(told))


def _refused(kafka: Kafka, address: str, told: str) -> VitrineError:
    """Why a broker ended a conversation that had begun; most of the time it does so without a word."""
    if "IllegalSaslState" in told:
        plain = "SSL" if kafka.is_encrypted else "PLAINTEXT"
        return BadInput(f"{address} asks for no password: set kafka.security_protocol to {plain}")
    if "disconnected" not in told and "ertificate" not in told and "SaslAuthenticationFailed" not in told:
        return Unavailable(f"the Kafka broker at {address} accepts connections, but does not answer: is it overloaded?")
    if kafka.is_sasl:
        return BadInput(
            f"{address} refused user {kafka.username} with {kafka.sasl_mechanism}: check kafka.username, its password "
            "and kafka.sasl_mechanism"
        )
    if kafka.is_encrypted:
        return BadInput(
            f"{address} ended the connection: it may want kafka.client_certificate_file, or a password (SASL_SSL)"
        )
    return BadInput(f"{address} ended the connection: it may ask for a password (kafka.security_protocol SASL_...)")


def _unreachable(address: str) -> str | None:
    """Why nothing can be connected to there; None if it can."""
    try:
        _connection(address).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _distrust(address: str, context: ssl.SSLContext) -> str:
    """What is wrong with the encryption of a broker; "" if nothing is."""
    try:
        with _connection(address) as plain, context.wrap_socket(plain, server_hostname=_host(address)):
            return ""
    except ssl.SSLCertVerificationError as error:
        return f"shows a certificate that is not trusted ({error.verify_message}): check kafka.ca_file and the address"
    except OSError:  # among them all other faults of TLS
        return "does not speak TLS: set kafka.security_protocol to PLAINTEXT or SASL_PLAINTEXT, or name another port"


def _speaks_tls(address: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _connection(address) as plain, context.wrap_socket(plain, server_hostname=_host(address)):
            return True
    except OSError:
        return False


def _connection(address: str) -> socket.socket:
    return socket.create_connection((_host(address), int(address.rpartition(":")[2])), timeout=_CALL_S)


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")
