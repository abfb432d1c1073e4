"""Text, tables, JSON and mail: markup in them, formulas, and what a mail carries.

Nothing here is ever shown as markup; it is said because whoever opens the original elsewhere may
see something else than its words.
"""

import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser

from evidence.flags import Code, Flag
from evidence.inspection import marks
from evidence.inspection.content import Content

PARTS_MAX = 500
DEPTH_MAX = 20
_NAMES_MAX = 20
# A cell that a spreadsheet takes for a formula: by its first character, perhaps after a quote.
_FORMULAS = (
    re.compile(rb"[=@](?<=[,;\t\r\n\"'][=@])[A-Za-z+\-|(]"),
    re.compile(rb"[+\-](?<=[,;\t\r\n\"'][+\-])[A-Za-z]{1,40}[(|!]"),
)
_FORMULA_SHOWN = 40
_BOUNDARY = re.compile(rb"boundary\s*=", re.IGNORECASE)


def inspect_text(content: Content) -> list[Flag]:
    """Look through plain text or JSON."""
    data = content.whole()
    found = []
    strange = marks.stranger(data)
    if strange is not None:
        found.append(Flag.of(strange, where="head"))
    if marks.has_markup(data):
        found.append(Flag.of(Code.MARKUP, where="text"))
    return found


def inspect_table(content: Content) -> list[Flag]:
    """Look through CSV."""
    found = inspect_text(content)
    data = b"\n" + content.whole()
    for pattern in _FORMULAS:
        formula = pattern.search(data)
        if formula is not None:
            shown = data[formula.start() : formula.start() + _FORMULA_SHOWN]
            found.append(Flag.of(Code.FORMULAS, first=shown.decode("utf-8", "replace")))
    return found


def inspect_mail(content: Content) -> list[Flag]:
    """Look through a mail (RFC 5322, 2045): its parts, by name and by what they hold."""
    data = content.whole()
    if len(_BOUNDARY.findall(data)) > PARTS_MAX:
        return [Flag.of(Code.BOMB, what="parts")]
    try:
        return list(_mail(BytesParser().parsebytes(data)))
    except RecursionError:
        return [Flag.of(Code.BOMB, what="depth")]


def _mail(mail: Message) -> Iterator[Flag]:
    names: list[str] = []
    for number, (depth, part) in enumerate(_parts(mail, 0)):
        if number >= PARTS_MAX or depth > DEPTH_MAX:
            yield Flag.of(Code.BOMB, what="parts" if number >= PARTS_MAX else "depth")
            return
        if part.is_multipart():
            continue
        payload = part.get_payload(decode=True)
        body = payload if isinstance(payload, bytes) else b""
        kind = part.get_content_type()
        strange = marks.stranger(body)
        if strange is Code.PROGRAM_INSIDE or _is_program(_name(part)):
            yield Flag.of(Code.PROGRAM_INSIDE, where="attachment")
        if kind == "text/html" or strange is Code.MARKUP_INSIDE or _has_markup(kind, body):
            yield Flag.of(Code.MARKUP, where="mail")
        if _name(part) or part.get_content_disposition() == "attachment":
            names.append(f"{_name(part) or 'file'} ({kind})")
        elif part.get_content_maintype() not in {"text", "multipart"}:
            names.append(f"({kind})")
    if names:
        yield Flag.of(Code.ATTACHMENTS, count=len(names), names=names[:_NAMES_MAX])


def _parts(part: Message, depth: int) -> Iterator[tuple[int, Message]]:
    """Walk a mail's parts; deeper than the bound, the first is given and no further."""
    yield depth, part
    inside = part.get_payload()
    if isinstance(inside, list) and depth <= DEPTH_MAX:
        for one in inside:
            if isinstance(one, Message):
                yield from _parts(one, depth + 1)


_PROGRAMS = re.compile(
    r"\.(?:exe|com|scr|pif|bat|cmd|msi|js|jse|vbs|vbe|wsf|hta|ps1|lnk|jar|app|dll|cpl|iso|img)\s*$",
    re.IGNORECASE,
)


def _name(part: Message) -> str | None:
    """A part's file name; one in letters that cannot be read is none."""
    try:
        return part.get_filename()
    except (LookupError, ValueError, OSError):
        return "file"


def _is_program(name: str | None) -> bool:
    return name is not None and _PROGRAMS.search(name) is not None


def _has_markup(kind: str, body: bytes) -> bool:
    return kind.startswith("text/") and marks.has_markup(body)
