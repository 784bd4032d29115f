"""Fixture: a real PostgreSQL of the test's own, by an unprivileged user, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from broker import HOST, free_port

WAIT_S = 30.0
USERS = ("postgres", "nobody")


def found() -> Path | None:
    """Return the folder of the newest PostgreSQL that is installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if folders and (folders[-1] / "initdb").is_file():
        return folders[-1]
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


class PostgreSQL:
    """A cluster that can be killed and started again on the same port."""

    def __init__(self, bin_: Path, folder: Path, port: int, user: str | None) -> None:
        self._bin, self._data, self._port, self._user = bin_, folder / "data", port, user
        self._socket_folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://tester@{HOST}:{port}/postgres"
        self._call("initdb", "-D", self._data, "-U", "tester", "--auth=trust", "-E", "UTF8", "--no-sync")

    def _call(self, program: str, *words: str | Path) -> None:
        done = subprocess.run([self._bin / program, *words], capture_output=True, text=True, check=False, **self._as())
        assert done.returncode == 0, done.stderr

    def _as(self) -> dict[str, object]:
        return {"cwd": "/"} | ({"user": self._user, "group": self._user_group()} if self._user else {})

    def _user_group(self) -> int:
        assert self._user is not None
        return pwd.getpwnam(self._user).pw_gid

    def _run(self) -> subprocess.Popen[bytes]:
        words = ["-D", self._data, "-p", str(self._port), "-h", HOST, "-k", str(self._socket_folder)]
        settings = [word for setting in ("shared_buffers=32MB", "fsync=off") for word in ("-c", setting)]
        return subprocess.Popen(
            [self._bin / "postgres", *words, *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as(),
        )

    def start(self) -> None:
        self._process = self._run()
        until = time.monotonic() + WAIT_S
        while not self._ready():
            assert time.monotonic() < until, "PostgreSQL does not start"
            if self._process.poll() is not None:  # what was killed before is not all gone yet
                self._process = self._run()
            time.sleep(0.05)

    def _ready(self) -> bool:
        words = [self._bin / "pg_isready", "-q", "-h", HOST, "-p", str(self._port)]
        return subprocess.run(words, check=False, **self._as()).returncode == 0

    def kill(self) -> None:
        """Kill it; what it has started ends by itself then."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it at once, with all that it has started."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(WAIT_S)
            self._process = None


@contextmanager
def cluster() -> Iterator[PostgreSQL]:
    """Start a cluster in a folder that the unprivileged user owns."""
    bin_ = found()
    if bin_ is None:
        pytest.skip("needs PostgreSQL (Debian package postgresql)")
    user = None
    if os.geteuid() == 0:
        known = {entry.pw_name for entry in pwd.getpwall()}
        user = next((name for name in USERS if name in known), None)
        if user is None:
            pytest.skip("needs a user that PostgreSQL may run as")
    with tempfile.TemporaryDirectory(prefix="ecg-edge-pg-", dir="/tmp") as name:
        if user is not None:
            shutil.chown(name, user)
        server = PostgreSQL(bin_, Path(name), free_port(), user)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    with cluster() as server:
        yield server


@pytest.fixture
def postgresql(postgresql_server: PostgreSQL) -> str:
    """URL of an empty database."""
    import psycopg

    name = f"t{time.monotonic_ns()}"
    with psycopg.connect(postgresql_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgresql_server.url.rpartition("/")[0] + f"/{name}"
