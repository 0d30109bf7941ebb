import json
import re
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.vision.spec import IMAGENET_MEAN, IMAGENET_STD, ModelSpec

SPEC = ModelSpec("resnet18", "0" * 64, 96, 96, IMAGENET_MEAN, IMAGENET_STD, "average", "linear", None, 256)
OTHER: dict[str, Any] = {
    "backbone": "resnet34",
    "weights_sha256": "1" * 64,
    "image_size": 128,
    "resize": 110,
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "pooling": "gem",
    "head": "none",
    "projection": 256,
    "dim": 128,
}
NUMBERS = st.floats(0.01, 1)


@pytest.mark.parametrize("name", [field.name for field in fields(ModelSpec)])
def test_every_field_changes_the_model_id(name: str) -> None:
    assert replace(SPEC, **{name: OTHER[name]}).model_id != SPEC.model_id


def test_equal_specs_have_the_same_id() -> None:
    assert replace(SPEC).model_id == SPEC.model_id
    assert re.fullmatch("[0-9a-f]{12}", SPEC.model_id)


def test_ids_stay_what_they_are() -> None:
    """Collections and feature stores in use carry them: a change of the rule would embed every picture again."""
    assert SPEC.model_id == "bec2d9e430d5"


@given(
    triples=st.tuples(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS, NUMBERS)),
    size=st.integers(32, 1024),
    projection=st.none() | st.integers(2, 512),
)
def test_a_spec_survives_json(triples: tuple[Any, Any], size: int, projection: int | None) -> None:
    spec = replace(SPEC, mean=triples[0], std=triples[1], image_size=size, projection=projection)
    again = ModelSpec.from_dict(json.loads(spec.to_json()))
    assert again == spec
    assert again.model_id == spec.model_id


def test_the_order_of_keys_does_not_matter() -> None:
    values = asdict(SPEC)
    assert ModelSpec.from_dict(dict(reversed(values.items()))).model_id == SPEC.model_id
