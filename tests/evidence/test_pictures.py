"""What is made of pictures, documents and films: upright, small, and with nothing told along."""

import io
import struct
from fractions import Fraction

import av
import imagehash
import pytest
from PIL import Image, ImageCms, ImageDraw, ImageOps

from evidence.errors import Undecodable
from evidence.flags import Code
from evidence.inspection.content import Content
from evidence.pictures import perceptual
from evidence.pictures.development import Development
from evidence.wire import Asked
from tests.evidence.hostile import documents, pictures

KINDS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/heic": "HEIF"}


def scene(size=(400, 240)):
    """Something with a clear top left."""
    made = Image.new("RGB", size, (90, 140, 200))
    draw = ImageDraw.Draw(made)
    draw.rectangle((0, 0, size[0] // 3, size[1] // 4), fill=(250, 20, 20))
    draw.ellipse((size[0] // 2, size[1] // 2, size[0] - 20, size[1] - 20), fill=(20, 200, 60))
    return made


def saved(image, kind, **options):  # noqa: ANN003 - Pillow's own
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def developed(media_type, data, **asked):  # noqa: ANN003 - as in Asked
    made = Development(Asked(media_type, len(data), **asked))
    made.run(Content.of(data))
    return made


def copy(made, kind):
    (found,) = [one for one in made.copies if one.kind == kind]
    image = Image.open(io.BytesIO(found.data))
    assert image.size == (found.width, found.height)
    return image


def near(one, other):
    """Whether two pixels are of about the same colour."""
    return all(abs(a - b) < 40 for a, b in zip(one, other, strict=True))


def located(orientation=1):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Canon", "EOS 40D", "GIMP 2.4.5"
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0x9003: "2026:11:20 14:05:09", 0x9011: "+01:00"})
    exif.get_ifd(0x8825).update(
        {1: "S", 2: (33, 51, 35.9), 3: "W", 4: (70, 30, 0), 5: b"\x01", 6: 12.5}
        | {29: "2026:11:20", 7: (13, 5, 8)}
    )
    return exif


@pytest.mark.parametrize("media_type", KINDS)
def test_copies_tell_nothing_of_device_or_place(media_type):
    data = saved(
        scene(), KINDS[media_type], exif=located(), comment=b"secret", xmp=b"<x>secret</x>"
    )
    assert b"EOS 40D" in data
    made = developed(media_type, data)
    assert {one.kind for one in made.copies} == {"screen", "thumbnail"}
    for one in made.copies:
        image = Image.open(io.BytesIO(one.data))
        assert not image.getexif()
        assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not any(word in one.data for word in (b"EOS", b"secret", b"GIMP", b"Exif", b"ICC"))


@pytest.mark.parametrize("media_type", KINDS)
def test_exif_is_told_as_facts(media_type):
    made = developed(media_type, saved(scene(), KINDS[media_type], exif=located()))
    assert made.flags == []
    assert made.facts["exif"] == {
        "made_at": "2026-11-20T14:05:09",
        "offset": "+01:00",
        "make": "Canon",
        "model": "EOS 40D",
        "software": "GIMP 2.4.5",
        "orientation": 1,
        "latitude_e7": -338599722,
        "longitude_e7": -705000000,
        "altitude_cm": -1250,
        "placed_at": "2026-11-20T13:05:08Z",
    }


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_however_it_was_held_its_copies_are_upright(media_type, orientation):
    upright = scene()
    exif = located(orientation=orientation)
    back = {6: 8, 8: 6}.get(orientation, orientation)
    turned = Image.Exif()
    turned[0x0112] = back
    held = Image.open(io.BytesIO(saved(upright, "PNG", exif=turned)))
    data = saved(ImageOps.exif_transpose(held), KINDS[media_type], exif=exif)
    made = developed(media_type, data)
    assert (made.facts["width"], made.facts["height"]) == (400, 240)
    assert made.facts["exif"]["orientation"] == orientation
    for kind in ("screen", "thumbnail"):
        image = copy(made, kind)
        assert near(image.getpixel((5, 5)), (250, 20, 20))
        assert near(image.getpixel((image.width - 5, image.height - 5)), (90, 140, 200))


def test_the_sizes_are_those_that_were_asked_for():
    made = developed("image/jpeg", saved(scene((4000, 3000)), "JPEG"))
    assert (copy(made, "screen").size, copy(made, "thumbnail").size) == ((1600, 1200), (320, 240))
    assert (made.facts["width"], made.facts["height"]) == (4000, 3000)
    small = developed("image/png", saved(scene((60, 50)), "PNG"), screen=500)
    assert copy(small, "screen").size == (60, 50)
    long = developed("image/png", saved(Image.new("RGB", (5000, 4)), "PNG"))
    assert copy(long, "screen").size == (1600, 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_colour_is_shown(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = scene().convert(mode) if mode != "I;16" else Image.new("I;16", (40, 30), 30_000)
    made = developed(f"image/{kind.lower()}", saved(image, kind))
    assert copy(made, "screen").mode == "RGB"


def test_what_is_transparent_is_white():
    clear = Image.new("RGBA", (50, 50), (255, 0, 0, 0))
    assert near(
        copy(developed("image/png", saved(clear, "PNG")), "screen").getpixel((9, 9)), (255,) * 3
    )


def test_a_broken_colour_profile_is_left_aside():
    made = developed("image/jpeg", saved(scene(), "JPEG", icc_profile=b"nonsense" * 50))
    assert near(copy(made, "screen").getpixel((5, 5)), (250, 20, 20))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    kept = developed("image/jpeg", saved(scene(), "JPEG", icc_profile=profile))
    assert near(copy(kept, "screen").getpixel((5, 5)), (250, 20, 20))


def test_a_picture_that_is_cut_is_shown_as_far_as_it_goes():
    data = saved(scene(), "JPEG", quality=95)
    made = developed("image/jpeg", data[: len(data) * 2 // 3])
    assert [flag.code for flag in made.flags] == [Code.CUT_SHORT]
    assert near(copy(made, "screen").getpixel((5, 5)), (250, 20, 20))


def test_nothing_is_made_of_what_is_no_picture():
    with pytest.raises(Undecodable):
        developed("image/webp", b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40))
    assert developed("text/plain", b"Hello").copies == []


# --- the perceptual hash -------------------------------------------------------------------------


def test_the_hash_is_the_one_that_imagehash_computes():
    for seed in range(12):
        noise = Image.effect_noise((64 + seed, 48), 80 + seed).resize((300, 200 + seed))
        image = Image.blend(scene((300, 200 + seed)), noise.convert("RGB"), 0.4)
        theirs = int(str(imagehash.phash(image)), 16)
        assert perceptual.perceive(image) == theirs


def test_a_picture_stays_near_when_it_is_scaled_pressed_or_brightened():
    image = Image.blend(
        scene((900, 600)), Image.effect_noise((9, 6), 120).resize((900, 600)).convert("RGB"), 0.6
    )
    own = perceptual.perceive(image)
    for changed in (
        image.resize((300, 200)),
        Image.open(io.BytesIO(saved(image, "JPEG", quality=25))),
        image.point(lambda value: min(255, value * 1.15)),
    ):
        assert (own ^ perceptual.perceive(changed)).bit_count() <= 8
    mirrored = perceptual.perceive(ImageOps.mirror(image))
    assert (own ^ mirrored).bit_count() > 8


def test_a_blank_page_has_no_contrast_and_always_the_same_hash():
    hashes = {
        perceptual.perceive(Image.new("RGB", (w, 77), (c,) * 3))
        for w in (9, 500)
        for c in (1, 90, 255)
    }
    assert hashes == {1 << 63}
    assert perceptual.measure_contrast(Image.new("RGB", (9, 9), "white")) == 0
    assert perceptual.measure_contrast(scene()) > 5


# --- documents and films -------------------------------------------------------------------------


def test_the_first_pages_of_a_document_are_drawn():
    data = documents.pdf()
    many = data.replace(b"[3 0 R]/Count 1", b"[" + b"3 0 R " * 12 + b"]/Count 12")
    made = developed("application/pdf", many, pages_max=3)
    assert made.facts["pages"] == 12
    kinds = sorted(one.kind for one in made.copies)
    assert kinds == ["page-1", "page-2", "page-3", "thumbnail"]
    assert copy(made, "page-1").size == (1600, 800)
    assert copy(made, "thumbnail").size == (320, 160)


def test_what_a_document_says_of_itself_is_told():
    dates = b"/CreationDate(D:20261120140509+01'00')/ModDate(D:2026)"
    told = b"<</Producer(Maker 1\\007)/Creator()" + dates + b">>"
    data = documents.pdf(told).replace(b"/Root 1 0 R", b"/Info 4 0 R/Root 1 0 R")
    assert developed("application/pdf", data).facts["document"] == {
        "producer": "Maker 1",
        "created": "2026-11-20T14:05:09+01:00",
        "modified": "2026-01-01T00:00:00",
    }


def test_a_film_has_a_poster_and_a_length():
    made = developed("video/mp4", documents.filmed(frames=24, size=(640, 360)))
    assert made.flags == []
    assert made.facts["duration_ms"] == 3000
    assert (made.facts["width"], made.facts["height"]) == (640, 360)
    assert copy(made, "poster").size == (640, 360)
    assert copy(made, "thumbnail").size == (320, 180)


def test_sound_without_a_picture_has_no_preview():
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as made:
        sound = made.add_stream("aac", rate=44_100)
        for number in range(4):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.planes[0].update(bytes(4096))
            frame.sample_rate, frame.pts = 44_100, 1024 * number
            frame.time_base = Fraction(1, 44_100)
            made.mux(sound.encode(frame))
    done = developed("video/mp4", file.getvalue())
    assert [flag.code for flag in done.flags] == [Code.NO_PREVIEW]


def test_where_and_with_what_a_film_was_made_is_told():
    file = io.BytesIO()
    options = {"movflags": "use_metadata_tags"}
    with av.open(file, "w", format="mp4", options=options) as made:
        made.metadata.update(
            {
                "com.apple.quicktime.make": "Apple",
                "com.apple.quicktime.model": "iPhone 20",
                "com.apple.quicktime.location.ISO6709": "+48.8577+002.2950+035.1/",
                "com.apple.quicktime.creationdate": "2026-11-20T14:05:09+0100",
            }
        )
        video = made.add_stream("mpeg4", rate=8)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        made.mux(video.encode(av.VideoFrame.from_image(scene((64, 48)))))
        made.mux(video.encode())
    told = developed("video/mp4", file.getvalue()).facts["exif"]
    assert told.pop("software", "").startswith("Lav")
    assert told == {
        "make": "Apple",
        "model": "iPhone 20",
        "latitude_e7": 488577000,
        "longitude_e7": 22950000,
        "made_at": "2026-11-20T14:05:09+0100",
    }


def test_a_film_that_was_held_sideways_is_upright():
    data = documents.filmed(size=(64, 48))
    unturned = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    right = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    at = data.index(b"tkhd")
    place = data.index(unturned, at)
    turned = data[:place] + right + data[place + len(right) :]
    made = developed("video/mp4", turned)
    assert copy(made, "poster").size == (48, 64)
    assert (made.facts["width"], made.facts["height"]) == (48, 64)


def test_all_of_the_types_that_are_shown_were_tried():
    assert pictures.GOOD.keys() == KINDS.keys()
