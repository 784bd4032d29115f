"""Brokers of more than one node, by the very files of docs/broker, each node to be killed and started again."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from broker import HOST, MOSQUITTO, free_port
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

DOCS = Path(__file__).resolve().parent.parent / "docs" / "broker"
LOGINS = {"bed-1": "one", "bed-2": "two", "collector": "all"}
WAIT_S = 60.0


def wait_for(what: Callable[[], object], timeout_s: float = WAIT_S) -> None:
    until = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


class Cluster:
    """Nodes; a device knows those in `devices`, by their ports, a collector those in `collectors`."""

    name: str
    devices: list[int]
    collectors: list[int]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[int, subprocess.Popen[bytes]] = {}

    def command(self, port: int) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    def start(self, port: int) -> None:
        command, env = self.command(port)
        with (self.folder / f"log-{port}").open("ab") as log:
            self.nodes[port] = subprocess.Popen(command, env=os.environ | env, stdout=log, stderr=log)
        wait_for(lambda: listens(port))

    def kill(self, port: int) -> None:
        self.nodes[port].kill()
        self.nodes[port].wait()

    def ready(self) -> None:
        """Wait until all nodes know each other."""

    def close(self) -> None:
        for node in self.nodes.values():
            node.kill()
            node.wait()


class Bridge(Cluster):
    """A ward's mosquitto, bridged to a central one."""

    name = "mosquitto, bridged"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if MOSQUITTO is None or shutil.which("mosquitto_passwd") is None:
            pytest.skip("needs mosquitto and mosquitto_passwd")
        ward, central = free_port(), free_port()
        self.devices, self.collectors = [ward], [central]
        for name, password in (LOGINS | {"ward-3": "CHANGE-ME"}).items():
            new = [] if (folder / "passwords").exists() else ["-c"]
            subprocess.run(["mosquitto_passwd", "-b", *new, folder / "passwords", name, password], check=True)
        shutil.copy(DOCS / "devices.acl", folder)
        shutil.copy(DOCS / "bridge/central.acl", folder)
        for name, port in (("ward", ward), ("central", central)):
            (folder / name).mkdir()
            text = (DOCS / "bridge" / f"{name}.conf").read_text()
            text = text.replace("listener 1883", f"listener {port} {HOST}").replace("/etc/mosquitto/ecg", str(folder))
            text = text.replace("/var/lib/mosquitto/", f"{folder / name}/")
            text = text.replace("central.example:1883", f"{HOST}:{central}")
            (folder / f"{port}.conf").write_text(f"user root\nlog_dest stderr\n{text}")

    def command(self, port: int) -> tuple[list[str], dict[str, str]]:
        assert MOSQUITTO is not None
        return [MOSQUITTO, "-c", str(self.folder / f"{port}.conf")], {}

    def start_all(self) -> None:
        for port in (*self.collectors, *self.devices):
            self.start(port)


class Nats(Cluster):
    """Three nodes of NATS with JetStream."""

    name = "NATS JetStream"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if shutil.which("nats-server") is None:
            pytest.skip("needs nats-server")
        self.devices = self.collectors = [free_port() for _ in range(3)]
        self._ports = {port: (n, free_port(), free_port()) for n, port in enumerate(self.devices, 1)}
        for name in ("nats.conf", "users.conf"):
            shutil.copy(DOCS / "nats" / name, folder)
        routes = ", ".join(f"nats://{HOST}:{cluster}" for _, _, cluster in self._ports.values())
        (folder / "routes.conf").write_text(f"routes: [ {routes} ]\n")

    def command(self, port: int) -> tuple[list[str], dict[str, str]]:
        number, nats, cluster = self._ports[port]
        addresses = {"NATS_LISTEN": f"{HOST}:{nats}", "CLUSTER_LISTEN": f"{HOST}:{cluster}"}
        mqtt = {"MQTT_HOST": HOST, "MQTT_PORT": str(port)}
        logins = {name.upper().replace("-", "_"): password for name, password in LOGINS.items()}
        own = {"NODE": f"n{number}", "STORE": str(self.folder / str(number))}
        return ["nats-server", "-c", str(self.folder / "nats.conf")], addresses | mqtt | logins | own

    def start_all(self) -> None:
        for port in self.devices:
            self.start(port)
        self.ready()

    def ready(self) -> None:
        wait_for(lambda: all(answers(port) for port in self.devices if self.nodes[port].poll() is None))


class RabbitMQ(Cluster):
    """Three nodes of RabbitMQ."""

    name = "RabbitMQ"
    _bin = Path("/usr/lib/rabbitmq/bin")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if not (self._bin / "rabbitmq-server").exists() or shutil.which("epmd") is None:
            pytest.skip("needs RabbitMQ (Debian package rabbitmq-server)")
        self.devices = self.collectors = [free_port() for _ in range(3)]
        self._env = {port: self._environment(n, port) for n, port in enumerate(self.devices, 1)}
        self._epmd = subprocess.Popen(["epmd", "-port", self._env[self.devices[0]]["ERL_EPMD_PORT"]])

    def _environment(self, number: int, port: int) -> dict[str, str]:
        home = self.folder / f"n{number}"
        home.mkdir()
        text = (DOCS / "rabbitmq/rabbitmq.conf").read_text()
        text = text.replace("default = 1883", f"1 = {HOST}:{port}").replace(
            "default = 5672", f"1 = {HOST}:{free_port()}"
        )
        (home / "rabbitmq.conf").write_text(text)
        (home / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        shared = {"ERL_EPMD_PORT": self._epmd_port(), "RABBITMQ_ERLANG_COOKIE": "together", "HOME": str(self.folder)}
        return shared | {
            "RABBITMQ_NODENAME": f"ecg{number}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
        }

    def _epmd_port(self) -> str:
        path = self.folder / "epmd"
        if not path.exists():
            path.write_text(str(free_port()))
        return path.read_text()

    def command(self, port: int) -> tuple[list[str], dict[str, str]]:
        return [str(self._bin / "rabbitmq-server")], self._env[port]

    def ctl(self, port: int, *words: str, text: str = "") -> str:
        done = subprocess.run(
            [self._bin / "rabbitmqctl", *words],
            env=os.environ | self._env[port],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start_all(self) -> None:
        first, *others = self.devices
        for port in self.devices:
            command, env = self.command(port)
            with (self.folder / f"log-{port}").open("ab") as log:
                self.nodes[port] = subprocess.Popen(command, env=os.environ | env, stdout=log, stderr=log)
        for port in self.devices:
            wait_for(lambda port=port: listens(port))
        for port in others:
            for words in (("stop_app",), ("join_cluster", "ecg1@localhost"), ("start_app",)):
                self.ctl(port, *words)
        passwords = "".join(f"{name} {password}\n" for name, password in LOGINS.items())
        env = os.environ | self._env[first] | {"RABBITMQCTL": str(self._bin / "rabbitmqctl")}
        subprocess.run(
            [DOCS / "rabbitmq/set-up.sh"], env=env, input=passwords, text=True, check=True, capture_output=True
        )

    def kill(self, port: int) -> None:
        # The script has started Erlang, which goes by the number in its file.
        pid = int(re.sub(r"\D", "", Path(self._env[port]["RABBITMQ_PID_FILE"]).read_text()))
        os.kill(pid, 9)
        self.nodes[port].wait()

    def close(self) -> None:
        for port, node in self.nodes.items():
            if node.poll() is None:
                self.kill(port)
        self._epmd.kill()
        self._epmd.wait()


def answers(port: int) -> bool:
    """Return whether a node takes a client and its subscription."""
    client = Client("collector", [port], clean=True)
    try:
        return client.join(3) and client.subscribe("ecg/v1/none", 1)
    finally:
        client.close()


class Client:
    """Somebody who knows several nodes and goes on at the next when one is gone; of MQTT 3.1.1, which all speak."""

    def __init__(self, name: str, ports: Sequence[int], *, clean: bool, client_id: str = "", will: str = "") -> None:
        self.name, self.ports, self.heard = name, list(ports), list[tuple[str, bytes, bool]]()
        self._clean, self._id, self._will = clean, client_id or f"{name}-{time.monotonic_ns()}", will
        self._topics: list[tuple[str, int]] = []
        self._client: paho.Client | None = None
        self.lost = threading.Event()

    def join(self, timeout_s: float = WAIT_S) -> bool:
        """Connect to the first node that takes us."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for port in self.ports:
                if self._try(port):
                    return True
            time.sleep(0.05)
        return False

    def _try(self, port: int) -> bool:
        self.close()
        self.lost.clear()
        joined, refused = threading.Event(), threading.Event()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._id,
            clean_session=self._clean,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.username_pw_set(self.name, LOGINS[self.name])
        if self._will:
            client.will_set(self._will, b"gone", 1, True)
        client.on_connect = lambda _c, _d, _f, reason, _p: (refused if reason.is_failure else joined).set()
        client.on_disconnect = lambda *_: self.lost.set()
        client.on_message = lambda _c, _d, m: self.heard.append((m.topic, bytes(m.payload), m.retain))
        self._client = client
        try:
            client.connect(HOST, port, keepalive=5)
        except OSError:
            return False
        client.loop_start()
        until = time.monotonic() + 5
        while not joined.wait(0.02) and not self.lost.is_set() and not refused.is_set() and time.monotonic() < until:
            pass
        return joined.is_set() and (not self._topics or self._ask())

    def subscribe(self, topic: str, qos: int) -> bool:
        self._topics.append((topic, qos))
        return self._ask()

    def _ask(self) -> bool:
        assert self._client is not None
        answered = threading.Event()
        self._client.on_subscribe = lambda *_: answered.set()
        self._client.subscribe(self._topics)
        return answered.wait(10)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, timeout_s: float = 10) -> bool:
        """Return whether the node we are at says that it has it."""
        assert self._client is not None
        done = threading.Event()
        self._client.on_publish = lambda *_: done.set()
        if self._client.publish(topic, payload, 1, retain).rc:
            return False
        until = time.monotonic() + timeout_s
        while not done.wait(0.01) and not self.lost.is_set() and time.monotonic() < until:
            pass
        return done.is_set()

    def send(self, topic: str, payload: bytes) -> None:
        """Publish, at another node if it must be, until one says that it has it; as an outbox does."""
        while not self.publish(topic, payload):
            assert self.join()

    def follow(self) -> None:
        """Be back wherever we can, if the node is gone."""
        if self.lost.is_set():
            assert self.join()

    def vanish(self) -> None:
        """Be gone without a word."""
        assert self._client is not None
        sock = self._client.socket()
        assert sock is not None
        sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client.on_connect = self._client.on_disconnect = self._client.on_message = None
            self._client.on_subscribe = self._client.on_publish = None
            self._client = None


@contextmanager
def running(kind: type[Bridge | Nats | RabbitMQ]) -> Iterator[Bridge | Nats | RabbitMQ]:
    with tempfile.TemporaryDirectory(prefix="ecg-edge-cluster-") as folder:
        cluster = kind(Path(folder))
        try:
            cluster.start_all()
            yield cluster
        finally:
            cluster.close()
