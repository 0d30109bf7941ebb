"""The door for programs: search a catalogue by picture, by stored product or by vector, and recommend from it.

```python
with connect("vitrine.db") as client:
    for hit in client.search_picture(Path("photo.jpg"), k=5):
        print(hit.score, hit.product_id, hit.title)
    query = Query((Example(Path("photo.jpg")),), words="red", filters=Filters(price_max=50))
    for hit in client.find(query).hits:
        print(hit.likeness, hit.product_id, *hit.sources)
    for one in client.related("48123", k=5):
        print(one.score, one.product_id, *one.sources)
```
"""

from vitrine.client.answer import Answer, Count, Embedded, Match, Note, Source
from vitrine.client.categorising import Choice, Guess, Likeness
from vitrine.client.cropping import Box
from vitrine.client.door import Client
from vitrine.client.following import ALIAS_SECONDS
from vitrine.client.opened import DEADLINE_S, RELATED_ALIAS, USERS_ALIAS
from vitrine.client.paging import StaleCursor
from vitrine.client.query import Example, Query
from vitrine.client.shop import UnknownProduct
from vitrine.client.wishes import Recommendation, Wishes
from vitrine.embedding import Embedder
from vitrine.index.filters import Filters
from vitrine.index.store import connect_existing
from vitrine.settings import Milvus, Pictures
from vitrine.settings.model import Precision

__all__ = [
    "ALIAS_SECONDS",
    "Answer",
    "Box",
    "Choice",
    "Client",
    "Count",
    "Embedded",
    "Example",
    "Filters",
    "Guess",
    "Likeness",
    "Match",
    "Note",
    "Query",
    "Recommendation",
    "Source",
    "StaleCursor",
    "UnknownProduct",
    "Wishes",
    "connect",
]


def connect(
    milvus: Milvus | str,
    *,
    model_store: str | None = None,
    pictures: Pictures | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    related_alias: str = RELATED_ALIAS,
    users_alias: str = USERS_ALIAS,
    deadline_s: float = DEADLINE_S,
) -> Client:
    """Open the database; `milvus` is a path or address, or the settings with alias, token and search parameters.

    `model_store` is where models other than the bundled one are found. A program that embeds with Milvus Lite on a CPU
    calls `vitrine.vision.starting.start_threads` first.

    Raises:
        BadInput: there is no such Milvus Lite file.
        BadSettings: the path, address or token cannot be used.
        Unavailable: the server does not answer, or another program has the Milvus Lite file open.
    """
    settings = milvus if isinstance(milvus, Milvus) else Milvus(uri=milvus)
    limits = pictures or Pictures()

    def embedder(model_id: str) -> Embedder:
        from vitrine.vision.engine import engine_of

        return engine_of(model_id, model_store, limits, device, precision=precision)

    return Client(
        connect_existing(settings),
        settings.alias,
        embedder,
        pictures=limits,
        related_alias=related_alias,
        users_alias=users_alias,
        deadline_s=deadline_s,
    )
