"""Listing events of a catalogue, or of a folder of photos."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from vitrine import catalog
from vitrine.catalog import Picture, Plan, Unit
from vitrine.errors import BadInput, BadRecord
from vitrine.events import ImageRef, ListingEvent, carried, sha256
from vitrine.product import Product, check_product_id
from vitrine.settings import Settings

PHOTOS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"))


@dataclass(frozen=True, slots=True)
class Upload:
    """The whole state of a product, with the bytes of its pictures by hash; `left_out` of them have none to send."""

    product: Product
    images: tuple[ImageRef, ...]
    pictures: Mapping[str, bytes]
    left_out: int = 0

    def event(self, event_us: int) -> ListingEvent:
        """The event that states it as of that moment, in microseconds since 1970."""
        product = self.product
        return ListingEvent(
            op="upsert",
            product_id=product.product_id,
            version=product.version,
            event_us=event_us,
            title=product.title,
            category=product.category,
            brand=product.brand,
            price=product.price,
            in_stock=product.in_stock,
            attributes=product.attributes,
            images=self.images,
        )


def of_catalog(settings: Settings) -> Iterator[Upload]:
    """Each product of the catalogue once, when the last of its rows has been read.

    What is held meanwhile are the products whose rows stand apart. Pictures beyond the limits of `pictures.*`, without
    bytes and address, or without a position are left out.

    Raises:
        BadInput: the catalogue cannot be read, or has no versions, which events need.
    """
    plan = catalog.plan(settings, slots=1)
    if not plan.columns.version:
        raise BadInput("the catalogue has no version: name its column with columns.version or columns.updated_at")
    left = _rows_by_product(plan)
    open_products: dict[str, list[Picture]] = {}
    for unit in _in_order(plan):
        for of_row in _rows(unit, plan):
            product_id = of_row[0].product.product_id
            open_products.setdefault(product_id, []).extend(of_row)
            left[product_id] -= 1
            if not left[product_id]:
                yield _upload(open_products.pop(product_id))


def of_photos(directory: Path, *, version: int) -> Iterator[Upload]:
    """A product for each name of a picture file below a directory, in their order; the folder is its category.

    Files that differ in their suffix alone are pictures of one product.

    Raises:
        BadInput: there is none.
    """
    if not directory.is_dir():
        raise BadInput(f"{directory} is no directory: name the folder of the photos")
    files = sorted(path for path in directory.rglob("*") if path.suffix.lower() in PHOTOS and path.is_file())
    if not files:
        raise BadInput(f"{directory} holds no pictures ({', '.join(sorted(PHOTOS))})")
    for name, same in groupby(files, key=lambda path: path.relative_to(directory).with_suffix("")):
        category = "" if name.parent == Path() else name.parent.as_posix()
        product = Product(name.as_posix(), version, title=name.name, category=category)
        data = [path.read_bytes() for path in same]
        yield Upload(product, carried(data), {sha256(one): one for one in data})


def _in_order(plan: Plan) -> list[Unit]:
    return sorted(plan.units, key=lambda unit: (unit.pieces[0].file, unit.pieces[0].first_row))


def _rows_by_product(plan: Plan) -> Counter[str]:
    """How many rows of each product will be read, found without reading pictures."""
    counts: Counter[str] = Counter()
    for unit in plan.units:
        unread = replace(unit, dropped=np.ones(unit.rows, np.bool_).tobytes())
        rows = groupby(catalog.read(unread, plan.columns), key=lambda picture: (picture.file, picture.row))
        for (_, of_row), dropped in zip(rows, unit.marks(), strict=True):
            first = next(of_row)
            if not dropped and _can_be_key(first.product.product_id):
                counts[first.product.product_id] += 1
    return counts


def _rows(unit: Unit, plan: Plan) -> Iterator[list[Picture]]:
    """The pictures of each row that counts."""
    for _, of_row in groupby(catalog.read(unit, plan.columns), key=lambda picture: (picture.file, picture.row)):
        pictures = list(of_row)
        if not pictures[0].duplicate and _can_be_key(pictures[0].product.product_id):
            yield pictures


def _can_be_key(product_id: str) -> bool:
    try:
        check_product_id(product_id)
    except BadRecord:
        return False
    return True


def _upload(pictures: Sequence[Picture]) -> Upload:
    usable = sorted((picture for picture in pictures if picture.reject is None), key=lambda picture: picture.position)
    inline = [picture.data for picture in usable if picture.data]
    refs = iter(carried(inline))
    images = tuple(next(refs) if picture.data else ImageRef(image_uri=picture.uri) for picture in usable)
    return Upload(
        pictures[-1].product,
        images,
        {sha256(data): data for data in inline},
        left_out=len(pictures) - len(usable),
    )
