"""Settings of the evaluation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vitrine.settings.section import Section

Share = Annotated[float, Field(ge=0, le=1)]


class Evaluate(Section):
    """What is evaluated, by which protocol, and what is reported."""

    recommendations: bool = False
    """Evaluate recommendations."""
    ratings: str | None = None
    """Ratings: user, item, rating, timestamp (epoch seconds), tab-separated, with or without a header."""
    sequences: list[str] = []
    """Parquet files of users' histories: user_id, position, item_id; each is one table of the result."""
    split: Literal["auto", "user", "item", "time", "last"] = "auto"
    """Ratings: a quarter of each `user` (by default) or `item` is the test. Events: the last days (`time`, by default),
    or each user's `last` product."""
    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    """Seed of the split of ratings and of the confidence intervals."""
    measure: list[str] = []
    """Measures to compare, by name; by default all."""
    k: list[Annotated[int, Field(ge=1, le=1_000)]] = Field(default=[10], min_length=1)
    """Lengths of the lists that are judged."""
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
    def _one_protocol(self) -> "Evaluate":
        if self.ratings and self.sequences:
            raise ValueError("give ratings or sequences, not both")
        if self.sequences and self.split != "auto":
            raise ValueError("split is for ratings and events: the last item of a sequence is its test")
        if self.split != "auto" and (self.split in ("user", "item")) != bool(self.ratings):
            raise ValueError("split is user or item for ratings, time or last for events")
        return self
