"""What a newcomer is told of the device."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.durability_network import BASE, HOST
from edge.contract.payloads import Active, Status

_PATIENCE_S = 2.0
TOPICS = {"status": Status, "alerts/active": Active}


class Told(msgspec.Struct, frozen=True):
    """What is retained; None where nothing is."""

    status: Status | None
    active: Active | None

    def fits(self, started: datetime, in_force: set[str]) -> bool:
        """Return whether it is of a device that watches, started no earlier, with these alerts in force."""
        if self.status is None or self.active is None or self.status.time is None:
            return False
        here = self.status.state != "offline" and self.status.time >= started
        return here and {str(alert.id) for alert in self.active.alerts} == in_force


def retained(port: int) -> Told:
    """Ask a broker as somebody who was not there before; one that is not there tells nothing."""
    heard: dict[str, bytes] = {}
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe([(f"{BASE}/{topic}", 0) for topic in TOPICS])
    client.on_message = lambda _client, _data, message: heard.update({message.topic: bytes(message.payload)})
    until = time.monotonic() + _PATIENCE_S
    try:
        client.connect(HOST, port)
        while len(heard) < len(TOPICS) and time.monotonic() < until:
            client.loop(0.05)
        client.disconnect()
    except OSError:
        pass
    status, active = (
        msgspec.json.decode(heard[f"{BASE}/{topic}"], type=kind) if f"{BASE}/{topic}" in heard else None
        for topic, kind in TOPICS.items()
    )
    return Told(status, active)


def comes_to_fit(port: int, started: datetime, in_force: Callable[[], set[str]], within_s: float) -> bool:
    """Return whether what is retained becomes what the device holds to be so, soon enough."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        before = in_force()
        told = retained(port)
        # An alert may begin or end between asking here and asking there.
        if told.fits(started, before) or told.fits(started, in_force()):
            return True
        time.sleep(0.05)
    return False
