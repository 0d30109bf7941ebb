"""The settings tree: TOML file < `VITRINE_*` environment < flags; an unknown key is an error."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from vitrine.settings.catalogue import Columns, Pictures
from vitrine.settings.evaluate import Evaluate
from vitrine.settings.kafka import Kafka
from vitrine.settings.milvus import Gates, Milvus, Name
from vitrine.settings.model import Model
from vitrine.settings.recommend import Recommend
from vitrine.settings.section import Section
from vitrine.settings.serve import Serve
from vitrine.settings.stream import Stream
from vitrine.settings.thumbnails import Thumbnails
from vitrine.settings.train import Train


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Features(Section):
    """The feature store: vectors by picture hash and model."""

    uri: str | None = None
    """Directory or URI, shared between driver and executors; by default WORK/features."""


class Settings(BaseSettings):
    """Everything that can be set, for every program of Vitrine."""

    model_config = SettingsConfigDict(
        env_prefix="VITRINE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    catalog: list[str] = []
    """Catalogue: Parquet files, directories, partitioned directories or URIs (file, s3, hdfs)."""
    columns: Columns = Columns()
    model: Model = Model()
    milvus: Milvus = Milvus()
    features: Features = Features()
    pictures: Pictures = Pictures()
    gates: Gates = Gates()
    kafka: Kafka = Kafka()
    thumbnails: Thumbnails = Thumbnails()
    recommend: Recommend = Recommend()
    evaluate: Evaluate = Evaluate()
    train: Train = Train()
    stream: Stream = Stream()
    serve: Serve = Serve()
    as_of: Annotated[datetime, AfterValidator(_aware)] | None = None
    """Moment that catalogue or events show, ISO 8601, UTC where it names no zone; by default the start of the run."""
    work: str = Field(default=".vitrine", min_length=1)
    """Directory for the state of runs; shared storage on a cluster."""
    run: Name | None = None
    """Name of the run; the same name again picks up where that run stopped. By default the time."""
    max_reject_ratio: float = Field(default=0.05, ge=0, le=1)
    """Largest share of rows that may be rejected before the run fails, from 0 to 1."""
    report: str | None = None
    """Directory of report.json and report.html; by default WORK/runs/RUN/report."""
    spark: dict[str, str] = {}
    """Spark properties: --spark.executor.memory=4g is spark.executor.memory=4g; --spark.master sets the master."""

    def under_work(self, *parts: str) -> str:
        """Path or URI of something inside the work directory."""
        return "/".join((self.work.rstrip("/"), *parts))

    @property
    def features_uri(self) -> str:
        """Where the feature store is."""
        return self.features.uri or self.under_work("features")

    @property
    def model_store_uri(self) -> str:
        """Where the model store is."""
        return self.model.store or self.under_work("models")
