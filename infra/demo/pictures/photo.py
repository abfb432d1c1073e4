"""Photos that people take of their parcels: damaged on the floor, or left at the door.

The label in the picture is the waybill of the shipment; what the damage means for a claim is
not known here.
"""

import enum
import random
from dataclasses import dataclass, replace

from PIL import Image

from infra.demo.pictures import camera, cardboard, exif, noise, parcel, room, waybill
from infra.demo.pictures.camera import Camera

_SIZE = (0.46, 0.34, 0.28)
_LABEL_WIDTH = 176
_PORTRAIT = (1500, 2000)


class Damage(enum.StrEnum):
    """What happened to the parcel on its way."""

    NONE = "none"
    CRUSHED = "crushed"
    SOAKED = "soaked"
    HOLED = "holed"
    SPLIT = "split"


_EYES: dict[Damage, Camera] = {
    Damage.NONE: Camera((0.1, -1.02, 0.94), (0.02, 0.02, 0.11), 2000),
    Damage.CRUSHED: Camera((0.14, -0.98, 0.86), (0.06, 0.0, 0.11), 2150),
    Damage.SOAKED: Camera((-0.12, -1.1, 0.72), (0.0, 0.0, 0.1), 2150),
    Damage.HOLED: Camera((-0.1, -0.94, 0.66), (-0.02, 0.0, 0.12), 2150),
    Damage.SPLIT: Camera((-0.16, -0.92, 0.8), (0.0, 0.0, 0.13), 2150),
}
_TURNS = {Damage.CRUSHED: -28.0, Damage.SOAKED: 24.0, Damage.HOLED: -16.0, Damage.SPLIT: 20.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One picture of one parcel; the seed tells apart two photos of the same facts."""

    label: waybill.Waybill
    shot: exif.Shot
    damage: Damage = Damage.CRUSHED
    seed: int = 1


def _boards(rng: random.Random, label: waybill.Waybill, turn: float) -> dict[str, Image.Image]:
    """Return the three seen sides of a closed, taped and labelled parcel."""
    end = "right" if turn < 0 else "left"
    sides = {
        side: cardboard.board(rng, parcel.face_size(_SIZE, side)) for side in ("top", "front", end)
    }
    top, front = sides["top"], sides["front"]
    middle = top.height // 2
    cardboard.seam(top, middle)
    cardboard.tape(top, rng, (0, middle - 38, top.width, middle + 38))
    across = sides[end].width // 2
    cardboard.tape(sides[end], rng, (across - 38, 0, across + 38, 120))
    cardboard.label(top, waybill.draw(label), (70, 18), _LABEL_WIDTH)
    cardboard.print_marks(front, (54, 236), 120)
    return sides


def _hurt(sides: dict[str, Image.Image], rng: random.Random, damage: Damage) -> None:
    """Leave on the sides what the damage leaves there."""
    top, front = sides["top"], sides["front"]
    if damage is Damage.CRUSHED:
        cardboard.creases(top, rng, (top.width, top.height), 330)
        cardboard.creases(front, rng, (front.width, 0), 330)
        cardboard.creases(sides["right"], rng, (0, 0), 330)
        cardboard.hole(front, rng, [(610, 112), (664, 86), (672, 150), (632, 176)])
    elif damage is Damage.SOAKED:
        cardboard.stain(front, rng, (300, 500), 540)
        cardboard.stain(sides["left"], rng, (sides["left"].width - 20, 480), 420)
    elif damage is Damage.HOLED:
        cardboard.hole(
            front,
            rng,
            [
                (372, 96),
                (420, 118),
                (560, 84),
                (574, 150),
                (520, 176),
                (534, 262),
                (452, 236),
                (388, 286),
                (404, 190),
            ],
        )
        cardboard.creases(front, rng, (350, 200), 210)
    elif damage is Damage.SPLIT:
        cardboard.split(front, rng, (60, 30), (600, 74), 62)
        cardboard.split(top, rng, (260, top.height // 2 + 6), (690, top.height // 2 - 4), 46)
        cardboard.creases(front, rng, (300, 0), 200)


_DENTS: dict[Damage, tuple[parcel.Dent, ...]] = {
    Damage.CRUSHED: (parcel.Dent(corner=(1, 0, 1), reach=0.22, depth=0.12, seed=3),),
    Damage.SOAKED: (parcel.Dent(corner=(0, 0, 1), reach=0.12, depth=0.03, seed=8),),
    Damage.HOLED: (parcel.Dent(corner=(0, 0, 1), reach=0.1, depth=0.03, seed=5),),
    Damage.SPLIT: (parcel.Dent(corner=(0, 0, 1), reach=0.17, depth=0.05, seed=11),),
}


def _taken(facts: Photo) -> Image.Image:
    rng = noise.dice(facts.seed)
    turn = _TURNS.get(facts.damage, -24.0) + rng.uniform(-3, 3)
    sides = _boards(rng, facts.label, turn)
    _hurt(sides, rng, facts.damage)
    eye = _EYES[facts.damage]
    nudge = (rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03), rng.uniform(-0.02, 0.02))
    moved = tuple(e + n for e, n in zip(eye.eye, nudge, strict=True))
    eye = replace(eye, eye=(moved[0], moved[1], moved[2]))
    view = room.on_floor(eye, 1 + facts.seed % 2)
    box = parcel.Parcel(size=_SIZE, turn=turn, sides=sides, dents=_DENTS.get(facts.damage, ()))
    if facts.damage is Damage.SOAKED:
        room.puddle(view, eye, rng, (-0.16, -0.16), 0.26)
    parcel.shadow(view, box, eye)
    parcel.draw(view, box, eye)
    return view


def damaged(facts: Photo) -> bytes:
    """Return a phone's JPEG, 2000 x 1500, of the parcel on a wooden floor."""
    return camera.save(camera.develop(_taken(facts), facts.seed), facts.shot)


def original(facts: Photo) -> bytes:
    """Return the same view as a phone keeps it at full size: 2592 x 1944, about 3 MiB."""
    large = _taken(facts).resize((2592, 1944), Image.Resampling.BICUBIC)
    return camera.save(camera.develop(large, facts.seed, strength=0.105), facts.shot, quality=98)


def delivered(facts: Photo, door: str) -> bytes:
    """Return a driver's JPEG, 1500 x 2000, of the unharmed parcel at the numbered door."""
    rng = noise.dice(facts.seed)
    eye = Camera((0.2, -1.4, 1.45), (0.06, 0.38, 0.5), 1640, _PORTRAIT)
    view = room.doorstep(rng, eye, door)
    turn = -17 + rng.uniform(-6, 6)
    sides = _boards(rng, facts.label, turn)
    box = parcel.Parcel(size=_SIZE, turn=turn, place=(0.28, 0.2), sides=sides)
    parcel.shadow(view, box, eye, 0.7)
    parcel.draw(view, box, eye)
    return camera.save(camera.develop(view, facts.seed), facts.shot)


def photographed(page: Image.Image, shot: exif.Shot, seed: int = 1) -> bytes:
    """Return a photo of a printed page that lies, a little askew, on a sheet of board."""
    rng = noise.dice(seed)
    view = cardboard.board(rng, camera.SIZE, flutes=True)
    view = view.resize(camera.SIZE)
    tall = page.height > page.width
    size = (1500, 2000) if tall else camera.SIZE
    view = view.transpose(Image.Transpose.ROTATE_90) if tall else view
    wide = size[0] * 0.74
    high = wide * page.height / page.width
    if high > size[1] * 0.86:
        wide, high = wide * size[1] * 0.86 / high, size[1] * 0.86
    left, top = (size[0] - wide) / 2, (size[1] - high) / 2
    j = rng.uniform
    lean = j(-34, 34)
    seen = [
        (left + 46 + lean + j(-8, 8), top + j(-10, 10)),
        (left + wide - 40 + lean + j(-8, 8), top + j(0, 34)),
        (left + wide + 18 + j(-8, 8), top + high + j(-10, 10)),
        (left - 26 + j(-8, 8), top + high + j(-34, 0)),
    ]
    camera.rest(view, page, seen)
    camera.overcast(view, rng)
    return camera.save(camera.develop(view, seed, (0.42, 0.36)), shot)
