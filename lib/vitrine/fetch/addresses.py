"""Which addresses the settings allow."""

from urllib.parse import parse_qsl, unquote

from vitrine.errors import BadRecord, BadSettings
from vitrine.fetch.places import Place, parse, refuse_dots, shown
from vitrine.product import Reason

SETTING = "pictures.prefixes"
"""Name of the setting that lists the prefixes."""

_S3_OPTIONS = frozenset(("endpoint_override", "region", "scheme"))


def forbidden(place: object, why: str) -> BadRecord:
    """The refusal of an address."""
    return BadRecord(Reason.FORBIDDEN_ADDRESS, f"{place}: {why}")


def address(uri: str) -> Place:
    """The place of a picture; whether a prefix covers it is not asked yet.

    Raises:
        BadRecord: `forbidden_address` if the text is no address or could mean more than one place.
    """
    try:
        place = parse(uri)
        if place.scheme != "https" and not uri.startswith("/") and ("?" in uri or "#" in uri):
            raise ValueError("an address must not hold a query or fragment")
        if place.scheme == "s3":
            refuse_dots(key := unquote(place.path))
            if key.endswith("/") or "//" in key or not key:
                raise ValueError("a key must not have empty parts")
    except ValueError as error:
        raise forbidden(shown(uri), str(error)) from error
    return place


def prefix(text: str) -> Place:
    """The place that a prefix of the settings opens; its path ends in a slash.

    Raises:
        BadSettings: it is no absolute directory and no file, s3 or https address, holds credentials, or has an option
            that S3 has not.
    """
    bare, _, options = (text, "", "") if text.startswith("/") else text.partition("?")
    try:
        place = parse(bare)
        unknown = {name for name, _ in parse_qsl(options, keep_blank_values=True)} - _S3_OPTIONS
        if options and (place.scheme != "s3" or unknown):
            raise ValueError(f"only s3:// prefixes take options, and only {', '.join(sorted(_S3_OPTIONS))}")
    except ValueError as error:
        raise BadSettings(f"{SETTING}: {shown(bare)}: {error}") from error
    return Place(place.scheme, place.host, place.path.rstrip("/") + "/", port=place.port, options=options)
