"""What an engine is asked for; loads no torch, so that a process which embeds nothing need not."""

from dataclasses import dataclass

from vitrine.settings import Model, Pictures
from vitrine.vision.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """All that decides an engine; equal requests share one engine in a process."""

    spec: ModelSpec
    model: Model
    pictures: Pictures
    store: str | None
    device: str = "cpu"
    threads: int = 1

    def __hash__(self) -> int:
        return hash((self.spec, self.model.model_dump_json(), self.pictures.model_dump_json(), self.store, self.device))
