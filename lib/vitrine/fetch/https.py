"""Pictures on web servers: one GET at a time, within a deadline, a number of bytes and a number of redirects."""

import random
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urljoin

import httpcore

from vitrine import __version__
from vitrine.errors import BadInput, BadRecord, Unavailable
from vitrine.fetch.addresses import SETTING, address, forbidden
from vitrine.fetch.limits import check_size
from vitrine.fetch.network import CheckedNetwork, Resolver
from vitrine.fetch.places import Place, printable
from vitrine.product import Reason
from vitrine.settings import Pictures

MOST_REDIRECTS = 3
"""Redirects followed for one picture."""

_FIRST_PAUSE_S = 0.5
_KEPT_ALIVE_S = 30.0
_DISCARDED_BYTES = 64 << 10
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_GONE = frozenset((404, 410))
_HEADERS = (("User-Agent", f"vitrine/{__version__}"), ("Accept", "*/*"), ("Accept-Encoding", "identity"))


class _Busy(Unavailable):
    def __init__(self, detail: str, wish_s: float) -> None:
        super().__init__(detail)
        self.wish_s = wish_s


class Web:
    """Reads pictures under https prefixes; threads share its connections, at most `fetch_threads` of them.

    No proxy, cookie or password comes from the environment.

    Raises:
        BadInput: `ca_file` holds no certificates.
    """

    def __init__(self, limits: Pictures, prefixes: Sequence[Place], resolve: Resolver) -> None:
        self._limits = limits
        self._prefixes = prefixes
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted(limits.ca_file),
            max_connections=limits.fetch_threads,
            keepalive_expiry=_KEPT_ALIVE_S,
            network_backend=CheckedNetwork(resolve, limits.private_hosts),
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def read(self, place: Place) -> bytes:
        """The picture at a place, tried again while its server is away or busy.

        Raises:
            BadRecord: `forbidden_address`, `missing`, `too_large`, or `fetch_failed` where the server answers and gives
                no picture.
            Unavailable: the server does not answer, or is busy.
        """
        until = time.monotonic() + self._limits.fetch_timeout_s
        attempt = 1
        while True:
            try:
                return self._followed(place, until)
            except Unavailable as error:
                wait_s = random.uniform(0.5, 1) * _FIRST_PAUSE_S * 2 ** (attempt - 1)
                if isinstance(error, _Busy):
                    wait_s = max(wait_s, error.wish_s)
                if attempt >= self._limits.fetch_attempts or time.monotonic() + wait_s >= until:
                    raise
            time.sleep(wait_s)
            attempt += 1

    def _followed(self, place: Place, until: float) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            found = self._get(place, until)
            if isinstance(found, bytes):
                return found
            place = found
        raise BadRecord(Reason.FETCH_FAILED, f"{place}: more than {MOST_REDIRECTS} redirects lead here")

    def _get(self, place: Place, until: float) -> bytes | Place:
        """The picture, or where the server sends us."""
        if not any(prefix.covers(place) for prefix in self._prefixes):
            raise forbidden(place, f"not under {SETTING}")
        url = httpcore.URL(scheme="https", host=place.host, port=place.port, target=place.target)
        headers = [("Host", place.authority), *_HEADERS]
        # `CheckedNetwork` takes these for moments, httpcore's pool its own for a span.
        times = {"connect": until, "read": until, "write": until, "pool": max(0.0, until - time.monotonic())}
        try:
            with self._pool.stream("GET", url, headers=headers, extensions={"timeout": times}) as response:
                return self._taken(place, response)
        except httpcore.TimeoutException as error:
            raise Unavailable(f"{place}: no answer in time") from error
        except httpcore.ProtocolError as error:
            raise Unavailable(f"{place}: the answer is broken or ends too early") from error
        except httpcore.NetworkError as error:
            raise Unavailable(f"{place}: {printable(str(error))}") from error

    def _taken(self, place: Place, response: httpcore.Response) -> bytes | Place:
        headers = {name.lower(): value.decode("utf-8", "replace") for name, value in response.headers}
        if response.status == 200:
            return self._body(place, response, headers)
        _discard(response)
        detail = f"{place}: HTTP {response.status}"
        if response.status in _REDIRECTS and b"location" in headers:
            return _target(place, headers[b"location"])
        if response.status in _GONE:
            raise BadRecord(Reason.MISSING, detail)
        if response.status == 429 or response.status >= 500:
            raise _Busy(detail, _wish_s(headers.get(b"retry-after", "")))
        raise BadRecord(Reason.FETCH_FAILED, detail)

    def _body(self, place: Place, response: httpcore.Response, headers: dict[bytes, str]) -> bytes:
        encoding = headers.get(b"content-encoding", "identity").strip().lower()
        if encoding != "identity":
            detail = f"{place}: sent as {printable(encoding)}, which is not asked for and not unpacked"
            raise BadRecord(Reason.FETCH_FAILED, detail)
        check_size(int(headers.get(b"content-length", "0")), self._limits.max_bytes)
        data = bytearray()
        for chunk in response.iter_stream():
            data += chunk
            check_size(len(data), self._limits.max_bytes)
        return bytes(data)


def trusted(ca_file: Path | None) -> ssl.SSLContext:
    """TLS that knows the usual authorities, and those of the file.

    Raises:
        BadInput: the file holds no certificates.
    """
    context = httpcore.default_ssl_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise BadInput(f"cannot read certificates from pictures.ca_file {ca_file}: {error.strerror}") from error
    return context


def _discard(response: httpcore.Response) -> None:
    """Read what else is sent, if it is little: only then can the connection be used again."""
    size_bytes = 0
    with suppress(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        for chunk in response.iter_stream():
            size_bytes += len(chunk)
            if size_bytes > _DISCARDED_BYTES:
                return


def _target(place: Place, location: str) -> Place:
    try:
        uri = urljoin(f"https://{place.authority}{place.target}", location)
    except ValueError as error:
        raise forbidden(place, "redirects to no address") from error
    return address(uri)


def _wish_s(retry_after: str) -> float:
    """Seconds from now that a Retry-After header asks for, be it a number or a date; 0 if it says nothing."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        return parsedate_to_datetime(retry_after).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
