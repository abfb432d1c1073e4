"""The monitor's program: fetches a log's files over HTTP, and says what the monitor finds.

Standard library only. The rules are in evidence/monitor.py.
"""

import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from evidence.errors import Absent
from evidence.monitor import Fetch, Fetched, Monitor

ANSWER_SIZE_MAX = 256 * 65_537  # a full bundle of the longest entries
_SECONDS_MAX = 30
QUIET, ALARMED, UNREACHED = 0, 1, 3


def over_http(url: str) -> Fetch:
    """Fetch below an address such as https://service.example/log/."""
    base = url.rstrip("/") + "/"
    if not base.startswith(("http://", "https://")):
        raise ValueError("an address of http or https")

    def fetch(path: str) -> Fetched:
        request = urllib.request.Request(base + path)  # noqa: S310 -- http or https, see above
        if not path:
            request.add_header("Accept", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS_MAX) as answer:  # noqa: S310 -- the same
                data = answer.read(ANSWER_SIZE_MAX + 1)
                date = answer.headers.get("date")
        except (OSError, http.client.HTTPException) as error:
            raise Absent(f"ABSENT: {path or 'the listing'}: {error}") from None
        if len(data) > ANSWER_SIZE_MAX:
            raise Absent(f"ABSENT: {path} is longer than any file of a log")
        return Fetched(data, _date(date))

    return fetch


def look(monitor: Monitor, fetch: Fetch, clock: Callable[[], datetime]) -> int:
    """Look once and shout on stderr; gives the exit code."""
    alarms = monitor.look(fetch, clock())
    sys.stderr.writelines(f"ALARM {one}\n" for one in alarms)
    sys.stderr.flush()
    if not alarms:
        return QUIET
    return UNREACHED if all("ABSENT" in one.what for one in alarms) else ALARMED


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return None if found is None else found.replace(tzinfo=found.tzinfo or UTC)
