"""Settings of training."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from vitrine.settings.catalogue import Columns
from vitrine.settings.section import Section

Loss = Literal["softmax", "arcface", "proxy-anchor", "triplet", "multi-similarity", "nt-xent"]
Labels = Annotated[list[str], AfterValidator(lambda names: [name for name in names if name])]
Pixels = Annotated[int, Field(ge=32, le=1_024)]


class Lesson(Section):
    """One catalogue that is learned from, and what is learned."""

    name: str = Field(default="catalog", pattern=r"^[a-z][a-z0-9_]{0,30}$")
    """What it is called in metrics and reports."""
    catalog: list[str] = []
    """Its Parquet files, as for a reindex."""
    pack: str = ""
    """Directory of a training pack of it, made by `--pack-only` anywhere, in place of `catalog`."""
    columns: Columns = Columns()
    """Which of its columns mean what."""
    labels: Labels = []
    """What alike things share: `category`, `brand`, `product_id` or an attribute; pictures are drawn by the first."""
    split: str = ""
    """Attribute whose value `train` marks what is learned from; by default products are held out at random."""
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Share of the products that are held out for validation, by a hash of their ids."""
    packshots: bool = False
    """Products stand before white paper, which views may replace by something else."""
    backdrops: bool = False
    """Its pictures may stand behind packshots."""
    share: float = Field(default=1.0, gt=0)
    """Its part of a batch, relative to those of the others."""
    losses: dict[str, Loss] = {}
    """Loss of a label, where it is not `train.loss`."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """What the loss of a label counts, where that is not 1."""
    same: float = Field(default=0.3, ge=0)
    """What it counts that two views of one product lie together; above 0 each picture comes twice."""
    side: Pixels | None = None
    """Longest side at which its pictures are kept, in pixels; by default `train.side`."""
    area: tuple[float, float] = (0.3, 1.0)
    """Part of a picture that a view shows: least and most; above 1 shows the paper around a packshot."""

    @model_validator(mode="after")
    def _something_to_learn(self) -> "Lesson":
        if bool(self.catalog) == bool(self.pack):
            raise ValueError("give either a catalog or a pack")
        if not self.labels and not self.same:
            raise ValueError("nothing is learned: name labels, or let same be above 0")
        if unknown := sorted({*self.losses, *self.weights} - {*self.labels}):
            raise ValueError(f"{unknown[0]} has a loss or a weight, and is none of the labels")
        if not 0 < self.area[0] <= self.area[1] <= 4:
            raise ValueError("area takes two numbers above 0, the lesser first, at most 4")
        return self


class Train(Section):
    """What is learned from, for how long, and how."""

    lessons: list[Lesson] = []
    """Catalogues to learn from, for a settings file; by default one: `catalog` with `columns`, and what stands here."""
    labels: Labels = ["category"]
    """Labels of the one catalogue: `category`, `brand`, `product_id` or attributes; empty: from pictures alone."""
    split: str = ""
    """Attribute whose value `train` marks what is learned from; by default products are held out at random."""
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Share of the products that are held out for validation, by a hash of their ids."""
    packshots: bool = False
    """Products stand before white paper, which views may replace by something else."""
    same: float = Field(default=0.3, ge=0)
    """What it counts that two views of one product lie together."""
    loss: Loss = "softmax"
    """Loss of labels."""
    pooling: Literal["average", "gem"] | None = None
    """How the last feature map becomes one vector; by default as in the weights that training begins with."""
    per_class: int = Field(default=2, ge=1, le=64)
    """Pictures of a class that are drawn together."""
    steps: int = Field(default=2_000, ge=1)
    """Steps of the whole schedule."""
    batch_size: int = Field(default=128, ge=4, le=8_192)
    """Pictures of a step, over all processes."""
    learning_rate: float = Field(default=0.1, gt=0)
    """Peak of the learning rate, after a warm-up of 4 % of the steps; then half a cosine down."""
    sizes: list[Pixels] = []
    """Sides of the pictures, in pixels, for equal parts of the schedule; by default what the model sees afterwards."""
    average: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the moving average of the weights, which is what is published."""
    side: Pixels = 160
    """Longest side at which pictures are kept for training, in pixels."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    """Seed of everything that is drawn."""
    validate_every: int = Field(default=500, ge=1)
    """Steps between two validations."""
    patience: int = Field(default=10, ge=1)
    """Validations at the last of `sizes` without a better one after which training ends early."""
    checkpoint_s: float = Field(default=120.0, ge=0)
    """Seconds between two checkpoints: what a kill costs at most."""
    loaders: int | None = Field(default=None, ge=0, le=256)
    """Processes that draw views ahead; by default as many as cores, at most 8, beside a GPU, and none without one."""
    workers: int = Field(default=1, ge=1, le=1_024)
    """Processes of this machine that train together, started by Spark's TorchDistributor; with GPUs one for each."""
    whiten: int | None = Field(default=None, ge=2)
    """Dimension of a PCA whitening, fitted on training pictures and saved with the model; none by default."""
    polite: bool = False
    """Give way: the lowest priority, and no step or validation begins while `make bench` measures on this machine."""
    pack_only: bool = False
    """Only decode the pictures into packs, say where these lie, and end: to train on another machine."""
    licence: str = ""
    """What people must know before they use the weights, beside the terms of those that training begins with;
    kept with the model and its file, and shown by `vitrine doctor`."""
