"""At least 200 files that are malformed, lie or want to do harm: each is answered, none hurts.

They are made by tests/evidence/hostile. Whatever passes the front check of a deposit goes into a
real darkroom with real limits; what it cost is told by the kernel, not by a clock.
"""

from itertools import chain, permutations

import pytest

from evidence import flags, media
from evidence.errors import TypeMismatch, Undecodable
from evidence.flags import Code
from evidence.wire import Asked, Examined
from evidence.workshop import Limits, Spent, Workshop
from tests.evidence import files
from tests.evidence.hostile import documents, pictures

TEXTS = {"text/plain", "text/csv", "application/json", "message/rfc822"}
LIMITS = Limits(processes_max=2, files_max=40, memory_bytes=768 * 2**20, cpu_seconds=1)
FILES = list(chain(pictures.everything(), documents.everything()))
LIES = [(f"{name}, said at the front", kind, data) for name, (kind, data) in files.LIES.items()] + [
    (f"{one} that says it is {other}", other, files.GOOD[one])
    for one, other in permutations(files.GOOD, 2)
    # A table may hold anything; a PDF of letters is told from a text by the inspector.
    if not {one, other} <= TEXTS
    and other != "text/csv"
    and (one, other) != ("application/pdf", "text/plain")
]
GOOD = pictures.GOOD | {"application/pdf": documents.pdf(), "video/mp4": documents.FILM}


class Room:
    """The workshop of these tests, and what each of its darkrooms had used at its end."""

    def __init__(self) -> None:
        self.ended: list[Spent] = []
        self.workshop = Workshop(LIMITS, self.ended.append)

    async def examine(self, media_type: str, data: bytes) -> Examined:
        async def read(start: int, size: int) -> bytes:
            return data[start : start + size]

        return await self.workshop.examine(Asked(media_type, len(data)), read)


@pytest.fixture(scope="module")
def room():
    made = Room()
    yield made
    made.workshop.close()
    assert made.ended


def front(media_type: str, data: bytes) -> str | None:
    """Why the front check of a deposit refuses the file; None if it is what it says."""
    inspector = media.Inspector(media_type)
    try:
        for start in range(0, len(data), 2**20):
            inspector.feed(data[start : start + 2**20])
        inspector.finish()
    except TypeMismatch as refused:
        return refused.reason
    return None


def codes(examined: Examined) -> set[Code]:
    return {flag.code for flag in examined.flags}


def test_there_are_enough_of_them_and_none_twice():
    assert len(FILES) + len(LIES) >= 200
    assert len([1 for *_, wanted in FILES if None not in wanted]) >= 200
    assert len({name for name, *_ in FILES}) == len(FILES)
    assert {kind for _, kind, *_ in FILES} == media.SIZE_MAX.keys()
    assert {code for *_, wanted in FILES for code in wanted if code} >= set(Code) - ELSEWHERE


# What cannot come of a single file here: the scanner's, and a protection that opens.
ELSEWHERE = {Code.MALWARE, Code.NOT_SCANNED, Code.PDF_ENCRYPTED}


@pytest.mark.parametrize(
    ("media_type", "data"), [lie[1:] for lie in LIES], ids=[lie[0] for lie in LIES]
)
def test_a_lie_is_refused_at_the_front_with_a_reason(media_type, data):
    assert front(media_type, data)


@pytest.mark.parametrize(
    ("media_type", "data", "wanted"), [file[1:] for file in FILES], ids=[file[0] for file in FILES]
)
async def test_a_hostile_file_is_answered_with_a_reason(room, media_type, data, wanted):
    if front(media_type, data):
        return
    before = len(room.ended)
    try:
        examined = await room.examine(media_type, data)
    except Undecodable as ended:
        reason = ended.reason
    else:
        reason = None
    if reason is not None:
        assert reason in {"cpu_time", "crashed"}
        assert Code.TOO_COSTLY in wanted
        assert len(room.ended) == before + 1
        return
    assert examined.cost.cpu_ms <= LIMITS.cpu_seconds * 1000 + 500
    assert examined.cost.peak_kib * 1024 <= LIMITS.memory_bytes
    found = codes(examined)
    assert found & wanted or (None in wanted and not found), (found, examined.failed)
    if flags.refuses(examined.flags):
        assert not examined.copies


@pytest.mark.parametrize("media_type", GOOD)
async def test_after_all_of_them_good_files_are_developed(room, media_type):
    examined = await room.examine(media_type, GOOD[media_type])
    assert (examined.flags, examined.failed) == ([], None)
    assert {"thumbnail"} < {copy.kind for copy in examined.copies}


def test_no_darkroom_used_more_cpu_time_than_its_limits(room):
    room.workshop.close()
    assert len(room.ended) >= len(FILES) // LIMITS.files_max // 2
    for spent in room.ended:
        # The kernel counts whole seconds, and lets one pass before it ends a process.
        assert spent.cpu_seconds <= LIMITS.cpu_seconds * (LIMITS.files_max + 1)
