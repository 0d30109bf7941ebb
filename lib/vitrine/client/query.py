"""What a search is asked: examples with weights, words, filters, and what the answer shall be like."""

import hashlib
import json
import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from PIL.Image import Image

from vitrine.client.cropping import Box
from vitrine.embedding import Vectors
from vitrine.errors import BadSettings
from vitrine.index.filters import Filters

Picture = bytes | Path | Image

MAX_K = 200
MAX_EXAMPLES = 16
MAX_WEIGHT = 100.0
MAX_WORDS = 200
NOT_CONTENT = frozenset(("k", "cursor"))
"""What may change from page to page."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """Something to look like, or with a negative `weight` not to look like; weights compare likes with likes.

    It is one of: a `picture`, of which only the part in the `box` counts; all pictures of a stored product; one stored
    picture; a `vector`, (dim,) of the collection's model.

    Raises:
        BadSettings: none or several of them are given, or a value is out of range.
    """

    picture: Picture | None = None
    product_id: str | None = None
    image_id: str | None = None
    vector: Vectors | None = None
    weight: float = 1.0
    box: Box | None = None

    def __post_init__(self) -> None:
        given = [one for one in (self.picture, self.product_id, self.image_id, self.vector) if one is not None]
        if len(given) != 1:
            raise BadSettings("an example is one of: a picture, a product_id, an image_id, a vector")
        if self.box is not None and self.picture is None:
            raise BadSettings("a box cuts a part out of a picture: give the picture")
        if not (math.isfinite(self.weight) and 0 < abs(self.weight) <= MAX_WEIGHT):
            raise BadSettings(f"an example's weight is {self.weight}: from -{MAX_WEIGHT:g} to {MAX_WEIGHT:g}, not 0")
        if self.vector is not None and not (np.ndim(self.vector) == 1 and np.isfinite(self.vector).all()):
            raise BadSettings("an example's vector must have one dimension and finite values")
        if self.vector is not None and not np.any(self.vector):
            raise BadSettings("an example's vector is zero everywhere: it looks like nothing")


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A search.

    `words` put products first whose title, brand or category hold them; they choose among those that look alike, and
    find nothing by themselves. `diversity` from 0 to 1 trades likeness for variety. With `collapse` what nearly equals
    a better product is folded into it; with `narrow` a category that the pictures are sure to show filters. `cursor`
    is the `next_cursor` of the answer before, to the same query. `expression` is a filter in Milvus' own language that
    must hold too: never fill it with what users wrote.

    Raises:
        BadSettings: nothing is to be looked like, or a value is out of range.
    """

    examples: tuple[Example, ...]
    words: str = ""
    filters: Filters = Filters()  # noqa: RUF009  # it is frozen
    k: int = 10
    cursor: str = ""
    diversity: float = 0.0
    collapse: bool = False
    narrow: bool = False
    expression: str = ""

    def __post_init__(self) -> None:
        if not any(one.weight > 0 for one in self.examples):
            raise BadSettings("give at least one example with a weight above 0: there is nothing to look like")
        if len(self.examples) > MAX_EXAMPLES:
            raise BadSettings(f"{len(self.examples)} examples are given, at most {MAX_EXAMPLES}")
        if not 1 <= self.k <= MAX_K:
            raise BadSettings(f"k is {self.k}: from 1 to {MAX_K}")
        if not 0 <= self.diversity <= 1:
            raise BadSettings(f"diversity is {self.diversity}: from 0 to 1")
        if len(self.words) > MAX_WORDS:
            raise BadSettings(f"words are {len(self.words)} characters, at most {MAX_WORDS}")

    @property
    def pictured(self) -> list[Example]:
        """The examples that must be embedded, in their order."""
        return [one for one in self.examples if one.picture is not None]

    def digest(self) -> str:
        """16 hex digits that stand for all that is asked but `k` and `cursor`."""
        said = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in NOT_CONTENT}
        text = json.dumps(said, default=_said, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _said(value: object) -> object:
    if isinstance(value, (Example, Filters, Box)):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    if isinstance(value, np.ndarray):
        return hashlib.sha256(np.asarray(value, dtype=np.float32).tobytes()).hexdigest()
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, Image):
        return [value.mode, value.size, hashlib.sha256(value.tobytes()).hexdigest()]
    if isinstance(value, Path):
        return str(value)
    return dict(value)  # type: ignore[call-overload]  # a mapping of attributes
