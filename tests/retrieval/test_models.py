"""Models by the names that people give them."""

from pathlib import Path

import numpy as np
import pytest

from tests.retrieval.builders import picture
from vitrine.errors import BadInput, BadSettings
from vitrine.retrieval.models import named
from vitrine.settings import Model, Settings
from vitrine.vision.model_store import publish
from vitrine.vision.weights import resolve

SMALL = {"image_size": 32, "precision": "fp32", "device": "cpu"}


def settings(**model: object) -> Settings:
    return Settings(model=Model.model_validate({**SMALL, **model}))


def test_colours_and_untrained_weights_are_names() -> None:
    colours, silent = named(settings(), "histogram")
    untrained, notice = named(settings(), "untrained")
    assert (colours.model_id, silent) == ("hsv-8x4x4", "")
    assert notice.startswith("UNTRAINED")
    assert untrained.model_id == resolve(Model.model_validate({**SMALL, "weights": "random:0"})).spec.model_id


def test_untrained_weights_see_pictures_as_large_as_the_models_beside_them() -> None:
    plain = Settings(model=Model(precision="fp32", device="cpu"))
    untrained, _ = named(plain, "untrained")
    size = resolve(Model()).spec.image_size
    assert untrained.model_id == resolve(Model(weights="random:0", image_size=size)).spec.model_id


def test_a_model_of_the_store_is_named_by_its_id_whatever_its_backbone_and_dimension(tmp_path: Path) -> None:
    weights = resolve(Model(backbone="resnet34", weights="random:5", image_size=32, dim=7))
    publish(weights, str(tmp_path))
    embedder, notice = named(settings(store=str(tmp_path)), weights.spec.model_id)
    assert (embedder.model_id, embedder.dim, notice) == (weights.spec.model_id, 7, weights.notice)
    (batch,) = embedder.embed([(0, picture(0))])
    assert np.linalg.norm(batch.vectors[0]) == pytest.approx(1, abs=1e-5)


def test_another_backbone_is_written_before_its_weights() -> None:
    embedder, _ = named(settings(), "resnet34:random:5")
    wanted = Model.model_validate({**SMALL, "backbone": "resnet34", "weights": "random:5"})
    assert embedder.model_id == resolve(wanted).spec.model_id


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("magic", BadSettings, "'magic' is unknown"),
        ("no.safetensors", BadInput, "cannot read model.weights no.safetensors"),
        ("0123456789ab", BadInput, "model 0123456789ab is not in"),
    ],
)
def test_a_name_of_nothing_is_refused(tmp_path: Path, name: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        named(settings(store=str(tmp_path)), name)
