"""The embedders of the views: one for each model, whatever number of views it serves and attempts to feed them."""

from collections.abc import Callable, Collection

from streaming.careful import Careful
from vitrine.embedding import Embedder
from vitrine.rendering import sample_pictures

MakeEmbedder = Callable[[str], Embedder]


class Embedders:
    """Makes embedders by model id, and keeps them."""

    def __init__(self, make: MakeEmbedder) -> None:
        self._make = make
        self._made: dict[str, Embedder] = {}

    def of(self, model_id: str) -> Careful:
        """The model's embedder for one view, warm: the first time it takes seconds, in this process and apart."""
        if model_id not in self._made:
            self._made[model_id] = self._make(model_id)
        careful = Careful(self._made[model_id])
        for apart in (False, True):
            careful.apart = apart
            for _ in careful.embed((0, picture) for picture in sample_pictures(1)):
                pass
        return careful

    def keep(self, model_ids: Collection[str]) -> None:
        """Let go of all other models."""
        self._made = {model_id: made for model_id, made in self._made.items() if model_id in model_ids}
