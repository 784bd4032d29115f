"""The serial source on real ptys and sockets, with boards in software at the other end."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from serial_bench import FS_HZ, listen, running, states, whole

from edge.errors import SourceError
from edge.messages import Gap, Samples, Stream
from edge.sources.serial.boards.items import Block, Item
from edge.sources.serial.boards.native import Native
from edge.sources.serial.sensor import SerialSensor
from edge.sources.serial.settings import Sensor
from firmware_bridge.boards import NativeBoard, make_board
from firmware_bridge.emulator import Pty
from firmware_bridge.link_faults import LinkFaults


def test_every_sample_arrives_bit_for_bit(signal: NDArray[np.float32]) -> None:
    board, line = make_board("native", signal, FS_HZ, ("MLII", "V1"), running=False), Pty()
    with running(board, line, speed=100) as thread:
        messages = listen(SerialSensor(Sensor(port=line.path)), 30, thread)
    assert isinstance(messages[0], Stream)
    assert messages[0].leads == ("MLII", "V1")
    scale = np.float32(0.005)
    assert np.array_equal(whole(messages), (np.rint(signal * 200).astype(np.int32) * scale).astype(np.float32))


def test_losses_are_gaps_and_damage_is_never_accepted(signal: NDArray[np.float32]) -> None:
    board, line = make_board("native", signal, FS_HZ, ("MLII", "V1"), running=False), Pty()
    with running(board, line, speed=100, faults=LinkFaults(loss=0.05, corrupt=0.01, seed=4)) as thread:
        sensor = SerialSensor(Sensor(port=line.path))
        messages = listen(sensor, 30, thread)
    got = whole(messages)
    # The last blocks may have been lost; nothing after them says so.
    assert len(signal) - len(got) < FS_HZ / 4
    first = int(np.argmax([np.array_equal(got[:18], signal[i : i + 18]) for i in range(0, 360, 18)])) * 18
    there = ~np.isnan(got[:, 0])
    assert np.allclose(got[there], signal[first : first + len(got)][there], atol=1e-6)
    assert there.mean() == pytest.approx(0.94, abs=0.02)
    assert sensor._assembler.counts["lost"] == np.count_nonzero(~there)
    assert sensor._assembler.counts["damaged"] > 10


def test_unplugged_and_replugged(signal: NDArray[np.float32], tmp_path: Path) -> None:
    link = tmp_path / "ttyECG"
    board, line = make_board("native", signal, FS_HZ, ("MLII", "V1")), Pty(link)
    with running(board, line, faults=LinkFaults(unplug_every_s=1.3, unplugged_s=0.4)):
        messages = listen(SerialSensor(Sensor(port=str(link))), 3.8)
    got = whole(messages)
    start = int(np.argmax([np.allclose(got[:100], signal[i : i + 100], atol=1e-6) for i in range(900)]))
    there = ~np.isnan(got[:, 0])
    # The board went on counting: what was missed is exact, and what came back stands where it belongs.
    assert np.allclose(got[there], signal[start : start + len(got)][there], atol=1e-6)
    gaps = [message.n for message in messages if isinstance(message, Gap)]
    assert len(gaps) == 2
    assert all(0.4 * FS_HZ < n < 1.3 * FS_HZ for n in gaps)
    said = [(state.ok, state.reason) for state in states(messages)]
    assert [ok for ok, _ in said if not ok]
    assert said[-1] == (True, None)
    assert states(messages)[-1].counts["reconnects"] == 2


def test_board_restarts_with_another_rate(signal: NDArray[np.float32]) -> None:
    line = Pty()
    board = NativeBoard(signal, FS_HZ, ("MLII", "V1"))

    def restart() -> None:
        time.sleep(1)
        line.write(b"".join(board.restart(1.0, fs_hz=250.0)), 1)

    threading.Thread(target=restart, daemon=True).start()
    with running(board, line):
        messages = listen(SerialSensor(Sensor(port=line.path)), 2.5)
    streams = [message for message in messages if isinstance(message, Stream)]
    assert [stream.fs_hz for stream in streams] == [360, 250]
    after = messages[messages.index(streams[1]) + 1]
    assert isinstance(after, Samples)
    assert after.start == 0


def test_a_rate_is_asked_for(signal: NDArray[np.float32]) -> None:
    line = Pty()
    with running(NativeBoard(signal, FS_HZ, ("MLII", "V1")), line):
        messages = listen(SerialSensor(Sensor(port=line.path, rate_hz=500)), 1.5)
    assert [message.fs_hz for message in messages if isinstance(message, Stream)] == [500]
    assert len(whole(messages)) > 250


def test_a_rate_the_models_cannot_serve_is_said(signal: NDArray[np.float32]) -> None:
    line = Pty()
    with running(NativeBoard(signal, 50.0, ("MLII", "V1")), line), pytest.raises(SourceError, match="50 samples a sec"):
        listen(SerialSensor(Sensor(port=line.path)), 3)


def test_lead_off_is_said_and_its_samples_have_no_value(signal: NDArray[np.float32]) -> None:
    line = Pty()
    board = NativeBoard(signal, FS_HZ, ("MLII", "V1"))
    with running(board, line, faults=LinkFaults(lead_off=(0.6, 1.0))):
        messages = listen(SerialSensor(Sensor(port=line.path)), 2.3)
    reasons = [state.reason for state in states(messages)]
    assert "electrode off: MLII, V1" in reasons
    assert reasons[-1] is None
    off = np.isnan(whole(messages)[:, 0])
    assert np.count_nonzero(off) == pytest.approx(FS_HZ, rel=0.15)
    assert not any(isinstance(message, Gap) for message in messages)


@pytest.mark.parametrize("name", ["openview", "cyton"])
def test_other_boards_arrive_whole(name: str, signal: NDArray[np.float32]) -> None:
    wide = np.tile(signal[: 360 * 20], (1, 4))
    line = Pty()
    board = make_board(name, wide, FS_HZ, ("MLII", "V1"), running=False)
    with running(board, line, speed=20) as thread:
        messages = listen(SerialSensor(Sensor(port=line.path)), 30, thread)
    n = sum(len(message.mv) for message in messages if isinstance(message, Samples))
    assert n == round(20 * {"openview": 125, "cyton": 250}[name])


def test_text_board_in_real_time(signal: NDArray[np.float32]) -> None:
    line = Pty()
    with running(make_board("text", signal, FS_HZ, ("MLII", "V1")), line):
        messages = listen(SerialSensor(Sensor(port=line.path)), 3)
    (stream,) = (message for message in messages if isinstance(message, Stream))
    assert (stream.fs_hz, len(stream.leads)) == (360, 2)
    assert len(whole(messages)) > 2 * FS_HZ
    assert not any(isinstance(message, Gap) for message in messages)


def test_a_machine_that_is_slow_to_understand_what_came_calls_no_board_silent(
    signal: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    understand, with_samples = Native.push, 0

    def slowly(board: Native, data: bytes, now_s: float | None = None) -> list[Item]:
        nonlocal with_samples
        items = understand(board, data, now_s)
        with_samples += any(isinstance(item, Block) for item in items)
        if with_samples == 2:
            time.sleep(2.5)
        return items

    monkeypatch.setattr(Native, "push", slowly)
    line = Pty()
    with running(make_board("native", signal, FS_HZ, ("MLII", "V1")), line):
        messages = listen(SerialSensor(Sensor(port=line.path)), 3.5)
    assert len(whole(messages)) > 2.5 * FS_HZ
    assert all(state.ok for state in states(messages))
