"""What is wrong with the machine while the work goes on: disk, clock, a model that stands in for another."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.errors import ModelError
from edge.inference.beat_model import BeatModel, model_names

LEAST_FREE = 32 << 20
"""Bytes; with fewer left the disk counts as full, while there is still room to write that it is."""

# NTP slews below 0.128 s and steps above; a step this large moves what consumers make of our times.
_STEP_S = 1.0
# So long a step of the clock stays told.
_TOLD_S = 600.0
_LOOK_EVERY_S = 5.0


class Health:
    """Looks at the machine now and then.

    Parameters
    ----------
    folders : sequence of Path
        Where this process writes.
    standing : sequence of str
        What is wrong from the start, and stays so.
    wall_s, now_s : callable
        The system's clock, and the monotonic one.
    """

    def __init__(
        self,
        folders: Sequence[Path] = (),
        standing: Sequence[str] = (),
        *,
        wall_s: Callable[[], float] = time.time,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._standing = tuple(standing)
        self._wall_s, self._now_s = wall_s, now_s
        self._offset_s = wall_s() - now_s()
        self._stepped: tuple[float, str] | None = None
        self._looked_s = -float("inf")
        self._told: dict[tuple[Path, str], str] = {}
        self._problems: tuple[str, ...] = self._standing

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong, one line each; looks anew every few seconds."""
        now_s = self._now_s()
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            self._problems = (*self._standing, *self._clock(now_s), *self._disks())
        return self._problems

    def _clock(self, now_s: float) -> list[str]:
        offset_s = self._wall_s() - now_s
        step_s, self._offset_s = offset_s - self._offset_s, offset_s
        if abs(step_s) >= _STEP_S:
            self._stepped = (now_s, f"clock was set {'forward' if step_s > 0 else 'back'} by {abs(step_s):.0f} s")
        if self._stepped is not None and now_s - self._stepped[0] > _TOLD_S:
            self._stepped = None
        return [] if self._stepped is None else [self._stepped[1]]

    def _disks(self) -> list[str]:
        told, self._told = self._told, {}
        for folder in self._folders:
            if (problem := writable(folder)) is not None:
                # How full a disk was when that was first told: each megabyte more or less is no news.
                what = (folder, problem.partition(":")[0])
                self._told[what] = told.get(what, problem)
        return list(self._told.values())


def writable(folder: Path) -> str | None:
    """Return why nothing more can be written to a folder; None if it can."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{folder}: {(error.strerror or 'cannot be used').lower()}"
    if free < LEAST_FREE:
        return f"disk full: {free / 1e6:.0f} MB left in {folder}"
    return None if os.access(folder, os.W_OK) else f"{folder} cannot be written to"


def load_model(name: str) -> tuple[BeatModel, str | None]:
    """Return the model of that name, or else another one that is shipped and what is wrong with the first.

    Raises
    ------
    ModelError
        If none can be used; it tells of the one asked for.
    """
    try:
        return BeatModel.load(name), None
    except ModelError as error:
        for other in model_names():
            if other == name:
                continue
            try:
                return BeatModel.load(other), f"{error}; {other} is used instead"
            except ModelError:
                continue
        raise
