"""`python -m evidence verify BUNDLE --key VKEY`: the offline check of a bundle.

Exit code 0 only if the bundle is sound, 1 if something was tampered with, 2 if it is malformed
or the call is. Where the key comes from is the point: take it from where you trust it, not from
whoever gave you the bundle.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evidence import note, verify
from evidence import report as reports
from evidence.errors import Malformed
from evidence.proof import Witnesses


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m evidence", description="The evidence vault.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("verify", help="check a bundle offline")
    command.add_argument("bundle", type=Path, help="the ZIP, or the folder it was unpacked to")
    command.add_argument(
        "--key",
        action="append",
        required=True,
        metavar="VKEY",
        help="a verifier key of the vault: of its receipts, of each of its logs; repeat as needed",
    )
    command.add_argument(
        "--witness",
        action="append",
        default=[],
        metavar="VKEY",
        help="the verifier key of somebody who follows the log",
    )
    command.add_argument(
        "--quorum",
        type=int,
        metavar="N",
        help="how many of the witnesses must have cosigned; all, if not given",
    )
    chosen = parser.parse_args(arguments)
    try:
        keys = [note.read_verifier_key(key) for key in chosen.key]
        witnesses = [note.read_verifier_key(key) for key in chosen.witness]
        quorum = len(witnesses) if chosen.quorum is None else chosen.quorum
        policy = Witnesses(tuple(witnesses), quorum)
    except (Malformed, ValueError) as error:
        parser.error(f"--key, --witness, --quorum: {error}")
    report = verify.verify(chosen.bundle, keys, policy)
    _tell(chosen.bundle, keys, report)
    return report.code


def _tell(path: Path, keys: Sequence[note.VerifierKey], report: reports.Report) -> None:
    lines = [f"{path.name}, by the keys of {', '.join(key.name for key in keys)}", "", "Checked"]
    lines += [f"  {one}" for one in report.checked] or ["  nothing"]
    lines += ["", "Wrong"]
    lines += [f"  {one.kind}: {one.where}: {one.what}" for one in report.findings] or ["  nothing"]
    lines += ["", "Not checked"]
    lines += [f"  {one}" for one in report.unchecked] or ["  nothing"]
    verdict = {
        reports.SOUND: "SOUND",
        reports.TAMPERED: "NOT SOUND: tampered with",
        reports.UNUSABLE: "NOT SOUND: malformed or incomplete",
    }
    lines += ["", verdict[report.code]]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
