"""What a flag of evidence.flags says to people: a sentence for each code, and what to do."""

from collections.abc import Mapping
from typing import Final

from evidence.flags import Code

SENTENCES: Final[Mapping[Code, str]] = {
    # What keeps a file out.
    Code.ARCHIVE_INSIDE: "An archive is hidden in this file. Send what it is about by itself.",
    Code.BOMB: "This file would unfold to far more than it seems to be.",
    Code.BROKEN_STRUCTURE: "This file is broken. Save it again and send the new one.",
    Code.DOCUMENT_INSIDE: "Another document is hidden in this file. Send each by itself.",
    Code.MALWARE: "The virus scanner found something in this file.",
    Code.MARKUP_INSIDE: "A web page is hidden in this file.",
    Code.PROGRAM_INSIDE: "A program is hidden in this file.",
    Code.TOO_COSTLY: "This file takes too long to open. Send a smaller or simpler one.",
    Code.UNREADABLE: "This file cannot be opened. Save it again and send the new one.",
    Code.SCRIPT_INSIDE: "A program for browsers is hidden in this picture.",
    Code.TOO_MANY_PIXELS: "This picture has too many pixels. Send a smaller one.",
    Code.PDF_JAVASCRIPT: "This PDF holds a program. Print it to a new PDF and send that.",
    Code.PDF_LAUNCH: "This PDF starts other programs. Print it to a new PDF and send that.",
    Code.PDF_LOCKED: "This PDF needs a password. Send it without one.",
    Code.PDF_OBSCURED: "This PDF hides what it is made of. Print it to a new PDF and send that.",
    Code.PDF_RICH_MEDIA: "This PDF holds films or sounds. Send those by themselves.",
    Code.PDF_XFA: "This PDF is a form that changes itself. Print it to a new PDF and send that.",
    Code.WORKBOOK_DDE: "This workbook starts other programs. Save it without links.",
    Code.WORKBOOK_ENTITIES: "This workbook holds definitions that no workbook needs.",
    Code.WORKBOOK_LOCKED: "This workbook needs a password. Send it without one.",
    Code.WORKBOOK_MACROS: "This workbook holds macros. Save it without them.",
    Code.WORKBOOK_OBJECTS: "Other files are hidden in this workbook. Send each by itself.",
    # What is told beside it.
    Code.ABSURD_METADATA: "This file tells things about itself that cannot be.",
    Code.CUT_SHORT: "This file ends early; a part of it is missing.",
    Code.MARKUP: "This file holds parts of a web page.",
    Code.NO_PREVIEW: "No picture could be made of this file.",
    Code.NOT_SCANNED: "This file is too large for the virus scanner.",
    Code.TRAILING_BYTES: "Something follows the end of this file that is not shown.",
    Code.ANIMATED: "This picture moves; its first frame is shown.",
    Code.PDF_ACTION: "This PDF does something when it is opened.",
    Code.PDF_ENCRYPTED: "This PDF is protected; it may not show everything everywhere.",
    Code.PDF_FILES: "This PDF carries other files.",
    Code.PDF_SUBMITS: "This PDF can send what is filled in to somebody.",
    Code.WORKBOOK_LINKS: "This workbook takes values from elsewhere.",
    Code.FORMULAS: "This table holds formulas, which compute when it is opened.",
    Code.ATTACHMENTS: "This mail carries other files.",
}
"""A test compares it with the codes."""
