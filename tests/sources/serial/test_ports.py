"""Finding and opening ports, and what is said when that fails."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from serial_bench import FS_HZ, listen, running, states, whole

from edge.errors import SourceError
from edge.messages import Gap, Samples, SourceState, Stream
from edge.sources import SourceMessage
from edge.sources.serial import ports
from edge.sources.serial import reader as serial_reader
from edge.sources.serial.reader import Block, Dropped, Mailbox
from edge.sources.serial.sensor import SerialSensor
from edge.sources.serial.settings import Sensor
from firmware_bridge.boards import make_board
from firmware_bridge.emulator import Emulator, Pty
from firmware_bridge.link_faults import LinkFaults


@dataclass
class FakeUsb:
    """What pyserial says of a USB port; there is none on a machine without boards."""

    device: str
    vid: int | None = 0x2341
    pid: int | None = 0x0043
    serial_number: str | None = "A1"
    description: str = "board"


def test_found_again_by_usb_id_on_another_tty(signal: NDArray[np.float32]) -> None:
    line = Pty()
    board = make_board("native", signal, FS_HZ, ("MLII", "V1"))
    lister = lambda: [FakeUsb("/dev/null", serial_number="B2"), FakeUsb(line.path)]  # noqa: E731
    with running(board, line, faults=LinkFaults(unplug_every_s=1.5, unplugged_s=0.5)):
        sensor = SerialSensor(Sensor(port="usb:2341:0043:A1"), lister)
        messages = listen(sensor, 2.8)
    assert states(messages)[-1].counts["reconnects"] >= 1
    assert len(whole(messages)) > FS_HZ


def test_auto_passes_over_ports_that_are_no_board(signal: NDArray[np.float32]) -> None:
    silent, line = Pty(), Pty()
    noise = threading.Event()

    def babble() -> None:
        while not noise.is_set():
            silent.write(b"\xf3\xe7\xff\x80\xc1" * 10, 0)
            time.sleep(0.02)

    threading.Thread(target=babble, daemon=True).start()
    lister = lambda: [FakeUsb(silent.path), FakeUsb(line.path), FakeUsb("/dev/ttyS9", vid=None)]  # noqa: E731
    try:
        with running(make_board("native", signal, FS_HZ, ("MLII", "V1")), line):
            messages = listen(SerialSensor(Sensor(), lister), 3.8)
    finally:
        noise.set()
        silent.close()
    assert "line speed is probably wrong" in str(states(messages)[0].reason)
    assert len(whole(messages)) > FS_HZ


class PulledOut(LinkFaults, frozen=True, kw_only=True):
    """A board that is unplugged for good, once somebody says so."""

    when: threading.Event

    def plugged(self, board_s: float) -> bool:
        return not self.when.is_set()


def test_auto_stays_with_the_board_it_found(signal: NDArray[np.float32]) -> None:
    first, other = Pty(), Pty()
    lister = lambda: [FakeUsb(first.path, serial_number="A"), FakeUsb(other.path, serial_number="B")]  # noqa: E731
    pulled, stop = threading.Event(), threading.Event()
    messages: list[SourceMessage] = []
    with (
        running(make_board("native", signal, FS_HZ, ("MLII", "V1")), first, faults=PulledOut(when=pulled)),
        running(make_board("native", -signal, FS_HZ, ("MLII", "V1")), other),
    ):
        for message in SerialSensor(Sensor(), lister).messages(stop):
            messages.append(message)
            if isinstance(message, Samples) and message.end > FS_HZ / 2:
                pulled.set()
            if isinstance(message, SourceState) and not message.ok and pulled.is_set():
                # Time for several attempts to find it.
                threading.Timer(2.0, stop.set).start()
    assert len([message for message in messages if isinstance(message, Stream)]) == 1
    assert not states(messages)[-1].ok
    # Another patient's samples are not this one's.
    gone = next(i for i, message in enumerate(messages) if isinstance(message, SourceState) and not message.ok)
    assert not any(isinstance(message, Samples) for message in messages[gone:])


def test_what_does_not_fit_is_counted_and_said_once_there_is_room() -> None:
    mailbox = Mailbox(4)
    block = Block(stream=0, counter=None, board_us=None, mv=np.zeros((10, 1), np.float32))
    for i in range(10):
        mailbox.put(block, float(i))
    assert len(mailbox.take(0)) == 4
    mailbox.put(block, 11.0)
    assert [type(news) for news, _ in mailbox.take(0)] == [Dropped, Block]
    mailbox.put(Dropped(1), 0)
    assert mailbox.take(0) == [(Dropped(1), 0)]


def test_slow_pipeline_loses_samples_as_gaps_and_never_blocks_the_reader(signal: NDArray[np.float32]) -> None:
    line = Pty()
    with running(make_board("native", signal, FS_HZ, ("MLII", "V1")), line):
        sensor = SerialSensor(Sensor(port=line.path, queue=8))
        stop = threading.Event()
        messages: list[SourceMessage] = []
        for message in sensor.messages(stop):
            messages.append(message)
            if isinstance(message, Samples):
                if message.end > 2.5 * FS_HZ:
                    stop.set()
                time.sleep(1.0 if len(messages) < 8 else 0)
    assert any(isinstance(message, Gap) for message in messages)
    assert sensor._assembler.counts["dropped"] > 0
    got = whole(messages)
    assert np.isnan(got[:, 0]).sum() == sensor._assembler.counts["lost"]


def error_of(port: str, **more: object) -> str:
    with pytest.raises(SourceError) as caught:
        listen(SerialSensor(Sensor(port=port, **more), lambda: []), 10)  # type: ignore[arg-type]
    return str(caught.value)


def test_no_such_port() -> None:
    assert error_of("/dev/ttyNONE") == (
        "/dev/ttyNONE: no such port: plug the board in; `ecg-edge devices` lists the ports there are"
    )


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("auto", "no USB serial port is there"),
        ("usb:1234:5678", "no such board is plugged in"),
        ("usb:xyz", "not a USB id"),
        ("socket://127.0.0.1:1", "cannot be reached"),
        ("socket://nowhere", "give socket://host:port"),
    ],
)
def test_ports_that_cannot_be(port: str, said: str) -> None:
    assert said in error_of(port)


DENIED = PermissionError(13, "Permission denied")


def test_permission_denied_names_the_group() -> None:
    assert "permission denied: `sudo usermod -aG dialout $USER`" in str(ports._explained("/dev/ttyNONE", DENIED))


@pytest.mark.parametrize("mode", [0o600, 0o620, 0o640])
def test_nobody_is_told_to_join_a_group_that_may_not_open_the_port(tmp_path: Path, mode: int) -> None:
    port = tmp_path / "ttyX0"
    port.touch()
    port.chmod(mode)
    said = str(ports._explained(str(port), DENIED))
    assert 'KERNEL=="ttyX0", GROUP="dialout", MODE="0660"' in said
    assert "udevadm trigger" in said


def test_nobody_is_told_to_join_roots_group() -> None:
    # As the console's ports are: root:root.
    assert Path("/dev/null").stat().st_gid == 0
    said = str(ports._explained("/dev/null", DENIED))
    assert "usermod -aG root" not in said
    assert "only root may open it: put `KERNEL" in said


def test_a_port_in_use() -> None:
    line = Pty()
    with running(make_board("native", np.zeros((3600, 1), np.float32), 250.0, ("I",)), line):
        keep = ports.open_port(line.path, 115200)
        with pytest.raises(SourceError, match="in use by another program"):
            ports.open_port(line.path, 115200)
        keep.close()


def test_silent_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_reader, "_SILENCE_S", 1.5)
    line = Pty()
    assert "silent for 2 s: is the board powered" in error_of(line.path)
    line.close()


def test_waiting_for_a_port_that_is_not_there_yet(signal: NDArray[np.float32], tmp_path: Path) -> None:
    link = tmp_path / "ttyECG"
    board = make_board("native", signal, FS_HZ, ("MLII", "V1"))

    def plug() -> None:
        time.sleep(0.7)
        lines.append(Pty(link))
        Emulator(board, lines[0]).run(stop)

    lines: list[Pty] = []
    stop = threading.Event()
    thread = threading.Thread(target=plug)
    thread.start()
    messages = listen(SerialSensor(Sensor(port=str(link), wait=True)), 3)
    stop.set()
    thread.join()
    lines[0].close()
    assert "no such port" in str(states(messages)[0].reason)
    assert states(messages)[-1].ok
    assert len(whole(messages)) > FS_HZ / 2


class NoisyPort:
    """A line at the wrong speed; no machine without a UART has one."""

    def __init__(self) -> None:
        self.errors = 7

    def read_some(self) -> bytes:
        time.sleep(0.05)
        self.errors += 40
        return b"\xf8\x00\xe0\xfe\x80" * 8

    def write(self, data: bytes) -> None:
        pass

    def framing_errors(self) -> int | None:
        return self.errors

    def close(self) -> None:
        pass


def test_framing_errors_tell_the_wrong_line_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "open_port", lambda device, baud: NoisyPort())
    said = error_of("/dev/ttyUSB7", baud=9600)
    assert "framing errors: the board does not send at 9600 baud" in said
    assert said.startswith("/dev/ttyUSB7: ")
