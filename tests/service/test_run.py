"""A board watched live: same results as a replay, states on the status topic, results kept whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from serial_bench import running

from edge.config import Config
from edge.errors import SourceError
from edge.inference.beat_model import BeatModel
from edge.messages import Alert, Event, Gap, LabelledBeat, Message, Quality, RPeak, Samples, Stream, Vitals
from edge.pipeline import Pipeline
from edge.service.run import LiveRun
from edge.service.wiring import Options
from edge.sinks import Sink
from edge.sources.serial.sensor import SerialSensor
from edge.sources.serial.settings import Sensor
from firmware_bridge.boards import NativeBoard
from firmware_bridge.emulator import Pty
from firmware_bridge.link_faults import LinkFaults

FS_HZ = 360.0


@pytest.fixture(scope="module")
def model() -> Iterator[BeatModel]:
    with BeatModel.load("cnn") as model:
        yield model


@pytest.fixture
def mv(toy_ecg: NDArray[np.float32]) -> NDArray[np.float32]:
    """Two minutes of whole counts of 5 µV."""
    counts = np.rint(toy_ecg[: 360 * 120] * 200).astype(np.int32)
    return (counts * np.float32(0.005)).astype(np.float32)


class Notebook(Sink):
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.messages: list[Message] = []
        self.reasons: list[str] = []

    def open(self, stream: Stream) -> None:
        self.streams.append(stream)

    def write(self, message: Message) -> None:
        self.messages.append(message)

    def close(self, reason: str) -> None:
        self.reasons.append(reason)

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]

    def gaps(self) -> set[tuple[int, int]]:
        """Start and length of what was lost; the pipeline passes on what the source said."""
        return {(gap.start, gap.n) for gap in self.of(Gap)}


def watch(
    model: BeatModel, port: str, until: threading.Thread | float, config: Config | None = None
) -> tuple[Notebook, list[str], SourceError | None]:
    """Watch a port until a board has sent everything, or for some seconds."""
    stop, notebook, said = threading.Event(), Notebook(), list[str]()

    def wait() -> None:
        if isinstance(until, threading.Thread):
            until.join()
            time.sleep(0.4)
        else:
            time.sleep(until)
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    live = LiveRun(Options(config=config or Config()), model, [notebook], report=lambda e: said.append(str(e)))
    failure = live.run(SerialSensor(Sensor(port=port)), stop)
    return notebook, said, failure


def facts(events: list[Event]) -> list[tuple[Any, ...]]:
    """What an event says, comparable."""
    return [
        (type(e).__name__, *(str(getattr(e, name)) for name in e.__struct_fields__ if name != "strip")) for e in events
    ]


def replayed(model: BeatModel, stream: Stream, mv: NDArray[np.float32]) -> list[Event]:
    pipeline = Pipeline(stream, model)
    return [*pipeline.push(Samples(start=0, mv=mv)), *pipeline.flush()]


def test_live_equals_replay(model: BeatModel, mv: NDArray[np.float32]) -> None:
    board, line = NativeBoard(mv, FS_HZ, ("MLII",), running=False), Pty()
    with running(board, line, speed=40) as thread:
        notebook, _, failure = watch(model, line.path, thread)
    assert failure is None
    assert notebook.reasons == ["stopped"]
    live = facts([event for event in notebook.messages if isinstance(event, Event)])
    assert live == facts(replayed(model, notebook.streams[0], mv))
    assert len(notebook.of(LabelledBeat)) > 150
    assert notebook.of(Alert)


def test_beats_are_found_in_what_arrives(model: BeatModel, mv: NDArray[np.float32]) -> None:
    board, line = NativeBoard(mv, FS_HZ, ("MLII",), running=False), Pty()
    with running(board, line, speed=40, faults=LinkFaults(loss=0.05, corrupt=0.01, seed=3)) as thread:
        notebook, _, _ = watch(model, line.path, thread)
    clean = [e.sample for e in replayed(model, notebook.streams[0], mv) if isinstance(e, RPeak | LabelledBeat)]
    lost = np.zeros(len(mv) + 360, bool)
    for start, n in notebook.gaps():
        lost[max(start - 36, 0) : start + n + 36] = True
    blocks = notebook.of(Samples)
    end = blocks[-1].end
    assert 0.04 < sum(n for _, n in notebook.gaps()) / end < 0.09
    received = np.concatenate([block.mv[:, 0] for block in blocks])
    # The first packets may have been lost before the stream began.
    offset = next(i for i in range(0, 360, 18) if np.array_equal(received[:18], mv[i : i + 18, 0]))
    here = [sample - offset for sample in clean if 0 <= sample - offset < end and not lost[sample - offset]]
    beats = np.array([beat.sample for beat in notebook.of(LabelledBeat)])
    missed = [sample for sample in here if np.min(np.abs(beats - sample)) > 54]
    assert len(missed) <= 0.02 * len(here)


def test_other_rate_mid_stream_keeps_the_earlier_results(model: BeatModel, mv: NDArray[np.float32]) -> None:
    board, line = NativeBoard(mv, FS_HZ, ("MLII",)), Pty()

    def restart() -> None:
        time.sleep(1.2)
        line.write(b"".join(board.restart(1.5, fs_hz=250.0)), 1)

    threading.Thread(target=restart, daemon=True).start()
    with running(board, line):
        notebook, said, failure = watch(model, line.path, 3.2)
    assert failure is None
    assert [(stream.name, stream.fs_hz) for stream in notebook.streams] == [("emulated", 360), ("emulated-2", 250)]
    assert notebook.reasons == ["the board samples otherwise than before", "stopped"]
    assert any("is watched anew" in line for line in said)
    assert len(notebook.of(Quality)) + len(notebook.of(Vitals)) > 2


def test_a_board_that_goes_away_is_told_and_its_absence_has_no_rate(
    model: BeatModel, mv: NDArray[np.float32], tmp_path: Path
) -> None:
    link = tmp_path / "tty"
    board, line = NativeBoard(mv, FS_HZ, ("MLII",)), Pty(link)
    with running(board, line, faults=LinkFaults(unplug_every_s=1.5, unplugged_s=60)):
        notebook, said, _ = watch(model, str(link), 6.5)
    assert any("unplugged: waiting for it to come back" in line for line in said)
    missed = sum(n for _, n in notebook.gaps())
    assert 2.8 * FS_HZ < missed < 5.1 * FS_HZ
    assert notebook.of(Vitals)[-1].hr_bpm is None
