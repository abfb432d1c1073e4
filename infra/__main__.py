"""The command line: ``python -m infra demo | serve | migrate | audit``."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from infra import settings
from infra.demo import command as demo
from infra.settings import Settings, SettingsError

Command = Callable[[Sequence[str], Settings], Coroutine[Any, Any, int]]
COMMANDS: Final[Mapping[str, Command]] = {"demo": demo.run}


def main(arguments: Sequence[str]) -> int:
    """Run a command; 2 for one that there is not, or settings that cannot be."""
    name, *rest = arguments or [""]
    if name not in COMMANDS:
        sys.stderr.write(f"usage: python -m infra {' | '.join(COMMANDS)}\n")
        return 2
    try:
        found = settings.read()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        return asyncio.run(COMMANDS[name](rest, found))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
