"""Brokers with limits, and brokers that cannot stand something: told, kept to, and no alert stops those behind it."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sinks_samples import MODEL, STREAM, a_second, an_alert

from benchmarks.hostile_broker import (
    HOST,
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    HostileBroker,
    Manners,
    hostile_broker,
)
from edge.sinks.mqtt.broker import Broker
from edge.sinks.mqtt.link import MqttLink
from edge.sinks.mqtt.settings import Version
from edge.sinks.mqtt.sink import MqttSink
from edge.sinks.outbox.outbox import Entry, Outbox

VERSIONS = pytest.mark.parametrize("version", ["5", "3.1.1"])


@contextmanager
def a_device(broker: HostileBroker, folder: Path, version: str = "5") -> Iterator[tuple[MqttSink, Outbox]]:
    box = Outbox(folder / "outbox.sqlite")
    link = MqttLink(Broker(host=HOST, port=broker.port, version=version), "ecg-edge", box)  # type: ignore[arg-type]
    sink = MqttSink(link, device="ecg-edge", version="0", runtime="test", model=MODEL, outbox=box)
    sink.open(STREAM)
    try:
        yield sink, box
    finally:
        sink.close("stopped")
        box.close()


def until(true: Callable[[], object], within_s: float = 30.0) -> float:
    """Wait until it is true; return how long that took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < within_s
        time.sleep(0.02)
    return time.monotonic() - begun


def kinds(broker: HostileBroker) -> list[str]:
    return [msgspec.json.decode(payload)["kind"] for payload in broker.alerts()]


def statuses(broker: HostileBroker) -> list[dict[str, Any]]:
    said = [message.payload for message in broker.heard if message.topic.endswith("status")]
    return [msgspec.json.decode(payload) | {"reason": str(msgspec.json.decode(payload)["reason"])} for payload in said]


def an_entry(payload: bytes, topic: str = "ecg/v1/ecg-edge/alerts") -> Entry:
    return Entry(topic=topic, payload=payload, id=repr(payload[:9]), kind="vt", phase="onset", priority="high")


@pytest.mark.slow
@pytest.mark.parametrize("receive", [1, 2, 10])
def test_no_more_is_on_its_way_than_the_broker_takes(receive: int, tmp_path: Path) -> None:
    limits = bytes([RECEIVE_MAXIMUM]) + struct.pack(">H", receive)
    manners = Manners(limits=limits, receive=receive, acknowledges_after_s=0.02)
    with hostile_broker(manners) as broker, a_device(broker, tmp_path) as (sink, box):
        for number in range(107):
            sink.write(an_alert(number=number, strip=None))
        until(lambda: box.pending == 0)
        assert len(broker.alerts()) == 107
        assert len(broker.connections) == 1


def test_an_alert_that_is_too_large_goes_without_its_strip_and_one_that_still_is_set_aside(tmp_path: Path) -> None:
    limits = bytes([MAXIMUM_PACKET_SIZE]) + struct.pack(">I", 1500)
    with hostile_broker(Manners(limits=limits)) as broker, a_device(broker, tmp_path) as (sink, box):
        strip = an_alert().strip
        assert strip is not None
        long = msgspec.structs.replace(strip, mv=strip.mv.repeat(400, axis=0))
        sink.write(an_alert(number=1, kind="vt", strip=long))
        box.put(an_entry(b"x" * 5000))
        sink.write(an_alert(number=2, kind="pause", strip=None))
        until(lambda: len(broker.alerts()) == 2)
        assert kinds(broker) == ["vt", "pause"]
        assert max(message.packet_bytes for message in broker.heard) <= 1500
        sink.write(a_second())
        until(
            lambda: any(b"larger than the 1500 bytes" in m.payload for m in broker.heard if m.topic.endswith("status"))
        )
        last = [msgspec.json.decode(m.payload) for m in broker.heard if m.topic.endswith("status")][-1]
        assert (last["state"], last["outbox"]["aside"]) == ("degraded", 1)
        assert len(broker.connections) == 1
    with closing(Outbox(tmp_path / "outbox.sqlite")) as box:
        assert box.pending == 1, "it is kept"


def test_a_broker_that_retains_nothing_is_asked_for_nothing_and_that_is_told(tmp_path: Path, said: list[str]) -> None:
    limits = bytes([RETAIN_AVAILABLE, 0])
    manners = Manners(limits=limits, refuses_connect=lambda flags: 0x9A if flags & 0x20 else 0)
    with hostile_broker(manners) as broker, a_device(broker, tmp_path) as (sink, box):
        sink.write(an_alert())
        until(lambda: box.pending == 0)
        until(lambda: any(message.topic.endswith("status") for message in broker.heard))
        assert not any(message.retain for message in broker.heard)
        assert broker.wills_retained == [True, False]
    assert len([line for line in said if "keeps no retained messages" in line]) == 1


def test_a_broker_of_qos_0_gets_the_alerts_and_that_is_told(tmp_path: Path, said: list[str]) -> None:
    manners = Manners(limits=bytes([MAXIMUM_QOS, 0]), refuses_connect=lambda flags: 0x9B if flags & 0x18 else 0)
    with hostile_broker(manners) as broker, a_device(broker, tmp_path) as (sink, _):
        sink.write(an_alert())
        until(broker.alerts)
        assert {message.qos for message in broker.heard} == {0}
    assert any("QoS 0 only" in line for line in said)


@pytest.mark.parametrize(("version", "code"), [("5", 0x87), ("5", 0x97), ("3.1.1", 0x80)])
def test_a_broker_that_lets_no_commands_through_is_told_and_the_rest_goes_on(
    version: Version, code: int, tmp_path: Path, said: list[str]
) -> None:
    manners = Manners(refuses_topic=lambda topic: code if topic.endswith("/command") else 1)
    with hostile_broker(manners) as broker, closing(Outbox(tmp_path / "outbox.sqlite")) as box:
        link = MqttLink(
            Broker(host=HOST, port=broker.port, version=version), "ecg-edge", box, commands=lambda _payload: None
        )
        sink = MqttSink(link, device="ecg-edge", version="0", runtime="test", model=MODEL, outbox=box)
        sink.open(STREAM)
        until(lambda: "lets no commands through" in (link.trouble or ""))
        sink.write(an_alert())
        until(lambda: box.pending == 0)
        manners.refuses_topic = lambda _topic: 1
        broker.hang_up()
        until(lambda: link.trouble is None)
        sink.close("stopped")
    assert len([line for line in said if "lets no commands through" in line]) == 1
    assert link.undelivered is None


@VERSIONS
@pytest.mark.parametrize("bye", [0x95, None], ids=["with a reason", "without a word"])
def test_one_alert_that_the_broker_cannot_stand_stops_nobody(version: Version, bye: int | None, tmp_path: Path) -> None:
    manners = Manners(ends_over=lambda message: b"poison" in message.payload, bye=bye)
    with hostile_broker(manners) as broker, a_device(broker, tmp_path, version) as (sink, box):
        until(lambda: broker.heard)
        box.put(an_entry(b'{"kind": "before"}'))
        box.put(an_entry(b'{"kind": "poison"}'))
        for number in range(20):
            box.put(an_entry(b'{"kind": "%d"}' % number))
        sink.write(a_second())
        until(lambda: {"before", "19"} <= set(kinds(broker)), 60)
        assert set(kinds(broker)) == {"before", *map(str, range(20))}
        until(lambda: box.pending == 1)
        assert "the broker does not take an alert" in str(box.refused)


@pytest.mark.slow
@VERSIONS
@pytest.mark.parametrize(
    "acknowledges",
    [lambda _message, _mid: None, lambda _message, mid: mid + 1000, lambda _message, _mid: 0],
    ids=["nothing", "what was never sent", "number 0"],
)
def test_a_broker_that_does_not_acknowledge_is_told_and_left(
    version: Version, acknowledges: Callable[..., int | None], tmp_path: Path, said: list[str]
) -> None:
    manners = Manners(acknowledges=acknowledges)
    with hostile_broker(manners) as broker, a_device(broker, tmp_path, version) as (sink, box):
        sink.write(an_alert())
        assert until(lambda: any("acknowledges nothing" in line for line in said)) < 15
        manners.acknowledges = lambda _message, mid: mid
        until(lambda: box.pending == 0)
        assert sink.trouble is None
    assert len([line for line in said if "acknowledges nothing" in line]) == 1


@pytest.mark.slow
@VERSIONS
def test_two_devices_of_one_id_are_told_and_do_not_fight(version: Version, tmp_path: Path, said: list[str]) -> None:
    manners = Manners(ends_over=lambda message: message.topic.endswith("active"), bye=0x8E)
    with hostile_broker(manners) as broker, a_device(broker, tmp_path, version):
        time.sleep(12)
        assert len(broker.connections) <= 8
    assert len([line for line in said if line.endswith("connected")]) <= 5
    told = [line for line in said if "give each device its own device.id" in line]
    assert told
    assert any("ecg-edge-ecg-edge" in line for line in told)
