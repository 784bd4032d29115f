"""A connection that lasts: brokers that come late, go and come back; what is kept for them and what is not."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
from broker import HOST, MOSQUITTO, Listener, Mosquitto, door, free_port
from sinks_samples import MODEL, STREAM, a_second, an_alert

from edge.contract.schemas import schema
from edge.errors import SinkError
from edge.sinks.mqtt import link as mqtt_link
from edge.sinks.mqtt.broker import Broker
from edge.sinks.mqtt.link import MqttLink
from edge.sinks.mqtt.loop import LONGEST_WAIT_S, Backoff
from edge.sinks.mqtt.sink import MqttSink
from edge.sinks.outbox.outbox import Limits, Outbox

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")

LEFT = r"1 alert messages \(ventricular tachycardia\) were not acknowledged: they wait in .*outbox.sqlite for"


@contextmanager
def a_device(port: int, folder: Path, *, patient: bool = False, limits: Limits | None = None) -> Iterator[MqttSink]:
    """A sink with its outbox; what it leaves is left as by a power cut, unless it is closed."""
    box = Outbox(folder / "outbox.sqlite", limits)
    link = MqttLink(Broker(host=HOST, port=port), "ecg-edge", box, patient=patient)
    try:
        yield MqttSink(link, device="ecg-edge", version="0.1.0", runtime="test", model=MODEL, outbox=box)
    finally:
        link._stop.set()
        link._waker.wake()
        if link._thread is not None:
            link._thread.join()
        box.close()


def phases(listener: Listener) -> list[tuple[object, object]]:
    return [(alert["kind"], alert["phase"]) for alert in listener.alerts()]


def test_what_was_decided_without_a_broker_arrives_in_order_when_it_comes(
    mosquitto: Mosquitto, tmp_path: Path, said: list[str]
) -> None:
    port = free_port()
    with a_device(port, tmp_path) as sink:
        sink.open(STREAM)
        sink.write(an_alert())
        sink.write(an_alert(phase="update"))
        sink.write(a_second())
        sink.write(an_alert(phase="end", end=1700))
        listener = Listener(mosquitto.url)
        with door(port, mosquitto.port):
            sink.write(an_alert(number=2, kind="pause"))
            listener.wait_for(lambda: ("pause", "onset") in phases(listener))
            sink.close("stopped")
            listener.wait_for(lambda: listener.states()[-1:] == ["offline"])
        assert phases(listener) == [("vt", "onset"), ("vt", "update"), ("vt", "end"), ("pause", "onset")]
        assert not listener.of("vitals"), "live data is not kept"
        listener.close()
    assert "cannot connect" in said[0]
    assert said[1].endswith("connected")


def test_a_broker_that_comes_back_gets_what_it_missed_and_nothing_stale(tmp_path: Path) -> None:
    with Mosquitto(tmp_path).running() as broker, a_device(broker.port, tmp_path) as sink:
        sink.open(STREAM)
        sink.write(an_alert())
        with_listener = Listener(broker.url)
        broker.stop()
        time.sleep(0.3)
        for second in range(5):
            sink.write(a_second(sample=360 * second))
        for number in range(2, 40):
            sink.write(an_alert(number=number, kind="couplet", onset=1000 + number))
        broker.start()
        with_listener.wait_for(lambda: with_listener.of("alerts/active"))
        with_listener.wait_for(lambda: len(with_listener.of("alerts/active")[-1].json["alerts"]) == 39)  # type: ignore[arg-type]
        sink.write(a_second(sample=720))
        with_listener.wait_for(lambda: with_listener.of("vitals"))
        sink.close("stopped")
        assert [message.json["sample"] for message in with_listener.of("vitals")] == [720]
        onsets = [message.json["onset"]["sample"] for message in with_listener.of("alerts")]  # type: ignore[index]
        assert onsets == sorted(onsets)
        with_listener.close()


def test_alerts_of_a_device_that_died_are_ended_with_the_reason(mosquitto: Mosquitto, tmp_path: Path) -> None:
    listener = Listener(mosquitto.url)
    with a_device(mosquitto.port, tmp_path) as sink:
        sink.open(STREAM)
        sink.write(an_alert())
        sink.write(an_alert(number=2, kind="pause"))
        listener.wait_for(lambda: len(phases(listener)) == 2)
    with a_device(mosquitto.port, tmp_path) as sink:
        sink.open(STREAM)
        listener.wait_for(lambda: len(phases(listener)) == 4)
        listener.wait_for(lambda: listener.of("alerts/active")[-1].json["alerts"] == [])
        sink.close("stopped")
    ends = listener.alerts()[2:]
    assert [(end["kind"], end["phase"], end["end"], end["reason"]) for end in ends] == [
        ("vt", "end", None, "the device restarted, nobody saw the end"),
        ("pause", "end", None, "the device restarted, nobody saw the end"),
    ]
    for message in listener.messages:
        jsonschema.validate(message.json, schema(message.topic))
    listener.close()


def test_a_restart_without_a_broker_keeps_what_the_start_before_had_to_say(tmp_path: Path) -> None:
    port = free_port()
    with a_device(port, tmp_path) as sink:
        sink.open(STREAM)
        sink.write(an_alert())
        sink.write(an_alert(phase="end", end=1700))
        sink.close("stopped")
    with Mosquitto(tmp_path, port=port).running() as broker:
        listener = Listener(broker.url)
        with a_device(port, tmp_path) as sink:
            sink.open(STREAM)
            sink.write(an_alert(number=5, kind="pause"))
            listener.wait_for(lambda: len(phases(listener)) == 3)
            sink.close("stopped")
        assert phases(listener) == [("vt", "onset"), ("vt", "end"), ("pause", "onset")]
        listener.close()


def test_a_command_that_is_over_says_what_was_not_delivered(tmp_path: Path) -> None:
    with a_device(free_port(), tmp_path, patient=True) as sink:
        sink.open(STREAM)
        sink.write(an_alert())
        with pytest.raises(SinkError, match=LEFT):
            sink.close("end of record")


def test_a_memory_outbox_that_could_not_be_emptied_is_a_loss_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite").mkdir()
    with a_device(free_port(), tmp_path) as sink:
        sink.open(STREAM)
        sink.write(an_alert())
        with pytest.raises(SinkError, match="they are lost"):
            sink.close("stopped")


def test_an_outbox_that_was_damaged_degrades_the_state(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite").write_bytes(b"no database" * 1000)
    listener = Listener(mosquitto.url)
    with a_device(mosquitto.port, tmp_path) as sink:
        sink.open(STREAM)
        listener.wait_for(lambda: listener.states() == ["degraded"])
        sink.close("stopped")
    said = listener.of("status")[0].json
    assert "the outbox was damaged and is kept as outbox.sqlite" in str(said["reason"])
    assert said["outbox"]["durable"] is True  # type: ignore[index]
    listener.close()


def test_a_broker_that_takes_no_alerts_degrades_the_state_until_it_does(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write ecg/v1/ecg-edge/status\ntopic write ecg/v1/ecg-edge/alerts/active\n")
    with (
        Mosquitto(tmp_path, f"allow_anonymous true\nacl_file {acl}").running() as broker,
        a_device(broker.port, tmp_path) as sink,
    ):
        listener = Listener(broker.url)
        sink.open(STREAM)
        listener.wait_for(lambda: listener.states() == ["online"])
        sink.write(an_alert())
        link = sink._publisher
        assert isinstance(link, MqttLink)
        while link._outbox.refused is None:
            time.sleep(0.01)
        sink.write(a_second())
        listener.wait_for(lambda: listener.states()[-1:] == ["degraded"])
        assert "the broker does not take an alert, Not authorized" in str(listener.of("status")[-1].json["reason"])
        acl.write_text("topic readwrite #\n")
        assert broker._process is not None
        broker._process.send_signal(signal.SIGHUP)
        listener.wait_for(lambda: listener.of("alerts"))
        while link._outbox.refused is not None:
            time.sleep(0.01)
        sink.write(a_second())
        listener.wait_for(lambda: listener.states()[-1:] == ["online"])
        listener.close()


def test_a_disk_that_fails_is_in_the_status(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite").mkdir()
    listener = Listener(mosquitto.url)
    with a_device(mosquitto.port, tmp_path) as sink:
        sink.open(STREAM)
        sink.write(an_alert())
        sink.write(a_second())
        listener.wait_for(lambda: listener.of("alerts"))
        sink.close("stopped")
    listener.wait_for(lambda: listener.states()[-1:] == ["offline"])
    said = listener.of("status")[0].json
    assert said["state"] == "degraded"
    assert "alerts are kept in memory only" in str(said["reason"])
    assert said["outbox"]["durable"] is False  # type: ignore[index]
    listener.close()


def test_lost_alerts_are_told_by_an_alert(mosquitto: Mosquitto, tmp_path: Path) -> None:
    port = free_port()
    with a_device(port, tmp_path, limits=Limits(max_bytes=3000)) as sink:
        sink.open(STREAM)
        for number in range(20):
            sink.write(an_alert(number=number, kind="couplet", priority="low", onset=1000 + number))
        sink.write(a_second(sample=2000))
        listener = Listener(mosquitto.url)
        with door(port, mosquitto.port):
            listener.wait_for(lambda: listener.of("status"))
            sink.write(a_second(sample=2360))
            listener.wait_for(lambda: listener.of("vitals"))
            sink.close("stopped")
            listener.wait_for(lambda: listener.states()[-1] == "offline")
        lost = listener.of("status")[-1].json["outbox"]["lost"]  # type: ignore[index]
        assert 10 < lost < 20
        notices = [alert for alert in listener.alerts() if alert["kind"] == "alerts_lost"]
        assert [notice["phase"] for notice in notices] == ["onset", "end"] * (len(notices) // 2)
        # What made room for the notice itself is told by the next one.
        assert 10 < sum(notice["evidence"]["lost"] for notice in notices[::2]) <= lost  # type: ignore[index,misc]
        listener.close()


def test_live_data_carries_its_expiry(mosquitto: Mosquitto, tmp_path: Path) -> None:
    import paho.mqtt.client as paho

    heard: list[int] = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)  # type: ignore[attr-defined]
    client.on_connect = lambda client, *_: client.subscribe("ecg/v1/ecg-edge/vitals")
    client.on_message = lambda _c, _d, message: heard.append(message.properties.MessageExpiryInterval)
    client.connect(HOST, mosquitto.port)
    client.loop_start()
    with a_device(mosquitto.port, tmp_path) as sink:
        sink.open(STREAM)
        for _ in range(100):
            sink.write(a_second())
            time.sleep(0.05)
            if heard:
                break
        sink.close("stopped")
    client.disconnect()
    client.loop_stop()
    assert heard
    assert 0 < heard[0] <= 10


def test_nobody_waits_as_long_as_another() -> None:
    first, second = Backoff(), Backoff()
    waits = [(first.wait_s(), second.wait_s()) for _ in range(40)]
    assert all(a != b for a, b in waits)
    assert all(wait <= LONGEST_WAIT_S for pair in waits for wait in pair)
    assert waits[0][0] <= 0.25
    assert waits[-1][0] >= LONGEST_WAIT_S / 2
    first.reset()
    assert first.wait_s() <= 0.25


def test_to_stop_without_a_broker_is_quick(tmp_path: Path) -> None:
    assert mqtt_link._HASTE_IN_ALL_S + 2 * mqtt_link._HASTE_S < 5  # what SIGTERM leaves a service
    with a_device(free_port(), tmp_path) as sink:
        sink.open(STREAM)
        sink.write(an_alert())
        sink.close("stopped")


def die(sink: MqttSink) -> None:
    """Break the connection as a killed process does."""
    link = sink._publisher
    assert isinstance(link, MqttLink)
    session = link._session
    assert session is not None
    network = session._connection._client.socket()
    link._stop.set()
    network.shutdown(socket.SHUT_RDWR)
    link._waker.wake()


def test_a_device_that_is_soon_back_was_not_offline(mosquitto: Mosquitto, tmp_path: Path) -> None:
    listener = Listener(mosquitto.url)
    for starts in (1, 2):
        with a_device(mosquitto.port, tmp_path) as sink:
            sink.open(STREAM)
            listener.wait_for(lambda starts=starts: len(listener.states()) == starts)
            die(sink)
    assert listener.states() == ["online", "online"]
    listener.wait_for(lambda: listener.states() == ["online", "online", "offline"])
    listener.close()


def test_a_broker_that_takes_no_alerts_is_told_once_and_given_up_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(mqtt_link, "_PATIENCE_S", 2.0)
    (tmp_path / "acl").write_text("topic read #\n")
    with (
        Mosquitto(tmp_path, f"allow_anonymous true\nacl_file {tmp_path / 'acl'}").running() as broker,
        a_device(broker.port, tmp_path, patient=True) as sink,
    ):
        sink.open(STREAM)
        sink.write(an_alert())
        began = time.monotonic()
        with pytest.raises(SinkError, match=LEFT):
            sink.close("end of record")
        assert time.monotonic() - began < 15
    assert [line for line in said if "does not take an alert, Not authorized" in line] == said[-1:]
    assert len(said) <= 3, said
