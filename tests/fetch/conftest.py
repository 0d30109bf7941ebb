import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from vitrine.errors import BadRecord
from vitrine.fetch import Fetcher
from vitrine.fetch.outages import Outages
from vitrine.product import Reason
from vitrine.settings import Pictures

HOST = "shop.test"


@dataclass(frozen=True)
class Request:
    """What a server saw of one request."""

    connection: int
    target: str
    headers: Mapping[str, str]


Answer = Callable[[Callable[[bytes], None], Request], bool]
"""Sends bytes; false: the connection is closed afterwards."""


@dataclass
class Server:
    """A real https server in threads; `answers` has for each path bytes as they are sent, or a function."""

    listener: socket.socket
    tls: ssl.SSLContext
    answers: dict[str, bytes | Answer]
    seen: list[Request] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    streams: set[ssl.SSLSocket] = field(default_factory=set)
    connections: int = 0
    busy: int = 0
    most_busy: int = 0
    threads: list[threading.Thread] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.tls.sni_callback = lambda _stream, name, _context: self.names.append(name)
        self._run(self._accept)

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def uri(self, path: str = "/pics/a.jpg") -> str:
        return f"https://{HOST}:{self.port}{path}"

    def targets(self) -> list[str]:
        return [request.target for request in self.seen]

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join()
        for stream in list(self.streams):
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.listener.close()

    def _run(self, target: Callable[..., None], *values: object) -> None:
        self.threads.append(threading.Thread(target=target, args=values, daemon=True))
        self.threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.settimeout(20)
                self.connections += 1
                self._run(self._serve, connection, self.connections)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, suppress(OSError), self.tls.wrap_socket(connection, server_side=True) as stream:
            with self.lock:
                self.streams.add(stream)
            try:
                while (request := self._request(stream, number)) and self._counted(stream, request):
                    pass
            finally:
                with self.lock:
                    self.streams.discard(stream)

    def _request(self, stream: ssl.SSLSocket, number: int) -> Request | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (more := stream.recv(65_536)):
                return None
            head += more
        first, *lines = head.decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        self.seen.append(Request(number, first.split(" ")[1], headers))
        return self.seen[-1]

    def _counted(self, stream: ssl.SSLSocket, request: Request) -> bool:
        with self.lock:
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        try:
            return self._answer(stream, request)
        finally:
            with self.lock:
                self.busy -= 1

    def _answer(self, stream: ssl.SSLSocket, request: Request) -> bool:
        answer = self.answers.get(request.target.partition("?")[0], self.answers.get("*", reply(b"", "404 Not Found")))
        if isinstance(answer, bytes):
            stream.sendall(answer)
            return True
        return answer(stream.sendall, request)


def reply(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    given = {"content-length": str(len(body)), **{name.replace("_", "-"): text for name, text in headers.items()}}
    lines = "".join(f"{name}: {text}\r\n" for name, text in given.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


@pytest.fixture(scope="session", name="reply")
def _reply() -> Callable[..., bytes]:
    """`reply(body, status="200 OK", **headers)`: the bytes of an answer."""
    return reply


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Signs the certificates of the servers."""
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA) -> trustme.LeafCert:
    """That of shop.test, which is at 127.0.0.1 and ::1 too."""
    return authority.issue_cert(HOST, "127.0.0.1", "::1")


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the authority."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def serve(certificate: trustme.LeafCert) -> Iterator[Callable[..., Server]]:
    """`serve(answers, ip="127.0.0.1", certificate=...)` starts a server, which ends with the test."""
    started: list[Server] = []

    def start(
        answers: dict[str, bytes | Answer], *, ip: str = "127.0.0.1", certificate: trustme.LeafCert = certificate
    ) -> Server:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(tls)
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        started.append(Server(socket.create_server((ip, 0), family=family, backlog=64), tls, answers))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def limits(ca_file: Path) -> Callable[..., Pictures]:
    """`limits(server, **changes)`: pictures under /pics/ of shop.test at that server, 1,000 bytes, one try."""

    def make(server: Server, **changes: Any) -> Pictures:
        values = {"prefixes": [server.uri("/pics/")], "private_hosts": [HOST], "ca_file": ca_file}
        return Pictures.model_validate({**values, "max_bytes": 1_000, "fetch_attempts": 1, **changes})

    return make


@pytest.fixture
def fetcher(limits: Callable[..., Pictures]) -> Iterator[Callable[..., Fetcher]]:
    """`fetcher(server, ips=["127.0.0.1"], **changes)` reads pictures of a server; every name leads to `ips`.

    `ips` may be a function instead, from host and port; `changes` are those of the limits.
    """
    made: list[Fetcher] = []

    def make(server: Server, *, ips: Any = ("127.0.0.1",), outages: Outages | None = None, **changes: Any) -> Fetcher:
        resolve = ips if callable(ips) else lambda _host, _port: ips
        made.append(Fetcher(limits(server, **changes), resolve=resolve, outages=outages))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def reject() -> Callable[[Fetcher, str], BadRecord]:
    """`reject(fetcher, uri)`: why an address is refused, in one printable line."""

    def refused(fetcher: Fetcher, uri: str) -> BadRecord:
        with pytest.raises(BadRecord) as caught:
            fetcher.read(uri)
        assert caught.value.detail.isprintable()
        Reason(caught.value.reason)
        return caught.value

    return refused
