"""Payloads: what every consumer relies on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sinks_samples import MODEL, START, STREAM, a_second, an_alert

from edge.contract import schemas
from edge.contract.encoder import Encoder, encode
from edge.contract.examples import examples, renewed
from edge.contract.payloads import Status
from edge.contract.schemas import schema, schema_file
from edge.kinds import STAGE_KINDS as KINDS
from edge.messages import LabelledBeat, Samples

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMAS = DOCS / "schemas"
DOCUMENT = (DOCS / "mqtt.md").read_text(encoding="utf-8")


def encoder(device: str = "bed-3", name: str = "208", start: datetime = START, fs_hz: float = 360) -> Encoder:
    return Encoder(device, MODEL, replace(STREAM, name=name, start_time=start, fs_hz=fs_hz))


def decoded(payload: object) -> dict[str, object]:
    return msgspec.json.decode(encode(payload))  # type: ignore[arg-type]


@pytest.mark.parametrize("topic", schemas.PAYLOADS)
def test_the_documented_schemas_are_those_of_the_code(topic: str) -> None:
    documented = msgspec.json.decode((SCHEMAS / schema_file(topic)).read_bytes())
    assert documented == schema(topic), "run: python -m edge.contract.schemas docs/schemas"


@pytest.mark.parametrize("topic", schemas.PAYLOADS)
def test_the_documented_example_is_valid(topic: str) -> None:
    section = DOCUMENT[DOCUMENT.index(f"\n## {topic}\n") :]
    example = section[section.index("```json") + 7 :].split("```", 1)[0].replace(", …]", "]")
    jsonschema.validate(msgspec.json.decode(example), schema(topic))


def test_the_documented_examples_are_those_of_the_code() -> None:
    assert renewed(DOCUMENT) == DOCUMENT, "run: python -m edge.contract.examples docs/mqtt.md"
    assert DOCUMENT.count("<!-- example: ") == DOCUMENT.count("```json") == len(examples())


def test_a_status_says_nothing_of_an_outbox_that_is_not_there() -> None:
    status = msgspec.json.decode(examples()["status"], type=Status)
    assert "outbox" in decoded(status)
    without = decoded(replace(status, outbox=None))
    assert "outbox" not in without
    jsonschema.validate(without, schema("status"))


def test_every_kind_of_alert_is_documented() -> None:
    assert [kind for kind in KINDS if f"`{kind}`" not in DOCUMENT] == []


@pytest.mark.parametrize("topic", schemas.PAYLOADS)
def test_schemas_are_schemas(topic: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(topic))


def test_a_schema_refuses_what_the_contract_forbids() -> None:
    vitals = decoded(encoder().vitals(a_second(hr_bpm=60.0, reason=None)))
    jsonschema.validate(vitals, schema("vitals"))
    for wrong in ({"hr_bpm": 0}, {"leads": {"MLII": "fine"}}, {"sample": -1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(vitals | wrong, schema("vitals"))


def test_a_rate_that_is_not_known_is_null_with_its_reason() -> None:
    vitals = decoded(encoder().vitals(a_second(None, "lead off")))
    assert vitals["hr_bpm"] is None
    assert vitals["reason"] == "lead off"
    assert vitals["lead_off"] == ["V1"]


def test_times_are_utc_and_follow_the_sample() -> None:
    beat = LabelledBeat(sample=360 * 61, label="V", score=0.98765, rr_ms=None, decided=22_300)
    item = decoded(encoder().beats([beat]))["beats"][0]  # type: ignore[index]
    assert item == {"sample": 21_960, "time": "2026-03-01T07:01:01Z", "label": "V", "score": 0.9877, "rr_ms": None}


def test_an_alert_says_when_it_began_and_when_it_was_known() -> None:
    alert = decoded(encoder(fs_hz=250).alert(an_alert()))
    assert alert["onset"] == {"sample": 1000, "time": "2026-03-01T07:00:04Z"}
    assert alert["decision"] == {"sample": 1500, "time": "2026-03-01T07:00:06Z"}
    assert alert["end"] is None
    # The strip counts at its own rate.
    assert alert["strip"]["time"] == "2026-03-01T07:00:02Z"  # type: ignore[index]
    assert alert["strip"]["mv"] == [[0.123] * 3] * 2  # type: ignore[index]


@given(onset=st.integers(0, 10**9), number=st.integers(1, 10**6), fs_hz=st.sampled_from([100.0, 257.5, 360.0, 1000.0]))
def test_an_id_is_a_uuid7_of_the_onset(onset: int, number: int, fs_hz: float) -> None:
    maker = encoder(fs_hz=fs_hz)
    made = maker.alert_id(number, onset)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert abs((made.int >> 80) - maker.time(onset).timestamp() * 1000) <= 0.51
    assert made == encoder(fs_hz=fs_hz, start=START.astimezone(UTC)).alert_id(number, onset)


def test_an_id_is_the_same_in_all_phases_and_no_other_alert_has_it() -> None:
    phases = [an_alert(), an_alert(phase="update"), an_alert(phase="end", end=2000, strip=None)]
    assert len({encoder().alert(alert).id for alert in phases}) == 1
    makers = [
        encoder(),
        encoder(device="bed-4"),
        encoder(name="209"),
        encoder(start=START + timedelta(milliseconds=1)),
    ]
    ids = {maker.alert_id(number, 1000) for maker in makers for number in (1, 2)}
    assert len(ids) == 2 * len(makers)


def test_a_missing_sample_is_null() -> None:
    block = Samples(start=360, mv=np.array([[0.5, np.nan], [-0.25, 1.0]], np.float32))
    waveform = decoded(encoder().waveform(block))
    assert waveform["mv"] == [[0.5, -0.25], [None, 1.0]]
    jsonschema.validate(waveform, schema("waveform"))
