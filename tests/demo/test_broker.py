"""The embedded broker of the demo."""

from __future__ import annotations

import socket

import pytest
from broker import HOST, Listener

from edge.demo.broker import embedded_broker
from edge.sinks.mqtt.broker import Broker
from edge.sinks.mqtt.link import MqttLink
from edge.sinks.mqtt.publication import Publication

pytest.importorskip("amqtt", reason="needs the demo extra")


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def test_it_serves_while_it_is_wanted_and_no_longer() -> None:
    with embedded_broker() as url:
        listener = Listener(url)
        publisher = MqttLink(Broker(host=HOST, port=port_of(url), version="3.1.1"), "ecg-edge")
        publisher.connect(None)
        for n in range(100):
            publisher.publish(Publication(topic="ecg/v1/ecg-edge/test", payload=b"%d" % n, qos=1))
        publisher.close()
        listener.wait_for(lambda: len(listener.messages) == 100)
        assert [message.payload for message in listener.messages] == [b"%d" % n for n in range(100)]
        listener.close()
    with socket.socket() as probe:
        assert probe.connect_ex((HOST, port_of(url))) != 0


def test_two_do_not_get_into_each_others_way() -> None:
    with embedded_broker() as one, embedded_broker() as other:
        assert one != other
