"""torch's threads, started before those of other libraries."""

import torch

_LARGE = 1 << 16  # twice the size from which torch shares an operation among its threads


def start_threads() -> None:
    """Start the threads that the network computes with.

    To be called before Milvus Lite is opened in the same process: its faiss brings an OpenMP of its own, and where that
    is first, an embedding on a CPU costs two to eight times the CPU time.
    """
    torch.nn.functional.relu(torch.zeros(_LARGE))
