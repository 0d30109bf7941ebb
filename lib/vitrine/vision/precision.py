"""Which arithmetic keeps the neighbours: the start-up check of reduced precision."""

import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitrine.vision.backbone import Network, exact_convolutions
from vitrine.vision.verdict import Verdict

logger = logging.getLogger(__name__)

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_LEAST_COSINE = 0.999
_LEAST_OVERLAP = 0.98
_K = 10
_AT_ONCE = 8  # pictures: with all at once the check would need more memory than the work after it


def reduced_precision(device: torch.device) -> str:
    """The fast type of a device: fp16 on a GPU, bf16 on a CPU with instructions for it, else fp32.

    On a GPU fp16 has the speed of bf16 and 5 to 7 times less error.
    """
    if device.type == "cuda":
        return "fp16"
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "fp32"


def describe(device: str) -> str:
    """A line for people: torch's version, the device, and the fast precision there."""
    where = torch.device(device)
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return f"{torch.__version__} on {device} ({name}), {reduced_precision(where)} where the weights allow it"


def keeps_neighbours(exact: NDArray[np.float32], reduced: NDArray[np.float32]) -> bool:
    """Whether reduced vectors may stand for exact ones: cosine >= .999 and top-10 overlap >= 98 %.

    Both are (n, dim) unit rows of the same n > 10 pictures.
    """
    cosine = np.einsum("nd,nd->n", exact, reduced)
    nearest = [_nearest(vectors) for vectors in (exact, reduced)]
    kept = np.mean([np.isin(found, wanted).mean() for wanted, found in zip(*nearest, strict=True)])
    logger.info("precision check cosine_min=%.5f top_%d=%.4f pictures=%d", cosine.min(), _K, kept, len(exact))
    return bool(np.isfinite(reduced).all() and cosine.min() >= _LEAST_COSINE and kept >= _LEAST_OVERLAP)


def _nearest(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -2.0)
    return np.argpartition(-scores, _K, axis=1)[:, :_K]


def choose(
    build: Callable[[torch.dtype], Network],
    wanted: str,
    device: torch.device,
    *,
    samples: Callable[[], Tensor],
    verdict: Verdict,
) -> tuple[str, Network]:
    """Build the network in the wanted precision; `auto` takes the fast one only if it keeps the neighbours.

    `samples` gives (n, 3, size, size) uint8 pictures; it is called only if there is a choice and no known verdict.
    """
    fast = reduced_precision(device)
    settled = wanted if wanted != "auto" else "fp32" if fast == "fp32" else verdict.known()
    if settled in DTYPES:
        return settled, build(DTYPES[settled]).to(device)
    reduced, exact = (build(DTYPES[precision]).to(device) for precision in (fast, "fp32"))
    kept = keeps_neighbours(*_embedded(samples().to(device), exact, reduced))
    verdict.note(fast if kept else "fp32")
    if kept:
        return fast, reduced
    logger.warning("precision %s would change the neighbours of these weights: fp32 is used", fast)
    return "fp32", exact


def _embedded(pictures: Tensor, *networks: Network) -> Iterator[NDArray[np.float32]]:
    with torch.inference_mode(), exact_convolutions():
        for network in networks:
            yield torch.cat([network(few) for few in torch.split(pictures, _AT_ONCE)]).cpu().numpy()
