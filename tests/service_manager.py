"""A service manager as sd_notify(3) knows it: a datagram socket that is told how a service is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

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
