"""The commands that need no vault: `verify` a bundle offline, `witness` a log, `monitor` one.

    python -m evidence verify BUNDLE --key VKEY
    python -m evidence witness --folder DIR --name NAME --passphrase FILE --log VKEY
    python -m evidence monitor URL --key VKEY --folder DIR --receipt FILE --witness VKEY

`verify` exits with 0 only if the bundle is sound, 1 if something was tampered with, 2 if it is
malformed or the call is. `monitor` looks once (let cron or a timer call it): 0 if all is as it
should be, 1 if something must not be, 3 if the log cannot be reached.

Where a key comes from is the point: take it from where you trust it, not from whoever gave you
the bundle.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from evidence import follower, note, verify, vigil
from evidence import monitor as monitors
from evidence import report as reports
from evidence.dating import Outside
from evidence.errors import Malformed, VaultError
from evidence.proof import Witnesses
from evidence.witness import Witness, alone


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m evidence", description="The evidence vault.")
    commands = parser.add_subparsers(dest="command", required=True)
    _describe_verify(commands.add_parser("verify", help="check a bundle offline"))
    _describe_witness(commands.add_parser("witness", help="follow logs and cosign checkpoints"))
    _describe_monitor(commands.add_parser("monitor", help="follow a log, shout at what is wrong"))
    chosen = parser.parse_args(arguments)
    run = {"verify": _verify, "witness": _witness, "monitor": _monitor}[chosen.command]
    return run(chosen, parser)


def _describe_verify(command: argparse.ArgumentParser) -> None:
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
    command.add_argument(
        "--roots",
        type=Path,
        metavar="FILE",
        help="root certificates (PEM) of the authorities whose timestamps count",
    )
    command.add_argument(
        "--compromised",
        action="append",
        default=[],
        metavar="VKEY@TIME",
        help="a key that may have been somebody else's since then, such as 2026-11-22T12:00:00Z",
    )


def _verify(chosen: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    try:
        keys = [note.read_verifier_key(key) for key in chosen.key]
        witnesses = [note.read_verifier_key(key) for key in chosen.witness]
        names = {key.name for key in witnesses}
        quorum = len(names) if chosen.quorum is None else chosen.quorum
        policy = Witnesses(tuple(witnesses), quorum)
        compromised = dict(_compromised(one) for one in chosen.compromised)
    except (Malformed, ValueError) as error:
        parser.error(f"--key, --witness, --quorum, --roots, --compromised: {error}")
    if chosen.roots is not None and not chosen.roots.is_file():
        parser.error(f"--roots: no file {chosen.roots}")
    outside = Outside(chosen.roots, datetime.now(UTC), compromised)
    report = verify.verify(chosen.bundle, keys, policy, outside)
    _tell(chosen.bundle, keys, report)
    return report.code


def _compromised(text: str) -> tuple[note.VerifierKey, datetime]:
    key, _, time = text.rpartition("@")
    since = datetime.fromisoformat(time)
    if since.utcoffset() is None:
        raise Malformed("a time needs its zone")
    return note.read_verifier_key(key), since


def _describe_witness(command: argparse.ArgumentParser) -> None:
    command.add_argument("--folder", type=Path, required=True, help="for its state and keys")
    command.add_argument("--name", required=True, help="its name, such as witness.example/1")
    command.add_argument(
        "--passphrase", type=Path, required=True, metavar="FILE", help="what opens the key file"
    )
    command.add_argument(
        "--log",
        action="append",
        required=True,
        metavar="VKEY",
        help="a verifier key of a log to follow; repeat as needed",
    )
    command.add_argument("--host", default="127.0.0.1", help="address to listen on")
    command.add_argument("--port", type=int, default=8800, help="port to listen on; 0: a free one")


def _witness(chosen: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    try:
        logs = vigil.known(chosen.log)
        passphrase = chosen.passphrase.read_text().strip()
        with alone(chosen.folder):
            signers = vigil.signers(chosen.folder, chosen.name, passphrase)
            witness = Witness(chosen.folder, signers, logs)
            address = chosen.host, chosen.port
            server = vigil.Server(address, witness, lambda: datetime.now(UTC))
            host, port = server.server_address[:2]
            sys.stdout.write(f"http://{host!s}:{port}/add-checkpoint\n")
            sys.stdout.writelines(f"{key}\n" for key in witness.keys)
            sys.stdout.flush()
            with server:
                server.serve_forever()
    except (VaultError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return 0
    return 0


def _describe_monitor(command: argparse.ArgumentParser) -> None:
    command.add_argument("url", help="the listing's address, such as https://service.example/log/")
    command.add_argument("--key", action="append", required=True, metavar="VKEY", help="see verify")
    command.add_argument("--folder", type=Path, required=True, help="for what it has read")
    command.add_argument(
        "--receipt", type=Path, action="append", default=[], metavar="FILE", help="to be kept"
    )
    command.add_argument(
        "--witness", action="append", default=[], metavar="VKEY", help="see verify"
    )
    command.add_argument("--quorum", type=int, metavar="N", help="see verify")
    command.add_argument(
        "--hours", type=float, default=6.0, help="how old the last signed time may be"
    )


def _monitor(chosen: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    try:
        stalled = timedelta(hours=chosen.hours)
        trust = monitors.read_trust(chosen.key, chosen.witness, chosen.quorum, stalled)
        receipts = [path.read_bytes() for path in chosen.receipt]
        fetch = follower.over_http(chosen.url)
        with alone(chosen.folder):
            monitor = monitors.Monitor(chosen.folder, trust, receipts)
            return follower.look(monitor, fetch, lambda: datetime.now(UTC))
    except (VaultError, OSError, ValueError) as error:
        parser.error(str(error))


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
