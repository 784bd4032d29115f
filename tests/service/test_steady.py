"""Nothing grows while it runs: half an hour of ECG through every sink; `make soak` takes a day."""

from __future__ import annotations

import gc
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
from broker import Mosquitto
from numpy.typing import NDArray

from edge.analysis import Analysis
from edge.config import Config
from edge.inference.beat_model import BeatModel
from edge.messages import Samples, SourceState, Stream
from edge.service.session import Session
from edge.service.wiring import Options, sinks
from edge.sinks.fanout import Fanout
from edge.sinks.mqtt.settings import Mqtt
from edge.sinks.recorder.settings import Recorder

FS_HZ = 360
BLOCK = 180
ROUNDS = 6


class Held(msgspec.Struct, frozen=True):
    blocks: int
    fds: int
    threads: int


def held() -> Held:
    """What this process holds, once the other threads have done what they were given."""
    time.sleep(0.7)
    gc.collect()
    here = psutil.Process()
    return Held(sys.getallocatedblocks(), here.num_fds(), here.num_threads())


def test_nothing_grows(
    toy_ecg: NDArray[np.float32], mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    settings = Config(
        mqtt=Mqtt(url=mosquitto.url, waveform=True), recorder=Recorder(enabled=True, hours=1, segment_min=1)
    )
    options = Options(config=settings, alerts=tmp_path / "alerts.jsonl")
    stream = Stream(name="toy", fs_hz=float(FS_HZ), leads=("MLII",), start_time=datetime.now(UTC))
    at, after_each = 0, list[Held]()
    with BeatModel.load("cnn") as model:
        fanout = Fanout(sinks(options, model, live=True))
        session, analysis = Session(stream, model, fanout), Analysis(model)
        analysis.take(stream)
        # The same five minutes again and again: whatever is held after each round should be held after the next.
        for _ in range(ROUNDS):
            for first in range(0, len(toy_ecg) - BLOCK + 1, BLOCK):
                for message in analysis.take(Samples(start=at, mv=toy_ecg[first : first + BLOCK])):
                    session.give(message)
                at += BLOCK
                if at % (10 * FS_HZ) == 0:
                    fanout.write(a_state(at))
            after_each.append(held())
        for event in analysis.finish():
            session.give(event)
        session.close("stopped")
    assert session.tally.beats.total() > 400 * ROUNDS
    first, last = after_each[1], after_each[-1]
    beats = session.tally.beats.total() * (ROUNDS - 2) // ROUNDS
    # One small object kept for each beat would be more than this.
    assert last.blocks - first.blocks < beats / 2, after_each
    assert {(each.fds, each.threads) for each in after_each[1:]} == {(first.fds, first.threads)}


def a_state(sample: int) -> SourceState:
    return SourceState(ok=True, reason=None, sample=sample, time=datetime.now(UTC), drift_ppm=None, counts={})
