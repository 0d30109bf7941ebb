"""How true the guess of a picture's category is, on a real catalogue: accuracy, calibration, and a plot of it.

Reads   ../shared/data: fashion; clothing, whose photos are not a shop's; objects, which are other things.
Writes  bench-results/TIME-categories.json; with --plot a picture of the calibration.
Run     .venv/bin/python tests/bench/categorise.py [--data DIRECTORY] [--plot FILE.svg]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.categories import Narrowing, Shown

ROOT = Path(__file__).resolve().parents[2]
LEVELS = ("master_category", "sub_category", "article_type")
FIRST_LEVEL = {"shoes": "Footwear", "hat": "Accessories"}
"""Of the clothing photos; all other classes are apparel."""


def main() -> int:
    """Run the measurement from a command line; returns the exit code."""
    from tests.bench.categories import figures, guesses, narrowing, split
    from tests.bench.machine import facts
    from tests.bench.plot import reliability_plot
    from vitrine.client.categorising import Choice

    parser = argparse.ArgumentParser(description="how true the guess of a picture's category is")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="directory of the catalogues")
    parser.add_argument("--out", type=Path, default=ROOT / "bench-results", help="directory of the JSON file")
    parser.add_argument("--plot", type=Path, help="SVG file to write")
    asked = parser.parse_args()
    made = split(fashion(asked.data))
    shop, calibration = made.shop, made.calibration
    found = guesses(shop, made.asked.vectors, calibration)
    true = {
        "category": figures([Choice(one.path, one.p) for one in found], made.asked.categories),
        "brand": figures([one.brand or Choice("", 0.0) for one in found], made.asked.brands),
    }
    narrowed = {"of the shop": narrowing(found, made.asked.categories)}
    for name, others in (("photos", clothing(asked.data)), ("other things", objects(asked.data))):
        narrowed[name] = narrowing(guesses(shop, others.vectors, calibration), others.categories)
    told = {
        "machine": facts(),
        "products": len(shop.products),
        "near_duplicates_left_out": made.near_duplicates,
        "calibration": asdict(calibration),
        "figures": {name: asdict(one) for name, one in true.items()},
        "narrowing": {name: asdict(one) for name, one in narrowed.items()},
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / f"{datetime.now(UTC):%Y%m%dt%H%M%S}-categories.json"
    path.write_text(json.dumps(told, indent=2) + "\n")
    if asked.plot:
        asked.plot.write_text(reliability_plot(true["category"].bins, "Category of an unknown picture"))
    print(f"{len(shop.products)} products; {made.near_duplicates} near-duplicates left out; {calibration}")
    for name, one in true.items():
        said = f"accuracy {one.accuracy:.3f}, ECE {one.calibration_error:.3f}, Brier {one.brier:.3f}"
        print(f"{name} of {one.n} pictures: {said}")
    print("\n".join([*map(line, narrowed, narrowed.values()), f"saved {path}"]))
    return 0


def line(name: str, found: "Narrowing") -> str:
    """What becomes of searches with one kind of pictures, for people."""
    levels = ", ".join(f"{share:.1%} to level {level}" for level, share in found.to_level.items())
    return (
        f"{name}: {found.share:.1%} narrowed ({levels}), {found.right:.1%} of them right, "
        f"{found.none_of_these:.1%} none of these"
    )


def fashion(data: Path) -> "Shown":
    """The catalogue of a real shop, with paths of three levels; a title's first word is taken for the brand."""
    import pyarrow.parquet as pq

    table = pq.read_table(data / "fashion/catalog.parquet", columns=["product_id", "title", "image", *LEVELS])
    values = table.to_pydict()
    paths = ["/".join(levels) for levels in zip(*(values[name] for name in LEVELS), strict=True)]
    brands = [(title or "").partition(" ")[0] for title in values["title"]]
    return embedded([str(one) for one in values["product_id"]], paths, brands, values["image"])


def clothing(data: Path) -> "Shown":
    """Photos of clothes that people took, with the first level of their categories in the shop."""
    values = validation(data / "clothing/catalog.parquet", "category")
    paths = [FIRST_LEVEL.get(one, "Apparel") for one in values["category"]]
    return embedded([str(i) for i in range(len(paths))], paths, [""] * len(paths), values["image"])


def objects(data: Path) -> "Shown":
    """Pictures of other things, animals and places: no category of the shop is right."""
    values = validation(data / "objects/pictures.parquet", "name")
    n = len(values["name"])
    return embedded(values["name"], ["no category of the shop"] * n, [""] * n, values["image"])


def validation(path: Path, label: str) -> dict[str, list]:
    """Labels and pictures that the bundled weights were not trained on."""
    import pyarrow.parquet as pq

    return pq.read_table(path, columns=[label, "image"], filters=[("split", "==", "validation")]).to_pydict()


def embedded(
    products: Sequence[str], categories: Sequence[str], brands: Sequence[str], images: Sequence[bytes]
) -> "Shown":
    """The pictures with the vectors that the bundled model gives them; those that cannot be used are left out."""
    import numpy as np

    from tests.bench.categories import Shown
    from vitrine.settings import Model, Pictures
    from vitrine.vision.engine import engine_of
    from vitrine.vision.weights import resolve

    engine = engine_of(resolve(Model()).spec.model_id, None, Pictures(), "auto")
    batches = list(engine.embed(enumerate(images)))
    used = [key for batch in batches for key, reject in zip(batch.keys, batch.rejects, strict=True) if reject is None]
    vectors = np.concatenate([batch.vectors for batch in batches])
    texts = ([texts[i] for i in used] for texts in (products, categories, brands))
    return Shown(*texts, vectors)


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    sys.exit(main())
