"""What sinks make of a live source's state: status, link, and times that follow the board's clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import jsonschema
import msgspec
import pytest
from broker import Listener
from sinks_samples import MODEL, START, STREAM, a_second, an_alert

from edge.contract.encoder import Encoder, link
from edge.contract.schemas import schema
from edge.messages import SourceState
from edge.sinks.fanout import Fanout
from edge.sinks.jsonl import JsonLines
from edge.sinks.mqtt.broker import Broker
from edge.sinks.mqtt.link import MqttLink
from edge.sinks.mqtt.sink import MqttSink


def state(**changes: object) -> SourceState:
    fields: dict[str, object] = {
        "ok": True,
        "reason": None,
        "sample": 3600,
        "time": START + timedelta(seconds=10.5),
        "drift_ppm": 100.0,
        "counts": {"lost": 7, "doubled": 1},
    }
    return SourceState(**(fields | changes))  # type: ignore[arg-type]


def sink(url: str) -> MqttSink:
    host, port = url.removeprefix("mqtt://").split(":")
    publisher = MqttLink(Broker(host=host, port=int(port)), "ecg-edge")
    return MqttSink(publisher, device="ecg-edge", version="1", runtime="r", model=MODEL)


def test_times_follow_the_board_s_clock() -> None:
    encoder = Encoder("bed-3", MODEL, STREAM)
    nominal, identity = encoder.time(7200), encoder.alert_id(1, 7200)
    assert nominal == START + timedelta(seconds=20)
    encoder.anchor(state())
    # Ten seconds of a clock that is 100 ppm fast last a millisecond less.
    assert encoder.time(7200) - START == timedelta(seconds=20.499)
    assert encoder.time(3600, 180.0) - START == timedelta(seconds=20.499)
    assert encoder.time(0) - START == pytest.approx(timedelta(seconds=0.501), abs=timedelta(microseconds=2))
    # What the clock is known to be by now does not make it another alert.
    assert encoder.alert_id(1, 7200) == identity


def test_link_counts_what_is_not_said_as_none() -> None:
    said = link(state(ok=False, drift_ppm=-38.26))
    assert msgspec.to_builtins(said) == {
        "connected": False,
        "drift_ppm": -38.3,
        "lost": 7,
        "doubled": 1,
        "dropped": 0,
        "damaged": 0,
        "reconnects": 0,
    }


def test_status_tells_the_board_s_state(listener: Listener) -> None:
    out = sink(listener.url)
    out.open(STREAM)
    out.write(state())
    out.write(state(reason="electrode off: V1"))
    out.write(state(ok=False, reason="tty: unplugged"))
    out.write(state(drift_ppm=None))
    out.close("stopped")
    listener.wait_for(lambda: listener.states()[-1:] == ["offline"] and len(listener.of("status")) >= 6)
    said = [message.json for message in listener.of("status")]
    for status in said:
        jsonschema.validate(status, schema("status"))
    assert [(status["state"], status["reason"]) for status in said][-6:] == [
        ("online", None),
        ("online", None),
        ("online", "electrode off: V1"),
        ("degraded", "tty: unplugged"),
        ("online", None),
        ("offline", "stopped"),
    ]
    assert said[-2]["link"]["drift_ppm"] is None


def test_what_is_wrong_with_the_machine_degrades_the_state(listener: Listener) -> None:
    out = sink(listener.url)
    out.open(STREAM)
    out.write(state(reason="electrode off: V1", problems=("disk full: 3 MB left in /var",)))
    out.write(state(ok=False, reason="tty: unplugged", problems=("disk full: 3 MB left in /var", "cnn is missing")))
    for _ in range(10):
        out.write(a_second(None, "lead off", lead="off"))
    out.write(state(problems=("cnn is missing",)))
    for _ in range(10):
        out.write(a_second())
    out.write(state())
    out.close("stopped")
    listener.wait_for(lambda: listener.states()[-1:] == ["offline"])
    said = [message.json for message in listener.of("status")]
    for status in said:
        jsonschema.validate(status, schema("status"))
    assert [(status["state"], status["reason"]) for status in said] == [
        ("online", None),
        ("degraded", "electrode off: V1; disk full: 3 MB left in /var"),
        ("degraded", "tty: unplugged; disk full: 3 MB left in /var; cnn is missing"),
        ("degraded", "lead off; cnn is missing"),
        ("degraded", "cnn is missing"),
        ("online", None),
        ("offline", "stopped"),
    ]


def test_why_there_is_no_stream_yet_is_told(listener: Listener) -> None:
    fanout = Fanout([sink(listener.url)])
    fanout.announce("no such port")
    listener.wait_for(lambda: listener.states()[-1:] == ["degraded"])
    status = listener.of("status")[-1].json
    assert (status["reason"], status["source"], status["link"]) == ("no such port", None, None)
    fanout.announce("still no such port")
    fanout.open(STREAM)
    listener.wait_for(lambda: listener.states()[-1:] == ["online"])
    fanout.close("stopped")
    fanout.announce("silent for 5 s", final=True)
    listener.wait_for(lambda: listener.of("status")[-1].json["reason"] == "silent for 5 s")
    assert listener.states()[-1] == "offline"


def test_sinks_that_cannot_tell_it_are_not_asked(tmp_path: Path, said: list[str]) -> None:
    fanout = Fanout([JsonLines(tmp_path / "a.jsonl", "d", MODEL), sink("mqtt://127.0.0.1:1")])
    fanout.announce("no such port")
    assert len(said) == 1
    assert not (tmp_path / "a.jsonl").exists()


def test_alerts_in_a_file_have_the_board_s_times(tmp_path: Path) -> None:
    out = JsonLines(tmp_path / "a.jsonl", "d", MODEL)
    out.open(STREAM)
    out.write(state(drift_ppm=None, sample=0, time=START + timedelta(seconds=3)))
    out.write(an_alert(onset=360))
    out.close("end")
    line = msgspec.json.decode((tmp_path / "a.jsonl").read_bytes())
    assert line["onset"]["time"] == "2026-03-01T07:00:04Z"
