"""A real S3 for the tests and the bench: one-node Ceph with its radosgw, on loopback.

Everything lies in one folder: a monitor, one OSD (bluestore in a file) and a gateway, without
systemd. Needs root, about 6 seconds and 250 MB. Servers that somebody already has are named by
environment variables instead, see `given`.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PACKAGES = "ceph-mon ceph-mgr ceph-osd radosgw ceph-common"
PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
START_SECONDS_MAX = 90
STOP_SECONDS_MAX = 15
ACCESS_KEY = "VAULTACCESSKEY"
SECRET_KEY = "vaultsecretvaultsecretvaultsecret1"

CONFIG = """\
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{mon_port}
mon initial members = a
public network = 127.0.0.0/8
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind port min = {osd_port}
ms bind port max = {osd_port_max}
auth cluster required = none
auth service required = none
auth client required = none
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
log file = {folder}/log/$name.log
pid file = {folder}/run/$name.pid
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = bluestore
bluestore block size = 10737418240
osd memory target = 939524096
osd class update on start = false
osd crush update on start = false
osd crush chooseleaf type = 0
osd fast shutdown = true
osd op num shards = 2
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
mon allow pool size one = true
mon max pg per osd = 1000
mon osd full ratio = .98
mon osd nearfull ratio = .97
mon osd backfillfull ratio = .975
mon data avail warn = 1
mon data avail crit = 0
paxos propose interval = 0.05
paxos min wait = 0.01
bdev flock retry interval = 0.05
rgw frontends = beast endpoint=127.0.0.1:{s3_port} tcp_nodelay=1
rgw thread pool size = 64
rgw run sync thread = false
rgw enable usage log = false
rgw gc obj min wait = 1
"""


class CephError(RuntimeError):
    """Ceph is not installed or does not start; the text says what to do."""


@dataclass(frozen=True)
class Address:
    """How an S3 is reached."""

    url: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"


def given(environ: Mapping[str, str]) -> Address | None:
    """Read the address of an S3 that is there: CONCORD_TEST_S3_URL, _ACCESS_KEY, _SECRET_KEY."""
    url = environ.get("CONCORD_TEST_S3_URL")
    if not url:
        return None
    return Address(
        url,
        environ.get("CONCORD_TEST_S3_ACCESS_KEY", ""),
        environ.get("CONCORD_TEST_S3_SECRET_KEY", ""),
        environ.get("CONCORD_TEST_S3_REGION", "us-east-1"),
    )


class Ceph:
    """A cluster that is made in `folder` (which must be new) by `start` and ended by `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._config = self.folder / "ceph.conf"
        self._s3_port = 0

    @property
    def address(self) -> Address:
        return Address(f"http://127.0.0.1:{self._s3_port}", ACCESS_KEY, SECRET_KEY)

    def start(self) -> Self:
        """Make the cluster and return when the gateway answers; CephError says what is missing."""
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            raise CephError(
                f"Ceph's programs are missing ({', '.join(missing)}). On Debian, as root:\n"
                f"  apt-get install --no-install-recommends {PACKAGES}\n"
                "or name a server with Object Lock by CONCORD_TEST_S3_URL, "
                "CONCORD_TEST_S3_ACCESS_KEY and CONCORD_TEST_S3_SECRET_KEY."
            )
        if os.geteuid() != 0:
            raise CephError("this one-node Ceph runs as root only; or set CONCORD_TEST_S3_URL")
        fsid = str(uuid.uuid4())
        self._write_config(fsid)
        try:
            self._start_monitor(fsid)
            self._start_osd()
            self._start_gateway()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the three servers by their process ids."""
        # A gateway takes up to two minutes to honour SIGTERM, and keeps nothing of its own.
        for name, how in (
            ("client.rgw.a", signal.SIGKILL),
            ("osd.0", signal.SIGTERM),
            ("mon.a", signal.SIGTERM),
        ):
            path = self.folder / "run" / f"{name}.pid"
            if path.exists():
                _end(int(path.read_text()), how)
                path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _write_config(self, fsid: str) -> None:
        for name in ("run", "log", "mon", "osd"):
            (self.folder / name).mkdir(parents=True)
        mon_port, self._s3_port, osd_port = _free_ports(3)
        self._mon_address = f"[v1:127.0.0.1:{mon_port}]"
        self._config.write_text(
            CONFIG.format(
                fsid=fsid,
                folder=self.folder,
                mon_port=mon_port,
                s3_port=self._s3_port,
                osd_port=osd_port,
                osd_port_max=min(osd_port + 50, 65535),
            )
        )

    def _start_monitor(self, fsid: str) -> None:
        monmap = str(self.folder / "monmap")
        self._run(
            "monmaptool", "--create", "--addv", "a", self._mon_address, "--fsid", fsid, monmap
        )
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._run("ceph-mon", "-i", "a")

    def _start_osd(self) -> None:
        osd = str(uuid.uuid4())
        # On a busy machine the monitor's first answers may be that it is not ready.
        self._run("ceph", "osd", "new", osd, attempts=20)
        place = ("osd.0", "1.0", "root=default", "host=n0")
        self._run("ceph", "osd", "crush", "add", *place, attempts=20)
        (self.folder / "osd" / "type").write_text("bluestore\n")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._run("ceph-osd", "-i", "0", attempts=3)

    def _start_gateway(self) -> None:
        self._run("radosgw", "-n", "client.rgw.a")
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            if time.monotonic() > deadline:
                raise CephError(f"the gateway does not answer; see {self.folder / 'log'}")
            time.sleep(0.1)
        self._run(
            "radosgw-admin", "user", "create", "--uid=vault", "--display-name=vault",
            f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}",
            attempts=5,
        )  # fmt: skip

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.address.url, timeout=2):  # noqa: S310 -- our own
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def _run(self, *command: str, attempts: int = 1) -> None:
        for _ in range(attempts):
            # A daemon keeps the pipe open, so its output goes to a file, not to a pipe.
            with (self.folder / "log" / "start.txt").open("ab") as log:
                done = subprocess.run(
                    [command[0], "-c", str(self._config), *command[1:]]
                    if command[0] != "monmaptool"
                    else command,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
                    timeout=START_SECONDS_MAX,
                )  # fmt: skip
            if done.returncode == 0:
                return
            time.sleep(0.3)
        said = (self.folder / "log" / "start.txt").read_text(errors="replace")[-2000:]
        raise CephError(f"{' '.join(command)} failed:\n{said}")


def _free_ports(count: int) -> list[int]:
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def _end(pid: int, how: signal.Signals) -> None:
    deadline = time.monotonic() + STOP_SECONDS_MAX
    try:
        os.kill(pid, how)
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
