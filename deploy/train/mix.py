"""One model of several that began alike: python -m deploy.train.mix OUT.safetensors SHARE=FILE SHARE=FILE ...

Their weights' mean, number by number: what each learned at the cost of something else is then mostly there together.
It needs models that begin with each other's weights. Wortsman et al. 2022, "Model soups" (arXiv 2203.05482).
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vitrine import flags
from vitrine.errors import BadInput, BadSettings
from vitrine.settings import Model
from vitrine.storage import directory
from vitrine.vision.metadata import LONGEST_NOTICE
from vitrine.vision.spec import ModelSpec
from vitrine.vision.training import shipping
from vitrine.vision.weights import Weights, digest, resolve


def main() -> int:
    """Write the mixed weights; returns the exit code."""
    parser = argparse.ArgumentParser(description="One model of several that began alike.")
    parser.add_argument("out", type=Path, help="the safetensors file, which --model.weights takes")
    parser.add_argument("parts", nargs="+", help="SHARE=FILE; shares are relative to each other")
    given = parser.parse_args()

    def written() -> None:
        found = mixed([_part(text) for text in given.parts])
        directory(str(given.out.absolute().parent)).write(given.out.name, shipping.file_of(found))
        print(f"model {found.spec.model_id}: --model.weights {given.out}")

    return flags.exit_code(written)


def mixed(shares: Sequence[tuple[Path, float]]) -> Weights:
    """The mean of weights by their shares, in half precision, under the terms that their files state.

    Raises:
        BadInput: a file cannot be used, they are not weights of one network for the same input, or their terms together
            are longer than what a file says of itself.
    """
    total = sum(share for _, share in shares)
    parts = [(resolve(Model(weights=str(path))), share / total) for path, share in shares]
    first = parts[0][0]
    for part, _ in parts[1:]:
        if _network(part.spec) != _network(first.spec):
            raise BadInput(f"{part.origin} and {first.origin} are not weights of one network for the same input")
    tensors = {name: _mean(name, parts) for name in first.tensors}
    notice = "; ".join(dict.fromkeys(part.notice for part, _ in parts if part.notice))
    if len(notice) > LONGEST_NOTICE:
        raise BadInput(f"the terms of all files are {len(notice):,} characters, at most {LONGEST_NOTICE:,} are kept")
    return Weights(replace(first.spec, weights_sha256=digest(tensors)), tensors, "mixed", notice)


def _mean(name: str, parts: Sequence[tuple[Weights, float]]) -> Tensor:
    first = parts[0][0].tensors[name]
    if not first.dtype.is_floating_point:
        return first
    return torch.stack([share * part.tensors[name].float() for part, share in parts]).sum(0).half()


def _network(spec: ModelSpec) -> ModelSpec:
    return replace(spec, weights_sha256="")


def _part(text: str) -> tuple[Path, float]:
    share, _, file = text.partition("=")
    try:
        found = Path(file), float(share)
    except ValueError:
        found = Path(), 0.0
    if not file or not 0 < found[1] < float("inf"):
        raise BadSettings(f"{text}: give SHARE=FILE, the share a number above 0")
    return found


if __name__ == "__main__":
    sys.exit(main())
