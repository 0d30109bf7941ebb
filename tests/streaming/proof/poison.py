"""Bad records, one of each kind, labelled with what must become of them: names are what a person would call them."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tests.streaming.proof.pictures import tiny
from tests.streaming.proof.wire import (
    DEAD,
    EVENT_HEADER,
    LABEL_HEADER,
    PARTLY,
    Headers,
    Sent,
    labelled_headers,
    sha256,
    upsert,
)

_LABELLED: Headers = ((LABEL_HEADER, DEAD.encode()),)


def picture(number: int) -> bytes:
    """Bytes that differ by number and are no picture."""
    return b"<html>404 for picture %d</html>" % number


def _raw(value: bytes | None, *, key: bytes | None = b"poison", headers: Headers = ()) -> Sent:
    return Sent(key, value, (*headers, *_LABELLED))


def _altered(number: int, **fields: object) -> Sent:
    """An event without pictures, some of its fields replaced; None takes one away."""
    product_id = f"poison-{number}"
    good = upsert(product_id, 1, [])
    event = json.loads(dict(good.headers)[EVENT_HEADER]) | fields
    event = {name: value for name, value in event.items() if value is not None}
    key = str(event.get("product_id", product_id)).encode()
    return Sent(key, b"", labelled_headers(event, DEAD))


def _sized(number: int, value: bytes, said: int) -> Sent:
    images = [{"sha256": sha256(value), "size_bytes": said}]
    sent = _altered(number, images=images)
    return Sent(sent.key, value, sent.headers)


KINDS: Mapping[str, Callable[[int], Sent]] = MappingProxyType(
    {
        "no JSON": lambda n: _raw(b"{broken %d" % n),
        "a header that is not UTF-8": lambda n: _raw(b"", headers=((EVENT_HEADER, b"\xff\xfe{}"),)),
        "an empty value": lambda n: _raw(b""),
        "a null value without a version": lambda n: _raw(None, key=b"poison-%d" % n),
        "no key": lambda n: Sent(None, *_rest(_altered(n))),
        "the key of another product": lambda n: Sent(b"another", *_rest(_altered(n))),
        "no version": lambda n: _altered(n, version=None),
        "a version above int64": lambda n: _altered(n, version=2**63),
        "an unknown op": lambda n: _altered(n, op="rename"),
        "a later major version": lambda n: _altered(n, schema_version=2),
        "an id of 257 bytes": lambda n: _altered(n, product_id="p" * 257),
        "fewer bytes than stated": lambda n: _sized(n, picture(n), 1_000),
        "more bytes than stated": lambda n: _sized(n, picture(n), 3),
        "a picture that is none": lambda n: upsert(f"partly-{n}", 1, [picture(n)], labelled=PARTLY),
        "one picture of two that is none": lambda n: upsert(
            f"partly-{n}", 1, [tiny(10**9 + n), picture(n)], labelled=PARTLY
        ),
        "half a picture": lambda n: upsert(f"partly-{n}", 1, [tiny(10**9 + n)[:20]], labelled=PARTLY),
        "other bytes than declared": lambda n: upsert(
            f"partly-{n}", 1, [picture(n)], declared={0: sha256(b"another %d" % n)}, labelled=PARTLY
        ),
    }
)


def _rest(sent: Sent) -> tuple[bytes | None, Headers]:
    return sent.value, sent.headers
