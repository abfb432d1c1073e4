"""The CPU time of everything that is measured: this process, its children, and daemons it started.

On a machine that does other things too, time on the clock says how long one waited for a turn; CPU
time says what was done. Only Linux tells it so; elsewhere there is nothing to tell.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_PARENT, _USER, _SYSTEM = 1, 11, 12  # proc_pid_stat(5), counted from the field after the name


def spent(daemons: Path) -> float | None:
    """CPU seconds of this process and all below it, and of those whose ids lie in ``daemons``.

    They only grow as long as none of these processes ends.
    """
    if not _PROC.joinpath("self/stat").exists():
        return None
    children: defaultdict[int, list[int]] = defaultdict(list)
    ticks: dict[int, int] = {}
    for process, fields in _processes():
        children[int(fields[_PARENT])].append(process)
        ticks[process] = int(fields[_USER]) + int(fields[_SYSTEM])
    waiting = [os.getpid(), *(int(file.read_text()) for file in daemons.glob("*.pid"))]
    total = 0
    while waiting:
        process = waiting.pop()
        total += ticks.get(process, 0)
        waiting += children[process]
    return total / os.sysconf("SC_CLK_TCK")


def _processes() -> Iterator[tuple[int, list[str]]]:
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            try:
                told = (folder / "stat").read_text()
            except OSError:  # it has just ended
                continue
            yield int(folder.name), told.rpartition(")")[2].split()
