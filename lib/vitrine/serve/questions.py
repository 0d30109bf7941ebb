"""What callers may ask, as JSON."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from vitrine.client import Box, Example, Filters, Query

MOST_HITS = 200
DEFAULT_HITS = 24

Id = Annotated[str, StringConstraints(min_length=1, max_length=320)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ExampleAsked(_Strict):
    """A stored product or picture to look for, or with a negative weight to stay away from."""

    product_id: Id | None = None
    image_id: Id | None = None
    weight: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _one_thing(self) -> "ExampleAsked":
        if (self.product_id is None) == (self.image_id is None):
            raise ValueError("give either product_id or image_id")
        if self.weight == 0:
            raise ValueError("weight must not be 0")
        return self


class BoxAsked(_Strict):
    """The part of the picture that counts, in shares of its width and height when it stands upright."""

    left: Share
    top: Share
    width: Annotated[float, Field(gt=0, le=1)]
    height: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _inside(self) -> "BoxAsked":
        if self.left + self.width > 1.000001 or self.top + self.height > 1.000001:
            raise ValueError("the box must lie inside the picture")
        return self

    def box(self) -> Box:
        """The same for the client."""
        return Box(self.left, self.top, min(self.width, 1 - self.left), min(self.height, 1 - self.top))


class FiltersAsked(_Strict):
    """What products must be; a category stands for all below it."""

    categories: Annotated[list[Text], Field(max_length=100)] = []
    brands: Annotated[list[Text], Field(max_length=1_000)] = []
    price_min: Price | None = None
    price_max: Price | None = None
    in_stock: bool | None = None
    """Whether products can be bought; both where it is left out."""

    def filters(self) -> Filters:
        """The same for the client."""
        return Filters(
            categories=tuple(self.categories),
            brands=tuple(self.brands),
            price_min=self.price_min,
            price_max=self.price_max,
            in_stock=self.in_stock,
        )


class Question(_Strict):
    """A search; the picture comes beside it, in the part `picture`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "examples": [{"product_id": "P17"}, {"image_id": "P3/0", "weight": -0.5}],
                    "words": "red dress",
                    "filters": {"categories": ["Apparel/Dress"], "price_max": 50, "in_stock": True},
                    "k": 24,
                }
            ]
        }
    )

    examples: Annotated[list[ExampleAsked], Field(max_length=15)] = []
    picture_uri: Annotated[str, StringConstraints(min_length=1, max_length=2_048)] | None = None
    """Address of the picture, where the service takes addresses."""
    words: Annotated[str, StringConstraints(max_length=200)] = ""
    """Words that put what looks alike into another order."""
    box: BoxAsked | None = None
    filters: FiltersAsked = FiltersAsked()
    k: Annotated[int, Field(ge=1, le=MOST_HITS)] = DEFAULT_HITS
    cursor: Annotated[str, StringConstraints(max_length=2_048)] | None = None
    """`next_cursor` of the last answer to the same question."""
    diversity: Share = 0.0
    """How much variety of looks counts against likeness."""
    collapse: bool = True
    """Fold near-duplicates into one hit."""
    narrow: bool = False
    """Search in the category that the picture surely shows, where no category is asked for."""

    def query(self, picture: bytes | None) -> Query:
        """The same for the client, with the picture that came.

        Raises:
            BadSettings: the parts contradict each other.
        """
        box = self.box.box() if self.box else None
        asked = (Example(picture=picture, box=box),) if picture is not None else ()
        stored = (Example(product_id=one.product_id, image_id=one.image_id, weight=one.weight) for one in self.examples)
        return Query(
            examples=(*asked, *stored),
            words=self.words.strip(),
            filters=self.filters.filters(),
            k=self.k,
            cursor=self.cursor or "",
            diversity=self.diversity,
            collapse=self.collapse,
            narrow=self.narrow,
        )


class PictureQuestion(_Strict):
    """A question about one picture."""

    picture_uri: Annotated[str, StringConstraints(min_length=1, max_length=2_048)] | None = None
    box: BoxAsked | None = None
