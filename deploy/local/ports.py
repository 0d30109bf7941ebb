"""Ports for servers that cannot choose their own."""

import random
import socket

from vitrine.errors import BadInput, Unavailable

_FIRST, _END = 20_000, 32_000
"""Above Milvus' own, and below what Linux hands out to outgoing connections, which could come between two starts."""
_TRIES = 1_000


def free_block(n: int) -> list[int]:
    """`n` neighbouring ports that nothing listens on.

    Raises:
        Unavailable: none were found.
    """
    for _ in range(_TRIES):
        first = random.randrange(_FIRST, _END - n)
        block = list(range(first, first + n))
        if all(map(is_free, block)):
            return block
    raise Unavailable(f"no {n} free ports between {_FIRST} and {_END}")


def require_free(port: int) -> None:
    """Raise BadInput if something listens on the port."""
    if not is_free(port):
        raise BadInput(f"port {port} is taken: end what listens there, or choose another port")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of every interface."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier server that still fade away are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
            probe.listen()
        except OSError:
            return False
    return True
