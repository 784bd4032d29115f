"""One listener of many devices: what they publish is in the database, once, before the broker may forget it."""

from __future__ import annotations

import logging
import os
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta

import msgspec

from edge.config import Config
from edge.errors import ConfigError
from edge.fleet.errors import FleetError
from edge.fleet.inbox import Inbox, Received
from edge.fleet.metrics import Metrics
from edge.fleet.store import tables
from edge.fleet.store.batch import TOPICS, device_of, kind_of
from edge.fleet.store.database import connect, migrate
from edge.fleet.store.store import AwayError, Store
from edge.fleet.subscriber import Subscriber
from edge.service.replay import stop_on_signal
from edge.service.terminal import shown
from edge.service.wiring import broker

_log = logging.getLogger(__name__)

MOST = 5000
"""Messages a batch."""
DATABASE = "ECG_EDGE_DATABASE"
"""Environment variable with the database's URL: a command line is seen by everybody on the machine."""
_LOOK_S = 0.5
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 10.0
_HOUSE_S = 3600.0


class Share(msgspec.Struct, frozen=True):
    """Which of the devices a collector takes: all that fall to `number` (from 1) of `of`."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Share:
        """Return what `K/N` says.

        Raises
        ------
        ValueError
            If that is no share.

        Examples
        --------
        >>> Share.parse("2/3")
        Share(number=2, of=3)
        """
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) <= 1000):
            raise ValueError(f"{text!r} is no share: 2/3 is the second of three")
        return cls(int(number), int(of))

    def has(self, device: str) -> bool:
        """Return whether a device falls to this share: always the same one, on every machine."""
        return zlib.crc32(device.encode()) % self.of == self.number - 1


class Keep(msgspec.Struct, frozen=True):
    """For how many days rows are kept; None for ever."""

    vitals_days: float | None = 90
    alerts_days: float | None = None


class Collector:
    """Takes messages from an inbox to a store.

    Parameters
    ----------
    store : Store
        Where to.
    keep : Keep
        What is let go of, and when.
    share : Share
        Whose messages are taken.
    """

    def __init__(self, store: Store, keep: Keep, share: Share) -> None:
        self._store, self._keep, self._share = store, keep, share
        self._kept_house_at = -_HOUSE_S
        self.inbox = Inbox()
        self.metrics = Metrics(self.inbox, store)

    def take(self, received: Received) -> None:
        """Take in what came; what falls to another share is acknowledged at once."""
        topic = received.message.topic
        if self._share.has(device_of(topic)):
            self.metrics.received.labels(kind_of(topic)).inc()
            self.inbox.put(received)
        elif received.acknowledge is not None:
            received.acknowledge()

    def run(self, stop: threading.Event) -> None:
        """Store what comes until `stop` is set, and then what there is."""
        while True:
            stopping = stop.is_set()
            batch = self.inbox.take(MOST, 0 if stopping else _LOOK_S)
            if batch:
                if not self._store_all(batch, stop):
                    return
            elif stopping:
                return
            else:
                self._keep_house()

    def _store_all(self, batch: list[Received], stop: threading.Event) -> bool:
        """Store a batch, however long the database is away; return False if it is not stored, but the end."""
        wait_s, said = _FIRST_WAIT_S, ""
        messages = [received.message for received in batch]
        self.metrics.storing = messages
        while True:
            begun = time.monotonic()
            try:
                rejected = self._store.put(messages)
                break
            except AwayError as error:
                self.metrics.database_up.set(0)
                if str(error) != said:
                    said = str(error)
                    _log.warning("the database does nothing, %s; messages wait", said)
                if stop.wait(wait_s):
                    _log.warning("%d messages are not stored; the broker keeps those of QoS 1", len(messages))
                    return False
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        if said:
            _log.info("the database is there again")
        # In the order they came, and only now: what a broker has not been told to be safe comes again.
        for received in batch:
            if received.acknowledge is not None:
                received.acknowledge()
        self.metrics.storing = ()
        self.metrics.committed(time.monotonic() - begun, rejected)
        if rejected:
            _log.warning("%d messages are not believed; see the table `rejected`", rejected)
        return True

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now - self._kept_house_at < _HOUSE_S:
            return
        self._kept_house_at = now
        limits = [(tables.vitals, self._keep.vitals_days)]
        limits += [(table, self._keep.alerts_days) for table in (tables.alerts, tables.statuses, tables.rejected)]
        for table, days in limits:
            if days is None:
                continue
            try:
                gone = self._store.forget(table, datetime.now(UTC) - timedelta(days=days))
            except AwayError as error:
                _log.warning("old rows of %s stay for now, %s", table.name, error)
                continue
            if gone:
                what = "months" if table.name in tables.PARTITIONED else "rows"
                _log.info("%s: %d %s are older than %g days and gone", table.name, gone, what, days)


def collect(
    settings: Config, *, database: str | None, share: Share, name: str, keep: Keep, metrics: tuple[str, int] | None
) -> int:
    """Collect until a signal says to stop.

    Parameters
    ----------
    settings : Config
        With the broker.
    database : str or None
        Its URL; None takes that of the environment.
    share, keep : Share, Keep
        Which devices, and for how long.
    name : str
        Of this collector: the broker knows its session by it.
    metrics : tuple of (str, int) or None
        Address at which Prometheus may ask.

    Returns
    -------
    int
        The command's exit code.

    Raises
    ------
    ConfigError, FleetError
        If broker or database are not said, or the database cannot be used.
    """
    if settings.mqtt.url is None:
        raise ConfigError("--mqtt", "is needed, or mqtt.url in --config")
    url = database or os.environ.get(DATABASE)
    if not url:
        raise ConfigError("--database", f"is needed, or {DATABASE} in the environment")
    shown(lambda: None)
    engine = connect(url)
    if database is not None and engine.url.password is not None:
        _log.warning("--database: everybody on this machine sees its password: use %s, or ~/.pgpass", DATABASE)
    _log.info("%s: schema %s", engine.url.render_as_string(hide_password=True), migrate(engine))
    store = Store(engine)
    try:
        store.load()
    except AwayError as error:
        raise FleetError("--database", f"cannot be used, {error}", "check its server") from error
    collector = Collector(store, keep, share)
    who = f"ecg-collect-{name}-{share.number}-{share.of}"
    subscriber = Subscriber(broker(settings.mqtt), who, TOPICS, collector.take)
    collector.metrics.watch(subscriber)
    with collector.metrics.served(metrics), stop_on_signal() as stop:
        silent = threading.Event()
        listening = threading.Thread(target=subscriber.run, args=(silent,), name="subscriber")
        listening.start()
        try:
            collector.run(stop)
        finally:
            # Only then: what was stored last is acknowledged over the connection it came by.
            silent.set()
            listening.join()
            engine.dispose()
    return 0
