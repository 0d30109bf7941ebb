"""What an alias serves now, and whether a run may take its place."""

from collections.abc import Mapping

from vitrine.errors import BadInput
from vitrine.index import ledger
from vitrine.index.collections import Collection, current
from vitrine.index.schema import Contents
from vitrine.index.store import Store, connect
from vitrine.settings import Milvus


def replaced(store: Store, alias: str, model_id: str, *, change: bool) -> Collection | None:
    """What a new collection of `model_id` would replace, or None if the alias serves nothing yet.

    Raises:
        BadInput: it serves another model and `change` does not allow that, or no products, or a collection that
            Vitrine did not make.
    """
    served = current(store, alias, Contents.PRODUCTS)
    if served and served.facts.model_id != model_id and not change:
        raise BadInput(
            f"alias {alias} serves {served.name} of model {served.facts.model_id}, this run has model "
            f"{model_id}: name the weights of that model, or pass --model.change=true to change over"
        )
    return served


def refuse_overtaken(milvus: Milvus, run: str, started_us: int) -> None:
    """A run that lay unfinished must not put its older pictures before those of a run that began and ended meanwhile.

    Raises:
        BadInput: the alias serves what another run made since `started_us`, microseconds since 1970.
    """
    with connect(milvus) as store:
        served = current(store, milvus.alias)
    if served and served.facts.run != run and served.facts.created_us > started_us:
        raise BadInput(f"run {run} began before {served.name}, which {milvus.alias} serves now: give another --run")


def deleted(store: Store, served: Collection | None) -> Mapping[str, int]:
    """Versions of the products that the served ledger knows as deleted."""
    rows = ledger.read(store, served.ledger) if served else ()
    return {row.product_id: row.version for row in rows if row.deleted}
