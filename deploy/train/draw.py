"""Draw a shop to learn from: python -m deploy.train.draw DIRECTORY [PRODUCTS]."""

import sys
from pathlib import Path

from vitrine.rendering import write_demo_catalog

PRODUCTS = 6_000
SEED = 11
"""Not that of the demo, whose products should be new to the weights."""


def main() -> None:
    """Write DIRECTORY/catalog.parquet, 6,000 products by default; none of their pictures is broken."""
    place, products = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else PRODUCTS
    print(write_demo_catalog(place, products=products, broken=0, seed=SEED).path)


if __name__ == "__main__":
    main()
