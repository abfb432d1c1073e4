"""A process of its own that starts a cluster, says so, and stops it when its input ends.

Arguments: the folder, then any of `tied`, `leave` (do not stop at the end) and `joins`.
"""

import sys
from pathlib import Path

from infra.postgres import Cluster, PostgresError


def main() -> int:
    folder, *words = sys.argv[1:]
    cluster = Cluster(Path(folder), durable=False, tied="tied" in words)
    try:
        cluster.join() if "joins" in words else cluster.start()
    except PostgresError as error:
        print(f"refused: {error}", flush=True)  # noqa: T201 - the test reads it
        return 1
    print(f"pid {cluster.pid()}", flush=True)  # noqa: T201 - the test reads it
    sys.stdin.read()
    if "leave" not in words:
        cluster.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
