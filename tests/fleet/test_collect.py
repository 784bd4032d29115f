"""`ecg-edge fleet collect`: what devices tell is in the database once, whoever is killed on the way."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from broker import HOST, MOSQUITTO, Mosquitto, free_port
from command import COMMAND, Run, environment
from fleet_devices import Devices
from fleet_messages import START, alert, message, published, status, vitals
from postgresql import PostgreSQL

from edge.fleet import inbox as inbox_module
from edge.fleet.collect import Share
from edge.fleet.inbox import Inbox, Received
from edge.fleet.store import database
from edge.fleet.subscriber import Subscriber
from edge.sinks.mqtt.broker import Broker

WAIT_S = 60.0
PERSISTENT = "allow_anonymous true\nmax_queued_messages 0\nautosave_interval 1\n"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto")
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker", PERSISTENT, persistence=True).running() as running:
        yield running


@pytest.fixture
def devices(broker: Mosquitto) -> Iterator[Devices]:
    with closing(Devices(broker.port)) as running:
        yield running


class Collecting:
    """A collector that can be killed and started again."""

    def __init__(self, port: int, url: str, *words: str, name: str = "test") -> None:
        self._words = ["--mqtt", f"mqtt://{HOST}:{port}", "--name", name, *words]
        self._url = url
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [*COMMAND, "fleet", "collect", *self._words, "--metrics", f"{HOST}:{self.port}"]
        self.process = subprocess.Popen(
            command, env=environment(ECG_EDGE_DATABASE=self._url), stderr=subprocess.PIPE, text=True
        )
        wait_for(lambda: self.metric("connected") == 1)

    def metric(self, name: str) -> float | None:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return None
        found = [line.rpartition(" ")[2] for line in lines if line.startswith(f"ecg_collect_{name} ")]
        return float(found[0]) if found else None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def stop(self) -> str:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=WAIT_S)
        assert self.process.returncode == 0
        assert "Traceback" not in err
        return err


@contextmanager
def collecting(broker: Mosquitto, url: str, *words: str, name: str = "test") -> Iterator[Collecting]:
    collector = Collecting(broker.port, url, *words, name=name)
    collector.start()
    try:
        yield collector
    finally:
        if collector.process is not None and collector.process.poll() is None:
            collector.kill()


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def ask(url: str, what: str) -> list[tuple[object, ...]]:
    engine = database.connect(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(what))]
    finally:
        engine.dispose()


def count(url: str, table: str) -> int:
    return int(str(ask(url, f"SELECT count(*) FROM {table}")[0][0]))


def test_what_devices_tell_is_in_the_database(
    broker: Mosquitto, devices: Devices, postgresql: str, tmp_path: Path
) -> None:
    beds = [f"bed-{n}" for n in range(20)]
    with collecting(broker, postgresql) as collector:
        assert postgresql not in str(psutil.Process(collector.process.pid).cmdline())
        devices.tell(published(status(bed)) for bed in beds)
        devices.tell(published(vitals(bed, second)) for second in range(5) for bed in beds)
        devices.tell(published(alert(bed, 1, phase)) for phase in ("onset", "end") for bed in beds)
        devices.tell([("ecg/v1/bed-1/alerts", b"{}"), published(vitals("bed-2"), "ecg/v1/bed-1/vitals")])
        wait_for(lambda: count(postgresql, "alerts") == 40)
        wait_for(lambda: count(postgresql, "vitals") == 100)
        wait_for(lambda: count(postgresql, "rejected") == 2)
        assert count(postgresql, "devices") == count(postgresql, "statuses") == 20
        assert (collector.metric("alerts_stored"), collector.metric("vitals_stored")) == (40, 100)
        assert collector.metric("rejected_total") == 2
        wait_for(lambda: collector.metric("lag_seconds") == 0)
        said = collector.stop()
    assert f"{broker.url}: listening" in said
    assert "messages are not believed" in said


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_doubled_whoever_is_killed(
    broker: Mosquitto, devices: Devices, postgresql_server: PostgreSQL, postgresql: str
) -> None:
    told: list[tuple[str, bytes]] = []
    stop = threading.Event()

    def alarm() -> None:
        number = 0
        while not stop.wait(0.01):
            number += 1
            at = START + timedelta(seconds=number)
            for phase in ("onset", "end"):
                told.append(published(alert(f"bed-{number % 7}", number, phase, at)))
                devices.tell(told[-1:])

    alarming = threading.Thread(target=alarm)
    with ExitStack() as stack:
        collector = stack.enter_context(collecting(broker, postgresql))
        stack.callback(alarming.join)
        stack.callback(stop.set)
        alarming.start()
        for _ in range(2):
            collector.kill()
            collector.start()
            postgresql_server.kill()
            time.sleep(0.5)
            postgresql_server.start()
            wait_for(lambda: collector.metric("database_up") == 1)
            broker.stop()
            broker.start()
            wait_for(lambda: collector.metric("connected") == 1)
            collector.kill()
            postgresql_server.kill()
            postgresql_server.start()
            collector.start()
        stop.set()
        alarming.join()
        devices.wait()
        wait_for(lambda: count(postgresql, "alerts") >= len(told))
        collector.stop()
    assert len(told) > 100
    kept = ask(postgresql, "SELECT payload FROM alerts ORDER BY id, phase DESC")
    assert sorted(payload for (payload,) in kept) == sorted(payload.decode() for _, payload in told)


def test_a_database_that_is_away_is_told_and_waited_for(
    broker: Mosquitto, devices: Devices, postgresql_server: PostgreSQL, postgresql: str
) -> None:
    with collecting(broker, postgresql) as collector:
        postgresql_server.kill()
        devices.tell(published(alert("bed-1", n)) for n in range(50))
        wait_for(lambda: (collector.metric("lag_seconds") or 0) > 0.5)
        assert collector.metric("database_up") == 0
        assert collector.metric("waiting")
        # Whoever is stopped now leaves to the broker what is not stored.
        assert "messages are not stored; the broker keeps those of QoS 1" in collector.stop()
        postgresql_server.start()
        collector.start()
        wait_for(lambda: count(postgresql, "alerts") == 50)
        collector.stop()


def test_the_older_protocol_loses_nothing_either(broker: Mosquitto, devices: Devices, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/fleet.sqlite"
    (tmp_path / "old.toml").write_text('[mqtt]\nversion = "3.1.1"\n')
    with collecting(broker, url, "--config", str(tmp_path / "old.toml")) as collector:
        devices.tell([published(alert("bed-1", 0))])
        wait_for(lambda: count(url, "alerts") == 1)
        collector.kill()
        devices.tell(published(alert("bed-1", n)) for n in range(1, 200))
        devices.wait()
        collector.start()
        wait_for(lambda: count(url, "alerts") == 200)
        collector.stop()


def test_who_is_not_subscribed_yet_is_not_listening() -> None:
    heard = threading.Event()
    with socket.create_server((HOST, 0)) as listener:

        def broker() -> None:
            client, _ = listener.accept()
            with client:
                while (packet := client.recv(4096))[:1] != b"\x82":
                    client.sendall(b"\x20\x02\x00\x00")  # welcome
                heard.set()
                answering.wait(WAIT_S)
                client.sendall(b"\x90\x03" + packet[2:4] + b"\x01")
                client.recv(4096)

        answering, stop = threading.Event(), threading.Event()
        where = Broker(host=HOST, port=listener.getsockname()[1], version="3.1.1")
        subscriber = Subscriber(where, "test", [("ecg/v1/+/alerts", 1)], lambda _: None)
        threads = [threading.Thread(target=broker), threading.Thread(target=subscriber.run, args=(stop,))]
        for thread in threads:
            thread.start()
        try:
            assert heard.wait(WAIT_S)
            time.sleep(0.3)
            assert not subscriber.connected
            answering.set()
            wait_for(lambda: subscriber.connected)
        finally:
            answering.set()
            stop.set()
            for thread in threads:
                thread.join()


def test_collectors_share_the_devices(broker: Mosquitto, devices: Devices, tmp_path: Path) -> None:
    beds = [f"bed-{n}" for n in range(40)]
    urls = [f"sqlite:///{tmp_path}/{n}.sqlite" for n in (1, 2)]
    with collecting(broker, urls[0], "--share", "1/2"), collecting(broker, urls[1], "--share", "2/2"):
        devices.tell(published(alert(bed)) for bed in beds)
        wait_for(lambda: sum(count(url, "alerts") for url in urls) == len(beds))
    halves = [{device for (device,) in ask(url, "SELECT device FROM alerts")} for url in urls]
    assert halves[0] | halves[1] == set(beds)
    assert halves[0] == {bed for bed in beds if Share(1, 2).has(bed)} != set()
    assert not halves[0] & halves[1]


def test_what_is_live_gives_way_and_what_is_owed_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MOST_LIVE", 10)
    box = Inbox()
    for n in range(30):
        box.put(Received(message(vitals("bed-1", n)), None))
        box.put(Received(message(alert("bed-1", n)), lambda: None))
    assert (len(box), box.dropped) == (40, 20)
    taken = box.take(35, 0)
    assert [received.acknowledge is not None for received in taken] == [True] * 30 + [False] * 5
    assert taken[30].message.payload == message(vitals("bed-1", 20)).payload
    assert len(box.take(35, 0)) == 5
    assert box.take(35, 0) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "--mqtt: is needed"),
        (("--mqtt", "mqtt://x"), 2, "--database: is needed, or ECG_EDGE_DATABASE"),
        (("--mqtt", "mqtt://x", "--database", "nonsense"), 1, "is no URL of a database"),
        (("--mqtt", "mqtt://x", "--database", "postgresql://a:secret@127.0.0.1:1/x"), 1, "Connection refused"),
        (("--mqtt", "mqtt://x", "--database", "sqlite:///a", "--share", "3/2"), 2, "'3/2' is no share"),
        (("--mqtt", "mqtt://x", "--database", "sqlite:///a", "--name", "a b"), 2, "takes 1 to 40 letters"),
        (("--mqtt", "mqtt://x", "--database", "sqlite:///a", "--metrics", "a:b"), 2, "is no HOST:PORT"),
    ],
)
def test_what_cannot_be_is_one_line(ecg_edge: Run, words: tuple[str, ...], code: int, said: str) -> None:
    done = ecg_edge("fleet", "collect", *words)
    assert done.returncode == code
    assert said in done.stderr
    assert "secret" not in done.stderr.replace("--database: everybody", "")
    assert "Traceback" not in done.stderr


def test_a_share_is_the_same_everywhere() -> None:
    assert [Share(number, 3).has("bed-1") for number in (1, 2, 3)] == [False, False, True]
    spread = [sum(Share(n, 4).has(f"bed-{i}") for i in range(4000)) for n in (1, 2, 3, 4)]
    assert sum(spread) == 4000
    assert min(spread) > 900
