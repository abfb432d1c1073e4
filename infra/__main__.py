"""The command line: ``python -m infra demo | serve | migrate | audit | export``."""

import asyncio
import errno
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from evidence.errors import KeyMissing, PartFailed
from infra import commands, rotation, settings, wrapping
from infra.database import DatabaseError
from infra.demo import command as demo
from infra.postgres import PostgresError
from infra.settings import Settings, SettingsError

Command = Callable[[Sequence[str], Settings], Coroutine[Any, Any, int]]
COMMANDS: Final[Mapping[str, Command]] = {
    "demo": demo.run,
    "serve": commands.serve,
    "migrate": commands.migrate,
    "audit": commands.audit,
    "rotate-keys": rotation.rotate,
    "retire-keys": rotation.retire,
    "declare-compromise": rotation.declare,
    "new-wrapping-key": wrapping.add,
    "rewrap-keys": wrapping.rewrap,
    "retire-wrapping-key": wrapping.retire,
    "export": commands.export,
}


def main(arguments: Sequence[str]) -> int:
    """Run a command; 2 for one that there is not, or settings that cannot be; 1 if a part fails."""
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
        return asyncio.run(_until_told(COMMANDS[name](rest, found)))
    except (DatabaseError, PostgresError, KeyMissing, PartFailed) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.stderr.write(f"Port {found.port} is taken; say CONCORD_PORT=8001, or 0 for any.\n")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


async def _until_told(work: Coroutine[Any, Any, int]) -> int:
    """Do ``work``; SIGTERM ends it like Ctrl-C, so that everything is taken down in order."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
