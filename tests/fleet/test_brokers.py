"""Brokers of several nodes, as docs/broker sets them up: what holds on which is what the table there says."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from balancer import balanced
from broker import HOST
from broker_clusters import LOGINS, Bridge, Client, Nats, RabbitMQ, running, wait_for
from command import Run, started, write_record
from numpy.typing import NDArray

Some = Bridge | Nats | RabbitMQ
KILLS = int(os.environ.get("ECG_EDGE_KILLS", "1"))


@pytest.fixture(
    scope="module", params=[pytest.param(cluster, marks=pytest.mark.slow) for cluster in (Bridge, Nats, RabbitMQ)]
)
def cluster(request: pytest.FixtureRequest) -> Iterator[Some]:
    with running(request.param) as there:
        yield there


@pytest.fixture
def collector(cluster: Some) -> Iterator[Client]:
    """Somebody at the far end, whose session is kept."""
    with closing(Client("collector", cluster.collectors[::-1], clean=False, client_id="keeper")) as client:
        assert client.join()
        assert client.subscribe("ecg/v1/+/alerts", 1)
        assert client.subscribe("ecg/v1/+/status", 1)
        yield client


@pytest.fixture
def bed(cluster: Some) -> Iterator[Client]:
    with closing(Client("bed-1", cluster.devices, clean=True)) as client:
        assert client.join()
        yield client


def heard(client: Client, topic: str) -> list[bytes]:
    return [payload for where, payload, _ in client.heard if where == topic]


def test_what_is_retained_is_told_to_who_comes_late(cluster: Some, bed: Client, collector: Client) -> None:
    assert bed.publish("ecg/v1/bed-1/status", b"first", retain=True)
    assert bed.publish("ecg/v1/bed-1/status", b"newest", retain=True)
    wait_for(lambda: b"newest" in heard(collector, "ecg/v1/bed-1/status"))
    time.sleep(1)  # what one node tells, another may keep a moment later
    # On the node that the device is at, and where it is not.
    for port in {cluster.collectors[0], cluster.collectors[-1]}:
        with closing(Client("collector", [port], clean=True)) as late:
            assert late.join()
            assert late.subscribe("ecg/v1/bed-1/status", 1)
            if isinstance(cluster, RabbitMQ) and port != cluster.devices[0]:
                time.sleep(1)
                assert late.heard == []  # its store of retained messages is each node's own
                continue
            wait_for(lambda late=late: late.heard)
            assert late.heard[0] == ("ecg/v1/bed-1/status", b"newest", True)


def test_a_will_is_told_everywhere(cluster: Some, collector: Client) -> None:
    with closing(Client("bed-1", cluster.devices, clean=True, will="ecg/v1/bed-1/status")) as bed:
        assert bed.join()
        bed.vanish()
        wait_for(lambda: b"gone" in heard(collector, "ecg/v1/bed-1/status"))


def test_a_device_speaks_for_itself_alone(cluster: Some, bed: Client, collector: Client) -> None:
    mine, others = "ecg/v1/bed-1/alerts", "ecg/v1/bed-2/alerts"
    bed.publish(others, b"not mine", timeout_s=2)
    if not isinstance(cluster, Bridge):  # versions of mosquitto differ
        assert bed.lost.is_set() == isinstance(cluster, RabbitMQ)
    bed.follow()
    bed.send(mine, b"mine")
    wait_for(lambda: b"mine" in heard(collector, mine))
    with closing(Client("bed-2", cluster.devices, clean=True)) as neighbour:
        assert neighbour.join()
        neighbour.send(others, b"the neighbour's")
        wait_for(lambda: heard(collector, others))
    assert heard(collector, others) == [b"the neighbour's"]


def test_an_alert_that_is_published_while_a_node_dies_arrives(cluster: Some, bed: Client, collector: Client) -> None:
    lost = killed(cluster, bed, collector, times=KILLS)
    assert not lost


def killed(cluster: Some, bed: Client, collector: Client, *, times: int) -> set[bytes]:
    """Kill the node that the device is at, amid its alerts, again and again; return those that did not arrive."""
    topic, sent = "ecg/v1/bed-1/alerts", set[bytes]()
    for time_ in range(times):
        node = cluster.devices[time_ % len(cluster.devices)]
        bed.ports = [node, *(port for port in cluster.devices if port != node)]
        assert bed.join()
        for number in range(20):
            if number == 10:
                # A second later everything of before is on the disk, as the file asks for.
                time.sleep(1.5 if isinstance(cluster, Bridge) else 0)
                cluster.kill(node)
                if isinstance(cluster, Bridge):
                    cluster.start(node)
            payload = f"{time_}-{number}".encode()
            bed.send(topic, payload)
            sent.add(payload)
            collector.follow()
        if not isinstance(cluster, Bridge):
            cluster.start(node)
        cluster.ready()
        until = time.monotonic() + 30
        print(f"{cluster.name}: node killed {time_ + 1} times, {len(sent)} alerts sent")
        while sent - set(heard(collector, topic)) and time.monotonic() < until:
            collector.follow()
            time.sleep(0.05)
    return sent - set(heard(collector, topic))


def configured(folder: Path, name: str, port: int) -> Path:
    """Write what a device or a collector of a name is given to reach a broker."""
    (folder / f"{name}.password").write_text(LOGINS[name])
    (folder / f"{name}.password").chmod(0o600)
    path = folder / f"{name}.toml"
    path.write_text(
        f'[device]\nid = "{name}"\n[mqtt]\nurl = "mqtt://{HOST}:{port}"\nusername = "{name}"\n'
        f'password_file = "{folder / f"{name}.password"}"\n'
    )
    return path


def test_a_device_and_a_collector_of_ours(
    cluster: Some, ecg_edge: Run, toy_ecg: NDArray[np.float32], tmp_path: Path
) -> None:
    record, database = write_record(tmp_path, "ward", toy_ecg), tmp_path / "fleet.sqlite"
    with balanced(lambda: cluster.devices) as near, balanced(lambda: cluster.collectors[::-1]) as far:
        words = ("--config", configured(tmp_path, "collector", far), "--database", f"sqlite:///{database}")
        with started("fleet", "collect", *words) as collecting:
            assert collecting.stderr is not None
            while "listening" not in (line := collecting.stderr.readline()):
                assert line, "the collector ends"
            alerts = tmp_path / "alerts.jsonl"
            done = ecg_edge("replay", record, "--config", configured(tmp_path, "bed-1", near), "--alerts", alerts)
            assert done.returncode == 0, done.stderr
            told = [json.loads(line) for line in alerts.read_text().splitlines()]
            assert len(told) > 2

            def stored() -> list[tuple[str, str]]:
                with closing(sqlite3.connect(database)) as connection:
                    rows = connection.execute("SELECT payload FROM alerts").fetchall()
                found = [json.loads(payload) for (payload,) in rows]
                return sorted((alert["id"], alert["phase"]) for alert in found)

            wait_for(lambda: len(stored()) >= len({(a["id"], a["phase"], a["decision"]["sample"]) for a in told}))
            assert stored() == sorted((alert["id"], alert["phase"]) for alert in told)
            collecting.send_signal(signal.SIGTERM)
            assert collecting.wait(20) == 0
