"""A service manager as sd_notify(3) knows it: a datagram socket that is told how a service is."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from command import COMMAND, environment
from numpy.typing import NDArray
from serial_bench import FS_HZ, running

from edge.service.signals import STOP_WITHIN_S
from firmware_bridge.boards import NativeBoard
from firmware_bridge.emulator import Pty

WAIT_S = 30.0


class Manager:
    """Listens on a socket; keeps what it is told, with the time."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._news = threading.Condition()
        self.told: list[tuple[float, dict[str, str]]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while datagram := self._socket.recv(65536):
            words = dict(line.split("=", 1) for line in datagram.decode().splitlines())
            with self._news:
                self.told.append((time.monotonic(), words))
                self._news.notify_all()

    def of(self, word: str) -> list[str]:
        return [words[word] for _, words in self.told if word in words]

    def wait_for(self, word: str, n: int = 1, text: str = "") -> str:
        """Return what was said with `word` and contains `text`, the n-th time."""

        def said() -> list[str]:
            return [value for value in self.of(word) if text in value]

        with self._news:
            assert self._news.wait_for(lambda: len(said()) >= n, WAIT_S), (word, self.told[-10:])
        return said()[n - 1]

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


@contextmanager
def service(manager: Manager, *arguments: str | Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    told = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "3000000"}
    command = [*COMMAND, "run", *map(str, arguments)]
    process = subprocess.Popen(
        command, env=environment(**told, **env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def board(toy_ecg: NDArray[np.float32], tmp_path: Path) -> Iterator[Path]:
    """A board that plays for as long as anybody listens; the path of its port."""
    link = tmp_path / "tty"
    with running(NativeBoard(toy_ecg, FS_HZ, ("MLII",)), Pty(link), speed=4):
        yield link


@pytest.fixture
def fast_board(toy_ecg: NDArray[np.float32], tmp_path: Path) -> Iterator[Path]:
    """A board whose alerts come within a second."""
    link = tmp_path / "tty"
    with running(NativeBoard(np.tile(toy_ecg, (10, 1)), FS_HZ, ("MLII",)), Pty(link), speed=20):
        yield link


def configured(folder: Path, board: Path, mqtt: str) -> Path:
    """Write a configuration by which the toy's ectopy is told as it comes."""
    path = folder / "edge.toml"
    path.write_text(
        f'[sensor]\nport = "{board}"\n[mqtt]\n{mqtt}\n[alarms]\nhold_s = 0\nhold_intermittent_s = 0\nrepeat_s = 0\n'
        "[rhythm]\npattern_cycles = 2\nupdate_s = 2\n"
    )
    return path


def stopped(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Send SIGTERM; return exit code and what was complained of."""
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=STOP_WITHIN_S + 5)
    assert time.monotonic() - begun < STOP_WITHIN_S + 1  # the interpreter's own end
    assert "Traceback" not in err
    return process.returncode, err


Told = list[tuple[str, str]]
"""Id and phase of alerts."""


def logged(log: Path) -> Told:
    """Return what is in a log of alerts, once there is anything."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        if log.exists() and len(lines := log.read_bytes().split(b"\n")[:-1]) > 2:
            return [(alert["id"], alert["phase"]) for alert in map(msgspec.json.decode, lines)]
        time.sleep(0.05)
    raise AssertionError(f"no alerts in {log}")


def waiting(outbox: Path) -> Told:
    """Return what waits in an outbox that nobody has open."""
    with closing(sqlite3.connect(outbox)) as box:
        found = [msgspec.json.decode(row[0]) for row in box.execute("SELECT payload FROM outbox ORDER BY seq")]
    return [(alert["id"], alert["phase"]) for alert in found]
