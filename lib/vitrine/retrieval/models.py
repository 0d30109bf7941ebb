"""The models that are compared, by the names that people give them."""

import re

from vitrine.embedding import Embedder
from vitrine.retrieval.histogram import HistogramEmbedder
from vitrine.settings import Model, Settings
from vitrine.vision.backbone import POOLED_DIM
from vitrine.vision.engine import device_of, engine_of, load
from vitrine.vision.model_store import find
from vitrine.vision.request import EngineRequest
from vitrine.vision.weights import resolve

HISTOGRAM, UNTRAINED = "histogram", "untrained"
_SEED = "random:0"
_MODEL_ID = re.compile(r"[0-9a-f]{12}")


def named(settings: Settings, name: str) -> tuple[Embedder, str]:
    """The embedder of a name, and what people must know of it.

    A name is `histogram`, `untrained` (`model.backbone` with random weights, pictures as large as those of
    `model.weights`), the id of a model in the store or the package, or what `model.weights` takes, with `BACKBONE:`
    before it where that is not `model.backbone`. All else is as the settings of the model say.

    Raises:
        BadSettings, BadInput: as `vitrine.vision.weights.resolve` and `vitrine.vision.model_store.find`.
    """
    if name == HISTOGRAM:
        return HistogramEmbedder(settings.pictures), ""
    if _MODEL_ID.fullmatch(name):
        store = settings.model_store_uri
        return engine_of(name, store, settings.pictures, settings.model.device), find(name, store).notice
    model = _model(settings.model, name)
    weights = resolve(model)
    request = EngineRequest(weights.spec, model, settings.pictures, None, device_of(None, model.device))
    return load(request), weights.notice


def _model(model: Model, name: str) -> Model:
    if name == UNTRAINED:
        size = model.image_size or resolve(model).spec.image_size
        return model.model_copy(update={"weights": _SEED, "weights_sha256": None, "image_size": size})
    backbone, colon, weights = name.partition(":")
    if colon and backbone in POOLED_DIM:
        return model.model_copy(update={"backbone": backbone, "weights": weights})
    return model.model_copy(update={"weights": name})
