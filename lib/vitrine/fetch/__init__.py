"""Pictures by address: files, S3 objects and https, under the prefixes that the settings allow and nowhere else."""

import os
from functools import cache

from vitrine.catalog import Picture
from vitrine.errors import BadRecord, Unavailable
from vitrine.fetch import files, network, objects
from vitrine.fetch.addresses import SETTING, address, forbidden, prefix
from vitrine.fetch.https import Web, trusted
from vitrine.fetch.outages import Outages
from vitrine.fetch.places import Place
from vitrine.product import Reason
from vitrine.settings import Pictures

__all__ = ["Fetcher", "check", "shared"]


class Fetcher:
    """Reads pictures within the limits of the settings; threads may share it.

    `resolve` gives all IP addresses of a host; it is asked once for each connection, which then leads to one of them.

    Raises:
        BadSettings, BadInput: as `check`.
    """

    def __init__(
        self, limits: Pictures, *, resolve: network.Resolver = network.resolve, outages: Outages | None = None
    ) -> None:
        self._limits = limits
        self._prefixes = [prefix(text) for text in limits.prefixes]
        self._outages = outages or Outages()
        https = [place for place in self._prefixes if place.scheme == "https"]
        self._web = Web(limits, https, resolve) if https else None

    def close(self) -> None:
        """Close all connections."""
        if self._web is not None:
            self._web.close()

    def read(self, uri: str) -> bytes:
        """The bytes at an absolute path or a file://, s3:// or https:// address.

        Raises:
            BadRecord: `missing`, `forbidden_address`, `too_large`, or `fetch_failed` (it cannot be had just now); the
                detail is one printable line without the query of the address.
            BadSettings: S3 does not take the options of the prefix.
        """
        if not uri:
            raise BadRecord(Reason.MISSING, "the address is empty")
        if not self._prefixes:
            raise BadRecord(Reason.FORBIDDEN_ADDRESS, f"no address is allowed while {SETTING} is empty")
        place = address(uri)
        if place.scheme == "file":
            allowed = [one for one in self._prefixes if one.scheme == "file"]
            return files.read(place, allowed, self._limits.max_bytes)
        covering = next((one for one in self._prefixes if one.covers(place)), None)
        if covering is None:
            raise forbidden(place, f"not under {SETTING}")
        return self._from_server(place, covering)

    def bytes_of(self, picture: Picture) -> tuple[bytes, str]:
        """The bytes of a picture of a catalogue, or of what is at its address, and why there are none, else nothing."""
        reason, data = picture.reject.reason if picture.reject else "", picture.data or b""
        if reason or data:
            return data, reason
        try:
            return self.read(picture.uri), ""
        except BadRecord as error:
            return b"", error.reason

    def _from_server(self, place: Place, covering: Place) -> bytes:
        server = f"{place.scheme}://{place.authority}"
        self._outages.check(server)
        answered = True
        try:
            if self._web is not None and place.scheme == "https":
                return self._web.read(place)
            limits = self._limits
            return objects.read(place, covering, max_bytes=limits.max_bytes, attempts=limits.fetch_attempts)
        except Unavailable as error:
            answered = False
            raise BadRecord(Reason.FETCH_FAILED, str(error)) from error
        finally:
            self._outages.note(server, answered=answered)


def check(limits: Pictures) -> None:
    """Check the prefixes and the certificates of the settings without reaching for anything.

    Raises:
        BadSettings: a prefix is no absolute directory and no file, s3 or https address, holds credentials, or has an
            option that S3 has not.
        BadInput: `ca_file` holds no certificates.
    """
    for text in limits.prefixes:
        prefix(text)
    if limits.ca_file is not None:
        trusted(limits.ca_file)


def shared(limits: Pictures) -> Fetcher:
    """The fetcher of this process for these limits: connections, and what is known of outages, outlive a unit."""
    return _shared(os.getpid(), limits.model_dump_json())


@cache
def _shared(_pid: int, limits: str) -> Fetcher:
    return Fetcher(Pictures.model_validate_json(limits))
