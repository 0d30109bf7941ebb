"""The JSON Schema of a listing event; `listing-event.schema.json` beside the package holds it for other languages."""

import json
from pathlib import Path

from vitrine.events.listing import ListingEvent

FILE = Path(__file__).parent.parent / "listing-event.schema.json"


def text() -> str:
    """The schema that the code has, as the file holds it."""
    schema = ListingEvent.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
