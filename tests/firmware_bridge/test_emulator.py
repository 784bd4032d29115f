"""Boards in software: what they send is what their formats say, and faults do what they promise."""

from __future__ import annotations

import os
import select
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_bridge import cyton, frames, openview, text
from firmware_bridge.boards import NativeBoard, make_board
from firmware_bridge.codec import Decoder, encode
from firmware_bridge.emulator import Emulator, Pty
from firmware_bridge.link_faults import FaultInjector, LinkFaults

FS_HZ = 250.0


def ramp(n: int, leads: int = 2) -> NDArray[np.float32]:
    """Whole counts of 5 µV, all different."""
    return (np.arange(n * leads).reshape(n, leads) % 4000 * np.float32(0.005)).astype(np.float32)


def sent(board: NativeBoard, seconds: float, step: float = 0.01) -> list[frames.Frame]:
    wire = b"".join(p for i in range(round(seconds / step) + 1) for p in board.due(i * step))
    return Decoder().push(wire)


def blocks(got: list[frames.Frame]) -> list[frames.SampleBlock]:
    return [frame for frame in got if isinstance(frame, frames.SampleBlock)]


def test_native_board_sends_its_record_with_numbers_and_times() -> None:
    mv = ramp(1000)
    board = NativeBoard(mv, FS_HZ, ("I", "II"))
    got = sent(board, 4.5)
    counts = np.concatenate([block.counts() for block in blocks(got)])
    assert np.array_equal(counts, np.rint(mv * 200))
    assert board.finished
    assert [block.counter for block in blocks(got)] == list(np.cumsum([0] + [b.n_samples for b in blocks(got)])[:-1])
    assert all(block.board_us == block.counter * 4000 for block in blocks(got))
    assert sum(isinstance(frame, frames.Hello) for frame in got) == 5


@pytest.mark.parametrize("width", [2, 3])
def test_no_value_and_limits(width: int) -> None:
    mv = np.array([[np.nan, 1e6], [-1e6, 0.0]] * 20, np.float32)
    board = NativeBoard(mv, FS_HZ, ("I", "II"), width=width, adc_bits=8 * width)
    half = 1 << (8 * width - 1)
    counts = blocks(sent(board, 1))[0].counts()
    assert counts[:2].tolist() == [[-half, half - 1], [-half + 1, 0]]


def test_commands() -> None:
    board = NativeBoard(ramp(5000), FS_HZ, ("I", "II"), running=False)
    assert not blocks(sent(board, 2))

    def ask(command: frames.Frame) -> list[frames.Frame]:
        return Decoder().push(b"".join(board.receive(encode(command), 2.0)))

    assert ask(frames.Ping(token=5)) == [frames.Pong(token=5, board_us=2_000_000)]
    assert ask(frames.SetRate(rate_mhz=50_000)) == [
        frames.Ack(command=frames.SetRate.TYPE, result=frames.ACK_REFUSED, value=250_000)
    ]
    _, hello = ask(frames.SetRate(rate_mhz=500_000))
    assert isinstance(hello, frames.Hello)
    assert (hello.fs_hz, hello.stream) == (500, 2)
    assert ask(frames.Start()) == [frames.Ack(command=frames.Start.TYPE, result=frames.ACK_OK)]
    assert blocks(Decoder().push(b"".join(board.due(3.0))))[0].counter == 0


def test_other_boards_send_what_their_formats_say() -> None:
    mv = ramp(500, 8) / 20
    wires = {}
    for name in ("text", "openview", "cyton"):
        board = make_board(name, mv, FS_HZ, ("I",) * 8)
        wires[name] = b"".join(packet for i in range(201) for packet in board.due(i / 100))
    rows = text.Decoder().push(wires["text"])
    assert rows[0] == tuple(np.rint(512 + mv[1, :2] * 1100 * 1024 / 5000))
    assert len(openview.Decoder().push(wires["openview"])) == 250
    packets = cyton.Decoder().push(wires["cyton"] + b"\xa0")
    assert [packet.number for packet in packets] == [i % 256 for i in range(500)]
    assert np.allclose(packets[7].counts * 4.5e6 / 24 / (2**23 - 1) / 1000, mv[7], atol=3e-5)


def test_lead_off_in_every_format() -> None:
    for name in ("native", "text", "openview", "cyton"):
        board = make_board(name, ramp(500, 8), FS_HZ, ("I", "II") if name != "native" else ("I",) * 8)
        board.lead_off = True
        wire = b"".join(packet for i in range(101) for packet in board.due(i / 100))
        match name:
            case "native":
                got = Decoder().push(wire)
                assert (blocks(got)[0].counts() == frames.NO_VALUE[2]).all()
                assert any(isinstance(frame, frames.Status) and frame.lead_off for frame in got)
            case "text":
                assert set(text.Decoder().push(wire)) == {()}
            case "openview":
                assert all(packet.lead_off for packet in openview.Decoder().push(wire))
            case "cyton":
                assert (cyton.Decoder().push(wire + b"\xa0")[0].counts == -(2**23)).all()


def test_torments_are_as_many_as_asked_for_and_repeatable() -> None:
    packets = [encode(frames.Ping(token=i)) for i in range(20_000)]
    faults = LinkFaults(loss=0.05, corrupt=0.01, seed=2)
    arrived = FaultInjector(faults).pass_on(packets)
    assert arrived == FaultInjector(faults).pass_on(packets)
    assert len(arrived) == pytest.approx(19_000, abs=100)
    assert len(set(arrived) - set(packets)) == pytest.approx(190, abs=45)
    assert FaultInjector(LinkFaults()).pass_on(packets) == packets


def test_stalls_bursts_unplugging_and_lead_off_follow_the_board_s_time() -> None:
    faults = LinkFaults(stall_s=5, unplug_every_s=10, unplugged_s=2, lead_off=(20, 3))
    assert [s for s in range(120) if faults.stalled(s)] == [*range(55, 60), *range(115, 120)]
    assert [s for s in range(30) if not faults.plugged(s)] == [10, 11, 22, 23]
    assert [s for s in range(120) if faults.electrode_off(s)] == [20, 21, 22, 80, 81, 82]


def test_pty_comes_back_as_another_one(tmp_path: Path) -> None:
    link = tmp_path / "tty"
    line = Pty(link)
    first = line.path
    assert link.readlink() == Path(first)
    assert line.write(b"\x00\x03\n\r\xff", 0)
    fd = os.open(first, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    # Nothing is translated or echoed on the way, in either direction.
    assert os.read(fd, 100) == b"\x00\x03\n\r\xff"
    os.write(fd, b"\n\x04")
    assert select.select([line._fds[0]], [], [], 1)[0]  # type: ignore[index]
    assert line.read() == b"\n\x04"
    line.unplug()
    assert not link.is_symlink()
    assert not line.write(b"x", 0)
    line.plug()
    assert line.path != first
    assert link.readlink() == Path(line.path)
    os.close(fd)
    line.close()
    assert not link.is_symlink()


def test_a_full_pty_loses_at_real_time_and_waits_otherwise() -> None:
    board = NativeBoard(ramp(60_000), 1000.0, ("I", "II"))
    line = Pty()
    patient = Emulator(board, line, speed=1000.0)
    stop = threading.Event()
    thread = threading.Thread(target=patient.run, args=(stop,))
    thread.start()
    fd = os.open(line.path, os.O_RDONLY | os.O_NOCTTY)
    decoder, counts = Decoder(), []
    while sum(map(len, counts)) < 60_000:
        counts += [block.counts() for block in blocks(decoder.push(os.read(fd, 65536)))]
    thread.join(5)
    assert patient.unsent == 0
    os.close(fd)

    unheard = Emulator(NativeBoard(ramp(60_000), 1000.0, ("I", "II")), line)
    for second in range(1, 50):
        unheard._tick(float(second))
    assert unheard.unsent > 0
    line.close()
