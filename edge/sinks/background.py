"""Does what may take long, such as waiting for a disk, one thing after the other beside the work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]


class Background:
    """A thread that does jobs in the order they are given.

    Attributes
    ----------
    error : OSError or None
        The first that a job has raised since this was last set to None.
    """

    def __init__(self, name: str) -> None:
        self.error: OSError | None = None
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def do(self, job: Job) -> None:
        """Have a job done after those before it."""
        self._jobs.put(job)

    def idle(self, timeout_s: float | None) -> bool:
        """Wait until all jobs given so far are done, None for as long as it takes; return whether they are."""
        reached = threading.Event()
        self._jobs.put(reached.set)
        return reached.wait(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """End the thread after its last job; return whether it has ended in that time."""
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except OSError as error:
                self.error = self.error or error
