"""Between the run's files and Milvus: tastes from the vectors that serve, lists into collections that serve next."""

from collections.abc import Sequence
from datetime import datetime

from vitrine import taste
from vitrine.errors import BadInput
from vitrine.index import collections, publishing
from vitrine.index.schema import Contents
from vitrine.index.store import connect
from vitrine.recommendation.begun import Begun
from vitrine.settings import Settings
from vitrine.storage import directory


def write_tastes(settings: Settings, run: Begun, events: str, *, newest: datetime) -> int:
    """Write `taste/` from the cleaned events in a directory, whose files are sorted by user; returns how many.

    Raises:
        BadInput: no products serve.
    """
    files = [f"{events}/{name}" for name in directory(events).names() if name.endswith(".parquet")]
    milvus = settings.milvus
    with connect(milvus) as store:
        if (served := collections.current(store, milvus.alias, Contents.PRODUCTS)) is None:
            raise BadInput(f"alias {milvus.alias} serves nothing: run jobs/reindex.py first, or leave out --taste")
        tasted = taste.write_tastes(
            files,
            directory(run.within("taste")),
            taste.served_vectors(store, served.name),
            model_id=served.facts.model_id,
            now=newest,
            half_life_days=settings.recommend.half_life_days,
        )
    return tasted.users


def publish(settings: Settings, run: Begun, *, related: Sequence[str]) -> list[str]:
    """Load the related products of these files, and what the run made for users, into collections that serve then.

    Returns their names.
    """
    wanted, as_of = settings.recommend, run.as_of.isoformat()
    supports, items, tastes = (_files(run, name) for name in ("supports", "user_items", "taste"))
    with connect(settings.milvus) as store:
        published = [
            publishing.publish_related(
                store,
                settings.milvus,
                alias=wanted.related_alias,
                related=related,
                supports=supports,
                run=run.name,
                as_of=as_of,
            )
        ]
        if items or tastes:
            published.append(
                publishing.publish_users(
                    store,
                    settings.milvus,
                    alias=wanted.users_alias,
                    items=items,
                    tastes=tastes,
                    run=run.name,
                    as_of=as_of,
                )
            )
    return [one.collection for one in published]


def _files(run: Begun, name: str) -> list[str]:
    return [run.within(f"{name}/{file}") for file in directory(run.within(name)).names()]
