"""`python -m vitrine.events`: write `listing-event.schema.json` anew, after the event has changed."""

from vitrine.events import schema

if __name__ == "__main__":
    schema.FILE.write_text(schema.text(), encoding="utf-8")
