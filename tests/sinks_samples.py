"""Hand-made events for the tests of sinks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np

from edge.contract.payloads import ModelInfo
from edge.messages import Alert, Episode, Evidence, LabelledBeat, Message, Samples, Stream, Strip, Vitals
from edge.sinks import Sink

START = datetime(2026, 3, 1, 8, 0, tzinfo=timezone(timedelta(hours=1)))
MODEL = ModelInfo(name="cnn", sha256="ab" * 32)
STREAM = Stream(name="208", fs_hz=360.0, leads=("MLII", "V1"), start_time=START)


class Keeping(Sink):
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def write(self, message: Message) -> None:
        self.messages.append(message)


def a_block(second: int) -> Samples:
    return Samples(start=360 * second, mv=np.zeros((360, 2), np.float32))


def an_alert(**changes: object) -> Alert:
    strip = Strip(start=720, fs_hz=360.0, leads=("MLII", "V1"), mv=np.full((3, 2), 0.12345, np.float32))
    fields = {"number": 1, "kind": "vt", "phase": "onset", "priority": "high", "onset": 1000, "decided": 1500}
    return Alert(**(fields | {"evidence": Evidence(beats=5, rule={"beats": 5}), "strip": strip} | changes))


def a_second(hr_bpm: float | None = 60.0, reason: str | None = None, sample: int = 719, lead: str = "good") -> Vitals:
    leads = (lead, "off")
    return Vitals(sample=sample, hr_bpm=hr_bpm, reason=reason, leads=leads, beats={"N": 2, "V": 0}, decided=sample)  # type: ignore[arg-type]


def beat(sample: int, label: str = "N") -> LabelledBeat:
    return LabelledBeat(sample=sample, label=label, score=0.9, rr_ms=None, decided=sample + 100)  # type: ignore[arg-type]


def episode(number: int, kind: str, onset: int, end: int | None = None) -> Episode:
    phase = "onset" if end is None else "end"
    return Episode(
        number=number, kind=kind, phase=phase, onset=onset, end=end, evidence=Evidence(), decided=onset + 900
    )
