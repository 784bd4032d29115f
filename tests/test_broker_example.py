"""The broker example, run as it is: who gets in, and who may say what."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import paho.mqtt.client as paho
import pytest
from broker import MOSQUITTO, WAIT_S, free_port
from command import Run
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.sinks.mqtt.home_assistant import BIRTH, BIRTH_TOPIC, announcements

EXAMPLE = Path(__file__).resolve().parent.parent / "docs" / "broker"
HOST = "localhost"
NOT_AUTHORIZED = 0x87


class Broker(msgspec.Struct, frozen=True):
    """A broker of the example, on ports of its own."""

    folder: Path
    devices: int
    dashboards: int
    websockets: int


def make_certificates(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [EXAMPLE / "make-certificates.sh", folder, *names], capture_output=True, text=True, check=False
    )


def uncommented(text: str) -> str:
    """Return an access list with the rules it offers taken up."""
    return re.sub(r"^# (?=(user|topic|pattern) )", "", text, flags=re.M)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    yield from brokers(tmp_path_factory.mktemp("broker"), lambda text: text)


@pytest.fixture(scope="module")
def assisting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker with what it offers for Home Assistant."""
    yield from brokers(tmp_path_factory.mktemp("assisting"), uncommented)


def brokers(folder: Path, edited: Callable[[str], str]) -> Iterator[Broker]:
    passwords = shutil.which("mosquitto_passwd")
    if MOSQUITTO is None or passwords is None or shutil.which("openssl") is None:
        pytest.skip("needs mosquitto, mosquitto_passwd and openssl")
    for name in ("devices.acl", "dashboards.acl"):
        (folder / name).write_text(edited((EXAMPLE / name).read_text()))
    made = make_certificates(folder, HOST, "bed-1", "bed-2")
    assert made.returncode == 0, made.stderr
    subprocess.run([passwords, "-b", "-c", folder / "dashboards.passwords", "ward", "secret"], check=True)
    subprocess.run([passwords, "-b", folder / "dashboards.passwords", "home-assistant", "secret"], check=True)
    ports = {old: free_port() for old in (8883, 8884, 9001)}
    text = (EXAMPLE / "mosquitto.conf").read_text().replace("/etc/mosquitto/ecg", str(folder))
    text = re.sub(r"^listener (\d+)$", lambda found: f"listener {ports[int(found[1])]}", text, flags=re.M)
    text = text.replace("/var/lib/mosquitto/", f"{folder}/")
    (folder / "mosquitto.conf").write_text(f"user root\nlog_dest file {folder}/log\n{text}")
    process = subprocess.Popen([MOSQUITTO, "-c", folder / "mosquitto.conf"], stderr=subprocess.DEVNULL)
    try:
        for port in ports.values():
            wait_for_port(process, port)
        yield Broker(folder, *ports.values())
    finally:
        process.terminate()
        process.wait(WAIT_S)


def wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "mosquitto does not take the example"
        time.sleep(0.02)
    raise AssertionError("mosquitto does not listen")


class Client:
    """Somebody at the broker, and what he is told."""

    def __init__(self, broker: Broker, port: int, transport: str = "tcp") -> None:
        self.answers: dict[str, ReasonCode] = {}
        self.heard: list[tuple[str, bytes]] = []
        self._news = threading.Condition()
        self._port = port
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, transport=transport)
        self.client.on_connect = lambda _c, _d, _f, reason, _p: self._answer("connect", reason)
        self.client.on_publish = lambda _c, _d, _m, reason, _p: self._answer("publish", reason)
        self.client.on_subscribe = lambda _c, _d, _m, reasons, _p: self._answer("subscribe", reasons[0])
        self.client.on_message = self._hear

    def _answer(self, what: str, reason: ReasonCode) -> None:
        with self._news:
            self.answers[what] = reason
            self._news.notify_all()

    def _hear(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        with self._news:
            self.heard.append((message.topic, bytes(message.payload)))
            self._news.notify_all()

    def connect(self) -> int:
        self.client.connect(HOST, self._port)
        self.client.loop_start()
        return self.asked("connect")

    def asked(self, what: str) -> int:
        with self._news:
            assert self._news.wait_for(lambda: what in self.answers, WAIT_S), what
            return self.answers.pop(what).value

    def publish(self, topic: str, payload: bytes = b"x") -> int:
        self.client.publish(topic, payload, qos=1)
        return self.asked("publish")

    def subscribe(self, topic: str) -> int:
        self.client.subscribe(topic, qos=1)
        return self.asked("subscribe")

    def wait_until_heard(self, topic: str) -> bytes:
        with self._news:
            assert self._news.wait_for(lambda: topic in dict(self.heard), WAIT_S), self.heard
        return dict(self.heard)[topic]


@contextmanager
def device(broker: Broker, name: str | None, folder: Path | None = None) -> Iterator[Client]:
    client, keys = Client(broker, broker.devices), folder or broker.folder
    own = {} if name is None else {"certfile": keys / f"device-{name}.pem", "keyfile": keys / f"device-{name}.key"}
    client.client.tls_set(ca_certs=str(broker.folder / "ca.pem"), **own)
    with ended(client):
        yield client


@contextmanager
def dashboard(
    broker: Broker, password: str = "secret", *, websockets: bool = False, user: str = "ward"
) -> Iterator[Client]:
    port, transport = (broker.websockets, "websockets") if websockets else (broker.dashboards, "tcp")
    client = Client(broker, port, transport)
    client.client.tls_set(ca_certs=str(broker.folder / "ca.pem"))
    client.client.username_pw_set(user, password)
    with ended(client):
        yield client


@contextmanager
def ended(client: Client) -> Iterator[None]:
    try:
        yield
    finally:
        client.client.disconnect()
        client.client.loop_stop()


def test_a_device_writes_below_its_own_id_only(broker: Broker) -> None:
    with dashboard(broker) as ward, device(broker, "bed-1") as bed:
        assert ward.connect() == 0
        assert ward.subscribe("ecg/v1/#") == 1
        assert bed.connect() == 0
        for topic in ("ecg/v1/bed-2/alerts", "ecg/v1/bed-2/status", "ecg/v1/alerts", "other", "ecg/v1/bed-1x/status"):
            assert bed.publish(topic) == NOT_AUTHORIZED, topic
        assert bed.publish("ecg/v1/bed-1/alerts", b"mine") in (0, 0x10)
        assert ward.wait_until_heard("ecg/v1/bed-1/alerts") == b"mine"
        assert [topic for topic, _ in ward.heard] == ["ecg/v1/bed-1/alerts"]


def test_a_device_hears_its_own_commands_and_nobody_elses_data(broker: Broker) -> None:
    with device(broker, "bed-1") as bed, device(broker, "bed-2") as other:
        assert bed.connect() == 0
        assert other.connect() == 0
        for topic in ("ecg/v1/bed-1/status", "ecg/v1/bed-1/command"):
            assert bed.subscribe(topic) == 1
        # mosquitto accepts any subscription and gives out what may be read.
        bed.subscribe("ecg/v1/#")
        other.publish("ecg/v1/bed-2/status", b"theirs")
        bed.publish("ecg/v1/bed-1/status", b"mine")
        assert bed.wait_until_heard("ecg/v1/bed-1/status") == b"mine"
        assert all(topic.startswith("ecg/v1/bed-1/") for topic, _ in bed.heard)


@pytest.mark.parametrize("websockets", [False, True])
def test_a_dashboard_only_reads(broker: Broker, websockets: bool) -> None:
    with dashboard(broker, websockets=websockets) as ward, device(broker, "bed-2") as bed:
        assert ward.connect() == 0
        assert bed.connect() == 0
        assert ward.subscribe("ecg/v1/+/vitals") == 1
        for topic in ("ecg/v1/bed-2/vitals", "ecg/v1/bed-2/command", "ecg/v1/ward/status"):
            assert ward.publish(topic) == NOT_AUTHORIZED, topic
        bed.publish("ecg/v1/bed-2/vitals", b"72")
        assert ward.wait_until_heard("ecg/v1/bed-2/vitals") == b"72"


def test_a_wrong_password_and_none_are_refused(broker: Broker) -> None:
    with dashboard(broker, "guess") as ward:
        assert ward.connect() == NOT_AUTHORIZED
    with dashboard(broker) as ward:
        ward.client.username_pw_set(None)
        assert ward.connect() == NOT_AUTHORIZED


def test_without_a_certificate_of_this_ca_there_is_no_connection(broker: Broker, tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "other", HOST, "bed-1")
    assert made.returncode == 0, made.stderr
    for name, folder in ((None, None), ("bed-1", tmp_path / "other")):
        with device(broker, name, folder) as stranger:
            refused = threading.Event()
            stranger.client.on_disconnect = lambda *_, refused=refused: refused.set()
            try:
                stranger.client.connect(HOST, broker.devices)
                stranger.client.loop_start()
            except (ssl.SSLError, OSError):
                refused.set()
            assert refused.wait(WAIT_S)
            assert "connect" not in stranger.answers


def test_ecg_edge_gets_in_with_its_certificate_and_not_with_anothers(
    broker: Broker, ecg_edge: Run, toy_record: Path, tmp_path: Path
) -> None:
    def settings(name: str, certificate: str) -> Path:
        path, keys = tmp_path / f"{name}-{certificate}.toml", broker.folder
        path.write_text(
            f'[device]\nid = "{name}"\n[mqtt]\nurl = "mqtts://{HOST}:{broker.devices}"\nca_file = "{keys}/ca.pem"\n'
            f'cert_file = "{keys}/device-{certificate}.pem"\nkey_file = "{keys}/device-{certificate}.key"\n'
        )
        return path

    with dashboard(broker) as ward:
        assert ward.connect() == 0
        ward.subscribe("ecg/v1/+/alerts")
        ward.subscribe("ecg/v1/+/status")
        done = ecg_edge("replay", toy_record, "--config", settings("bed-1", "bed-1"), "--json")
        assert done.returncode == 0, done.stderr
        ward.wait_until_heard("ecg/v1/bed-1/alerts")
        ward.heard.clear()
        wrong = ecg_edge("replay", toy_record, "--config", settings("bed-2", "bed-1"), "--json")
        time.sleep(0.5)
        assert not [topic for topic, _ in ward.heard if topic.startswith("ecg/v1/bed-2")]
        assert "Traceback" not in wrong.stderr


def test_home_assistant_is_nobodys_business_unless_asked_for(broker: Broker) -> None:
    with device(broker, "bed-1") as bed:
        assert bed.connect() == 0
        for publication in announcements("bed-1", "0"):
            assert bed.publish(publication.topic) == NOT_AUTHORIZED


def test_a_device_announces_itself_and_nobody_else_to_home_assistant(assisting: Broker) -> None:
    own, others = (announcements(name, "0") for name in ("bed-1", "bed-2"))
    with (
        dashboard(assisting, user="home-assistant") as assistant,
        dashboard(assisting) as ward,
        device(assisting, "bed-1") as bed,
    ):
        for client in (assistant, ward, bed):
            assert client.connect() == 0
            client.subscribe("homeassistant/#")
        for topic in (
            *(publication.topic for publication in others),
            "homeassistant/switch/bed-1/ecg_edge_alert/config",
            "homeassistant/sensor/bed-1/config",
            "homeassistant/sensor/bed-1/deep/er/config",
            "homeassistant/device/bed-1/config",
            "homeassistant/status",
        ):
            assert bed.publish(topic) == NOT_AUTHORIZED, topic
        for publication in own:
            assert bed.publish(publication.topic, publication.payload) == 0
            assert assistant.wait_until_heard(publication.topic) == publication.payload
        assert assistant.publish(BIRTH_TOPIC, BIRTH) == 0
        assert bed.wait_until_heard(BIRTH_TOPIC) == BIRTH
        assert [topic for topic, _ in bed.heard] == [BIRTH_TOPIC]
        assert not ward.heard
        assert {topic for topic, _ in assistant.heard} == {*(publication.topic for publication in own), BIRTH_TOPIC}


@pytest.mark.parametrize("name", ["../bed", "bed/1", "#", "+", "a b", "x" * 65, "bed$(id)"])
def test_no_certificate_is_made_for_what_is_no_device_id(tmp_path: Path, name: str) -> None:
    made = make_certificates(tmp_path / "ca", HOST, name)
    assert made.returncode == 2
    assert "a device id takes" in made.stdout
    assert not list(tmp_path.rglob("*.key"))


def test_another_device_is_added_and_what_is_there_is_kept(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path / "ca"
    assert make_certificates(folder, "192.0.2.7", "bed-1").returncode == 0
    before = {path.name: path.read_bytes() for path in folder.glob("*.pem")}
    assert make_certificates(folder, "192.0.2.7", "bed-1", "bed-2").returncode == 0
    assert before == {name: (folder / name).read_bytes() for name in before}
    assert (folder / "device-bed-2.key").stat().st_mode & 0o777 == 0o600
