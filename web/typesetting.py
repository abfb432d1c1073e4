"""Setting papers: blocks of text and pictures become a PDF, the same bytes for the same paper.

Typst does the setting, from ``templates/paper.typ``; what people wrote reaches it as JSON, never as
markup, so nothing in it can act. The PDF is tagged for readers who listen (PDF/UA-1) and kept for
long (PDF/A-2a): fonts are embedded. It knows no case and no language.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import pylopdf_fonts_zh_cn
import typst

Block = dict[str, Any]
"""A part of a paper: ``kind`` says how it is set, the rest is its text."""

_TEMPLATE: Final = Path(__file__).parent / "templates" / "paper.typ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A paper with a cover, contents, then sections; ``page`` has places for page and pages.

    ``pictures`` are JPEG, PNG or WEBP by the names that blocks use.
    """

    language: str
    title: str
    kicker: str
    subtitle: str
    page: str
    contents: str
    made: datetime
    cover: Sequence[Block]
    sections: Sequence[tuple[str, Sequence[Block]]]
    pictures: Mapping[str, bytes]


def typeset(paper: Paper) -> bytes:
    """Give the PDF; takes a second, so not in the loop's thread.

    Where a letter is in none of the fonts (an emoji, say) the standards forbid the paper; then it
    is set without their mark, with a box in that letter's place.
    """
    with tempfile.TemporaryDirectory(prefix="concord-paper-") as name:
        folder = Path(name)
        (folder / "paper.typ").write_bytes(_TEMPLATE.read_bytes())
        names = {each: f"{number}.picture" for number, each in enumerate(paper.pictures)}
        for each, file in names.items():
            (folder / file).write_bytes(paper.pictures[each])
        told = {
            "language": paper.language,
            "title": paper.title,
            "kicker": paper.kicker,
            "subtitle": paper.subtitle,
            "page": paper.page,
            "contents": paper.contents,
            "cover": paper.cover,
            "sections": [{"title": title, "blocks": blocks} for title, blocks in paper.sections],
            "pictures": names,
        }
        (folder / "paper.json").write_text(json.dumps(told), encoding="utf-8")
        compiler = typst.Compiler(
            folder / "paper.typ", root=folder, font_paths=_fonts(), ignore_system_fonts=True
        )
        made = int(paper.made.timestamp())
        try:
            written = compiler.compile(format="pdf", pdf_standards=["a-2a", "ua-1"], timestamp=made)
        except typst.TypstError:
            written = compiler.compile(format="pdf", timestamp=made)
    assert isinstance(written, bytes)
    return written


@cache
def _fonts() -> typst.Fonts:
    """Noto Sans and Serif with Latin, Greek, Cyrillic and Chinese, from a package."""
    folder = pylopdf_fonts_zh_cn.sans_path().parent
    return typst.Fonts(include_system_fonts=False, font_paths=[folder])
