"""The demo: draws a shop, indexes its pictures into Milvus Lite, and searches it with new pictures.

Reads   nothing.
Writes  .vitrine/demo: the catalogue, the database, the state of the run, the report. Made anew each time.
Again   may be run twice.
Run     make demo
"""

import shutil
import sys
import time
from pathlib import Path

from jobs.reindex import reindex
from vitrine import flags
from vitrine.cli.answers import table
from vitrine.client import connect
from vitrine.errors import VitrineError
from vitrine.rendering import write_demo_catalog
from vitrine.settings import Features, Milvus, Settings
from vitrine.telemetry import configure_logging

PLACE = Path(".vitrine/demo")
NEIGHBOURS = 4


def main() -> None:
    """Run the demo; fails unless each query finds its product first."""
    started = time.monotonic()
    shutil.rmtree(PLACE, ignore_errors=True)
    print("drawing 600 products, 12 of them with broken pictures")
    catalog = write_demo_catalog(PLACE / "catalog")
    settings = Settings(
        catalog=[str(catalog.path)],
        milvus=Milvus(uri=str(PLACE / "vitrine.db")),
        features=Features(uri=str(PLACE / "features")),
        work=str(PLACE),
        run="demo",
    )
    print(f"python jobs/reindex.py --catalog {catalog.path} --milvus.uri {settings.milvus.uri} --work {PLACE}")
    report = reindex(settings)
    print(
        f"{report.rows} pictures: {report.embedded} embedded, {report.reused} reused, "
        f"{report.rejected} rejected, {report.duplicates} duplicates"
    )
    print("rejected: " + ", ".join(f"{reason} {count}" for reason, count in report.rejected_by_reason.items()))
    lost = []
    with connect(settings.milvus, model_store=settings.model_store_uri) as client:
        for number, (product_id, picture) in enumerate(catalog.queries, 1):
            photo = PLACE / f"query-{number}.jpg"
            photo.write_bytes(picture)
            hits = client.search_picture(picture, NEIGHBOURS)
            command = f"vitrine search {photo} --milvus.uri {settings.milvus.uri} --work {PLACE}"
            print(f"\n{command}   # a new view of {product_id}")
            print("\n".join(table(hits)))
            if not hits or hits[0].product_id != product_id:
                lost.append(product_id)
    print(f"\nreport: {(PLACE / 'runs/demo/report/report.html').absolute()}")
    print(f"done in {time.monotonic() - started:.0f} s")
    if lost:
        raise VitrineError(f"not found first: {', '.join(lost)}")


if __name__ == "__main__":
    configure_logging()
    sys.exit(flags.exit_code(main))
