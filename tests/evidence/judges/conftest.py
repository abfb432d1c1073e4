import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.evidence.judges import record
from tests.evidence.judges.judge import Go, JavaScript, Scitt, Sigstore
from tests.evidence.judges.record import Record

HERE = Path(__file__).parent
BUILD = HERE.parents[2] / "build" / "judges"


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return asyncio.run(record.make(tmp_path_factory.mktemp("log")))


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory):
    """The judge in Go, built from Debian's packages, without any network."""
    program = tmp_path_factory.mktemp("go") / "judge"
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(BUILD / "go"),
        "GOFLAGS": "",
    }
    command = shutil.which("go") or "/usr/lib/go-1.19/bin/go"
    subprocess.run(
        [command, "build", "-o", program, HERE / "go" / "main.go"], check=True, env=environment
    )
    judge = Go(str(program))
    yield judge
    judge.close()


@pytest.fixture(scope="session")
def javascript():
    """The judge in JavaScript; `make test` has put its packages into the folder."""
    judge = JavaScript("node", str(HERE / "node" / "judge.js"), str(BUILD / "node"))
    yield judge
    judge.close()


@pytest.fixture(scope="session")
def sigstore() -> Sigstore:
    return Sigstore()


@pytest.fixture(scope="session")
def scitt() -> Scitt:
    return Scitt()
