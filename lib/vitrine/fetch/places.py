"""What an address says, in one canonical form: what is compared with the prefixes is what is asked for."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote

HTTPS_PORT = 443
"""Port of an https address that names none."""

_LONGEST_HTTPS = 8_000  # RFC 9110, section 4.1
_HTTPS = re.compile(
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?]*)?(?:\?(?P<query>.*))?",
    re.ASCII | re.IGNORECASE,
)
_AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f\\]")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_KEPT = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address or a prefix points; `query` is that of an https address, `options` are those of an s3 prefix.

    As text it is one printable line without the query, which may hold a signature.
    """

    scheme: str
    host: str
    path: str
    port: int = 0
    query: str = ""
    options: str = ""

    def __str__(self) -> str:
        """The address for people."""
        if self.scheme == "file":
            return printable(self.path.partition("?")[0])  # also //shop.example/a?signature, which reads as a path
        return printable(f"{self.scheme}://{self.authority}{self.path}")

    @property
    def authority(self) -> str:
        """Host and, where it is not the usual one, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port not in (0, HTTPS_PORT) else host

    @property
    def target(self) -> str:
        """Path and query, as they are asked for."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def covers(self, place: "Place") -> bool:
        """Whether this prefix, whose path ends in a slash, allows an s3 or https address."""
        same = (self.scheme, self.host, self.port) == (place.scheme, place.host, place.port)
        return same and place.path.startswith(self.path)


def printable(text: str) -> str:
    """The first 200 characters of a text, without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:200])


def shown(uri: str) -> str:
    """An address that may be malformed, for people: no query and no credentials."""
    bare = re.split("[?#]", uri, maxsplit=1)[0]
    if "@" in bare:
        scheme, separator, _ = bare.partition("://")
        bare = f"{scheme}://..." if separator else "..."
    return printable(bare)


def parse(uri: str) -> Place:
    """The place of an absolute path, which is taken as it stands, or of a file://, s3:// or https:// address.

    Paths of file:// are percent-decoded; keys of s3:// are taken as they stand.

    Raises:
        ValueError: it is none of these, holds credentials, or different readers would take it for different places.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or uri.startswith("/"):
        scheme, rest = "path", uri
    if (meaning := _MEANINGS.get(scheme.lower())) is None:
        raise ValueError("pictures are read from files, s3:// and https:// only")
    if scheme != "path" and "@" in re.split("[/?#]", rest, maxsplit=1)[0]:
        raise ValueError("an address must not hold credentials")
    return meaning(rest)


def refuse_dots(path: str) -> None:
    """Refuse a path with . or .. in it, also where a server drops what follows a semicolon.

    Raises:
        ValueError: it has such a part.
    """
    if not {".", ".."}.isdisjoint(part.partition(";")[0] for part in path.split("/")):
        raise ValueError("a path must not have . or .. parts")


def _path(rest: str) -> Place:
    if not rest.startswith("/"):
        raise ValueError("no absolute path of this machine")
    return Place("file", "", rest)


def _file(rest: str) -> Place:
    host, slash, path = rest.partition("/")
    if host not in ("", "localhost"):
        raise ValueError("no absolute path of this machine")
    return _path(unquote(slash + path))


def _s3(rest: str) -> Place:
    bucket, slash, key = rest.partition("/")
    if not bucket:
        raise ValueError("no bucket")
    return Place("s3", bucket, slash + key)


def _https(rest: str) -> Place:
    if len(rest) > _LONGEST_HTTPS:
        raise ValueError(f"more than {_LONGEST_HTTPS} characters")
    if _AMBIGUOUS.search(rest) or "#" in rest:
        raise ValueError("an address must not hold control characters, backslashes or a fragment")
    if (parts := _HTTPS.fullmatch(rest)) is None:
        raise ValueError("no https address with an ASCII host (write another alphabet in its xn-- form)")
    port = int(parts["port"] or HTTPS_PORT)
    if not 0 < port < 65_536:
        raise ValueError(f"{port} is no port")
    path, query = quote(parts["path"] or "/", safe=_KEPT), quote(parts["query"] or "", safe=_KEPT + "?")
    decoded = unquote(unquote(path))  # some servers decode twice
    refuse_dots(decoded)
    if _AMBIGUOUS.search(decoded):
        raise ValueError("a path must not hold control characters or backslashes, encoded ones neither")
    return Place("https", _host(parts["host"].lower()), path, port=port, query=query)


def _host(text: str) -> str:
    """A host in canonical form; readers disagree on numbers such as 127.1 and 0x7f000001, so these are refused."""
    if text.startswith("["):
        return str(IPv6Address(text[1:-1]))
    name = text.removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return str(IPv4Address(name))
    if not all(0 < len(label) < 64 for label in labels):
        raise ValueError("no name of a host")
    return name


_MEANINGS = {"path": _path, "file": _file, "s3": _s3, "https": _https}
