"""Alerts for the outbox's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.sinks.outbox.outbox import Entry, Limits, Outbox


def an_entry(number: int, priority: str = "high", phase: str = "onset", size: int = 100) -> Entry:
    return Entry(
        topic="t",
        payload=f"{number}".encode().ljust(size),
        id=f"{number}",
        kind="vt",
        phase=phase,  # type: ignore[arg-type]
        priority=priority,  # type: ignore[arg-type]
        in_force=f"{number}".encode(),
    )


def waiting(box: Outbox) -> list[int]:
    out, seq = list[int](), 0
    while (row := box.next(seq)) is not None:
        seq = row[0]
        out.append(int(row[2]))
    box.withdraw()
    return out


@contextmanager
def opened(path: Path | None, limits: Limits | None = None) -> Iterator[Outbox]:
    box = Outbox(path, limits)
    try:
        yield box
    finally:
        box.close()
