"""Many devices at a broker, each message of QoS 1 offered until it is acknowledged, as an outbox does."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import paho.mqtt.client as paho
from broker import HOST
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

WAIT_S = 60.0
_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


class Devices:
    """One connection for all of them; made anew whenever it breaks."""

    def __init__(self, port: int, *, protocol: str = "5", login: dict[str, str] | None = None) -> None:
        self.port, self._version, self._login = port, _PROTOCOLS[protocol], login
        self._news = threading.Event()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._on_their_way: dict[int, tuple[str, bytes]] = {}
        self._acknowledged: deque[int] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.acknowledged = 0

    def tell(self, messages: Iterable[tuple[str, bytes]]) -> None:
        self._waiting.extend(messages)
        self._news.set()

    def wait(self) -> None:
        """Wait until the broker has everything."""
        until = time.monotonic() + WAIT_S
        while self._waiting or self._on_their_way:
            assert time.monotonic() < until, (len(self._waiting), len(self._on_their_way))
            time.sleep(0.02)

    def _run(self) -> None:
        while not self._stop.is_set():
            client = paho.Client(CallbackAPIVersion.VERSION2, protocol=self._version, reconnect_on_failure=False)
            if self._login is not None:
                client.username_pw_set(**self._login)
            lost, joined = threading.Event(), threading.Event()
            client.on_connect = lambda *_, joined=joined: joined.set()
            client.on_disconnect = lambda *_, lost=lost: lost.set()
            client.on_publish = self._on_publish
            try:
                client.connect(HOST, self.port, keepalive=5)
            except OSError:
                time.sleep(0.05)
                continue
            client.loop_start()
            if not joined.wait(5):
                lost.set()
            while not lost.is_set() and not self._stop.is_set():
                self._feed(client)
            client.disconnect()
            client.loop_stop()
            client.on_publish = client.on_disconnect = client.on_connect = None
            self._note()
            # What was not acknowledged comes again, in its order.
            self._waiting.extendleft(reversed(self._on_their_way.values()))
            self._on_their_way.clear()

    def _feed(self, client: paho.Client) -> None:
        self._news.wait(0.05)
        self._news.clear()
        self._note()
        while self._waiting and len(self._on_their_way) < 20:
            topic, payload = self._waiting[0]
            # Under way before it waits no more, for whoever looks.
            self._on_their_way[client.publish(topic, payload, qos=1).mid] = topic, payload
            self._waiting.popleft()

    def _note(self) -> None:
        while self._acknowledged:
            if self._on_their_way.pop(self._acknowledged.popleft(), None) is not None:
                self.acknowledged += 1

    def _on_publish(self, _client: Any, _data: Any, mid: int, _reason: Any, _said: Any) -> None:
        self._acknowledged.append(mid)
        self._news.set()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
