"""A folder in memory for what is written much and kept for the length of a run.

A fresh database costs 60 ms there at any time, on a busy disk up to a second. Where there is
not enough memory for it, the folder is an ordinary one.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it get a name of their own and mode 700
NAME = "concord-tests-"
FREE_BYTES_MIN = 4 * 2**30


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder, removed at the end; those of runs that were killed are removed as well."""
    place = MEMORY if _is_roomy() else Path(tempfile.gettempdir())
    for left in MEMORY.glob(f"{NAME}*"):
        if not Path(f"/proc/{left.name.removeprefix(NAME).partition('-')[0]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f"{NAME}{os.getpid()}-", dir=place))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def _is_roomy() -> bool:
    if not os.access(MEMORY, os.W_OK):
        return False
    return shutil.disk_usage(MEMORY).free >= FREE_BYTES_MIN
