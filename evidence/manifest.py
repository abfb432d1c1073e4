"""The manifest of a file's content credentials, read by c2pa-python; a program for one file.

`python -m evidence.manifest LIMITS` is started by evidence/credentials.py, which reads its answer
as one reads a stranger's. After its imports it limits itself and answers one question.
"""

import json
import resource
import signal
import sys
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from typing import Any, BinaryIO, Final

import c2pa  # type: ignore[import-untyped]  # published without types

from evidence import credentials
from evidence.credentials import CODES_MAX, TEXT_MAX, Credentials, State

_GENERATED: Final = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia")
_UNTOUCHED: Final = frozenset({"c2pa.created", "c2pa.opened", "c2pa.published", "c2pa.placed"})


def parse(file: BinaryIO, media_type: str, anchors: str = "") -> Credentials:
    """Read the credentials of a file in this process, where nothing is fetched.

    UNREADABLE for whatever the library makes of it besides credentials.
    """
    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}
    }
    if anchors:
        settings["trust"] = {"trust_anchors": anchors}
    try:
        with (
            c2pa.Context(c2pa.Settings.from_dict(settings)) as context,
            c2pa.Reader(media_type, file, context=context) as reader,
        ):
            return _told(json.loads(reader.json()))
    except c2pa.C2paError.ManifestNotFound:
        return Credentials(State.ABSENT)
    except (c2pa.C2paError, ValueError, KeyError, TypeError, AttributeError):
        return Credentials(State.UNREADABLE)


def _told(said: Mapping[str, Any]) -> Credentials:
    active = said["manifests"][said["active_manifest"]]
    signature = active.get("signature_info") or {}
    codes = [each["code"] for each in said.get("validation_status") or ()]
    actions = [
        action
        for assertion in active.get("assertions") or ()
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion["data"]["actions"]
    ]
    sources = [str(action.get("digitalSourceType", "")) for action in actions]
    return Credentials(
        state=_STATES.get(said["validation_state"], State.BROKEN),
        signer=_short(signature.get("issuer")),
        tool=_short(_tool(active)),
        signed=_time(signature.get("time")),
        generated=any(source.endswith(_GENERATED) for source in sources),
        edited=any(action.get("action") not in _UNTOUCHED for action in actions),
        codes=tuple(dict.fromkeys(map(_short, codes)))[:CODES_MAX],
    )


_STATES: Final = {"Valid": State.VALID, "Trusted": State.TRUSTED, "Invalid": State.BROKEN}


def _tool(manifest: Mapping[str, Any]) -> Any:
    listed = manifest.get("claim_generator_info") or [{}]
    return listed[0].get("name") or manifest.get("claim_generator")


def _short(text: Any) -> str:
    printable = "".join(char for char in str(text or "") if char.isprintable())
    return printable[:TEXT_MAX]


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def main(limits: str) -> None:
    """Answer one question: a line of JSON and the file, on standard input."""
    given = json.loads(limits)
    for limit, most in (
        (resource.RLIMIT_AS, given["memory_bytes"]),
        (resource.RLIMIT_CPU, given["cpu_seconds"]),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(limit, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    asked = json.loads(sys.stdin.buffer.readline())
    file = BytesIO(sys.stdin.buffer.read())
    found = parse(file, asked["media_type"], asked["anchors"])
    sys.stdout.write(json.dumps(credentials.write(found)))


if __name__ == "__main__":
    main(sys.argv[1])
