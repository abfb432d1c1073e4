"""What a camera writes into a picture: who took it, when and where.

Metadata only, as typed facts; it knows nothing of pixels. The phone is invented.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

UPRIGHT = 1
HELD_SIDEWAYS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One exposure. `taken` carries its zone; latitude and longitude in degrees, WGS 84.

    With `orientation` HELD_SIDEWAYS the stored rows are turned, and a viewer turns them back.
    """

    taken: datetime
    latitude: float | None = None
    longitude: float | None = None
    altitude_metres: float = 12.0
    make: str = "Halden"
    model: str = "Halden P4 Pro"
    software: str = "HaldenOS 7.2.1"
    orientation: int = UPRIGHT
    iso: int = 125


def _sexagesimal(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    hundredths = round(abs(degrees) * 360_000)
    whole, rest = divmod(hundredths, 360_000)
    minutes, seconds = divmod(rest, 6_000)
    return IFDRational(whole, 1), IFDRational(minutes, 1), IFDRational(seconds, 100)


def _offset(taken: datetime) -> str:
    offset = taken.utcoffset()
    if offset is None:
        raise ValueError("the time of a shot needs its zone")
    minutes = offset // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def metadata(shot: Shot, size: tuple[int, int]) -> Image.Exif:
    """Return the EXIF of the shot (CIPA DC-008, version 2.32) for an image of this stored size."""
    stamp = shot.taken.strftime("%Y:%m:%d %H:%M:%S")
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = shot.make
    exif[ExifTags.Base.Model] = shot.model
    exif[ExifTags.Base.Orientation] = shot.orientation
    exif[ExifTags.Base.XResolution] = IFDRational(72, 1)
    exif[ExifTags.Base.YResolution] = IFDRational(72, 1)
    exif[ExifTags.Base.ResolutionUnit] = 2
    exif[ExifTags.Base.Software] = shot.software
    exif[ExifTags.Base.DateTime] = stamp
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.ExposureTime: IFDRational(1, 60),
            ExifTags.Base.FNumber: IFDRational(18, 10),
            ExifTags.Base.ISOSpeedRatings: shot.iso,
            ExifTags.Base.ExifVersion: b"0232",
            ExifTags.Base.DateTimeOriginal: stamp,
            ExifTags.Base.DateTimeDigitized: stamp,
            ExifTags.Base.OffsetTime: _offset(shot.taken),
            ExifTags.Base.OffsetTimeOriginal: _offset(shot.taken),
            ExifTags.Base.Flash: 16,
            ExifTags.Base.FocalLength: IFDRational(543, 100),
            ExifTags.Base.FocalLengthIn35mmFilm: 26,
            ExifTags.Base.ColorSpace: 1,
            ExifTags.Base.ExifImageWidth: size[0],
            ExifTags.Base.ExifImageHeight: size[1],
            ExifTags.Base.LensModel: f"{shot.model} main camera 5.43mm f/1.8",
        }
    )
    if shot.latitude is not None and shot.longitude is not None:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(_position(shot, shot.latitude, shot.longitude))
    return exif


def _position(shot: Shot, latitude: float, longitude: float) -> dict[int, object]:
    offset = shot.taken.utcoffset()
    assert offset is not None
    utc = (shot.taken - offset).replace(tzinfo=None)
    return {
        ExifTags.GPS.GPSVersionID: b"\x02\x03\x00\x00",
        ExifTags.GPS.GPSLatitudeRef: "S" if latitude < 0 else "N",
        ExifTags.GPS.GPSLatitude: _sexagesimal(latitude),
        ExifTags.GPS.GPSLongitudeRef: "W" if longitude < 0 else "E",
        ExifTags.GPS.GPSLongitude: _sexagesimal(longitude),
        ExifTags.GPS.GPSAltitudeRef: b"\x00",
        ExifTags.GPS.GPSAltitude: IFDRational(round(shot.altitude_metres * 10), 10),
        ExifTags.GPS.GPSTimeStamp: tuple(
            IFDRational(part, 1) for part in (utc.hour, utc.minute, utc.second)
        ),
        ExifTags.GPS.GPSDateStamp: utc.strftime("%Y:%m:%d"),
        ExifTags.GPS.GPSHPositioningError: IFDRational(48, 10),
    }
