"""Insert or import: what the settings want, what the server's version allows, and what a probe finds."""

from dataclasses import dataclass
from typing import Literal

from vitrine.errors import BadInput, VitrineError
from vitrine.index.bulk import versions
from vitrine.index.bulk.importer import Importer, open_importer
from vitrine.index.bulk.probe import probe
from vitrine.index.store import Store
from vitrine.settings import Milvus


@dataclass(frozen=True, slots=True)
class Way:
    """How rows come into a collection, and why so."""

    by: Literal["insert", "import"]
    reason: str

    def __str__(self) -> str:
        return f"{self.by}: {self.reason}"


def choose(store: Store, milvus: Milvus) -> Way:
    """Settle `milvus.load`; where that is `auto` or `import`, a server is probed, which takes about ten seconds.

    Raises:
        BadInput: `milvus.load` is `import`, and the server is not fit for it.
    """
    if milvus.load == "insert":
        return Way("insert", "milvus.load says so")
    if milvus.is_lite:
        return Way("insert", "Milvus Lite has no bulk import")
    if milvus.import_uri is None:
        return Way("insert", "milvus.import_uri is not set")
    try:
        with open_importer(milvus) as importer:
            version, unfit = importer.version, examine(store, importer, milvus)
    except VitrineError as error:
        if milvus.load == "import":
            raise
        return Way("insert", str(error))
    if not unfit:
        doubt = ", over REST, which Vitrine's own tests run against a stand-in only"
        reason = f"the probe passed on Milvus {versions.written(version)}"
        return Way("import", reason + doubt * (version >= versions.REST_SINCE))
    if milvus.load == "import":
        raise BadInput(f"milvus.load is import, but {unfit}: set it to auto or insert")
    return Way("insert", unfit)


def examine(store: Store, importer: Importer, milvus: Milvus) -> str:
    """Why rows should not be imported, in half a sentence; nothing where they can be."""
    if versions.loses_deletes(importer.version):
        fixed = versions.written(versions.LOSSY_UNTIL)
        return f"Milvus {versions.written(importer.version)} is known to undo deletes of imported rows, before {fixed}"
    return probe(store, importer, milvus)
