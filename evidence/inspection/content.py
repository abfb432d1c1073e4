"""A file as it is looked at: bytes by place, fetched in pieces and kept for a while.

Where the bytes come from is handed in. It can also be read like an open file, which is how the
libraries that decode want it.
"""

import io
from collections import OrderedDict
from collections.abc import Callable

PIECE = 1024 * 1024
_KEPT_PIECES = 8
_FETCH_PIECES_MAX = 4

Fetch = Callable[[int, int], bytes]


class Content(io.RawIOBase):
    """The bytes of a file of `size` bytes; `fetch` gives those from a place, so many.

    Eight pieces are kept; `whole` keeps all, so it is for types whose size has a bound.
    """

    def __init__(self, size: int, fetch: Fetch) -> None:
        super().__init__()
        self.size = size
        self._fetch = fetch
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._whole: bytes | None = None
        self._place = 0

    @classmethod
    def of(cls, data: bytes) -> "Content":
        """Look at bytes that are at hand."""
        made = cls(len(data), lambda start, size: data[start : start + size])
        made._whole = data
        return made

    def span(self, start: int, size: int) -> bytes:
        """Give so many bytes from a place, fewer where the file ends."""
        start, end = max(start, 0), min(start + size, self.size)
        if start >= end:
            return b""
        if self._whole is not None:
            return self._whole[start:end]
        first, last = start // PIECE, (end - 1) // PIECE
        if first == last:
            return self._piece(first)[start - first * PIECE : end - first * PIECE]
        joined = b"".join(self._piece(number) for number in range(first, last + 1))
        return joined[start - first * PIECE : end - first * PIECE]

    def whole(self) -> bytes:
        """Give all bytes, and keep them."""
        if self._whole is None:
            gathered = bytearray()
            while len(gathered) < self.size:
                asked = min(_FETCH_PIECES_MAX * PIECE, self.size - len(gathered))
                gathered += self._fetch(len(gathered), asked)
            self._whole = bytes(gathered)
            self._pieces.clear()
        return self._whole

    def _piece(self, number: int) -> bytes:
        if number in self._pieces:
            self._pieces.move_to_end(number)
            return self._pieces[number]
        start = number * PIECE
        piece = self._fetch(start, min(PIECE, self.size - start))
        self._pieces[number] = piece
        if len(self._pieces) > _KEPT_PIECES:
            self._pieces.popitem(last=False)
        return piece

    # As an open file.

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from any place."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; before the first byte is the first byte."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # narrower than Buffer, as its callers give it
        """Fill the buffer as far as the file goes."""
        found = self.span(self._place, min(len(buffer), _FETCH_PIECES_MAX * PIECE))
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)
