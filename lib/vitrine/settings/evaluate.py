"""Settings of the evaluation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vitrine.settings.section import Section

Share = Annotated[float, Field(ge=0, le=1)]


class Evaluate(Section):
    """What is evaluated, by which protocol, and what is reported."""

    gallery: list[str] = []
    """Pictures that are searched: a catalogue, with `columns` as for a reindex."""
    collection: bool = False
    """Search what milvus.alias serves in the place of a gallery, exactly and through its index."""
    queries: list[str] = []
    """Pictures that are asked with: a catalogue; by default those of `gallery` that the split puts there."""
    label: list[str] = Field(default=["category"], min_length=1)
    """What a query and its answers share: `category`, `brand`, `product_id` or attributes; `a+b` is both at once."""
    split_column: str = "split"
    """Attribute that says to which part a picture belongs, where gallery_split or query_split is given."""
    gallery_split: str = ""
    """Part that is searched."""
    query_split: str = ""
    """Part that is asked with; without parts or `queries`, `held_out` of the products are."""
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Share of the products that are asked with where there are no parts, by a hash of their ids; none is searched."""
    models: list[str] = []
    """Models side by side: `histogram` (of colours), `untrained`, ids of the model store, or as model.weights, after
    `BACKBONE:` where it is not model.backbone; by default model.weights, untrained and histogram."""
    most_queries: int = Field(default=5_000, ge=1)
    """Most queries; of more so many are drawn by the seed."""
    robust: int = Field(default=300, ge=0)
    """Most queries that are asked again noisy, blurred, darker, turned, cropped, covered, each in 30 ways; 0: none."""
    recommendations: bool = False
    """Evaluate recommendations instead."""
    ratings: str | None = None
    """Ratings: user, item, rating, timestamp (epoch seconds), tab-separated, with or without a header."""
    sequences: list[str] = []
    """Parquet files of users' histories: user_id, position, item_id; each is one table of the result."""
    split: Literal["auto", "user", "item", "time", "last"] = "auto"
    """Ratings: a quarter of each `user` (by default) or `item` is the test. Events: the last days (`time`, by default),
    or each user's `last` product."""
    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of all that is drawn: splits of ratings, queries, distortions, confidence intervals."""
    measure: list[str] = []
    """Measures to compare, by name; by default all."""
    k: list[Annotated[int, Field(ge=1, le=1_000)]] = Field(default=[10], min_length=1)
    """Lengths of the lists that are judged; those of pictures are judged at 1 and 5 too."""
    tune: bool = False
    """Fit shrinkage, decay and weights of event types on the part before the test; always done for sequences."""
    shrinkages: list[Annotated[float, Field(ge=0)]] = Field(
        default=[0, 5, 10, 20, 50, 100, 200, 500, 1000], min_length=1
    )
    """Shrinkages that are tried."""
    decays: list[Share] = Field(default=[0, 0.3, 0.5, 0.7, 0.8, 0.9], min_length=1)
    """Decays that are tried."""
    decay: Share = 0.5
    """How much each older product of a history counts, relative to the next newer one; 0: the newest alone."""
    test_days: float = Field(default=7.0, gt=0)
    """Sessions that end in the last so many days are the test; where something is fitted, those of as many before."""
    cases: int = Field(default=20_000, ge=1)
    """Most cases of a test of events, and of what is fitted on; of more so many are drawn by the seed."""
    min_support: int = Field(default=5, ge=1)
    """Products of fewer events are left out of a test by time."""
    resamples: int = Field(default=1_000, ge=0, le=100_000)
    """Bootstrap samples behind a confidence interval of 95 %; 0: none."""

    @model_validator(mode="after")
    def _one_gallery(self) -> "Evaluate":
        if self.collection and (self.gallery or self.models or not self.queries):
            raise ValueError(
                "collection takes queries, and neither gallery nor models: it is searched with its own model"
            )
        if self.collection and self.gallery_split:
            raise ValueError("a collection is searched whole: drop gallery_split")
        if self.queries and not (self.gallery or self.collection):
            raise ValueError("queries need something to search: give gallery, or collection")
        if self.gallery and not self.queries and bool(self.gallery_split) != bool(self.query_split):
            raise ValueError("give gallery_split and query_split together, or neither")
        if self.gallery and not self.queries and self.gallery_split and self.gallery_split == self.query_split:
            raise ValueError("gallery_split and query_split are the same part")
        return self

    @model_validator(mode="after")
    def _one_protocol(self) -> "Evaluate":
        if self.ratings and self.sequences:
            raise ValueError("give ratings or sequences, not both")
        if self.sequences and self.split != "auto":
            raise ValueError("split is for ratings and events: the last item of a sequence is its test")
        if self.split != "auto" and (self.split in ("user", "item")) != bool(self.ratings):
            raise ValueError("split is user or item for ratings, time or last for events")
        return self
