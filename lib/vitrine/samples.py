"""Pictures of a run, drawn at random and read again from the catalogue."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vitrine import catalog, fetch
from vitrine.errors import BadInput, BadRecord, Unavailable
from vitrine.manifest import Manifest
from vitrine.run import Run, outcomes
from vitrine.settings import Pictures

logger = logging.getLogger(__name__)

_COLUMNS = ["image_id", "outcome", "reason", "detail", "sha256", "file", "row", "position"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture of the run: what became of it and where its bytes are."""

    image_id: str
    outcome: str
    reason: str
    detail: str
    sha256: str
    unit_id: str
    file: str
    row: int
    position: int


def draw(run: Run, done: Sequence[Manifest], outcome: str, n: int) -> list[Drawn]:
    """Up to `n` pictures with that outcome, the same ones for the same run; all outcomes are equally likely."""
    total = sum(getattr(manifest, outcome) for manifest in done)
    chosen = np.sort(np.random.default_rng(0).choice(total, min(n, total), replace=False))
    drawn: list[Drawn] = []
    start = 0
    for manifest in done:
        size = getattr(manifest, outcome)
        within = chosen[(chosen >= start) & (chosen < start + size)] - start
        start += size
        if len(within):
            table = next(outcomes(run, [manifest], _COLUMNS))
            rows = table.filter(pc.equal(table["outcome"], outcome)).take(within).to_pylist()
            drawn += [Drawn(unit_id=manifest.unit_id, **row) for row in rows]
    return drawn


def locate(run: Run, done: Sequence[Manifest], image_ids: Collection[str]) -> list[Drawn]:
    """Where the pictures with these keys are; unknown keys are left out."""
    wanted = pa.array(sorted(image_ids), pa.string())
    found: list[Drawn] = []
    for manifest in done:
        for table in outcomes(run, [manifest], _COLUMNS):
            rows = table.filter(pc.is_in(table["image_id"], wanted)).to_pylist()
            found += [Drawn(unit_id=manifest.unit_id, **row) for row in rows]
    return found


def read_pictures(plan: catalog.Plan, wanted: Iterable[Drawn], limits: Pictures) -> Mapping[str, bytes]:
    """Bytes by image_id; pictures that cannot be read now are left out."""
    units = {unit.unit_id: unit for unit in plan.units}
    by_unit: dict[str, list[Drawn]] = {}
    for one in wanted:
        by_unit.setdefault(one.unit_id, []).append(one)
    found: dict[str, bytes] = {}
    for unit_id, drawn in by_unit.items():
        places = {(one.file, one.row, one.position): one.image_id for one in drawn}
        unit = catalog.narrowed(units[unit_id], [(one.file, one.row) for one in drawn])
        try:
            for picture in catalog.read(unit, plan.columns):
                image_id = places.get((picture.file, picture.row, picture.position))
                data = _bytes(picture, limits) if image_id else None
                if image_id and data:
                    found[image_id] = data
        except (BadInput, Unavailable) as error:
            logger.warning("pictures left out unit=%s error=%s", unit_id, error)
    return found


def _bytes(picture: catalog.Picture, limits: Pictures) -> bytes | None:
    if picture.data is not None or not picture.uri:
        return picture.data
    try:
        return fetch.shared(limits).read(picture.uri)
    except BadRecord:
        return None
