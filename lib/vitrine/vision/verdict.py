"""What the check of reduced precision found, kept beside the model for the processes that come later."""

import hashlib
import json
import logging
import platform
from dataclasses import dataclass

import pyarrow as pa
import torch

from vitrine import __version__
from vitrine.storage import Directory, directory

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The precision that was found for one model on one kind of device; without a place nothing is kept.

    A place that cannot be read or written costs a process the check and nothing else.
    """

    place: Directory | None
    kind: str

    def known(self) -> str | None:
        """The precision, if it has been noted here."""
        if self.place is None:
            return None
        try:
            noted = json.loads(self.place.read(self._file))
            return str(noted["precision"]) if noted["kind"] == self.kind else None
        except FileNotFoundError:
            return None
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
            logger.info("precision check is done again: %s", error)
            return None

    def note(self, precision: str) -> None:
        """Keep it; of several processes that do so the last counts, and all found the same."""
        if self.place is None:
            return
        try:
            self.place.write(self._file, json.dumps({"precision": precision, "kind": self.kind}).encode())
        except (OSError, pa.ArrowException) as error:
            logger.info("precision check cannot be kept: %s", error)

    @property
    def _file(self) -> str:
        return f"precision-{hashlib.sha256(self.kind.encode()).hexdigest()[:12]}.json"


def verdict_on(model_id: str, store: str | None, device: torch.device) -> Verdict:
    """The verdict on a model of a store, for devices like this one."""
    return Verdict(None if store is None else directory(store).within(model_id), kind_of(device))


def kind_of(device: torch.device) -> str:
    """All of a device that decides how its arithmetic rounds; two of one kind come to one verdict."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        chip = f"{torch.cuda.get_device_name(device)} {major}.{minor}, CUDA {torch.version.cuda}"
    else:
        bf16 = f"avx512_bf16 {torch.cpu._is_avx512_bf16_supported()}, amx {torch.cpu._is_amx_tile_supported()}"
        chip = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, {bf16}"
    return f"{chip}, torch {torch.__version__}, vitrine {__version__}"
