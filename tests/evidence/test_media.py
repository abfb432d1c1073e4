import pytest

from evidence import media
from evidence.errors import TypeMismatch
from tests.evidence.files import GOOD, LIES


def inspect(media_type: str, data: bytes, step: int) -> None:
    inspector = media.Inspector(media_type)
    for start in range(0, len(data), step):
        inspector.feed(data[start : start + step])
    inspector.finish()


def test_there_is_a_file_for_every_type_that_is_taken():
    assert GOOD.keys() == media.SIZE_MAX.keys()


@pytest.mark.parametrize("step", [1, 7, 2**20])
@pytest.mark.parametrize("media_type", GOOD)
def test_a_true_file_is_taken(media_type: str, step: int):
    inspect(media_type, GOOD[media_type], step)


@pytest.mark.parametrize("step", [7, 2**20])
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found(lie: str, step: int):
    media_type, data = LIES[lie]
    with pytest.raises(TypeMismatch):
        inspect(media_type, data, step)


@pytest.mark.parametrize("media_type", GOOD)
@pytest.mark.parametrize("other", GOOD)
def test_no_file_passes_for_another_type(media_type: str, other: str):
    texts = {"text/plain", "text/csv", "application/json"}
    if media_type == other or {media_type, other} <= texts or other == "text/csv":
        return
    if media_type in texts and other not in texts and other != "application/pdf":
        with pytest.raises(TypeMismatch):
            inspect(media_type, GOOD[other], 100)


def test_a_long_text_is_looked_at_to_its_end():
    with pytest.raises(TypeMismatch, match="control"):
        inspect("text/plain", b"a" * 3_000_000 + b"\x07", 2**20)


def test_a_lie_is_found_before_a_long_file_is_over():
    inspector = media.Inspector("image/jpeg")
    with pytest.raises(TypeMismatch):
        inspector.feed(bytes(100_000))
