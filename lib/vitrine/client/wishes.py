"""What a caller may wish of an answer, and what an answer says of a product."""

from dataclasses import dataclass

from vitrine.blend import KAPPA
from vitrine.errors import BadSettings

DECAY = 0.8


@dataclass(frozen=True, slots=True)
class Wishes:
    """How products are chosen.

    `in_stock` leaves out what cannot be bought. `price_band` are two factors of the asked product's price, such as
    (0.5, 2); products of unknown price are left out then. `diversity` from 0 to 1 trades score for variety of looks.
    `kappa` is how many sessions weigh as much as the looks; `decay`, from 0 to 1, what each older product of a
    session counts against the next (long histories 0.8, sessions of clicks 0.3 to 0.5).

    Raises:
        BadSettings: a value is out of range.
    """

    in_stock: bool = True
    price_band: tuple[float, float] | None = None
    diversity: float = 0.0
    kappa: float = KAPPA
    decay: float = DECAY

    def __post_init__(self) -> None:
        low, high = self.price_band or (0, 0)
        if not 0 <= low <= high:
            raise BadSettings(f"price_band is {self.price_band}: give two factors such as (0.5, 2)")
        if not self.kappa > 0:
            raise BadSettings(f"kappa is {self.kappa}: it must be above 0")
        for name in ("diversity", "decay"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise BadSettings(f"{name} is {value}: it must be from 0 to 1")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One product of an answer, with its first picture, its score from 0 to 1, and who proposed it.

    `sources` holds one or two of `bought together`, `looks alike`, `popular in category`.
    """

    product_id: str
    score: float
    sources: tuple[str, ...]
    image_id: str
    version: int
    title: str
    category: str
    brand: str
    price: float
    in_stock: bool
    attributes: dict[str, str]
    image_uri: str
    image_sha256: str
