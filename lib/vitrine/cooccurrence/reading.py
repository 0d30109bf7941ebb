"""Raw events out of files: columns are checked before any work, then mapped to the names that all else uses."""

from collections.abc import Iterable

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as fn
from pyspark.sql.types import ArrayType, BooleanType, StringType, StructType

from vitrine.catalog.sources import shown
from vitrine.cooccurrence import event_files
from vitrine.cooccurrence.event_files import SEPARATORS, EventFiles
from vitrine.cooccurrence.instants import instant, is_instant
from vitrine.errors import BadInput, BadSettings
from vitrine.settings.recommend import EventColumns, Recommend

SPARK = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
"""Properties of a session that reads events: times without a zone are in UTC, and nanoseconds can be read."""

RAW_COLUMNS = (
    "user_id",
    "session_id",
    "product_id",
    "event_type",
    "event_ts",
    "title",
    "is_cancellation",
    "is_unreadable",
)
"""Columns of raw events: five texts, `event_ts` a timestamp, two booleans; any but the booleans may be null."""

_UNREADABLE = "_corrupt_record"
_GLOB = str.maketrans({sign: f"\\{sign}" for sign in "\\[]{}*?"})


def read(spark: SparkSession, settings: Recommend) -> DataFrame:
    """The raw events of all files, a row an event, columns RAW_COLUMNS; a lazy DataFrame.

    Of JSON lines, CSV and TSV all columns are text. A time without a zone is in the zone of the session. What is no
    time is null, and a line that cannot be parsed is a row with `is_unreadable`. A row whose nested list is empty or
    null is an event without a product.

    Raises:
        BadInput: a column is missing or of a wrong type, or a file cannot be read.
        BadSettings: `cancelled` is no condition on the columns.
    """
    columns = settings.columns
    files = event_files.find(settings.events, settings.format, nested=columns.nested)
    types = {file: _unnested(schema, columns.nested, file) for file, schema in files.schemas.items()}
    for file, found in types.items():
        _check(file, found, columns)
    _check_same(files.format, types, columns)
    first = next(iter(types))
    try:
        frame = _flattened(_loaded(spark, files), columns.nested)
    except (PySparkException, Py4JError) as error:
        raise BadInput(f"Spark cannot read {shown(first)}: {_first_line(error)}") from error
    return _mapped(frame, settings, _unit(types[first], settings))


def _unnested(schema: pa.Schema, nested: str, file: str) -> dict[str, pa.DataType]:
    """Types by name, those inside the nested column before others."""
    types = {field.name: field.type for field in schema}
    if not nested:
        return types
    kind = types.pop(nested, None)
    if kind is None:
        raise BadInput(f"{shown(file)} has no column {nested}: set --columns.nested to that of the events")
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (is_list and pa.types.is_struct(kind.value_type)):
        raise BadInput(f"column {nested} of {shown(file)} is {kind}, no list of structs: check --columns.nested")
    return types | {field.name: field.type for field in kind.value_type}


def _check(file: str, types: dict[str, pa.DataType], columns: EventColumns) -> None:
    """Look whether each column that is named is there and of a type that can be used."""
    for setting, name in _named(columns):
        if name not in types:
            raise BadInput(
                f"{shown(file)} has no column {name}: set --columns.{setting} to one of {', '.join(sorted(types))}"
            )
        kind = types[name]
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if setting == "timestamp":
            fits, wanted = is_instant(kind), "timestamp, text or number"
        else:
            fits, wanted = _is_text(kind) or pa.types.is_integer(kind), "string or integer"
        if not fits:
            raise BadInput(f"column {name} of {shown(file)} is {kind}, not {wanted}: check --columns.{setting}")


def _named(columns: EventColumns) -> Iterable[tuple[str, str]]:
    named = columns.model_dump(exclude={"nested"})
    return ((setting, name) for setting, name in named.items() if name)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _check_same(file_format: str, types: dict[str, dict[str, pa.DataType]], columns: EventColumns) -> None:
    """All files go through one reader: CSV is read by position, Parquet by the types of the first."""
    (first, expected), *others = types.items()
    for file, found in others:
        if file_format in SEPARATORS and list(found) != list(expected):
            raise BadInput(f"the columns of {shown(file)} are not those of {shown(first)}: write them alike")
        for name in (name for _, name in _named(columns)):
            if found[name] != expected[name]:
                kinds = f"{found[name]}, that of {shown(first)} {expected[name]}"
                raise BadInput(f"column {name} of {shown(file)} is {kinds}: write them alike")


def _loaded(spark: SparkSession, files: EventFiles) -> DataFrame:
    paths = [file.translate(_GLOB) for file in files.schemas]
    if files.format == "parquet":
        return spark.read.parquet(*paths)
    texts = _spark_schema(pa.unify_schemas(list(files.schemas.values())))
    reader = spark.read.schema(texts.add(_UNREADABLE, StringType())).option("columnNameOfCorruptRecord", _UNREADABLE)
    if files.format == "jsonl":
        return reader.json(paths)
    return reader.options(sep=SEPARATORS[files.format], header=True, escape='"', columnPruning=False).csv(paths)


def _spark_schema(schema: pa.Schema) -> StructType:
    """The columns of a text format: strings, and lists of structs of strings."""
    fields = StructType()
    for field in schema:
        if pa.types.is_list(field.type):
            fields.add(field.name, ArrayType(_spark_schema(pa.schema(list(field.type.value_type)))))
        else:
            fields.add(field.name, StringType())
    return fields


def _flattened(frame: DataFrame, nested: str) -> DataFrame:
    """A row for each struct of the nested column; fields of the struct hide columns of the same name."""
    if not nested:
        return frame
    array = frame.schema[nested].dataType
    assert isinstance(array, ArrayType)
    assert isinstance(array.elementType, StructType)
    inside = array.elementType.names
    outside = [_column(name) for name in frame.columns if name not in (nested, *inside)]
    exploded = frame.select(*outside, fn.explode_outer(_column(nested)).alias("event"))
    return exploded.select(*outside, *(fn.col("event")[name].alias(name) for name in inside))


def _mapped(frame: DataFrame, settings: Recommend, unit: str) -> DataFrame:
    columns = settings.columns

    def text(name: str) -> Column:
        return (_column(name) if name else fn.lit(None)).cast("string")

    kind = frame.schema[columns.timestamp].dataType
    unparsed = fn.col(_UNREADABLE).isNotNull() if _UNREADABLE in frame.columns else fn.lit(False)
    return frame.select(
        text(columns.user).alias("user_id"),
        text(columns.session).alias("session_id"),
        text(columns.product).alias("product_id"),
        (text(columns.type) if columns.type else fn.lit(next(iter(settings.types)))).alias("event_type"),
        instant(_column(columns.timestamp), kind, unit).alias("event_ts"),
        text(columns.title).alias("title"),
        _cancellation(frame, settings.cancelled).alias("is_cancellation"),
        unparsed.alias("is_unreadable"),
    )


def _cancellation(frame: DataFrame, condition: str) -> Column:
    """The condition, false where it is null."""
    if not condition:
        return fn.lit(False)
    found = fn.coalesce(fn.expr(condition), fn.lit(False))
    try:
        if isinstance(frame.select(found.alias("found")).schema["found"].dataType, BooleanType):
            return found
    except (AnalysisException, ParseException) as error:
        raise BadSettings(f"--cancelled is no condition on the events' columns: {_first_line(error)}") from error
    raise BadSettings(f"--cancelled is no condition, which is true or false: {condition}")


def _unit(types: dict[str, pa.DataType], settings: Recommend) -> str:
    """Unit of the times as Spark sees them: it takes timestamps of nanoseconds for numbers."""
    kind = types[settings.columns.timestamp]
    return "ns" if pa.types.is_timestamp(kind) and kind.unit == "ns" else settings.timestamp_unit


def _column(name: str) -> Column:
    return fn.col("`" + name.replace("`", "``") + "`")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")
