"""Messages of many devices, as they publish them."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from edge.contract import topics
from edge.contract.encoder import encode
from edge.contract.payloads import Alert, ModelInfo, Moment, Status, Vitals
from edge.fleet.store.batch import Message
from edge.messages import Evidence

START = datetime(2026, 3, 1, 7, tzinfo=UTC)
MODEL = ModelInfo(name="cnn", sha256="0" * 64)


def alert_id(device: str, time: datetime, number: int = 0) -> UUID:
    hashed = zlib.crc32(device.encode()) << 24
    return UUID(int=round(time.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | hashed | number)


def alert(device: str, number: int = 0, phase: Any = "onset", at: datetime = START, **changes: Any) -> Alert:
    sample = {"onset": 0, "update": 10, "end": 20}[phase]
    moment = Moment(sample=sample, time=at + timedelta(seconds=sample / 10))
    made = Alert(
        id=alert_id(device, at, number),
        device=device,
        stream="208",
        phase=phase,
        kind="vt",
        priority="high",
        onset=Moment(sample=0, time=at),
        decision=moment,
        end=moment if phase == "end" else None,
        evidence=Evidence(beats=5),
        model=MODEL,
        strip=None,
    )
    return msgspec.structs.replace(made, **changes)


def vitals(device: str, second: int = 0, **changes: Any) -> Vitals:
    made = Vitals(
        device=device,
        stream="208",
        sample=360 * second + 359,
        time=START + timedelta(seconds=second),
        hr_bpm=72.5,
        reason=None,
        leads={"II": "good", "V1": "off"},
        lead_off=("V1",),
        beats={"N": second, "S": 0, "V": 1, "F": 0, "Q": 0},
    )
    return msgspec.structs.replace(made, **changes)


def status(device: str, state: Any = "online", reason: str | None = None, **changes: Any) -> Status:
    made = Status(
        device=device,
        state=state,
        reason=reason,
        time=START,
        version="0.1.0",
        runtime="x",
        model=MODEL,
        source=None,
        link=None,
    )
    return msgspec.structs.replace(made, **changes)


TOPICS = {Alert: topics.ALERTS, Vitals: topics.VITALS, Status: topics.STATUS}


def published(payload: Any, topic: str | None = None) -> tuple[str, bytes]:
    return topic or TOPICS[type(payload)].of(payload.device), encode(payload)


def message(payload: Any, received: datetime = START, topic: str | None = None) -> Message:
    return Message(*published(payload, topic), received)
