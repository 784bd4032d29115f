"""A broker that is killed, a network that swallows everything, and who listens behind them."""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.durability_counts import Counts
from edge.contract.payloads import Alert, Status

HOST = "127.0.0.1"
DEVICE = "durable"
BASE = f"ecg/v1/{DEVICE}"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
_SETTLED_AFTER_S = 30.0
# Longer than any run.
_SESSION_S = 3600


class Broker:
    """A mosquitto that is killed, and a subscriber with a session that lasts, who hears all it hands on."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} {HOST}\nallow_anonymous true\nlog_dest none\nuser root\n"
            # Sessions and what is retained live on, as far as a broker that is killed can see to it …
            f"persistence true\npersistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\n"
            # … and what it acknowledges is in the subscriber's socket already.
            "max_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.listening = threading.Event()
        self.alerts: list[Alert] = []
        self.absence_s: Callable[[], float] = lambda: 0.0
        self.offline_after_s: list[float] = []
        """For each time that somebody was told that the device is offline, how long the broker had not heard of it."""
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="subscriber", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.reconnect_delay_set(min_delay=0.1, max_delay=0.2)  # type: ignore[arg-type]  # fractions work
        self._client.on_connect = lambda client, *_: client.subscribe([(f"{BASE}/alerts", 1), (f"{BASE}/status", 1)])
        self._client.on_subscribe = lambda *_: self.listening.set()
        self._client.on_message = self._hear

    def _hear(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if message.topic == f"{BASE}/alerts":
            self.alerts.append(msgspec.json.decode(message.payload, type=Alert))
        elif not message.retain and msgspec.json.decode(message.payload, type=Status).state == "offline":
            self.offline_after_s.append(self.absence_s())

    def start(self) -> None:
        """Start it."""
        if MOSQUITTO is None:
            raise RuntimeError("needs mosquitto: apt install mosquitto")
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            time.sleep(0.02)

    def listen(self) -> None:
        """Subscribe."""
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = _SESSION_S
        self._client.connect(HOST, self.port, clean_start=False, properties=lasting)
        self._client.loop_start()
        if not self.listening.wait(10):
            raise RuntimeError("mosquitto does not answer")

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            self.listening.clear()
            self._process.kill()
            self._process.wait()

    def settle(self) -> None:
        """Wait until nothing more arrives."""
        until, n = time.monotonic() + _SETTLED_AFTER_S, -1
        while n != len(self.alerts) and time.monotonic() < until:
            n = len(self.alerts)
            time.sleep(0.5)

    def stop(self) -> None:
        """End it and the subscriber."""
        self._client.disconnect()
        self._client.loop_stop()
        self.kill()


class Network:
    """Lies between device and broker: lets nobody through before the subscriber listens, and can swallow everything.

    Then it still takes connections and bytes, but passes nothing on, not even that somebody hung up.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._server = socket.create_server((HOST, 0))
        self.port: int = self._server.getsockname()[1]
        self.open = threading.Event()
        self.open.set()
        self._joined: set[socket.socket] = set()
        self._parted_at = -float("inf")
        broker.absence_s = self._absence_s
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    def _absence_s(self) -> float:
        return 0.0 if self._joined else time.monotonic() - self._parted_at

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                device, _ = self._server.accept()
                threading.Thread(target=self._join, args=(device,), daemon=True).start()

    def _join(self, device: socket.socket) -> None:
        try:
            if not self._broker.listening.wait(5):
                raise OSError
            broker = socket.create_connection((HOST, self._broker.port))
        except OSError:
            device.close()
            return
        for end in (device, broker):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._pump, args=(broker, device), daemon=True).start()
        self._pump(device, broker, told=device)

    def _pump(self, source: socket.socket, sink: socket.socket, told: socket.socket | None = None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
                if told is not None:
                    self._joined.add(told)
        self.open.wait()
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if told is not None and told in self._joined:
            self._parted_at = time.monotonic()
            self._joined.discard(told)
        source.close()


class Fate(threading.Thread):
    """Kills the broker so many times, and swallows everything a third as often; what is left over is done at the end.

    Parameters
    ----------
    broker, network : Broker, Network
        What suffers.
    counts : Counts
        Where it is noted.
    restarts : int
        Of the broker.
    lasts_s : float
        How long the run will take.
    chance : Random
        Says when.
    """

    def __init__(  # noqa: PLR0917
        self, broker: Broker, network: Network, counts: Counts, restarts: int, lasts_s: float, chance: random.Random
    ) -> None:
        super().__init__()
        self._broker, self._network, self._counts = broker, network, counts
        self._restarts, self._chance = restarts, chance
        self._mean_s = lasts_s / (restarts * 4 / 3 + 1)
        self._over = threading.Event()
        self.calm = threading.Lock()
        """Nothing happens while it is held."""

    def run(self) -> None:
        """Do it."""
        for number in range(self._restarts):
            self._over.wait(max(self._chance.uniform(0.5, 1.5) * self._mean_s - 0.8, 0.1))
            with self.calm:
                self._broker.kill()
                self._counts.broker_kills += 1
                time.sleep(self._chance.uniform(0.05, 1.0))
                self._broker.start()
                self._broker.listening.wait(10)
            if number % 3 == 0:
                self._over.wait(self._chance.uniform(0.1, 1.0) * self._mean_s)
                with self.calm:
                    self._network.open.clear()
                    self._counts.black_holes += 1
                    time.sleep(self._chance.uniform(0.5, 3.0))
                    self._network.open.set()

    def finish(self) -> None:
        """Do what is left, at once."""
        self._over.set()
        self.join()


def free_port() -> int:
    """Return a port nobody uses."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
