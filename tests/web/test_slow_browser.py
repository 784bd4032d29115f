"""A browser that does not take what it is given, over real sockets: it is sent away, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from broker import free_port
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from edge.web.app import create_app
from edge.web.settings import Settings
from edge.web.ward.hub import Hub

BLOCKS = [(0, bytes(60_000))] * 20


class Running:
    """The application in this process, so that its ward can be fed with more than any network takes."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.app = create_app(Settings(data=folder))
        self.server = uvicorn.Server(
            uvicorn.Config(
                self.app, port=self.port, log_level="error", ws="websockets-sansio", ws_per_message_deflate=False
            )
        )
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()), daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)

    @property
    def hub(self) -> Hub:
        return self.app.state.hub

    @property
    def waves(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ward/waves?run={self.hub.run}"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.server.should_exit = True
    running.thread.join(10)


def test_one_that_reads_nothing_is_sent_away_while_another_is_given_all(running: Running) -> None:
    taken: list[int] = []

    def read() -> None:
        with connect(running.waves, max_size=None) as quick:
            for message in quick:
                taken.append(len(message))
                if running.hub.sent_away:
                    return

    with connect(running.waves, max_size=None, max_queue=1) as slow:
        reader = threading.Thread(target=read)
        reader.start()
        late = time.monotonic() + 60
        while not running.hub.sent_away and time.monotonic() < late:
            running.hub._frames.extend(BLOCKS)
            time.sleep(0.1)
        assert running.hub.sent_away == 1
        running.hub._frames.extend(BLOCKS)
        reader.join(10)
        with pytest.raises(ConnectionClosed):
            while True:
                slow.recv(timeout=20)
    assert len(taken) > 10
    until = time.monotonic() + 10
    while running.hub.waves and time.monotonic() < until:
        time.sleep(0.05)
    assert not running.hub.waves
