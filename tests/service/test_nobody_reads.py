"""The watch and a replay where nobody can or wants to read what they show: alerts go their way, the end comes."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from broker import Listener
from command import COMMAND, environment
from service_manager import configured

from edge.service.signals import STOP_WITHIN_S


@contextmanager
def full_disk() -> Iterator[int]:
    fd = os.open("/dev/full", os.O_WRONLY)
    yield fd
    os.close(fd)


@contextmanager
def closed_pipe() -> Iterator[int]:
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@contextmanager
def sleeping_pipe() -> Iterator[int]:
    """A pipe that is full, and whose reader lives."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.write(write, b"x" * 4096)
    yield write
    os.close(write)
    os.close(read)


@contextmanager
def stopped_terminal() -> Iterator[int]:
    """A terminal at which somebody has pressed Ctrl-S."""
    ours, theirs = pty.openpty()
    termios.tcflow(theirs, termios.TCOOFF)
    yield theirs
    os.close(theirs)
    os.close(ours)


@contextmanager
def nothing() -> Iterator[None]:
    yield None


@contextmanager
def started(fd: int | None, *arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command that shows everything there; None is nowhere."""
    command = [*COMMAND, *map(str, arguments)]
    if fd is None:
        command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command]
    process = subprocess.Popen(command, env=environment(TERM="xterm"), stdout=fd, stderr=fd)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


Output = Callable[[], AbstractContextManager[int | None]]
OUTPUTS = [full_disk, closed_pipe, sleeping_pipe, stopped_terminal, nothing]


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_watch_goes_on_and_ends_when_told(
    output: Output, fast_board: Path, tmp_path: Path, listener: Listener
) -> None:
    config, log = configured(tmp_path, fast_board, f'url = "{listener.url}"'), tmp_path / "alerts.jsonl"
    with output() as fd, started(fd, "run", "--config", config, "--alerts", log) as process:
        listener.wait_for(lambda: len(listener.of("alerts")) > 30)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_WITHIN_S + 5)
        assert time.monotonic() - begun < STOP_WITHIN_S + 1
    assert process.returncode == (0 if fd is None else 1)
    listener.wait_for(lambda: listener.states()[-1] == "offline")
    assert len(log.read_bytes().splitlines()) > 30


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_replay_delivers_all_the_same(output: Output, toy_record: Path, tmp_path: Path, listener: Listener) -> None:
    log = tmp_path / "alerts.jsonl"
    with output() as fd, started(fd, "replay", toy_record, "--mqtt", listener.url, "--alerts", log) as process:
        listener.wait_for(lambda: listener.states()[-1:] == ["offline"])
        if output in (sleeping_pipe, stopped_terminal):
            # Its table waits for whoever is to read it, as that of any command does.
            time.sleep(1.0)
            process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode != 0 or fd is None
    assert len(listener.of("alerts")) == len(log.read_bytes().splitlines()) > 0
