"""The embedded server, by real starts, kills and refusals."""

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from infra import postgres
from infra.postgres import Cluster, PostgresError

TOP = Path(__file__).resolve().parents[2]
KEEPER = Path(__file__).with_name("keeper.py")

# How a process may stand when it starts the server; each is a prefix of its command line. An
# ordinary user can only be itself, or root of a namespace of its own.
STANDINGS: dict[str, list[str]] = {
    "as we are": [],
    "root of a namespace with no other user": ["unshare", "--user", "--map-root-user"],
}
DAEMON = pwd.getpwnam("daemon")
if os.geteuid() == 0:
    STANDINGS |= {
        # The rights only let a stranger read the interpreter, which may lie below /root.
        "an ordinary user": [
            *("setpriv", f"--reuid={DAEMON.pw_uid}", f"--regid={DAEMON.pw_gid}", "--clear-groups"),
            *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
            "--securebits=+no_setuid_fixup",
        ],
        "root with what a common container leaves it": [
            "setpriv",
            "--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap",
        ],
    }


def ask(server: Cluster, *statements: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(server.url())
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + 30
    while not condition():  # type: ignore[operator]  # any callable
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def keeper(
    folder: Path, *words: str, standing: str = "as we are", path: Path = TOP
) -> Iterator[subprocess.Popen]:  # type: ignore[type-arg]  # bytes or text is not the point
    with subprocess.Popen(
        [*STANDINGS[standing], sys.executable, str(KEEPER), str(folder), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=TOP,
        env={**os.environ, "PYTHONPATH": f"{path}:{TOP}"},
    ) as process:
        yield process


@pytest.fixture
def server(seed: Path, in_memory: Path) -> Iterator[Cluster]:
    """A server that was made before and is not running; making one takes a second."""
    folder = in_memory / "postgres-of-a-test"
    subprocess.run(["cp", "-a", seed, folder], check=True)
    made = Cluster(folder, durable=False, tied=True)
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture
def unmade(tmp_path: Path) -> Iterator[Cluster]:
    """A server that was never started."""
    made = Cluster(tmp_path / "postgres", durable=False, tied=True)
    yield made
    made.stop()


def test_the_first_start_makes_a_database_in_utf8_that_sorts_by_code_point(unmade):
    server = unmade.start()
    assert ask(server, "SHOW server_encoding") == "UTF8"
    assert (
        ask(server, "SELECT string_agg(w, '' ORDER BY w) FROM unnest('{b,ä,B,a}'::text[]) w")
        == "Babä"
    )
    assert ask(server, "SELECT upper('ß日ä')") == "ß日Ä"
    assert ask(server, "SELECT version()").startswith("PostgreSQL 18")


def test_only_a_socket_in_a_closed_folder_listens(server):
    server.start()
    assert ask(server, "SHOW listen_addresses") == ""
    assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


def test_the_server_is_not_root_and_gains_nothing_it_does_not_need(server):
    server.start()
    status = Path(f"/proc/{server.pid()}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert "0" not in fields["Uid"].split()
    read_search = 1 << 2
    assert int(fields["CapEff"], 16) & ~read_search == 0


@pytest.mark.parametrize("standing", STANDINGS)
def test_the_server_starts_twice_for(standing, tmp_path):
    folder = tmp_path / "postgres"
    if standing == "an ordinary user":
        folder.mkdir()
        os.chown(folder, DAEMON.pw_uid, DAEMON.pw_gid)
    for _ in range(2):
        with keeper(folder, standing=standing) as process:
            assert process.stdout.readline().startswith("pid ")
            process.stdin.close()
    assert process.returncode == 0


def test_a_closed_parent_folder_stays_closed_and_the_server_starts_all_the_same(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with Cluster(closed / "project" / "postgres", durable=False, tied=True) as inside:
        assert ask(inside, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert closed.stat().st_uid == os.geteuid()


def test_programs_in_a_closed_folder_start_all_the_same(tmp_path):
    """As in a clone below /root, whose virtual environment nobody else can enter."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    wheel = postgres.find_binaries().parents[1]
    for name in (wheel.name, f"{wheel.name}.libs"):
        shutil.copytree(wheel.parent / name, closed / name, symlinks=True)
    with keeper(tmp_path / "postgres", path=closed) as process:
        pid = process.stdout.readline().removeprefix("pid ").strip()
        assert Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").startswith(str(closed))
        process.stdin.close()
    assert process.returncode == 0


def test_data_survive_a_stop_and_a_start(server):
    server.start()
    ask(server, "CREATE TABLE t AS SELECT 42 AS n", "SELECT n FROM t")
    server.stop()
    assert server.pid() is None
    server.start()
    assert ask(server, "SELECT n FROM t") == 42


def test_a_durable_cluster_keeps_what_was_committed_before_a_kill(tmp_path):
    server = Cluster(tmp_path / "postgres", durable=True, tied=True)
    server.start()
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert ask(server, f"SHOW {name}") == "on"
    ask(server, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (42)", "SELECT 1")
    os.kill(server.pid(), signal.SIGKILL)
    server.start()
    assert ask(server, "SELECT n FROM t") == 42
    server.stop()


def test_a_killed_server_is_started_again_and_again(server):
    for _ in range(5):
        server.start()
        assert ask(server, "SELECT 1") == 1
        os.kill(server.pid(), signal.SIGKILL)


def test_a_killed_server_is_started_again_by_whoever_comes_first(server):
    other, third = (Cluster(server.folder, durable=False, tied=True) for _ in range(2))
    for starter in (server, other, other, server, other, server):
        assert ask(starter.start(), "SELECT 1") == 1
        os.kill(starter.pid(), signal.SIGKILL)  # it may be there still when the next one comes
    running = third.start().pid()
    assert {starter.start().pid() for starter in (server, other)} == {running}
    for starter in (third, other, server):
        starter.stop()


def test_backends_that_outlive_a_killed_server_are_waited_for(server):
    async def kill_and_start() -> None:
        busy = await asyncpg.connect(server.start().url())
        backend = busy.get_server_pid()
        os.kill(backend, signal.SIGSTOP)  # it does not notice, and keeps the shared memory
        os.kill(server.pid(), signal.SIGKILL)
        wakes = threading.Timer(0.5, os.kill, (backend, signal.SIGCONT))
        wakes.start()
        server.start()  # in this thread: the server is tied to the one that starts it
        wakes.join()
        busy.terminate()

    asyncio.run(kill_and_start())
    assert ask(server, "SELECT 1") == 1


def test_starting_a_running_server_leaves_it_alone(server):
    first = server.start().pid()
    second = Cluster(server.folder)
    with second:
        assert second.pid() == first
        assert not second.started_here
    assert server.pid() == first


def test_the_server_runs_as_long_as_one_who_joined(server):
    second, third = Cluster(server.folder), Cluster(server.folder)
    server.join()
    second.join()
    server.leave()
    assert ask(third.join(), "SELECT 1") == 1
    third.leave()
    third.leave()
    assert ask(second, "SELECT 1") == 1
    second.leave()
    assert second.pid() is None


def test_who_joined_and_was_killed_keeps_no_server_running(tmp_path):
    server = Cluster(tmp_path / "postgres")
    with keeper(server.folder, "joins") as process:
        assert process.stdout.readline().startswith("pid ")
        process.kill()
    assert ask(server.join(), "SELECT 1") == 1
    server.leave()
    assert server.pid() is None


def test_starts_at_once_end_with_one_server(tmp_path):
    folder = tmp_path / "postgres"
    with keeper(folder) as one, keeper(folder) as two, keeper(folder) as three:
        lines = {process.stdout.readline() for process in (one, two, three)}
        for process in (one, two, three):
            process.stdin.close()
    assert len(lines) == 1
    assert lines.pop().startswith("pid ")
    assert Cluster(folder).pid() is None


def test_a_server_left_behind_is_found_and_stopped_by_its_process_id(tmp_path):
    folder = tmp_path / "postgres"
    with keeper(folder, "leave") as process:
        pid = int(process.stdout.readline().removeprefix("pid "))
        process.kill()
    server = Cluster(folder, durable=False)
    assert server.pid() == pid
    server.stop()
    assert server.pid() is None


def test_a_tied_server_ends_with_a_killed_parent(tmp_path):
    folder = tmp_path / "postgres"
    with keeper(folder, "tied") as process:
        assert process.stdout.readline().startswith("pid ")
        process.kill()
    server = Cluster(folder)
    wait_until(lambda: server.pid() is None)


def test_a_pid_file_whose_number_went_to_another_process_is_cleared(server):
    server.start()
    owner = server.data.stat()
    lines = (server.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    server.stop()
    with subprocess.Popen(["sleep", "60"], user=owner.st_uid) as stranger:
        lines[0] = str(stranger.pid)
        (server.data / "postmaster.pid").write_text("\n".join(lines) + "\n", encoding="utf-8")
        server.start()
        assert ask(server, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_a_first_start_that_was_cut_is_made_anew(unmade):
    server = unmade
    (server.folder / "data.new" / "base").mkdir(parents=True)
    server.start()
    assert ask(server, "SELECT 1") == 1
    assert not (server.folder / "data.new").exists()


def test_a_path_longer_than_a_socket_may_have_gets_a_short_one(tmp_path):
    server = Cluster(tmp_path / ("long" * 30) / "postgres", durable=False, tied=True)
    with server:
        assert len(str(server.socket_folder)) < postgres.SOCKET_PATH_BYTES_MAX
        assert ask(server, "SELECT 1") == 1
    shutil.rmtree(server.socket_folder)


def test_a_short_socket_folder_that_somebody_else_laid_is_refused(tmp_path):
    server = Cluster(tmp_path / ("long" * 30) / "postgres", durable=False, tied=True)
    server.socket_folder.symlink_to(tmp_path)
    with pytest.raises(PostgresError, match="not ours"):
        server.start()
    server.socket_folder.unlink()


def test_odd_characters_in_the_path_are_carried_by_the_url(tmp_path):
    with Cluster(tmp_path / "a b%c?d&ü", durable=False, tied=True) as server:
        assert ask(server, "SELECT 1") == 1


def test_a_folder_that_is_a_file_is_refused_by_name(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PostgresError, match=r"cannot keep a database in .*file"):
        Cluster(tmp_path / "file").start()


def test_data_of_another_major_version_are_refused_untouched(server):
    (server.data / "PG_VERSION").write_text("17\n", encoding="ascii")
    with pytest.raises(PostgresError, match="made by PostgreSQL 17, this is 18"):
        server.start()


def test_what_the_server_says_when_it_does_not_start_is_in_the_error(server):
    server.start().stop()
    with (server.data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write("shared_buffers = 'a lot'\n")
    with pytest.raises(PostgresError, match="shared_buffers"):
        server.start()


def test_root_that_may_not_become_anybody_is_told_what_to_do(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, str(KEEPER), str(tmp_path / "postgres")],
        input="",
        capture_output=True,
        text=True,
        check=False,
        cwd=TOP,
        env={"PATH": str(empty), "PYTHONPATH": str(TOP)},
    )
    if os.geteuid() == 0:
        assert done.stdout.startswith("refused: PostgreSQL does not run as root")
        assert "CONCORD_DATABASE_URL" in done.stdout
    else:
        assert done.stdout.startswith("pid ")  # nobody else needs those programs
