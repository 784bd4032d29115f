"""Fixtures: a real MQTT broker on a free loopback port, mosquitto where installed, else amqtt, and a listener."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
REPO = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
WAIT_S = 20.0


class Mosquitto:
    """A mosquitto that can be stopped and started again on the same port."""

    def __init__(
        self,
        folder: Path,
        settings: str = "allow_anonymous true",
        port: int | None = None,
        *,
        persistence: bool = False,
    ) -> None:
        self.port = port or free_port()
        self.url = f"mqtt://{HOST}:{self.port}"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} {HOST}\npersistence {str(persistence).lower()}\n"
            f"persistence_location {folder}/\nlog_dest none\nuser root\n{settings}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError("mosquitto does not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(WAIT_S)
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)
            self._process = None

    @contextmanager
    def running(self) -> Iterator[Mosquitto]:
        self.start()
        try:
            yield self
        finally:
            self.stop()


class Received(msgspec.Struct, frozen=True):
    """A message as it arrived; `topic` is below the device's."""

    topic: str
    payload: bytes
    qos: int
    retained: bool

    @property
    def json(self) -> dict[str, object]:
        return msgspec.json.decode(self.payload)


class Listener:
    """Subscribes to everything below a device's topic."""

    def __init__(self, url: str, device: str = "ecg-edge") -> None:
        self.url = url
        self._prefix = f"ecg/v1/{device}/"
        self._news = threading.Condition()
        self.messages: list[Received] = []
        subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{self._prefix}#", qos=1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._on_message
        host, port = url.removeprefix("mqtt://").split(":")
        self._client.connect(host, int(port))
        self._client.loop_start()
        assert subscribed.wait(WAIT_S)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        with self._news:
            topic = message.topic.removeprefix(self._prefix)
            self.messages.append(Received(topic, bytes(message.payload), message.qos, message.retain))
            self._news.notify_all()

    def of(self, topic: str) -> list[Received]:
        return [message for message in self.messages if message.topic == topic]

    def alerts(self) -> list[dict[str, object]]:
        """The phases of alerts, each once: what is delivered at least once is at times delivered twice."""
        found = {}
        for alert in (message.json for message in self.of("alerts")):
            found.setdefault((alert["id"], alert["phase"], str(alert["decision"])), alert)
        return list(found.values())

    def states(self) -> list[object]:
        return [message.json["state"] for message in self.of("status")]

    def wait_for(self, what: Callable[[], object]) -> None:
        with self._news:
            assert self._news.wait_for(what, WAIT_S), [m.topic for m in self.messages[-20:]]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def door(port: int, broker: int) -> Iterator[None]:
    """Let whoever knocks at a port in to a broker: one that a listener has subscribed to before any device can come."""
    ends: list[socket.socket] = []

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                sink.sendall(content)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def let_in() -> None:
        with suppress(OSError):
            while True:
                guest, _ = server.accept()
                host = socket.create_connection((HOST, broker))
                ends.extend((guest, host))
                for pair in ((guest, host), (host, guest)):
                    threading.Thread(target=carry, args=pair, daemon=True).start()

    with socket.create_server((HOST, port)) as server:
        threading.Thread(target=let_in, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for end in ends:
                end.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A mosquitto of the test's own."""
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    with Mosquitto(tmp_path).running() as broker:
        yield broker


AMQTT = """
import sys
from edge.demo.broker import embedded_broker
with embedded_broker() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def amqtt() -> Iterator[str]:
    """An amqtt in a process of its own, for it leaves connections open when it stops."""
    process = subprocess.Popen(
        [sys.executable, "-c", AMQTT], cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.fixture
def broker_url(tmp_path: Path) -> Iterator[str]:
    """Address of a broker of the test's own, so that nothing is retained from another."""
    if MOSQUITTO is not None:
        with Mosquitto(tmp_path).running() as broker:
            yield broker.url
    else:
        pytest.importorskip("amqtt", reason="needs mosquitto or amqtt")
        with amqtt() as url:
            yield url


@pytest.fixture
def listener(broker_url: str) -> Iterator[Listener]:
    """Who hears everything that is published."""
    listening = Listener(broker_url)
    yield listening
    listening.close()


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a key and a certificate of `HOST` signed with it, or skip where mosquitto or openssl is not installed."""
    openssl = shutil.which("openssl")
    if openssl is None or MOSQUITTO is None:
        pytest.skip("needs mosquitto and openssl")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=IP:{HOST}"]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return key, certificate
