from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from deploy.local import jars, kafka, ports
from vitrine.settings import Kafka

LISTENERS = {
    "sasl": "SASL_PLAINTEXT",
    "tls": "SSL",
    "both": "SASL_SSL",
    "mutual": "SSL",
}


@dataclass(frozen=True)
class Secured:
    """A broker that listens in every way; `alice` may do all, `bob` and `carol` nothing; passwords end in `-pw`."""

    server: kafka.Server
    ports: dict[str, int]
    ca_file: Path
    client_file: Path

    def settings(self, listener: str, **changes: object) -> Kafka:
        """Settings for a listener, as `alice`."""
        protocol = LISTENERS.get(listener, "PLAINTEXT")
        host_port = f"127.0.0.1:{self.ports[listener]}" if listener in self.ports else self.server.bootstrap
        usual: dict[str, object] = {
            "bootstrap": [host_port],
            "security_protocol": protocol,
            "bootstrap_timeout_s": 15.0,
        }
        if "SASL" in protocol:
            usual |= {"username": "alice", "password": "alice-pw", "sasl_mechanism": "PLAIN"}
        if "SSL" in protocol:
            usual |= {"ca_file": self.ca_file}
        if listener == "mutual":
            usual |= {"client_certificate_file": self.client_file, "client_key_file": self.client_file}
        wanted = {**usual, **changes}
        return Kafka(**{name: value for name, value in wanted.items() if value is not ...})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def secured(require: Callable[[str, str], NoReturn], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One broker for all tests of encryption, passwords and permissions."""
    if jars.missing():
        require("kafka", f"no {jars.missing()}: {jars.INSTALL}")
    place = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(place / "ca.pem")
    (place / "broker.pem").write_bytes(for_java(authority.issue_cert("127.0.0.1")))
    authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(place / "client.pem")
    chosen = dict(zip(LISTENERS, ports.free_block(len(LISTENERS)), strict=True))
    server = kafka.start(
        place / "broker",
        properties=properties(place, chosen),
        format_arguments=["--add-scram", "SCRAM-SHA-512=[name=alice,password=alice-pw]"],
    )
    yield Secured(server, chosen, place / "ca.pem", place / "client.pem")
    server.stop()


def for_java(issued: trustme.LeafCert) -> bytes:
    """Key and certificate in one file; Java reads keys as PKCS 8 only."""
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    pkcs8 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pkcs8 + issued.cert_chain_pems[0].bytes()


def properties(place: Path, chosen: dict[str, int]) -> dict[str, str]:
    """What Kafka must be told of its listeners, users and permissions."""
    known = "".join(f' user_{name}="{name}-pw"' for name in ("alice", "bob", "carol"))
    plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required{known};"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    protocols = {"CONTROLLER": "PLAINTEXT", "PLAINTEXT": "PLAINTEXT", **{k.upper(): v for k, v in LISTENERS.items()}}
    told = {
        "listeners": ",".join(f"{name.upper()}://127.0.0.1:{port}" for name, port in chosen.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:alice",
        "allow.everyone.if.no.acl.found": "false",
    }
    for name in ("sasl", "both"):
        told[f"listener.name.{name}.plain.sasl.jaas.config"] = plain
        told[f"listener.name.{name}.scram-sha-512.sasl.jaas.config"] = scram
    for name in ("tls", "both", "mutual"):
        told[f"listener.name.{name}.ssl.keystore.type"] = "PEM"
        told[f"listener.name.{name}.ssl.keystore.location"] = str(place / "broker.pem")
    told["listener.name.mutual.ssl.client.auth"] = "required"
    told["listener.name.mutual.ssl.principal.mapping.rules"] = "RULE:^.*$/alice/"
    told["listener.name.mutual.ssl.truststore.type"] = "PEM"
    told["listener.name.mutual.ssl.truststore.location"] = str(place / "ca.pem")
    return told
