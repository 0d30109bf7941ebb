"""Settings of the recommendations: the events that come in, what of them counts, and what is made of them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vitrine.settings.milvus import Alias
from vitrine.settings.section import Section

Weight = Annotated[float, Field(gt=0, le=1_000)]


class EventColumns(Section):
    """Which columns of the events mean what; an empty name: the events have none."""

    user: str = "user_id"
    """Column of the user's id (string or integer); of what is written down only keyed hashes of it."""
    session: str = "session_id"
    """Column of the session's or basket's id; where a row has none, sessions are cut from user and time."""
    product: str = Field(default="product_id", min_length=1)
    """Column of the product's id (string or integer)."""
    type: str = "event_type"
    """Column of the event's type; without it every row is of the one type that `types` names."""
    timestamp: str = Field(default="event_ts", min_length=1)
    """Column of the event's time: a timestamp, ISO 8601 text (UTC where it names no zone), or a number since 1970."""
    title: str = ""
    """Column of the product's title, for reports."""
    nested: str = ""
    """Column of a list of structs that are the events: other columns are looked up in these first."""

    @model_validator(mode="after")
    def _sessions_can_be_told(self) -> "EventColumns":
        if not (self.user or self.session):
            raise ValueError("columns.user and columns.session are both empty: name one of them")
        return self


class Recommend(Section):
    """Recommendations from the clickstream."""

    events: list[str] = []
    """Events: Parquet, JSON lines, CSV or TSV files, directories of them, or URIs (file, s3, hdfs)."""
    format: Literal["auto", "parquet", "jsonl", "csv", "tsv"] = "auto"
    """Format of the events; `auto` goes by the files' endings."""
    columns: EventColumns = EventColumns()
    timestamp_unit: Literal["s", "ms", "us", "ns"] = "ms"
    """Unit of timestamps that are numbers."""
    types: dict[str, Weight] = Field(default={"view": 1.0, "cart": 6.0, "purchase": 3.0}, min_length=1)
    """Weight of each event type, above 0 and at most 1,000; events of other types are refused."""
    cancelled: str = ""
    """SQL condition on the input's columns: such a row undoes the newest earlier event of its user and product."""
    cancelled_types: list[str] = []
    """Event types that a cancellation takes away; by default any."""
    test_users: list[str] = []
    """User ids whose events do not count."""
    bots_per_day: int = Field(default=2_000, ge=1)
    """Most events of a user (of a session without one) in a day, UTC; above it all of that day are a bot's."""
    window_days: int | None = Field(default=None, ge=1)
    """Days before as_of from which events count; by default all."""
    session_gap_s: int = Field(default=1_800, ge=1)
    """Longest pause within a session that is cut from user and time, in seconds."""
    session_events: int = Field(default=50, ge=2)
    """Newest events of a session that make pairs; a few huge baskets would make most of them."""
    pair_gap: int = Field(default=10, ge=1)
    """Largest distance, in positions, at which two events count in `gap-weighted` and sequential rules."""
    pair_window_s: int = Field(default=86_400, ge=1)
    """Longest time between two events of a session that make a pair, in seconds."""
    item_sessions: int | None = Field(default=None, ge=1)
    """Most sessions in which a product is counted, chosen by a hash; by default all."""
    pair_half_life_days: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Age at which a pair's weight counts half in `gap-weighted`, in days before the newest event; by default never."""
    measure: list[str] = Field(default=["gap-weighted"], min_length=1)
    """Measures to make lists by, the first of them serves; names as in lib/README.md."""
    shrinkage: float = Field(default=20.0, ge=0, allow_inf_nan=False)
    """Added to both supports under the root of `gap-weighted`: rare pairs are pulled down."""
    tune: bool = False
    """Fit shrinkage, user_decay and weights of event types to the last evaluate.test_days, for the first measure."""
    threshold: int = Field(default=1, ge=1)
    """Least sessions that must hold a pair."""
    half_life_days: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """Age at which an event counts half for a user's taste and for sar-* lists, in days before the newest event."""
    top: int = Field(default=50, ge=1, le=1_000)
    """Length of the lists."""
    users: int = Field(default=0, ge=0)
    """How many users get a list: those with the newest events."""
    users_file: str | None = None
    """File of user ids, one a line, which get a list in the place of recent ones."""
    remove_seen: bool = True
    """Leave out of a user's list what the user has had."""
    user_events: int = Field(default=100, ge=1)
    """Newest events of a user that count for the user's list."""
    user_decay: float = Field(default=0.8, ge=0, le=1)
    """What each older event of a user counts of the next newer one; 0: the newest alone. Not for sar-*."""
    taste: bool = False
    """Make taste vectors from the vectors that the collection behind milvus.alias serves."""
    output: str | None = None
    """Directory or URI of what is made; by default WORK/recommendations."""
    milvus_load: bool = False
    """Load the lists into Milvus and let the aliases serve them."""
    related_alias: Alias = "related"
    """Alias of the related products in Milvus."""
    users_alias: Alias = "users"
    """Alias of the users' lists and taste vectors in Milvus."""

    @model_validator(mode="after")
    def _one_type_for_all(self) -> "Recommend":
        if not self.columns.type and len(self.types) != 1:
            raise ValueError(
                "columns.type is empty, so types must name the one type of all rows, as --types.purchase=1"
            )
        if unknown := sorted(set(self.cancelled_types) - set(self.types)):
            raise ValueError(f"cancelled_types holds {unknown[0]}, which types does not")
        return self
