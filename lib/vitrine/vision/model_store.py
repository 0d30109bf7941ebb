"""The model store: `<model_id>/model.json` and `weights.safetensors` in a directory or at a URI."""

import json
from collections.abc import Mapping
from dataclasses import asdict

import safetensors.torch
import torch

from vitrine.errors import BadInput, Unavailable
from vitrine.settings import Model
from vitrine.storage import Directory, directory
from vitrine.vision.backbone import check_backbone, check_tensors
from vitrine.vision.spec import ModelSpec
from vitrine.vision.weights import Weights, digest, resolve

_FACTS = "model.json"
_TENSORS = "weights.safetensors"


def publish(weights: Weights, store: str, *, training: Mapping[str, object] | None = None) -> None:
    """Put a model into the store, complete or not at all.

    `training` says how it was trained, for people; what is said takes the place of what was said before, and without
    it a model that is there already is left alone. May be done by several processes at once.
    """
    place = directory(store).within(weights.spec.model_id)
    there = place.exists(_FACTS)
    if there and training is None:
        return
    if not there:
        place.write(_TENSORS, _file_of(weights.tensors))
    facts = {
        "model_id": weights.spec.model_id,
        "spec": asdict(weights.spec),
        "origin": weights.origin,
        "notice": weights.notice,
        **({"training": training} if training else {}),
    }
    place.write(_FACTS, json.dumps(facts, indent=2, sort_keys=True).encode())


def _file_of(tensors: Mapping[str, torch.Tensor]) -> bytes:
    whole = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    return bytes(safetensors.torch.save(whole))


def find(model_id: str, store: str | None) -> Weights:
    """The model of that id from the store, else among the bundled ones.

    Raises:
        BadInput: it is in neither, or what the store holds is not what its id says.
        Unavailable: the store does not answer.
    """
    if store is not None:
        place = directory(store).within(model_id)
        if place.exists(_FACTS):
            return _read(place, model_id)
    bundled = resolve(Model())
    if bundled.spec.model_id == model_id:
        return bundled
    places = f"the model store {store} and the bundled models" if store else "the bundled models"
    raise BadInput(f"model {model_id} is not in {places}: set model.store to the store of the reindex that made it")


def _read(place: Directory, model_id: str) -> Weights:
    damaged = BadInput(
        f"{place.root} does not hold model {model_id}: delete that directory and publish the model again"
    )
    try:
        facts, tensors = place.read(_FACTS), place.read(_TENSORS)
    except FileNotFoundError as error:
        raise damaged from error
    except OSError as error:
        raise Unavailable(f"the model store does not give {place.root}: {error}") from error
    try:
        stated = json.loads(facts)
        weights = Weights(
            ModelSpec.from_dict(stated["spec"]), safetensors.torch.load(tensors), stated["origin"], stated["notice"]
        )
        whole = weights.spec.model_id == model_id and weights.spec.weights_sha256 == digest(weights.tensors)
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise damaged from error
    if not whole:
        raise damaged
    check_tensors(check_backbone(weights.spec.backbone), weights.tensors)
    return weights
