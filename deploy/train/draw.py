"""Draw a shop to learn from: python -m deploy.train.draw DIRECTORY [PRODUCTS]."""

import argparse
from pathlib import Path

from vitrine.rendering import write_demo_catalog

PRODUCTS = 6_000
SEED = 11
"""Not that of the demo, whose products should be new to the weights."""


def main() -> None:
    """Write DIRECTORY/catalog.parquet, 6,000 products by default; none of their pictures is broken."""
    parser = argparse.ArgumentParser(description="Draw a shop to learn from.")
    parser.add_argument("directory", type=Path, help="catalog.parquet and its pictures go here")
    parser.add_argument("products", type=int, nargs="?", default=PRODUCTS, help=f"how many (default {PRODUCTS:,})")
    given = parser.parse_args()
    print(write_demo_catalog(given.directory, products=given.products, broken=0, seed=SEED).path)


if __name__ == "__main__":
    main()
