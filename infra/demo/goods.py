"""What was bought in the demonstration: a dozen orders in several currencies and countries."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from infra.demo.pictures import tracking
from odr.registration import Goods


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """An order of the demonstration, placed so many days before it begins."""

    key: str
    buyer: str
    seller: str
    currency: str
    country: str
    zone: str
    lines: tuple[Goods, ...]
    freight_minor: int
    category: str
    days_ago: int
    carrier: str
    tracking: str
    delivered_after: timedelta | None = timedelta(days=9)

    @property
    def reference(self) -> str:
        """The marketplace's own number."""
        return f"MB-{self.key}"


def _one(title: str, unit_minor: int, quantity: int = 1, sku: str = "") -> Goods:
    return Goods(title=title, quantity=quantity, unit_minor=unit_minor, sku=sku)


def _sale(  # noqa: PLR0913, PLR0917 - the columns of the table below
    key: str,
    buyer: str,
    seller: str,
    currency: str,
    place: tuple[str, str],
    lines: tuple[Goods, ...],
    freight_minor: int,
    category: str,
    days_ago: int,
    delivered: bool = True,  # noqa: FBT001, FBT002 - a column
) -> Sale:
    carrier, number = "Pacific Post", tracking.s10("LX", 47312000 + int(key), "CN")
    if seller != "ceramics":
        carrier, number = "Brown Kite", tracking.one_z("5R8939", 3, 5756000 + int(key))
    return Sale(
        key=key,
        buyer=buyer,
        seller=seller,
        currency=currency,
        country=place[0],
        zone=place[1],
        lines=lines,
        freight_minor=freight_minor,
        category=category,
        days_ago=days_ago,
        carrier=carrier,
        tracking=number,
        delivered_after=timedelta(days=9) if delivered else None,
    )


_DE, _JP, _KW = ("DE", "Europe/Berlin"), ("JP", "Asia/Tokyo"), ("KW", "Asia/Kuwait")
_CN, _US = ("CN", "Asia/Shanghai"), ("US", "America/New_York")
_VASE = _one("Porcelain vase, blue and white, 38 cm", 18_900, sku="JY-V38")
_STAND = _one("Wooden stand for vase", 1_450, sku="JY-ST")
_CAMERA = _one("LUMEN X2 mirrorless kit", 89_900, sku="HX2-K")

SALES: Final = (
    _sale("0117", "marlene", "ceramics", "EUR", _DE, (_VASE, _STAND), 2_400, "home", 30),
    _sale("0118", "marlene", "optics", "EUR", _DE, (_CAMERA,), 0, "electronics", 24),
    _sale(
        "0119",
        "marlene",
        "outdoor",
        "EUR",
        _DE,
        (_one("Rain jacket, navy, M", 14_900, sku="NW-RJ"),),
        590,
        "clothing",
        20,
    ),
    _sale(
        "0120",
        "kenji",
        "ceramics",
        "JPY",
        _JP,
        (_one("Tea cups, set of five", 12_800, sku="JY-TC5"),),
        1_500,
        "home",
        28,
    ),
    _sale(
        "0121",
        "kenji",
        "optics",
        "JPY",
        _JP,
        (_one("Field lens 35 mm", 68_000, sku="HX-35"),),
        2_000,
        "electronics",
        26,
    ),
    _sale(
        "0122",
        "amira",
        "ceramics",
        "KWD",
        _KW,
        (_one("Porcelain lamp", 42_500, sku="JY-L1"),),
        6_250,
        "home",
        27,
    ),
    _sale(
        "0123",
        "amira",
        "outdoor",
        "KWD",
        _KW,
        (_one("Two-person tent", 61_750, sku="NW-T2"),),
        4_000,
        "outdoor",
        40,
        delivered=False,
    ),
    _sale(
        "0124",
        "lina",
        "ceramics",
        "CNY",
        _CN,
        (_one("Celadon bowl", 68_800, sku="JY-CB"),),
        1_800,
        "home",
        25,
    ),
    _sale(
        "0125",
        "lina",
        "optics",
        "CNY",
        _CN,
        (_one("LUMEN tripod", 129_900, sku="HX-TR"),),
        2_500,
        "electronics",
        22,
    ),
    _sale(
        "0126",
        "grace",
        "outdoor",
        "USD",
        _US,
        (_one("Trail backpack 45 l", 15_900, sku="NW-B45"),),
        1_290,
        "outdoor",
        21,
    ),
    _sale(
        "0127",
        "grace",
        "ceramics",
        "USD",
        _US,
        (_one("Vase, lotus, 38 cm", 20_500, sku="JY-V38L"),),
        3_100,
        "home",
        23,
    ),
    _sale(
        "0128",
        "marlene",
        "ceramics",
        "EUR",
        _DE,
        (_one("Tea pot", 6_900, sku="JY-TP"),),
        900,
        "home",
        18,
    ),
    _sale(
        "0129",
        "grace",
        "optics",
        "GBP",
        _US,
        (_one("Binoculars 8x42", 24_900, sku="HX-B8"),),
        1_100,
        "electronics",
        19,
    ),
)
CURRENCIES: Final = ("EUR", "JPY", "KWD", "CNY", "USD", "GBP")
MARKETPLACE: Final = "Market Bazaar"
INSURER: Final = "Harbour Mutual"
