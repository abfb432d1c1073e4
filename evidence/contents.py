"""What has a place in a bundle of this format, by what bundle.json lists.

Needs nothing but the standard library, since the offline verifier uses it.
"""

from collections.abc import Iterable

from evidence import layout
from evidence.layout import About, Listed


def places(about: About, payload: Iterable[str]) -> set[str]:
    """Name every path of the payload that a bundle with this bundle.json may have."""
    found = {layout.BUNDLE, layout.SCRIPT}
    for stream in about.streams:
        found |= {
            layout.entry_path(stream.id, kind, seq)
            for kind in layout.KINDS
            for seq in range(stream.size)
        }
    for place, names in layout.read_stamps(payload, len(about.logs)).items():
        found |= {layout.stamp_path(*place, name) for name in names}
    for blob in about.blobs:
        found.add(layout.blob_path(blob, "json"))
        found |= {layout.blob_path(blob, one) for one in (*layout.EXTENSIONS.values(), "bin")}
    return found


def receipts(listed: Listed, paths: Iterable[str]) -> list[tuple[str, int]]:
    """List a stream's receipts among the paths of its folder, with the entries that they name.

    Also such as name entries that the bundle does not have.
    """
    folder, _, _ = layout.entry_path(listed.id, "receipts", 0).rpartition("/")
    found = []
    for path in paths:
        digits = path[len(folder) + 1 :].removesuffix(".note")
        if digits.isascii() and digits.isdigit():
            found.append((path, int(digits)))
    return found
