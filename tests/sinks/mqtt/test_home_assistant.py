"""Home Assistant finds the device, also after it has started anew."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import paho.mqtt.client as paho
from broker import HOST, WAIT_S, Mosquitto
from paho.mqtt.enums import CallbackAPIVersion
from sinks_samples import MODEL, STREAM

from edge.sinks.mqtt.broker import Broker
from edge.sinks.mqtt.home_assistant import BIRTH_TOPIC, announcements
from edge.sinks.mqtt.link import MqttLink
from edge.sinks.mqtt.sink import MqttSink
from edge.sinks.outbox.outbox import Outbox


def test_every_entity_has_a_topic_an_id_and_the_device() -> None:
    said = announcements("bed-3", "0.1.0")
    configs = [msgspec.json.decode(publication.payload) for publication in said]
    assert [publication.topic for publication in said] == [
        "homeassistant/sensor/bed-3/ecg_edge_heart_rate/config",
        "homeassistant/binary_sensor/bed-3/ecg_edge_alert/config",
        "homeassistant/binary_sensor/bed-3/ecg_edge_lead_off/config",
        "homeassistant/binary_sensor/bed-3/ecg_edge_degraded/config",
        "homeassistant/sensor/bed-3/ecg_edge_state/config",
    ]
    assert len({config["unique_id"] for config in configs}) == 5
    for publication, config in zip(said, configs, strict=True):
        assert publication.retain
        assert config["state_topic"].startswith("ecg/v1/bed-3/")
        assert config["device"]["identifiers"] == ["ecg_edge_bed-3"]


def test_it_is_announced_and_announced_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    heard, news, ready = list[tuple[str, bool]](), threading.Condition(), threading.Event()

    def on_message(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        with news:
            heard.append((message.topic, message.retain))
            news.notify_all()

    assistant = paho.Client(CallbackAPIVersion.VERSION2)
    assistant.on_message = on_message
    assistant.on_subscribe = lambda *_: ready.set()
    assistant.connect(HOST, mosquitto.port)
    assistant.loop_start()
    assistant.subscribe("homeassistant/+/+/+/config", qos=1)
    assert ready.wait(WAIT_S)
    box = Outbox(tmp_path / "outbox.sqlite")
    link = MqttLink(
        Broker(host=HOST, port=mosquitto.port), "ecg-edge", box, announcements=announcements("ecg-edge", "0.1.0")
    )
    sink = MqttSink(link, device="ecg-edge", version="0.1.0", runtime="test", model=MODEL, outbox=box)
    sink.open(STREAM)
    with news:
        assert news.wait_for(lambda: len(heard) == 5, WAIT_S)
    assistant.publish(BIRTH_TOPIC, b"online", qos=1).wait_for_publish(WAIT_S)
    with news:
        assert news.wait_for(lambda: len(heard) == 10, WAIT_S)
    sink.close("stopped")
    box.close()
    assert len({topic for topic, _ in heard}) == 5
    assistant.disconnect()
    assistant.loop_stop()
