"""Errors of pymilvus and gRPC, told in Vitrine's words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from pymilvus import MilvusException

from vitrine.errors import BadInput, Unavailable, VitrineError
from vitrine.index.store import NotThere

UNAVAILABLE = frozenset(
    {2, 4, 8, 9, 11, 12, 101, 103, 106, 201, 202, 401, 501, 503, 505, 507, 601, 602, *range(901, 907), 10_000, 10_001}
)
"""No connection, too much asked, not loaded, or nodes and channels that are not there yet (Milvus' pkg/util/merr)."""
PASSING_WORDS = re.compile(
    r"timeout|node not match|context (done|canceled|deadline exceeded)|rpc error: code = (Unavailable|Canceled)"
    r"|not (ready|healthy)|no available",
    re.IGNORECASE,
)
"""What an error says that will pass, where its code says only that it was not expected."""
UNEXPECTED = (1, 65_535)
NOT_THERE = 100
TRANSIENT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
)
REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, 1400, 1401, 1800)
UNTRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED|Hostname Verification Check failed", re.IGNORECASE)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what the block raises as Unavailable, NotThere or another BadInput; `doing` says what was going on."""
    try:
        yield
    except MilvusException as error:
        cause = error.__cause__
        if isinstance(cause, grpc.Call):  # pymilvus says less about a connection than what it found
            raise _of_call(doing, cause) from error
        raise _in_our_words(doing, error.code, error.message, retriable=error.retriable) from error
    except grpc.RpcError as error:
        raise _of_call(doing, error) from error


def _of_call(doing: str, call: grpc.Call) -> VitrineError:
    return _in_our_words(doing, call.code(), call.details() or "", retriable=False)


def _in_our_words(doing: str, code: object, message: str, *, retriable: bool) -> VitrineError:
    text = f"{doing}: {' '.join(message.split())}"
    if code in REFUSED:
        return BadInput(f"{text}: check milvus.token or milvus.token_file")
    if UNTRUSTED.search(message):
        return BadInput(f"{doing}: its certificate is not trusted: check milvus.ca_file and milvus.server_name")
    passing = code in UNEXPECTED and PASSING_WORDS.search(message)
    if retriable or passing or code in TRANSIENT or code in UNAVAILABLE:
        return Unavailable(text)
    if code == NOT_THERE:
        return NotThere(text)
    return BadInput(text)
