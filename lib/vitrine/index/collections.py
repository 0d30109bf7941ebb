"""Collections of an alias: their names, the facts they carry, which is served, and which may go."""

import json
import logging
import time
from dataclasses import asdict, dataclass, fields, replace

from vitrine.errors import BadInput, BadSettings, VitrineError
from vitrine.index import calibration, schema
from vitrine.index.calibration import Calibration
from vitrine.index.schema import Contents
from vitrine.index.store import Store

logger = logging.getLogger(__name__)

LEDGER_SUFFIX = "_ledger"


@dataclass(frozen=True, slots=True)
class Facts:
    """What never changes about a collection; kept with it as JSON.

    `as_of` is the moment that the catalogue shows, ISO 8601; `previous` the collection that the alias served
    when this one was made, empty if none: `rollback` follows these. `created_us` is set by `create`. `calibration` is
    None where there was too little to measure, and in other contents.
    """

    alias: str
    run: str
    model_id: str
    dim: int
    as_of: str
    previous: str = ""
    created_us: int = 0
    schema_version: int = schema.SCHEMA_VERSION
    contents: Contents = Contents.PRODUCTS
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection, of products with its ledger; both are physical names, the ledger's is empty for other contents."""

    name: str
    ledger: str
    facts: Facts

    @property
    def names(self) -> list[str]:
        """All that belongs to it, the collection itself last."""
        return [name for name in (self.ledger, self.name) if name]


def collection_name(alias: str, run: str, attempt: int = 1) -> str:
    """`alias__run`, from the second attempt on `alias__run_attempt`.

    Raises:
        BadSettings: Milvus or the ledgers' names do not allow the alias.
    """
    if alias[0].isdigit() or alias.endswith(LEDGER_SUFFIX):
        raise BadSettings(f"milvus.alias: {alias} starts with a digit or ends in {LEDGER_SUFFIX}: choose another")
    return f"{alias}__{run}" if attempt == 1 else f"{alias}__{run}_{attempt}"


def ledger_name(alias: str, run: str, attempt: int = 1) -> str:
    """Name of the ledger that belongs to `collection_name` of the same arguments."""
    return _ledger_of(alias, collection_name(alias, run, attempt))


def describe(facts: Facts) -> str:
    """Facts as the JSON that a collection carries."""
    return json.dumps(asdict(facts))


def parse(description: str, collection: str) -> Facts:
    """Facts from what a collection carries.

    Raises:
        BadInput: Vitrine did not make the collection, or made it with another schema.
    """
    try:
        found = json.loads(description)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or not {"alias", "schema_version"} <= found.keys():
        raise BadInput(f"collection {collection} was not made by Vitrine: choose another milvus.alias")
    if found["schema_version"] != schema.SCHEMA_VERSION:
        raise BadInput(
            f"collection {collection} has schema version {found['schema_version']}, "
            f"this program needs {schema.SCHEMA_VERSION}: choose another milvus.alias and reindex"
        )
    if (contents := found.get("contents", Contents.PRODUCTS)) not in set(Contents):
        raise BadInput(f"collection {collection} holds {contents}, which this program does not know: use a newer one")
    known = {field.name for field in fields(Facts)} & found.keys()
    read = {"contents": Contents(contents), "calibration": calibration.parse(found.get("calibration"))}
    return Facts(**{**{name: found[name] for name in known}, **read})


def create(store: Store, facts: Facts, *, attempt: int = 1) -> Collection:
    """Make an empty collection, of products with a ledger, under the run's first free name from this attempt's on.

    `previous` and `created_us` of the facts are filled in here. An attempt of the same run is nothing to go back to.

    Raises:
        BadInput: the alias serves other contents, or a collection that Vitrine did not make.
    """
    served = current(store, facts.alias, facts.contents)
    previous = "" if served is None else served.name if served.facts.run != facts.run else served.facts.previous
    facts = replace(facts, previous=previous, created_us=time.time_ns() // 1000)
    taken = set(store.collections())
    while {collection_name(facts.alias, facts.run, attempt), ledger_name(facts.alias, facts.run, attempt)} & taken:
        attempt += 1
    made = _collection(collection_name(facts.alias, facts.run, attempt), facts)
    if made.ledger:
        store.create(made.ledger, schema.LEDGER, description=describe(facts))
    store.create(made.name, schema.layout(facts.contents, facts.dim), description=describe(facts))
    return made


def find(store: Store, name: str) -> Collection:
    """The collection of that physical name.

    Raises:
        BadInput: there is none, or Vitrine did not make it.
    """
    return _collection(name, parse(store.description(name), name))


def current(store: Store, alias: str, contents: Contents | None = None) -> Collection | None:
    """What the alias serves, or None if there is no such alias.

    Raises:
        BadInput: it serves other contents than those wanted, or a collection that Vitrine did not make, or the alias
            is a collection's name.
    """
    name = store.resolve(alias)
    if name is not None:
        served = find(store, name)
        if contents not in {None, served.facts.contents}:
            raise BadInput(f"alias {alias} serves {served.facts.contents}, not {contents}: choose another alias")
        return served
    if alias in store.collections():
        raise BadInput(f"{alias} is a collection, not an alias: choose another milvus.alias")
    return None


def swap(store: Store, alias: str, collection: str) -> None:
    """Make the alias serve a collection of Vitrine, which must be loaded."""
    current(store, alias)
    find(store, collection)
    store.point(alias, collection)


def candidates(store: Store, alias: str) -> list[Collection]:
    """What `rollback` could serve, newest first: collections that the alias served before its present one."""
    served = current(store, alias)
    existing = set(store.collections())
    found: list[Collection] = []
    while served and served.facts.previous in existing:
        earlier = find(store, served.facts.previous)
        # A name that was dropped may come back with a later run.
        served = earlier if earlier.facts.created_us < served.facts.created_us else None
        found += [served] if served else []
    return found


def rollback(store: Store, alias: str) -> Collection:
    """Serve again what was served before, and return it.

    Raises:
        BadInput: nothing earlier is kept.
    """
    earlier = candidates(store, alias)
    if not earlier:
        raise BadInput(f"alias {alias} has no earlier collection to go back to")
    # Counting loads it: the alias must not move to what cannot be searched.
    store.count(earlier[0].name)
    store.point(alias, earlier[0].name)
    return earlier[0]


def retire(store: Store, alias: str, keep: int) -> list[str]:
    """Drop collections made before the served one, with their ledgers, but for the `keep` newest candidates.

    Never one that any alias points at. Returns the names of what was dropped.
    """
    served = current(store, alias)
    if served is None:
        return []
    kept = {served.name, *(one.name for one in candidates(store, alias)[:keep])}
    dropped: list[str] = []
    for one in _made_for(store, alias):
        older = one.facts.created_us < served.facts.created_us
        if older and one.name not in kept and not store.aliases(one.name):
            dropped += drop(store, one)
    return dropped


def drop(store: Store, collection: Collection) -> list[str]:
    """Drop a collection that no alias points at, and its ledger; returns the names."""
    # The collection goes last: what is left of an interrupted call is found again.
    for name in collection.names:
        store.drop(name)
    return collection.names


def drop_attempts(store: Store, alias: str, run: str) -> list[str]:
    """Drop what a run made before and no alias points at, with its ledgers; returns the names."""
    made = [one for one in _made_for(store, alias) if one.facts.run == run]
    return [name for one in made if not store.aliases(one.name) for name in drop(store, one)]


def abandon(store: Store, collection: Collection) -> None:
    """Drop what a failed run made, where that can be done; what stays is dropped by a later `retire`."""
    try:
        drop(store, collection)
    except VitrineError as error:
        logger.warning("left behind collection=%s error=%s", collection.name, error)


def _made_for(store: Store, alias: str) -> list[Collection]:
    """Collections whose facts name the alias, and halves left by an interrupted `create`."""
    ledger_prefix = f"{alias}{LEDGER_SUFFIX}__"
    names = store.collections()
    rows = [name for name in names if name.startswith(f"{alias}__")]
    orphans = [f"{alias}__{name.removeprefix(ledger_prefix)}" for name in names if name.startswith(ledger_prefix)]
    carriers = {name: _ledger_of(alias, name) for name in orphans} | {name: name for name in rows}
    found = []
    for name, carrier in carriers.items():
        try:
            facts = parse(store.description(carrier), carrier)
        except BadInput:
            continue
        if facts.alias == alias:
            found.append(_collection(name, facts))
    return found


def _collection(name: str, facts: Facts) -> Collection:
    return Collection(name, _ledger_of(facts.alias, name) if facts.contents is Contents.PRODUCTS else "", facts)


def _ledger_of(alias: str, name: str) -> str:
    return f"{alias}{LEDGER_SUFFIX}{name.removeprefix(alias)}"
