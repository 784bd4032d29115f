"""What a collector says of itself, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import prometheus_client as prometheus

from edge.fleet.errors import FleetError
from edge.fleet.inbox import Inbox
from edge.fleet.store.batch import Message
from edge.fleet.store.store import Store


class _Listens(Protocol):
    connected: bool


class Metrics:
    """Counters and gauges of one collector.

    Parameters
    ----------
    inbox, store : Inbox, Store
        What is looked at when somebody asks.

    Attributes
    ----------
    storing : sequence of Message
        Those that are being stored now.
    """

    def __init__(self, inbox: Inbox, store: Store) -> None:
        self._inbox, self._store = inbox, store
        self.registry = prometheus.CollectorRegistry()
        self.storing: Sequence[Message] = ()
        self.received = prometheus.Counter(
            "ecg_collect_received", "Messages that came", ["topic"], registry=self.registry
        )
        self._rejected = prometheus.Counter(
            "ecg_collect_rejected", "Messages that are not believed", registry=self.registry
        )
        self.database_up = self._gauge("database_up", "Whether the database took the last batch")
        self._commit_s = prometheus.Histogram(
            "ecg_collect_commit_seconds", "Time a batch takes to be safe", registry=self.registry
        )
        self._gauge("lag_seconds", "Age of the oldest message that is not stored").set_function(self.lag_s)
        self._gauge("waiting", "Messages that are not stored").set_function(lambda: len(inbox) + len(self.storing))
        self._gauge("dropped", "Messages of QoS 0 that gave way since the start").set_function(lambda: inbox.dropped)
        for table in ("alerts", "vitals", "statuses", "doubled"):
            what = "Alerts that came again" if table == "doubled" else f"Rows put into {table}"
            gauge = self._gauge(f"{table}_stored" if table != "doubled" else table, f"{what} since the start")
            gauge.set_function(partial(store.stored.__getitem__, table))

    def _gauge(self, name: str, what: str) -> prometheus.Gauge:
        return prometheus.Gauge(f"ecg_collect_{name}", what, registry=self.registry)

    def watch(self, listener: _Listens) -> None:
        """Tell whether the broker is there."""
        self._gauge("connected", "Whether the broker is there").set_function(lambda: listener.connected)

    def lag_s(self) -> float:
        """Return the age of the oldest message that is not stored; 0 if there is none."""
        oldest = self.storing[0] if self.storing else self._inbox.oldest()
        return 0.0 if oldest is None else max((datetime.now(UTC) - oldest.received).total_seconds(), 0.0)

    def committed(self, seconds: float, rejected: int) -> None:
        """Count a batch that is safe."""
        self.database_up.set(1)
        self._commit_s.observe(seconds)
        self._rejected.inc(rejected)

    @contextmanager
    def served(self, address: tuple[str, int] | None) -> Iterator[None]:
        """Answer at an address, if there is one, until the block ends.

        Raises
        ------
        FleetError
            If that address cannot be had.
        """
        if address is None:
            yield
            return
        host, port = address
        try:
            server, thread = prometheus.start_http_server(port, host, self.registry)
        except OSError as error:
            raise FleetError(f"--metrics {host}:{port}", error.strerror or str(error), "give another port") from error
        try:
            yield
        finally:
            _stop(server, thread)


def _stop(server: Any, thread: Any) -> None:
    server.shutdown()
    server.server_close()
    thread.join()
