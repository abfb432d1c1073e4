"""Where a file comes from: what other cases have of it, what made it, what it was asked for."""

from collections.abc import Iterator
from typing import Final

from evidence.credentials import State
from odr.findings import capture
from odr.findings.kinds import Finding, FindingKind, Ground, GroundName, Strength
from odr.findings.subject import PHOTOS, Subject

_K: Final = FindingKind

# --- where else it was given ---------------------------------------------------------------------

_NEAR_BITS: Final = 4


def _reused(subject: Subject) -> Iterator[Finding]:
    if subject.reuse.same:
        often = subject.reuse.often
        yield Finding(_K.SAME_FILE_ELSEWHERE, Strength.SLIGHT if often else Strength.FAIR)
    elif subject.reuse.distance is not None and subject.kind in PHOTOS:
        differing = Ground(GroundName.DIFFERING, str(subject.reuse.distance))
        near = subject.reuse.distance <= _NEAR_BITS
        strength = Strength.FAIR if near else Strength.SLIGHT
        yield Finding(_K.ALIKE_ELSEWHERE, strength, (differing,))


# --- what made it --------------------------------------------------------------------------------

EDITORS: Final = (
    *("photoshop", "lightroom", "adobe firefly", "gimp", "affinity", "pixelmator", "paint.net"),
    *("snapseed", "picsart", "canva", "meitu", "facetune", "vsco", "pixlr", "photopea", "krita"),
    *("paintshop", "photoscape", "capture one", "darktable", "luminar", "acdsee", "polarr"),
    *("photodirector", "fotor", "befunky", "remini", "beautyplus", "美图", "醒图", "picsew"),
    *("imagemagick", "photo editor", "capcut", "inshot", "premiere", "final cut", "davinci"),
)
"""What is looked for, in lower case, in the program that a file names."""

_SIZES: Final = """
    640x1136 750x1334 828x1792 1125x2436 1170x2532 1179x2556 1206x2622 1242x2208 1242x2688
    1284x2778 1290x2796 1320x2868 720x1280 720x1520 720x1600 720x1612 1080x2160 1080x2220
    1080x2244 1080x2280 1080x2310 1080x2316 1080x2340 1080x2376 1080x2400 1080x2408 1080x2412
    1080x2460 1200x2640 1220x2712 1240x2772 1260x2800 1344x2992 1440x2560 1440x2880 1440x2960
    1440x3040 1440x3088 1440x3120 1440x3200 1536x2048 1620x2160 1640x2360 1668x2224 1668x2388
    2048x2732 1366x768 1440x900 1536x864 1600x900 1680x1050 1920x1080 1920x1200 2560x1440
    2560x1600 2560x1664 2880x1800 2880x1864 3024x1964 3456x2234 3840x2160
    """
_SCREENS: Final = frozenset(tuple(sorted(map(int, size.split("x")))) for size in _SIZES.split())
"""Sizes of common screens, the shorter side first."""


def _edited(subject: Subject) -> Iterator[Finding]:
    document = subject.facts.get("document", {})
    credentials = subject.credentials
    named = [subject.exif.get("software", ""), document.get("producer", "")]
    named += [document.get("creator", "")]
    for program in map(str, named):
        if any(editor in program.lower() for editor in EDITORS):
            ground = Ground(GroundName.PROGRAM, program)
            yield Finding(_K.EDITED, Strength.FAIR, (ground,))
    if credentials is not None and credentials.edited and credentials.state in _HOLDING:
        yield Finding(_K.EDITED, Strength.FAIR, (Ground(GroundName.PROGRAM, credentials.tool),))


def _screenshot(subject: Subject) -> Iterator[Finding]:
    if not subject.media_type.startswith("image/") or "width" not in subject.facts:
        return
    exif, width, height = subject.exif, subject.facts["width"], subject.facts["height"]
    grounds = (Ground(GroundName.SIZE, f"{width} x {height}"),)
    if "screenshot" in str(exif.get("software", "")).lower():
        yield Finding(_K.SCREENSHOT, Strength.FAIR, grounds)
    elif exif.get("make") or exif.get("model"):
        return
    elif tuple(sorted((width, height))) in _SCREENS:
        strength = Strength.FAIR if subject.media_type == "image/png" else Strength.SLIGHT
        yield Finding(_K.SCREENSHOT, strength, grounds)
    elif subject.kind in PHOTOS:
        yield Finding(_K.NO_CAMERA_DATA, Strength.SLIGHT)


_HOLDING: Final = frozenset({State.VALID, State.TRUSTED})


def _credentials(subject: Subject) -> Iterator[Finding]:
    given = subject.credentials
    if given is None:
        return
    signer = (Ground(GroundName.SIGNER, given.signer),) if given.signer else ()
    if given.state in _HOLDING:
        trusted = given.state is State.TRUSTED
        if given.generated:
            yield Finding(_K.GENERATED, Strength.STRONG, signer)
        strength = Strength.FAIR if trusted else Strength.SLIGHT
        yield Finding(_K.CREDENTIALS_HOLD, strength, signer)
    elif given.state is State.BROKEN:
        fails = tuple(
            Ground(GroundName.FAILS, code) for code in given.codes if not code.endswith("untrusted")
        )
        yield Finding(_K.CREDENTIALS_BROKEN, Strength.FAIR, signer + fails)
    elif given.state is State.ABSENT and subject.kind in PHOTOS:
        yield Finding(_K.CREDENTIALS_ABSENT, Strength.SLIGHT)


# --- in answer to a challenge --------------------------------------------------------------------


def _challenged(subject: Subject) -> Iterator[Finding]:
    challenge = subject.challenge
    if challenge is None:
        return
    made = Ground(GroundName.CODE_MADE, at=challenge.at)
    grounds = (Ground(GroundName.CODE, challenge.code), made)
    given = Ground(GroundName.GIVEN, at=subject.given_at)
    yield Finding(_K.ANSWERS_CHALLENGE, Strength.SLIGHT, (*grounds, given))
    when = capture.taken(subject.exif)
    if when is not None and when.latest < challenge.at - capture.CLOCK_SLACK:
        older = (when.ground(GroundName.TAKEN_LATEST), made)
        yield Finding(_K.OLDER_THAN_CHALLENGE, Strength.FAIR, older)


RULES: Final = (_reused, _edited, _screenshot, _credentials, _challenged)
