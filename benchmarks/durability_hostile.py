"""`ecg-edge run` at brokers that misbehave for a while: nothing is lost, and what is wrong is told.

Each broker is in software (`benchmarks.hostile_broker`), behaves as its name says while the device watches a board at
20 times real time, and then as it should. What must arrive is the device's own log of alerts.
"""

from __future__ import annotations

import signal
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.durability_counts import Counts, Phase, judge, phase
from benchmarks.durability_live import Bench
from benchmarks.hostile_broker import (
    MAXIMUM_PACKET_SIZE,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    HostileBroker,
    Manners,
    Published,
    hostile_broker,
)
from edge.contract.payloads import Alert

HOSTILE_S = 16.0
"""Longer than it takes to find out that a broker acknowledges nothing."""

_DELIVERED_WITHIN_S, _STOP_WITHIN_S = 60.0, 5.0
_GOOD = Manners()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the alerts at one broker.

    Attributes
    ----------
    phases, duplicates, lost, out_of_order, unknown : int
        As in `Counts`. What a broker refuses is offered again later, and may come after what was decided later.
    told : str
        What the device said of it, the first line.
    lines : int
        Lines that it said in all.
    connections : int
        Times that it connected.
    stop_s : float
        How long it took to end when told to.
    """

    phases: int
    duplicates: int
    lost: int
    out_of_order: int
    unknown: int
    told: str
    lines: int
    connections: int
    stop_s: float

    @property
    def flawless(self) -> bool:
        """Whether all arrived, nothing else did, and the device ended in time."""
        return not (self.lost or self.unknown) and self.phases > 0 and self.stop_s < _STOP_WITHIN_S


def _is_third(message: Published) -> bool:
    return message.topic.endswith("/alerts") and message.payload[7:43].endswith((b"0", b"5", b"a"))


def _is_active(message: Published) -> bool:
    return message.topic.endswith("active")


def _number(name: int, value: int, form: str) -> bytes:
    return bytes([name]) + struct.pack(form, value)


BROKERS: dict[str, Callable[[], Manners]] = {
    "acknowledges nothing": lambda: Manners(acknowledges=lambda _message, _mid: None),
    "acknowledges what was never sent": lambda: Manners(acknowledges=lambda _message, mid: (mid + 999) % 65536),
    "takes one message at a time": lambda: Manners(limits=_number(RECEIVE_MAXIMUM, 1, ">H"), receive=1),
    "takes ten, and slowly": lambda: Manners(
        limits=_number(RECEIVE_MAXIMUM, 10, ">H"), receive=10, acknowledges_after_s=0.05
    ),
    "takes 1,500 bytes": lambda: Manners(limits=_number(MAXIMUM_PACKET_SIZE, 1500, ">I")),
    "takes 200 bytes": lambda: Manners(limits=_number(MAXIMUM_PACKET_SIZE, 200, ">I")),
    "retains nothing": lambda: Manners(
        limits=bytes([RETAIN_AVAILABLE, 0]), refuses_connect=lambda flags: 0x9A if flags & 0x20 else 0
    ),
    "gives the session to another": lambda: Manners(ends_over=_is_active, bye=0x8E),
    "hangs up over some alerts": lambda: Manners(ends_over=_is_third),
    "acknowledges after a second": lambda: Manners(acknowledges_after_s=1.0),
    "lets nobody in": lambda: Manners(refuses_connect=lambda _flags: 0x87),
}


def run(folder: Path, mv: NDArray[np.float32], *, hostile_s: float = HOSTILE_S) -> dict[str, Row]:
    """Watch at each broker; return what became of the alerts."""
    rows = {}
    for number, (name, manners) in enumerate(BROKERS.items()):
        place = folder / f"broker-{number}"
        place.mkdir()
        with hostile_broker(manners()) as broker:
            rows[name] = _watch(place, mv, broker, hostile_s)
        print(f"{name}: {'nothing lost' if rows[name].flawless else rows[name]}", flush=True)
    return rows


def _watch(folder: Path, mv: NDArray[np.float32], broker: HostileBroker, hostile_s: float) -> Row:
    bench = Bench(folder, broker.port)
    with bench.board(mv, hostile_s + _DELIVERED_WITHIN_S + 20), bench.start() as device:
        time.sleep(hostile_s)
        _behave(broker)
        until = time.monotonic() + _DELIVERED_WITHIN_S
        while set(bench.told()) - set(map(phase, _heard(broker))) and time.monotonic() < until:
            time.sleep(0.2)
        begun = time.monotonic()
        device.send_signal(signal.SIGTERM)
        try:
            device.wait(2 * _STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            device.kill()
        stop_s = time.monotonic() - begun
    said, told = (bench.log().parent / "stderr").read_text(), bench.told()
    # What was decided in the last moment is delivered by the next start.
    waits = set(bench.look().waits)
    return _row([one for one in told if one not in waits], broker, said, stop_s)


def _behave(broker: HostileBroker) -> None:
    """Be a good broker from now on; what was said to connections that there are still holds for them."""
    for name in ("acknowledges", "ends_over", "receive", "acknowledges_after_s", "refuses_connect", "limits"):
        setattr(broker.manners, name, getattr(_GOOD, name))
    broker.hang_up()


def _heard(broker: HostileBroker) -> list[Alert]:
    return [msgspec.json.decode(payload, type=Alert) for payload in broker.alerts()]


def _row(must: list[Phase], broker: HostileBroker, said: str, stop_s: float) -> Row:
    counts = Counts()
    judge(counts, _heard(broker), must)
    lines = [line for line in said.splitlines() if "mqtt://" in line]
    told = next((line for line in lines if not line.endswith(": connected")), "")
    return Row(
        phases=len(must),
        duplicates=counts.duplicates,
        lost=counts.lost,
        out_of_order=counts.out_of_order,
        unknown=counts.unknown,
        told=told.partition(f":{broker.port}: ")[2],
        lines=len(lines),
        connections=len(broker.connections),
        stop_s=round(stop_s, 1),
    )


def table(rows: dict[str, Row]) -> str:
    """Return a row for each broker."""
    names = [name for name in Row.__struct_fields__ if name != "told"]
    out = [f"| the broker | {' | '.join(name.replace('_', ' ') for name in names)} | told |"]
    out.append("|---" * (len(names) + 2) + "|")
    for broker, row in rows.items():
        out.append(f"| {broker} | {' | '.join(f'{getattr(row, name):,}' for name in names)} | {row.told or '–'} |")
    return "\n".join(out)
