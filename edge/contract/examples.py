"""The examples in docs/mqtt.md, made by what makes the payloads; `python -m edge.contract.examples docs/mqtt.md`."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge import messages
from edge.contract import topics
from edge.contract.commands import Acknowledge, Answer
from edge.contract.encoder import Encoder, encode, link
from edge.contract.payloads import Acknowledged, ModelInfo, OutboxInfo, SourceInfo, Status
from edge.messages import Evidence, LabelledBeat, Samples, SourceState, Stream, Strip

_START = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
_DEVICE = "bed-3"
_MODEL = ModelInfo(name="cnn", sha256="9f2c" + 60 * "0")
_STREAM = Stream(name="208", fs_hz=360.0, leads=("MLII", "V1"), start_time=_START)
_WIDTH = 120
_SHOWN = 2
_BLOCK = re.compile(r"(<!-- example: (\S+) -->\n\n```json\n).*?(\n```)", re.DOTALL)


def _signal(n: int) -> NDArray[np.float32]:
    at = np.arange(n)[:, np.newaxis]
    return np.asarray([-0.115, 0.02] + [0.005, -0.005] * at, np.float32)


def examples() -> dict[str, bytes]:
    """Return an example for each topic below the device's, and one for `link` in `status`."""
    encoder = Encoder(_DEVICE, _MODEL, _STREAM)
    alert = encoder.alert(_alert())
    mv = _signal(72)
    mv[1, 0] = np.nan
    samples = Samples(start=4320, mv=mv)
    seen = {alert.id: Acknowledged(time=_START + timedelta(seconds=210), by="nurses' room")}
    state = SourceState(
        ok=True,
        reason=None,
        sample=7200,
        time=_START + timedelta(seconds=20),
        drift_ppm=-38.2,
        counts={"lost": 412, "damaged": 3, "reconnects": 1},
    )
    payloads = {
        topics.STATUS.name: _status(encoder),
        "link": link(state),
        topics.VITALS.name: encoder.vitals(_second()),
        topics.BEATS.name: encoder.beats([_beat()]),
        topics.ALERTS.name: alert,
        topics.ACTIVE.name: encoder.active([alert], seen),
        topics.WAVEFORM.name: encoder.waveform(samples),
        topics.SNAPSHOT.name: encoder.waveform(msgspec.structs.replace(samples, start=72_240)),
        topics.COMMAND.name: Acknowledge(alert=alert.id, by="nurses' room", request="17"),
        topics.ANSWER.name: Answer(
            device=_DEVICE,
            command="acknowledge",
            request="17",
            ok=False,
            reason="no alert in force has this id",
            time=_START + timedelta(seconds=201),
        ),
    }
    return {name: encode(payload) for name, payload in payloads.items()}  # type: ignore[arg-type]  # a command, too


def _status(encoder: Encoder) -> Status:
    return Status(
        device=_DEVICE,
        state="online",
        reason=None,
        time=_START + timedelta(seconds=0.12),
        version="0.1.0",
        runtime="ai-edge-litert 2.1.6",
        model=_MODEL,
        source=SourceInfo(name=_STREAM.name, fs_hz=_STREAM.fs_hz, leads=_STREAM.leads, start_time=encoder.time(0)),
        link=None,
        outbox=OutboxInfo(pending=0, lost=0, durable=True, reason=None),
    )


def _second() -> messages.Vitals:
    beats = {"N": 11, "S": 0, "V": 7, "F": 1, "Q": 0}
    return messages.Vitals(sample=4319, hr_bpm=97.6, reason=None, leads=("good", "off"), beats=beats, decided=4320)


def _beat() -> LabelledBeat:
    return LabelledBeat(sample=4101, label="V", score=0.9383, rr_ms=452.78, decided=4212)


def _alert() -> messages.Alert:
    evidence = Evidence(
        beats=5,
        rate_per_min=132.4,
        duration_s=1.81,
        mean_score=0.981,
        rule={"beats": 5, "per_min": 100.0},
        episodes=1,
        held=0,
    )
    strip = Strip(start=71_490, fs_hz=360.0, leads=_STREAM.leads, mv=_signal(3612))
    return messages.Alert(
        number=1,
        kind="vt",
        phase="onset",
        priority="high",
        onset=74_210,
        decided=75_102,
        evidence=evidence,
        strip=strip,
    )


def text(payload: bytes) -> str:
    """Return a payload for people: lines that fit, long lists and hashes cut short."""
    short = json.dumps(_cut(json.loads(payload)), ensure_ascii=False).replace('"…"', "…")
    # A line ends between two members, never within a text.
    glued = re.sub(r'"[^"]*"(: )?', lambda found: found[0].replace(" ", "\0"), short)
    lines = textwrap.wrap(glued, _WIDTH, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: f"{each[:4]}…" if key == "sha256" else _cut(each) for key, each in value.items()}
    if isinstance(value, list):
        numbers = len(value) > _SHOWN and not isinstance(value[0], dict | list | str)
        return [*map(_cut, value[:_SHOWN]), "…"] if numbers else [*map(_cut, value)]
    return value


def renewed(document: str) -> str:
    """Return a document with the example after each marker `<!-- example: NAME -->` made anew."""
    made = examples()
    return _BLOCK.sub(lambda found: found[1] + text(made[found[2]]) + found[3], document)


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/mqtt.md")
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
