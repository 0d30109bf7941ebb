"""Connections that lead to public machines only, and end when the request they serve must have ended.

httpcore hands its time-outs through to these classes unseen. Here each is not a span but a moment of
`time.monotonic()`, by which the whole request must be done, so that a byte a second does not keep a connection.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpcore

from vitrine.errors import BadRecord
from vitrine.fetch.addresses import forbidden
from vitrine.product import Reason

Resolver = Callable[[str, int], Sequence[str]]
"""All IP addresses of a host; OSError if it has none."""

_CONNECT_TIMEOUT_S = 5.0
_SILENCE_TIMEOUT_S = 10.0
_GLOBAL_UNICAST = ip_network("2000::/3")
_RELAYED = tuple(map(ip_network, ("192.88.99.0/24", "2001::/32", "2002::/16", "3fff::/20")))  # 6to4, Teredo, samples


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host as the machine knows them, best first; its resolver sets the time-out."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of a machine on the internet, and hides no other address in itself.

    IPv6 outside 2000::/3 is not: mapped and compatible IPv4, NAT64, site-local, multicast. Source: the special-purpose
    registries of IANA, of which `is_global` of Python 3.11 knows a part.
    """
    if ip.version == 6 and ip not in _GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in net for net in _RELAYED)


def may_be_own(ip: IPv4Address | IPv6Address) -> bool:
    """Whether an address may be that of a machine in one's own network; clouds serve secrets at link-local ones."""
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified)


class CheckedNetwork(httpcore.NetworkBackend):
    """Resolves a host once for each connection, checks all its addresses and connects to one of these.

    `private_hosts` may have private addresses. Connecting raises BadRecord (`forbidden_address`) if any address of the
    host is not allowed.
    """

    def __init__(self, resolve: Resolver, private_hosts: Iterable[str]) -> None:
        self._resolve = resolve
        self._private_hosts = frozenset(private_hosts)
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers; `timeout` is a moment."""
        failure: httpcore.NetworkError | httpcore.TimeoutException = httpcore.ConnectError("the host has no address")
        for ip in self._checked(host, port):
            try:
                left_s = _left(timeout, _CONNECT_TIMEOUT_S)
                return _Stream(self._plain.connect_tcp(ip, port, left_s, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.TimeoutException) as error:
                failure = error
        raise failure

    def _checked(self, host: str, port: int) -> list[str]:
        try:
            found = [ip_address(text) for text in self._resolve(host, port)]
        except OSError as error:
            raise httpcore.ConnectError(f"the name {host} leads nowhere: {error.strerror}") from error
        for ip in found:
            if not (is_public(ip) or (host in self._private_hosts and may_be_own(ip))):
                raise forbidden(host, f"leads to {ip}, which is not public (pictures.private_hosts lists your own)")
        return [str(ip) for ip in found]


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, _SILENCE_TIMEOUT_S))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, _SILENCE_TIMEOUT_S))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout, _CONNECT_TIMEOUT_S)))
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                detail = f"{server_hostname}: its certificate is not good: {error.__cause__.verify_message}"
                raise BadRecord(Reason.FETCH_FAILED, detail) from error
            raise

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _left(moment: float | None, at_most_s: float) -> float:
    left_s = at_most_s if moment is None else min(moment - time.monotonic(), at_most_s)
    if left_s <= 0:
        raise httpcore.TimeoutException("the time for this picture is over")
    return left_s
