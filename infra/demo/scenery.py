"""What is photographed and printed in the demonstration: each case has its own, drawn once.

A photo's own data say when and where it was taken, as a phone writes them: after the delivery, at
the buyer's. It knows no case.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from infra.demo import goods
from infra.demo.pictures import exif, gallery, garment, photo, product, waybill

_SALES: Final = {sale.key: sale for sale in goods.SALES}
_PLACES: Final = {
    "DE": (53.5453, 9.9512),
    "JP": (35.6762, 139.6503),
    "KW": (29.3759, 47.9774),
    "CN": (31.2304, 121.4737),
    "US": (40.7128, -74.0060),
}
"""Where a country's buyers live: latitude and longitude in degrees."""
_DAMAGE: Final = {
    "crushed.jpg": photo.Damage.CRUSHED,
    "soaked.jpg": photo.Damage.SOAKED,
    "holed.jpg": photo.Damage.HOLED,
    "split.jpg": photo.Damage.SPLIT,
}


@cache
def drawing(name: str, key: str = "0117", taken: datetime = gallery.SHOT.taken) -> bytes:
    """A picture by its file's name, for the order ``key``; ``taken`` is when a photo was."""
    if name in _DAMAGE:
        shown = photo.Photo(
            label=_label(key), shot=_shot(key, taken), damage=_DAMAGE[name], seed=int(key)
        )
        return photo.damaged(shown)
    return _OTHERS[name](key, taken)


def _vase(key: str, taken: datetime) -> bytes:
    broken = product.vase(cracked=True, seed=int(key))
    return product.photographed(broken, _shot(key, taken), int(key))


def _jacket(key: str, taken: datetime) -> bytes:
    upright = replace(_shot(key, taken), orientation=exif.UPRIGHT)
    return product.photographed(garment.jacket(product.OLIVE), upright, int(key))


_OTHERS: Final[dict[str, Callable[[str, datetime], bytes]]] = {
    "vase.jpg": _vase,
    "jacket.jpg": _jacket,
    "waybill.png": lambda key, _: waybill.render(_label(key)),
}


def _shot(key: str, taken: datetime) -> exif.Shot:
    sale = _SALES[key]
    latitude, longitude = _PLACES[sale.country]
    local = taken.astimezone(ZoneInfo(sale.zone))
    return replace(gallery.SHOT, taken=local, latitude=latitude, longitude=longitude)


def _label(key: str) -> waybill.Waybill:
    sale = _SALES[key]
    return replace(
        gallery.LABEL, carrier=sale.carrier, tracking=sale.tracking, order=sale.reference
    )
