"""Who does the work: this process, processes of this machine, or a Dask cluster by its address.

Each is an executor of `concurrent.futures`; any other would do as well.
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from edge.errors import one_line
from edge.fleet.errors import FleetError

Result = TypeVar("Result")

_WAIT_S = 30.0
_LOOK_S = 0.2
_ASK_S = 5.0
_ENOUGH_S, _MOST_AT_ONCE = 0.25, 32
_KILLS = 10
"""So many processes may end over one record before it is given up; others than its own may be to blame for some."""
AGAIN = "start it, and run the same command again: what is done is kept"


Done = tuple[list[Result], float]
"""Results of some items, and the seconds that they took."""


def each(function: Callable[[str], Result], items: list[str]) -> Done[Result]:
    """Run a function on some items, one after the other; short ones are sent together, which costs less."""
    begun = time.perf_counter()
    return [function(item) for item in items], time.perf_counter() - begun


class Engine:
    """An executor, its name for people, and how many records it reads at once.

    Parameters
    ----------
    executor : Executor
        Runs the function.
    name : str
        What it is called in errors.
    slots : callable
        Says how many records it reads at once; a cluster grows and shrinks.
    lives : callable
        Says whether it can still be reached: a future of a cluster that is gone says nothing any more.
    """

    def __init__(
        self,
        executor: Executor,
        name: str,
        slots: Callable[[], int],
        lives: Callable[[], bool] = lambda: True,
    ) -> None:
        self._executor, self.name, self.slots, self._lives = executor, name, slots, lives
        self._batch = 1

    def in_order(
        self,
        function: Callable[[str], Result],
        items: Iterable[str],
        *,
        lost: Callable[[str, str], Result],
        tick: Callable[[], None] = lambda: None,
    ) -> Iterator[Result]:
        """Yield the function's results in the order of the items, with few of them under way at a time.

        Parameters
        ----------
        function : callable
            Run by the executor.
        items : iterable of str
            What it is run on.
        lost : callable
            Makes the result of an item whose process ended again and again, and of the reason.
        tick : callable
            Called often while there is nothing; may raise to end the work.

        Raises
        ------
        FleetError
            If the executor can do no more.
        """
        waiting: deque[tuple[list[str], Future[Done[Result]]]] = deque()
        rest = iter(items)
        try:
            while batch := list(islice(rest, self._batch)):
                waiting.append((batch, self._submit(function, batch)))
                slots = self.slots()
                while sum(len(each) for each, _ in waiting) >= max(32 + 8 * slots, 3 * slots * self._batch):
                    yield from self._first(function, waiting, lost, tick)
            while waiting:
                yield from self._first(function, waiting, lost, tick)
        finally:
            for _, future in waiting:
                future.cancel()

    def _submit(self, function: Callable[[str], Result], batch: list[str]) -> Future[Done[Result]]:
        try:
            return self._executor.submit(each, function, batch)
        except FleetError:
            raise
        except Exception as error:
            raise self._gone(error) from error

    def _first(
        self,
        function: Callable[[str], Result],
        waiting: deque[tuple[list[str], Future[Done[Result]]]],
        lost: Callable[[str, str], Result],
        tick: Callable[[], None],
    ) -> list[Result]:
        """Wait for the results that are next; none if it turns out that their items must be tried one by one."""
        batch, future = waiting[0]
        while True:
            tick()
            if not self._lives():
                raise FleetError(self.name, "is gone", AGAIN)
            try:
                error = future.exception(_LOOK_S)
                break
            except TimeoutError:
                continue
            except CancelledError as error:
                raise self._gone(error) from error
        waiting.popleft()
        if error is None:
            results, seconds = future.result()
            if self.slots():
                self._batch = max(1, min(_MOST_AT_ONCE, round(_ENOUGH_S * len(batch) / max(seconds, 1e-6))))
            return results
        if isinstance(error, FleetError):
            raise error
        if type(error).__name__ != "KilledWorker":
            raise self._gone(error) from error
        if len(batch) == 1:
            return [lost(batch[0], "the process that read it ended, again and again")]
        waiting.extendleft([([item], self._submit(function, [item])) for item in batch][::-1])
        return []

    def _gone(self, error: BaseException) -> FleetError:
        if isinstance(error, CancelledError | BrokenProcessPool):
            return FleetError(self.name, "is gone", AGAIN)
        reason = f"cannot do the work, {type(error).__name__}: {one_line(str(error))[:200]}"
        return FleetError(self.name, reason, "install this version of ecg-edge, with the extra fleet, on all machines")


class _Here(Executor):
    """Does the work at once, in this process."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Call the function."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # as any executor has it
            future.set_exception(error)
        return future


class _Workers:
    """Says how many workers a cluster has; it is asked again every few seconds, for some come and go."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._n, self._asked_at = 0, -math.inf

    def __call__(self) -> int:
        now = time.monotonic()
        if now - self._asked_at > _ASK_S:
            self._n, self._asked_at = len(self._client.scheduler_info()["workers"]), now
        return self._n


@contextmanager
def engine(workers: int, scheduler: str | None = None) -> Iterator[Engine]:
    """Start, or reach, who does the work.

    Parameters
    ----------
    workers : int
        Processes on this machine; 1 is this one.
    scheduler : str, optional
        Address of a Dask scheduler, instead.

    Raises
    ------
    FleetError
        If there is no scheduler there, or it has no workers.
    """
    if scheduler is None and workers == 1:
        yield Engine(_Here(), "this process", lambda: 0)
        return
    with _client(workers, scheduler) as client:
        # A scheduler that is there again knows nothing of what it was asked before.
        connection = client.scheduler_comm

        def lives() -> bool:
            return client.status == "running" and client.scheduler_comm is connection

        yield Engine(client.get_executor(pure=False), scheduler or "the local cluster", _Workers(client), lives)


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    import dask  # noqa: PLC0415  (these take a second to import)
    from distributed import Client, LocalCluster  # noqa: PLC0415

    for name in logging.root.manager.loggerDict:
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    settings = {
        "distributed.scheduler.allowed-failures": _KILLS,
        # Each record is read in one piece: nothing is gained by more of them on a worker than it can run.
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.comm.timeouts.connect": _WAIT_S,
    }
    with dask.config.set(settings):
        if scheduler is None:
            # Another run on this machine takes nothing from this one.
            warnings.filterwarnings("ignore", "Port .* is already in use", UserWarning)
            with (
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                ) as cluster,
                Client(cluster) as client,
            ):
                yield client
            return
        try:
            client = Client(scheduler, timeout=_WAIT_S)
        except (OSError, ValueError, TimeoutError) as error:
            raise FleetError(scheduler, "no scheduler can be reached there", "start one, or give --workers") from error
        try:
            client.wait_for_workers(1, timeout=_WAIT_S)
            yield client
        except TimeoutError as error:
            raise FleetError(scheduler, "has no workers", f"start some: dask worker {scheduler}") from error
        finally:
            client.close(timeout=2)
