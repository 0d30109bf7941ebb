"""The demo with its page: draws a shop and its clickstream, indexes both into Milvus Lite, and serves them.

Reads   nothing.
Writes  .vitrine/demo-serve: catalogue, events, database, thumbnails, the state of the runs. Made anew each time.
Again   may be run twice.
Run     make demo-serve, or make demo-serve SHOT=page.png: a picture of the page with answers, and then it ends
"""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Error, Page, sync_playwright

from jobs.recommend import recommend
from jobs.reindex import reindex
from vitrine import flags
from vitrine.errors import BadInput, VitrineError
from vitrine.rendering import write_demo_catalog
from vitrine.rendering.shoppers import write_demo_events
from vitrine.serve.running import serve, serving
from vitrine.settings import EventColumns, Features, Milvus, Recommend, Serve, Settings, Thumbnails
from vitrine.telemetry import configure_logging

PLACE = Path(".vitrine/demo-serve")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1_280, 1_000
PATIENCE_MS = 60_000


def main() -> None:
    """Run the demo until it is interrupted, or until the picture of its page is taken."""
    parser = argparse.ArgumentParser(prog="demo_serve", description="A drawn shop, served with its page.")
    parser.add_argument("--shot", type=Path, metavar="FILE", help="save a picture of the page and end")
    shot: Path | None = parser.parse_args().shot
    browser = found_browser() if shot else ""
    shutil.rmtree(PLACE, ignore_errors=True)
    settings, photo = indexed(port=0 if shot else Serve().port)
    if shot is None:
        print(f"search with {photo.absolute()}, for one; Ctrl-C ends it")
        serve(settings, told=lambda url: print(f"the page is at {url}", flush=True))
    else:
        with serving(settings) as url:
            take(url, photo, shot, browser)
        print(f"the page is in {shot}")


def indexed(*, port: int) -> tuple[Settings, Path]:
    """Draw and index the shop; returns the settings to serve it with, and a photo to search with."""
    print("drawing 600 products and 4,000 visits of shoppers")
    catalog = write_demo_catalog(PLACE / "catalog")
    events = write_demo_events(catalog.path, PLACE / "clickstream")
    settings = Settings(
        catalog=[str(catalog.path)],
        milvus=Milvus(uri=str(PLACE / "vitrine.db")),
        features=Features(uri=str(PLACE / "features")),
        thumbnails=Thumbnails(uri=str(PLACE / "thumbnails")),
        recommend=Recommend(events=[str(events)], columns=EventColumns(user=""), milvus_load=True),
        serve=Serve(port=port),
        work=str(PLACE),
        run="demo",
    )
    said = reindex(settings)
    print(f"{said.embedded} pictures embedded, {said.thumbnails} thumbnails made, {said.rejected} rejected")
    told = recommend(settings)
    print(f"{told.events_used} events of {told.sessions} visits: {told.pairs} pairs of products")
    photo = PLACE / "photo.jpg"
    photo.write_bytes(catalog.queries[0][1])
    return settings, photo


def found_browser() -> str:
    """Path of a browser that can run without a screen.

    Raises:
        BadInput: there is none.
    """
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise BadInput("a picture of the page needs a browser: apt-get install chromium fonts-noto-cjk")


def take(url: str, photo: Path, shot: Path, browser: str) -> None:
    """Search with the photo, and save what the page then looks like.

    Raises:
        VitrineError: the page does not get there.
    """
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = running.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_MS)
        try:
            page.goto(url)
            page.set_input_files("#file", photo)
            page.wait_for_selector("#answer[aria-busy=false] #hits article")
            wait_for_pictures(page)
        except Error as error:
            raise VitrineError(f"the page shows no answers: {error.message.splitlines()[0]}") from error
        page.screenshot(path=shot)
        running.close()


def wait_for_pictures(page: Page) -> None:
    """Wait until the pictures that can be seen are there."""
    page.wait_for_function(
        "() => [...document.images].filter(one => one.getBoundingClientRect().top < innerHeight && one.src)"
        ".every(one => one.complete && one.naturalWidth)"
    )


if __name__ == "__main__":
    configure_logging()
    sys.exit(flags.exit_code(main))
