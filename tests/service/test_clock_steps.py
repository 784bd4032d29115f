"""The system's clock is set by a day, forward and back, under a service that watches: libfaketime sets it for real."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broker import Listener
from command import started
from numpy.typing import NDArray
from serial_bench import running

from edge.service.signals import STOP_WITHIN_S
from firmware_bridge.boards import NativeBoard
from firmware_bridge.emulator import Pty

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
FS_HZ = 360.0
SPEED = 12

# libfaketime 0.9.10 takes a sleep until a monotonic time, as Python's are, for one until a faked time, and refuses it.
PROGRAM = """
import select, sys, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
from edge.cli.app import main
sys.argv[0] = "ecg-edge"
main()
"""

pytestmark = pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime")


class Clock:
    """The clock of a process, as many seconds off as its file says."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set("+0")

    def set(self, offset: str) -> None:
        # Replaced at once: it is read at every look at the clock.
        new = self._file.with_suffix(".new")
        new.write_text(offset + "\n")
        new.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }


@contextmanager
def service(port: Path, url: str, clock: Clock, folder: Path) -> Iterator[subprocess.Popen[str]]:
    config = folder / "edge.toml"
    # A rhythm that comes and goes, so that there are alerts all the time.
    config.write_text(f'[sensor]\nport = "{port}"\n[mqtt]\nurl = "{url}"\n[rhythm]\ntachycardia_bpm = 95\n')
    program = [sys.executable, "-c", PROGRAM]
    with started("run", "--config", config, "--json", command=program, **clock.environment) as process:
        yield process


def test_a_clock_set_by_a_day_moves_times_and_nothing_else(
    toy_ecg: NDArray[np.float32], listener: Listener, tmp_path: Path
) -> None:
    clock = Clock(tmp_path)
    board, line = NativeBoard(np.tile(toy_ecg, (3, 1)), FS_HZ, ("MLII",), running=False), Pty(tmp_path / "tty")
    with running(board, line, speed=SPEED), service(tmp_path / "tty", listener.url, clock, tmp_path) as process:
        listener.wait_for(lambda: beats(listener) > 30 and listener.of("alerts"))
        assert off_by_days(listener) == 0
        assert listener.states()[-1] == "online"
        for offset, words, days in (
            ("+1d", "clock was set forward by 86400 s", 1),
            ("-1d", "clock was set back by 172800 s", -1),
        ):
            clock.set(offset)
            listener.wait_for(lambda words=words: words in str(listener.of("status")[-1].json["reason"]))  # type: ignore[misc]
            assert listener.states()[-1] == "degraded"
            listener.wait_for(lambda days=days: off_by_days(listener) == days)  # type: ignore[misc]
            seen, told = beats(listener), len(listener.of("alerts"))
            listener.wait_for(lambda seen=seen: beats(listener) > seen + 30)  # type: ignore[misc]
            listener.wait_for(lambda told=told: len(listener.of("alerts")) > told)  # type: ignore[misc]
        status = listener.of("status")[-1].json
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=STOP_WITHIN_S + 5)
    assert process.returncode == 0, err
    in_order([message.json for message in listener.of("alerts")])
    link, outbox = fields(status, "link"), fields(status, "outbox")
    # What the board itself could not get rid of on a busy machine is told; nothing else is missing.
    assert (link["lost"] - link["dropped"], link["reconnects"], outbox["lost"]) == (0, 0, 0)
    samples = [beat["sample"] for message in listener.of("beats") for beat in items(message.json)]
    assert samples == sorted(set(samples))


def fields(payload: dict[str, object], name: str) -> dict[str, Any]:
    value = payload[name]
    assert isinstance(value, dict)
    return value


def items(payload: dict[str, object]) -> list[dict[str, Any]]:
    value = payload["beats"]
    assert isinstance(value, list)
    return value


def beats(listener: Listener) -> int:
    """How many beats were classified so far."""
    vitals = listener.of("vitals")
    return sum(fields(vitals[-1].json, "beats").values()) if vitals else 0


def off_by_days(listener: Listener) -> int:
    """How many days the newest second is off, of this process's own clock."""
    told = datetime.fromisoformat(str(listener.of("vitals")[-1].json["time"]))
    return round((told - datetime.now(UTC)) / timedelta(days=1))


def in_order(alerts: list[dict[str, Any]]) -> None:
    """Alerts come in the order they were decided, each from its onset to its end under one id."""
    decided = [alert["decision"]["sample"] for alert in alerts]
    assert decided == sorted(decided)
    assert len(alerts) > 5
    lives: dict[str, list[str]] = {}
    for alert in alerts:
        lives.setdefault(alert["id"], []).append(alert["phase"])
    for phases in lives.values():
        assert phases[0] == "onset"
        assert phases.count("onset") == 1
        assert phases.count("end") <= 1
        assert "end" not in phases[:-1]
