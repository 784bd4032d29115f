"""What people read: an output that fails or sleeps keeps nobody waiting, and nobody else from being told."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
from sinks_samples import STREAM, Keeping, a_block, an_alert
from small_disk import small_disk

from edge.errors import SinkError
from edge.sinks.console import Console
from edge.sinks.display import Display, same_place
from edge.sinks.fanout import Fanout

ALERT = an_alert(strip=None)
# More than a pipe and what is kept in front of it hold.
MANY = 100_000


@contextmanager
def a_pipe() -> Iterator[tuple[int, TextIO]]:
    read, write = os.pipe()
    with os.fdopen(write, "w", encoding="ascii", errors="replace") as out:
        yield read, out


def read_all(pipe: int, into: list[bytes]) -> threading.Thread:
    thread = threading.Thread(target=lambda: into.extend(iter(lambda: os.read(pipe, 1 << 16), b"")))
    thread.start()
    return thread


def test_a_reader_that_sleeps_keeps_nobody_waiting_and_is_told_once(said: list[str]) -> None:
    kept, read_text = Keeping(), list[bytes]()
    with a_pipe() as (read, out):
        display = Display(out)
        sinks = Fanout([kept, Console(display)])
        sinks.open(STREAM)
        for _ in range(MANY):
            sinks.write(ALERT)
        assert display.behind
        assert len(kept.messages) == MANY
        assert len(said) == 1
        assert said[0].startswith("standard output: is not read")
        reading = read_all(read, read_text)
        display._background.idle(20)
        sinks.write(a_block(10))
        assert said[1:] == ["standard output: written again; what came in between is missing there"]
        sinks.close("stopped")
    reading.join()
    os.close(read)
    lines = b"".join(read_text).splitlines()
    assert 1000 < len(lines) < MANY
    assert lines[-1] == b"208  alerts are missing here"


def test_a_reader_that_goes_away_costs_what_it_was_to_read(said: list[str]) -> None:
    kept = Keeping()
    with a_pipe() as (read, out):
        os.close(read)
        sinks = Fanout([kept, Console(Display(out))])
        sinks.open(STREAM)
        for _ in range(100):
            sinks.write(ALERT)
        sinks.close("stopped")
    assert len(kept.messages) == 100
    assert [error.reason for error in sinks.errors] == ["Broken pipe"]
    assert len(said) == 1


def test_a_disk_that_has_room_again_is_written_to_again(tmp_path: Path, said: list[str]) -> None:
    with small_disk(tmp_path / "disk", "8k") as folder:
        hog = folder / "hog"
        hog.write_bytes(b"x" * 4096)
        with (folder / "out").open("w") as out:
            sinks = Fanout([Console(Display(out))])
            sinks.open(STREAM)
            while not sinks.problems:
                sinks.write(ALERT)
            hog.unlink()
            sinks.write(a_block(10))
            sinks.write(ALERT)
            sinks.close("stopped")
        last = (folder / "out").read_text().splitlines()[-2:]
    assert last[0].endswith("208  alerts are missing here")
    assert "ventricular tachycardia" in last[1]
    assert len(said) == 2


def test_what_cannot_be_encoded_is_shown_otherwise() -> None:
    with a_pipe() as (read, out):
        display = Display(out)
        display.show("µV\n")
        assert display.wait(10)
        assert os.read(read, 10) == b"?V\n"
        os.close(read)


def test_without_an_output_nothing_is_shown() -> None:
    display = Display(None)
    display.show("nobody is there")
    assert display.wait(10)


def test_an_output_that_was_closed_is_named() -> None:
    with a_pipe() as (read, out):
        display = Display(out)
        os.close(read)
    display.show("x")
    assert not display.wait(10)
    with pytest.raises(SinkError, match="standard output"):
        display.show("y")


def test_two_names_of_one_place_are_known() -> None:
    with a_pipe() as (read, out), os.fdopen(os.dup(out.fileno()), "w") as again, a_pipe() as (other_read, other):
        assert same_place(out, again)
        assert not same_place(out, other)
        assert not same_place(out, None)
        os.close(read)
        os.close(other_read)
