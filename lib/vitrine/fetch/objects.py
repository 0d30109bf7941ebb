"""Pictures in S3."""

import re
from functools import cache
from urllib.parse import parse_qsl

from pyarrow import fs

from vitrine.errors import BadRecord, BadSettings, Unavailable
from vitrine.fetch.addresses import SETTING
from vitrine.fetch.limits import check_size
from vitrine.fetch.places import Place, printable
from vitrine.product import Reason

_CONNECT_TIMEOUT_S = 5.0
_SILENCE_TIMEOUT_S = 10.0
# pyarrow tells S3's errors by their text alone.
_AWAY = re.compile(
    "NETWORK_CONNECTION|SERVICE_UNAVAILABLE|SLOW_DOWN|THROTTLING|INTERNAL_FAILURE|REQUEST_TIMEOUT|HTTP status (5|429)"
)


def read(place: Place, prefix: Place, *, max_bytes: int, attempts: int) -> bytes:
    """Read the object at a place with the options of the prefix that covers it.

    Raises:
        BadRecord: `missing`, `too_large`, or `fetch_failed` where S3 answers and gives no picture.
        Unavailable: S3 does not answer, or is busy.
        BadSettings: S3 takes no such options.
    """
    try:
        with _file_system(prefix.host, prefix.options, attempts).open_input_file(place.host + place.path) as file:
            check_size(file.size(), max_bytes)
            return bytes(file.read())
    except FileNotFoundError as error:
        raise BadRecord(Reason.MISSING, f"nothing at {place}") from error
    except OSError as error:
        detail = f"{place}: {printable(str(error))}"
        if _AWAY.search(str(error)):
            raise Unavailable(detail) from error
        raise BadRecord(Reason.FETCH_FAILED, detail) from error


@cache
def _file_system(bucket: str, options: str, attempts: int) -> fs.FileSystem:
    given = dict(parse_qsl(options))
    if "region" not in given and "endpoint_override" not in given:
        given["region"] = fs.resolve_s3_region(bucket)
    try:
        return fs.S3FileSystem(
            **given,
            connect_timeout=_CONNECT_TIMEOUT_S,
            request_timeout=_SILENCE_TIMEOUT_S,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=attempts),
        )
    except ValueError as error:
        text = f"{SETTING}: s3://{printable(bucket)}/ cannot be opened: {printable(str(error))}"
        raise BadSettings(text) from error
