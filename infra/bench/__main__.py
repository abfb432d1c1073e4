"""``python -m infra.bench``: apart from the service's commands, which need nothing of the tests."""

import asyncio
import signal
import sys

from infra import settings
from infra.bench import command
from infra.settings import SettingsError


async def _until_told() -> int:
    """Measure; SIGTERM ends it like Ctrl-C, so that everything is taken down in order."""
    task = asyncio.create_task(command.run(sys.argv[1:], settings.read()))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(_until_told()))
    except SettingsError as error:
        sys.exit(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
