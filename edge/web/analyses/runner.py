"""Takes analyses out of the queue, each into a process of its own, and notes what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process

import msgspec

from edge.web.analyses.files import Folders
from edge.web.analyses.store import Analysis, Store
from edge.web.analyses.worker import TASK, Bounds, Line, Task

_log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 5.0
_NOTE_EVERY_S = 0.5


class Runner:
    """Works off the queue.

    Parameters
    ----------
    store, folders : Store, Folders
        Where analyses and their files are.
    bounds : Bounds
        What each may use.
    at_once : int
        How many run at the same time.
    kept : int
        How many that are over are kept; older ones are deleted.
    """

    def __init__(self, store: Store, folders: Folders, *, bounds: Bounds, at_once: int = 1, kept: int = 1000) -> None:
        self._store, self._folders, self._bounds, self._kept = store, folders, bounds, kept
        self._at_once = at_once
        self._news = asyncio.Event()
        self._working: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, first with what was interrupted by the end of an earlier server; call it in the event loop."""
        self._store.recover()
        self._working = [asyncio.create_task(self._work()) for _ in range(self._at_once)]

    def wake(self) -> None:
        """Look into the queue now."""
        self._news.set()

    async def stop(self) -> None:
        """End; what is running goes back into the queue."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            try:
                analysis = await asyncio.to_thread(self._store.begin_next)
                if analysis is not None:
                    await self._do(analysis)
                    continue
            except Exception:  # a database that is away for a while stops nothing for good
                _log.exception("the queue of analyses cannot be worked off")
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_AGAIN_S)

    async def _do(self, analysis: Analysis) -> None:
        try:
            reason = await self._run(analysis)
        except asyncio.CancelledError:
            self._store.put_back(analysis.id)
            raise
        except OSError as error:
            reason = f"the server cannot run it: {error.strerror or error}"
        await asyncio.to_thread(self._conclude, analysis, reason)

    def _conclude(self, analysis: Analysis, reason: str | None) -> None:
        self._store.finish(analysis.id, reason)
        self._folders.forget_uploads(analysis.id)
        for old in self._store.oldest_beyond(self._kept):
            if self._store.delete(old):
                self._folders.forget(old)

    async def _run(self, analysis: Analysis) -> str | None:
        """Run it; return why it failed, None if it did not."""
        folder = self._folders.of(analysis.id)
        task = Task(name=analysis.name, asked=analysis.asked, bounds=self._bounds)
        (folder / TASK).write_bytes(msgspec.json.encode(task))
        # -P: nothing is imported from the folder it works in, which holds what others have uploaded.
        command = (sys.executable, "-P", "-m", "edge.web.analyses.worker", str(folder))
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, cwd=folder, env=_environment(), start_new_session=True
        )
        try:
            async with asyncio.timeout(self._bounds.wall_s):
                last = await self._follow(analysis, process)
                code = await process.wait()
        except TimeoutError:
            return f"it took longer than {self._bounds.wall_s:,} s"
        finally:
            await _end(process)
            (folder / TASK).unlink(missing_ok=True)
        return self._outcome(last, code)

    async def _follow(self, analysis: Analysis, process: Process) -> Line | None:
        """Note what the process tells; return the last of it."""
        last, noted = None, 0.0
        if process.stdout is None:
            return None
        async for text in process.stdout:
            with contextlib.suppress(msgspec.DecodeError):
                last = msgspec.json.decode(text, type=Line)
                now = asyncio.get_running_loop().time()
                if last.progress is not None and now > noted + _NOTE_EVERY_S:
                    noted = now
                    await asyncio.to_thread(self._store.note_progress, analysis.id, last.progress)
        return last

    def _outcome(self, last: Line | None, code: int) -> str | None:
        if last is not None and last.done and code == 0:
            return None
        if last is not None and last.failed is not None:
            return last.failed
        if code == -signal.SIGXCPU:
            return f"it took longer than {self._bounds.cpu_s:,} s of computing"
        return "it needs more than an analysis may use, or is damaged in a way that ends the analysis"


async def _end(process: Process) -> None:
    """End a process and what it has started."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _environment() -> dict[str, str]:
    """Return what the process is to know of this one's environment: no secrets."""
    kept = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {key: os.environ[key] for key in kept if key in os.environ} | one
