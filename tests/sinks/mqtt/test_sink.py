"""Publishing to a real broker: topics, delivery, and what is said when a device goes, cleanly or not."""

from __future__ import annotations

import gc
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from broker import HOST, MOSQUITTO, Listener, Mosquitto, free_port, own_certificate
from command import REPO
from msgspec.structs import replace
from sinks_samples import MODEL, STREAM, a_second, an_alert, beat

from edge.contract.schemas import schema
from edge.demo.broker import embedded_broker
from edge.errors import SinkError
from edge.messages import Samples
from edge.sinks.mqtt import connection as mqtt_connection
from edge.sinks.mqtt import link as mqtt_link
from edge.sinks.mqtt.broker import Broker
from edge.sinks.mqtt.link import MqttLink
from edge.sinks.mqtt.publication import Publication
from edge.sinks.mqtt.sink import MqttSink
from edge.sinks.outbox.outbox import Entry

WILL = Publication(topic="ecg/v1/ecg-edge/status", payload=b'{"state":"offline"}', qos=1, retain=True)


def at(url: str, **changes: object) -> Broker:
    host, port = url.rsplit("/", 1)[1].split(":")
    version = "auto" if MOSQUITTO is not None else "3.1.1"  # amqtt leaves a question in 5 unanswered
    return Broker(**({"host": host, "port": int(port), "version": version} | changes))


def a_sink(broker: Broker, *, waveform: bool = False) -> MqttSink:
    publisher = MqttLink(broker, "ecg-edge")
    return MqttSink(publisher, device="ecg-edge", version="0.1.0", runtime="test", model=MODEL, waveform=waveform)


def a_message(text: str, qos: int = 0) -> Publication:
    return Publication(topic="ecg/v1/ecg-edge/test", payload=text.encode(), qos=qos)


def a_phase(text: str) -> Entry:
    topic = "ecg/v1/ecg-edge/test"
    return Entry(topic=topic, payload=text.encode(), id=text, kind="vt", phase="onset", priority="high")


def test_everything_arrives_as_the_contract_says(broker_url: str, listener: Listener) -> None:
    sink = a_sink(at(broker_url), waveform=True)
    sink.open(STREAM)
    block = np.full((360, 2), 0.5, np.float32)
    block[3, 1] = np.nan
    for message in (
        Samples(start=0, mv=block),
        beat(300),
        beat(600, "V"),
        a_second(),
        an_alert(),
        beat(1500),
        an_alert(phase="update", strip=None),
        an_alert(number=2, kind="pause", priority="medium", onset=1200),
        an_alert(phase="end", end=1400, strip=None),
    ):
        sink.write(message)
    sink.close("end of record")
    listener.wait_for(lambda: "offline" in listener.states())

    assert listener.states() == ["online", "offline"]
    assert listener.of("status")[-1].json["reason"] == "end of record"
    assert [len(message.json["beats"]) for message in listener.of("beats")] == [2, 1]
    assert [len(message.json["mv"][0]) for message in listener.of("waveform")] == [72] * 5
    assert [message.json["phase"] for message in listener.of("alerts")] == ["onset", "update", "onset", "end"]
    active = [[alert["kind"] for alert in message.json["alerts"]] for message in listener.of("alerts/active")]
    assert active == [[], ["vt"], ["vt"], ["vt", "pause"], ["pause"]]
    ids = [message.json["id"] for message in listener.of("alerts")]
    assert ids[0] == ids[1] == ids[3] != ids[2]

    assert {message.topic for message in listener.messages} == set(mqtt_topics())
    for message in listener.messages:
        jsonschema.validate(message.json, schema(message.topic))
        if MOSQUITTO is not None:  # amqtt delivers everything with the subscription's QoS
            assert message.qos == (1 if message.topic in ("status", "alerts", "alerts/active") else 0)


def mqtt_topics() -> list[str]:
    return ["status", "vitals", "beats", "alerts", "alerts/active", "waveform"]


def test_who_comes_late_is_told_what_holds(broker_url: str, listener: Listener) -> None:
    sink = a_sink(at(broker_url))
    sink.open(STREAM)
    sink.write(an_alert())
    listener.wait_for(lambda: len(listener.of("alerts/active")) == 2)
    late = Listener(broker_url)
    late.wait_for(lambda: {message.topic for message in late.messages} == {"status", "alerts/active"})
    assert all(message.retained for message in late.messages)
    assert set(late.states()) == {"online"}
    assert [alert["kind"] for alert in late.of("alerts/active")[0].json["alerts"]] == ["vt"]
    sink.close("end of record")
    late.close()


def test_waveform_is_off_by_default(broker_url: str, listener: Listener) -> None:
    sink = a_sink(at(broker_url))
    sink.open(STREAM)
    sink.write(Samples(start=0, mv=np.zeros((360, 2), np.float32)))
    sink.close("end of record")
    listener.wait_for(lambda: "offline" in listener.states())
    assert not listener.of("waveform")


def test_leads_that_cannot_be_read_degrade_the_state_only_after_a_while(broker_url: str, listener: Listener) -> None:
    sink = a_sink(at(broker_url))
    sink.open(STREAM)
    for lead, seconds in (("off", 9), ("good", 1), ("off", 10), ("good", 9), ("off", 1), ("noisy", 10)):
        for _ in range(seconds):
            sink.write(a_second(None, "lead off", lead=lead))
    sink.close("end of record")
    listener.wait_for(lambda: "offline" in listener.states())
    assert listener.states() == ["online", "degraded", "online", "offline"]
    assert listener.of("status")[1].json["reason"] == "lead off"


PUBLISH_UNTIL_KILLED = f"""
import sys, time
sys.path[:0] = {[str(REPO), str(REPO / "tests"), str(REPO / "tests" / "sinks" / "mqtt")]!r}
from test_sink import STREAM, a_second, a_sink, at
sink = a_sink(at(sys.argv[1]))
sink.open(STREAM)
while True:
    sink.write(a_second())
    time.sleep(0.05)
"""


@contextmanager
def a_device_that_dies(listener: Listener) -> Iterator[None]:
    """A device publishes, in a process of its own, which is killed at the end."""
    process = subprocess.Popen([sys.executable, "-c", PUBLISH_UNTIL_KILLED, listener.url])
    try:
        listener.wait_for(lambda: listener.of("vitals"))
        yield
    finally:
        process.kill()
        process.wait()


def test_a_device_that_dies_is_said_to_be_offline_by_the_broker(listener: Listener) -> None:
    with a_device_that_dies(listener):
        assert listener.states() == ["online"]
    listener.wait_for(lambda: len(listener.states()) == 2)
    last = listener.of("status")[-1].json
    assert (last["state"], last["reason"], last["time"]) == ("offline", "connection lost", None)
    jsonschema.validate(last, schema("status"))


def test_the_last_will_of_an_earlier_start_does_not_stand(listener: Listener) -> None:
    sink = a_sink(at(listener.url))
    with a_device_that_dies(listener):
        sink.open(STREAM)
        listener.wait_for(lambda: listener.states() == ["online", "online"])
    listener.wait_for(lambda: listener.states() == ["online", "online", "offline", "online"])
    sink.close("end of record")


def test_a_broker_that_restarts_gets_everything_of_qos_1_and_what_is_retained(mosquitto: Mosquitto) -> None:
    publisher = MqttLink(at(mosquitto.url), "ecg-edge")
    publisher.connect(WILL)
    online = replace(WILL, payload=b'{"state":"online"}')
    publisher.publish(online)
    mosquitto.stop()
    for n in range(50):
        if n % 2:
            publisher.deliver(a_phase(f"{n}"))
        else:
            publisher.publish(a_message(f"{n}"))
    mosquitto.start()
    listening = Listener(mosquitto.url)
    publisher.close()
    listening.wait_for(lambda: listening.of("status") and len(listening.of("test")) >= 25)
    assert set(listening.states()) == {"online"}
    assert {message.payload for message in listening.of("test")} == {f"{n}".encode() for n in range(1, 50, 2)}
    listening.close()


def test_messages_that_stay_unacknowledged_are_counted(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_link, "_HASTE_S", 0.3)
    publisher = MqttLink(at(mosquitto.url), "ecg-edge")
    publisher.connect(WILL)
    mosquitto.stop()
    for n in range(7):
        publisher.deliver(a_phase(f"{n}"))
    with pytest.raises(SinkError, match=r"7 alert messages \(ventricular tachycardia\) were not acknowledged"):
        publisher.close()


def test_nobody_there_is_told_once_and_not_asked_again_at_every_record() -> None:
    publisher = MqttLink(at(f"mqtt://{HOST}:{free_port()}"), "x")
    with pytest.raises(SinkError, match="Connection refused: check that the broker runs"):
        publisher.connect(WILL)
    with socket.create_server((HOST, 0)) as elsewhere:
        publisher._broker = at(f"mqtt://{HOST}:{elsewhere.getsockname()[1]}")
        with pytest.raises(SinkError, match="Connection refused"):
            publisher.connect(WILL)


def test_a_port_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_connection, "CONNECT_TIMEOUT_S", 0.3)
    with (
        socket.create_server((HOST, 0)) as silent,
        pytest.raises(SinkError, match=r"no MQTT broker answers within 0\.3 s"),
    ):
        MqttLink(at(f"mqtt://{HOST}:{silent.getsockname()[1]}"), "x").connect(WILL)


@pytest.mark.parametrize("version", ["auto", "3.1.1"])
def test_an_older_broker_is_spoken_to_in_3_1_1(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("amqtt", reason="needs amqtt, a broker that only knows MQTT 3.1.1")
    monkeypatch.setattr(mqtt_connection, "CONNECT_TIMEOUT_S", 1.0)
    with embedded_broker() as url:
        listening = Listener(url)
        publisher = MqttLink(at(url, version=version), "ecg-edge")
        publisher.connect(WILL)
        publisher.publish(a_message("hello"))
        publisher.close()
        listening.wait_for(lambda: listening.of("test"))
        listening.close()
    assert publisher.version == "3.1.1"


def test_version_5_is_preferred(mosquitto: Mosquitto) -> None:
    publisher = MqttLink(at(mosquitto.url), "x")
    publisher.connect(None)
    publisher.close()
    assert publisher.version == "5"


def test_a_wrong_password_says_where_to_look(tmp_path: Path) -> None:
    program = shutil.which("mosquitto_passwd")
    if program is None or MOSQUITTO is None:
        pytest.skip("needs mosquitto and mosquitto_passwd")
    subprocess.run(
        [program, "-b", "-c", str(tmp_path / "passwords"), "bed-3", "right"], check=True, capture_output=True
    )
    settings = f"allow_anonymous false\npassword_file {tmp_path / 'passwords'}"
    with Mosquitto(tmp_path, settings).running() as broker:
        publisher = MqttLink(at(broker.url, username="bed-3", password="right"), "x")
        publisher.connect(WILL)
        publisher.close()
        for login in ({"username": "bed-3", "password": "wrong"}, {}):
            with pytest.raises(SinkError, match=r"check mqtt\.username and mqtt\.password_file") as refused:
                MqttLink(at(broker.url, **login), "x").connect(WILL)
            assert "wrong" not in str(refused.value)


def test_what_the_access_list_forbids_does_not_count_as_delivered(tmp_path: Path) -> None:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    (tmp_path / "acl").write_text("topic read #\n")
    with Mosquitto(tmp_path, f"allow_anonymous true\nacl_file {tmp_path / 'acl'}").running() as broker:
        publisher = MqttLink(at(broker.url), "x")
        publisher.connect(None)
        publisher.deliver(a_phase("alert"))
        with pytest.raises(
            SinkError, match=r"1 alert messages \(ventricular tachycardia\) were refused, Not authorized"
        ):
            publisher.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves the refused socket open
def test_tls_checks_the_certificate(tmp_path: Path) -> None:
    key, certificate = own_certificate(tmp_path)
    settings = f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}"
    plain = Mosquitto(tmp_path, settings)
    with plain.running() as broker:
        trusted = MqttLink(at(broker.url, tls=True, ca_file=certificate), "x")
        trusted.connect(WILL)
        trusted.publish(a_message("hello"))
        trusted.close()
        assert trusted.where.startswith("mqtts://")
        with pytest.raises(SinkError, match=r"certificate is not trusted.*mqtt\.ca_file"):
            MqttLink(at(broker.url, tls=True), "x").connect(WILL)
    gc.collect()
