"""A named run of the recommendations: begun once, and the same whenever it runs again."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vitrine import lock
from vitrine.errors import BadInput
from vitrine.settings import Settings
from vitrine.storage import Directory, directory, require_writable

_STATE = "run.json"


@dataclass(frozen=True, slots=True)
class Begun:
    """A run's name, the directory of what it makes, and the moment that its events show."""

    name: str
    uri: str
    as_of: datetime

    @property
    def place(self) -> Directory:
        """The run's directory."""
        return directory(self.uri)

    @property
    def log(self) -> Path | None:
        """Where Spark may write what it says; None where the run is not in a file system of this machine."""
        return self.place.local and self.place.local / "spark.log"

    def within(self, name: str) -> str:
        """Path or URI of something in the run's directory, for Spark."""
        return f"{self.uri}/{name}"


@contextmanager
def opened(settings: Settings, *, now: datetime) -> Iterator[Begun]:
    """The run that the settings name, for a block in which no other process works on it.

    `as_of` is that of the settings, else the moment when the run was begun first.

    Raises:
        BadInput: the output cannot be written, or the run was begun with other settings.
        Unavailable: another process works on it.
    """
    name = settings.run or now.strftime("%Y%m%dt%H%M%S")
    output = settings.recommend.output or settings.under_work("recommendations")
    uri = f"{output if '://' in output else Path(output).absolute()}/{name}"
    place = require_writable(uri, "output")
    with lock.held(place, "lock", f"run {name}"):
        as_of = settings.as_of or now
        begun = {
            "as_of": as_of.isoformat(),
            "settings": _fingerprint(settings),
        }
        if place.exists(_STATE):
            known = json.loads(place.read(_STATE))
            if not settings.as_of:
                begun["as_of"] = known["as_of"]
            if known != begun:
                raise BadInput(f"run {name} was begun with another as_of or other settings: give another --run")
        place.write(_STATE, json.dumps(begun, indent=2).encode())
        yield Begun(name, uri, datetime.fromisoformat(begun["as_of"]))


def lines(file: str) -> list[str]:
    """The lines of a text file in UTF-8, without white space around them; empty ones are left out.

    Raises:
        BadInput: it cannot be read.
    """
    folder, _, name = file.rpartition("/")
    try:
        text = directory(folder or ("/" if file.startswith("/") else ".")).read(name).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read users_file {file}: give a text file in UTF-8 with one id a line") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _fingerprint(settings: Settings) -> str:
    """Of all settings that change what is made; of test users only how many, since a hash of ids can be guessed."""
    wanted = settings.recommend
    told = [
        wanted.model_dump(mode="json", exclude={"test_users", "output", "milvus_load"}),
        len(wanted.test_users),
        [settings.catalog, settings.columns.product_id] if settings.catalog else None,
        settings.evaluate.model_dump(mode="json") if wanted.tune else None,
        settings.milvus.alias if wanted.taste else None,
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
