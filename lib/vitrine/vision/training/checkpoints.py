"""The state of a training run on disk, so that a killed one goes on."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from vitrine.errors import BadInput
from vitrine.storage import Directory

CHECKPOINT = "checkpoint.pt"
SHA256_BYTES = 32
"""Length of the hash that a checkpoint begins with."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What a validation found after so many steps: the shares by name, and the mean loss since the last one."""

    step: int
    shares: Mapping[str, float]
    loss: float
    learning_rate: float

    @property
    def score(self) -> float:
        """The mean of all recall@1, by which the best weights are chosen."""
        first = [share for name, share in self.shares.items() if name.endswith("recall@1")]
        return sum(first) / len(first)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a run needs to go on.

    `decided` is what must not change, `trainer` what `Trainer.state` gives, `best` the tensors of the best validation,
    `losses` those since the last one, `seconds` the time of all steps.
    """

    decided: Mapping[str, Any]
    trainer: Mapping[str, Any]
    validations: tuple[Validation, ...] = ()
    best: Mapping[str, torch.Tensor] = field(default_factory=dict)
    losses: tuple[float, ...] = ()
    seconds: float = 0.0


def save(place: Directory, checkpoint: Checkpoint) -> None:
    """Put a checkpoint in the place of the last one, whole or not at all."""
    told = {
        "decided": checkpoint.decided,
        "validations": [asdict(one) for one in checkpoint.validations],
        "losses": checkpoint.losses,
        "seconds": checkpoint.seconds,
    }
    stream = io.BytesIO()
    torch.save({"told": json.dumps(told), "trainer": checkpoint.trainer, "best": dict(checkpoint.best)}, stream)
    data = stream.getvalue()
    place.write(CHECKPOINT, hashlib.sha256(data).digest() + data)


def load(place: Directory, decided: Mapping[str, Any]) -> Checkpoint | None:
    """The checkpoint of a run, None where there is none.

    Raises:
        BadInput: it cannot be read, or was made with something else than what is `decided`; the text names one.
    """
    if not place.exists(CHECKPOINT):
        return None
    shown = place.path(CHECKPOINT)
    try:
        stated = torch.load(io.BytesIO(_whole(place.read(CHECKPOINT))), map_location="cpu", weights_only=True)
        told = json.loads(stated["told"])
        validations = tuple(Validation(**one) for one in told["validations"])
        found = Checkpoint(
            told["decided"], stated["trainer"], validations, stated["best"], tuple(told["losses"]), told["seconds"]
        )
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise BadInput(f"{shown} is not whole: delete it to begin again, or name another --run") from error
    _require_same(found.decided, json.loads(json.dumps(decided)), shown)
    return found


def _whole(file: bytes) -> bytes:
    sha256, data = file[:SHA256_BYTES], file[SHA256_BYTES:]
    if hashlib.sha256(data).digest() != sha256:
        raise ValueError("its bytes are not those that were written")
    return data


def _require_same(earlier: Mapping[str, Any], now: Mapping[str, Any], shown: str) -> None:
    for name in {**now, **earlier}:
        if now.get(name) != earlier.get(name):
            raise BadInput(
                f"{shown} was made with {name} = {json.dumps(earlier.get(name))}, not {json.dumps(now.get(name))}: "
                "give what it was made with, or name another --run"
            )
