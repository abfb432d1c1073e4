"""The fake rail as a program: ``python -m infra.rail --port 8001 --state rail.sqlite``."""

import argparse
import asyncio
import sys
from pathlib import Path

from infra.rail import server
from infra.rail.app import Fake
from infra.rail.books import Books


def main() -> None:
    """Read the arguments and serve until interrupted; prints the address first."""
    parser = argparse.ArgumentParser(prog="infra.rail", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--state", type=Path, help="file to remember everything in")
    parser.add_argument("--hook", help="address to send webhooks to")
    parser.add_argument("--secret", default="fake-rail", help="signs the webhooks")
    parser.add_argument("--settle-seconds", type=float, default=1.0, help="from taken to paid")
    parser.add_argument("--hostile", type=int, metavar="SEED", help="misbehave at random")
    given = parser.parse_args()
    listening = server.listen(given.port)
    books = Books(given.state, settle_seconds=given.settle_seconds)
    fake = Fake(books, given.secret.encode(), hook=given.hook, seed=given.hostile)
    sys.stdout.write(f"http://{server.HOST}:{listening.getsockname()[1]}/\n")
    sys.stdout.flush()
    asyncio.run(server.serve(fake, listening))


if __name__ == "__main__":
    main()
