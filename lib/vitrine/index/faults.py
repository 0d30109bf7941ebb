"""Errors of pymilvus and gRPC, told in Vitrine's words."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from pymilvus import MilvusException

from vitrine.errors import BadInput, BadSettings, Unavailable, VitrineError

UNAVAILABLE = (2, 8, 9)
"""Codes of Milvus and its client: no connection, too many requests, writes denied."""
TRANSIENT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
)
REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what the block raises as Unavailable, BadSettings or BadInput; `doing` says what was going on."""
    try:
        yield
    except MilvusException as error:
        raise _in_our_words(doing, error.code, error.message, retriable=error.retriable) from error
    except grpc.RpcError as error:
        raise _in_our_words(doing, error.code(), error.details() or "", retriable=False) from error


def _in_our_words(doing: str, code: object, message: str, *, retriable: bool) -> VitrineError:
    text = f"{doing}: {' '.join(message.split())}"
    if code in REFUSED:
        return BadSettings(f"{text}: check milvus.token")
    if retriable or code in TRANSIENT or code in UNAVAILABLE:
        return Unavailable(text)
    return BadInput(text)
