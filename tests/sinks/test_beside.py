"""Files beside the watch: one that does not answer is told, and stops nothing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from sinks_samples import MODEL, STREAM, Keeping, a_block, an_alert

from edge.config import Config
from edge.errors import SinkError
from edge.inference.beat_model import BeatModel
from edge.messages import Message, Stream
from edge.service.wiring import Options, sinks
from edge.sinks import Sink, beside
from edge.sinks.beside import Beside
from edge.sinks.console import Console
from edge.sinks.display import Display
from edge.sinks.fanout import Fanout
from edge.sinks.jsonl import JsonLines
from edge.sinks.mqtt.sink import MqttSink

ALERT = an_alert()


class Slow(Keeping):
    """A sink that can be held up, in what it does next."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.closed: list[str] = []

    def write(self, message: Message) -> None:
        assert self.free.wait(30)
        super().write(message)

    def close(self, reason: str) -> None:
        self.closed.append(reason)

    def resume(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "_ANSWERS_WITHIN_S", 0.2)


def test_one_that_does_not_answer_is_left_until_it_does(impatient: None, said: list[str]) -> None:
    slow, kept = Slow(), Keeping()
    aside = Beside(slow, "disk")
    fanout = Fanout([aside, kept])
    fanout.open(STREAM)
    fanout.write(ALERT)
    time.sleep(0.3)
    for _ in range(5):
        fanout.write(ALERT)
    assert said == ["disk: does not answer: it goes on by itself once that is mended"]
    assert fanout.problems
    assert len(kept.messages) == 6
    fanout.write(a_block(10))
    assert len(said) == 1, "it was tried again, in vain"
    slow.free.set()
    assert aside._background.idle(20)
    fanout.write(a_block(30))
    assert not fanout.problems
    assert len(said) == 2
    fanout.write(ALERT)
    fanout.close("stopped")
    assert slow.messages[0] is ALERT
    assert slow.messages[-1] is ALERT
    assert slow.closed == ["stopped"]


def test_none_of_several_holds_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "_CLOSES_WITHIN_S", 0.2)
    held = [Slow() for _ in range(5)]
    kept = Keeping()
    fanout = Fanout([*(Beside(slow, f"disk {i}") for i, slow in enumerate(held)), kept])
    fanout.open(STREAM)
    fanout.write(ALERT)
    fanout.close("stopped")
    assert [error.sink for error in fanout.errors] == [f"disk {i}" for i in range(5)]
    for slow in held:
        slow.free.set()


def test_what_fails_there_is_told_here_and_tried_again(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "folder").write_text("in the way")
    fanout = Fanout([Beside(JsonLines(tmp_path / "folder" / "a.jsonl", "bed-3", MODEL, keep=True), "a.jsonl")])
    fanout.open(STREAM)
    fanout.write(ALERT)
    assert len(said) == 1
    (tmp_path / "folder").unlink()
    fanout.write(a_block(10))
    fanout.write(ALERT)
    fanout.close("stopped")
    assert len(said) == 2
    assert len((tmp_path / "folder" / "a.jsonl").read_bytes().splitlines()) == 1


def test_whatever_goes_wrong_in_a_file_is_its_own_failure(said: list[str]) -> None:
    class Wrong(Sink):
        def open(self, stream: Stream) -> None:
            raise ZeroDivisionError("nobody thought of this")

    kept = Keeping()
    fanout = Fanout([Beside(Wrong(), "file"), kept])
    fanout.open(STREAM)
    fanout.write(ALERT)
    fanout.close("stopped")
    assert kept.messages == [ALERT]
    assert said == ["file: unexpected ZeroDivisionError: nobody thought of this"]


def test_a_pipe_that_nobody_reads_stops_nothing_else(impatient: None, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    kept = Keeping()
    log = JsonLines(pipe, "bed-3", MODEL, keep=True)
    aside = Beside(log, str(pipe))
    fanout = Fanout([aside, kept])
    fanout.open(STREAM)
    until = time.monotonic() + 20
    while not fanout.problems and time.monotonic() < until:
        fanout.write(ALERT)
    assert fanout.problems == (f"{pipe}: nobody reads what comes: give --alerts a file that can be written",)
    fanout.close("stopped")
    assert kept.messages
    os.close(read)


def test_a_new_log_is_begun_between_two_lines(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "a.jsonl", "bed-3", MODEL, keep=True)
    aside = Beside(log, "a.jsonl")
    aside.open(STREAM)
    aside.write(ALERT)
    assert aside.ask(log.rotate) == str(tmp_path / "a.jsonl.1")
    aside.write(ALERT)
    aside.close("stopped")
    for name in ("a.jsonl", "a.jsonl.1"):
        assert len((tmp_path / name).read_bytes().splitlines()) == 1
    with pytest.raises(SinkError, match="x: y"):
        aside.ask(lambda: (_ for _ in ()).throw(SinkError("x", "y")))


def test_people_come_last_and_disks_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    base = Config()
    config = type(base)(mqtt=type(base.mqtt)(url="mqtt://127.0.0.1:1"))
    options = Options(config=config, annotations=tmp_path / "a", alerts=tmp_path / "a.jsonl")
    with BeatModel.load("cnn") as model:
        found = sinks(options, model, console=Console(Display(None)), live=True)
    assert [type(sink) for sink in found] == [Beside, Beside, Beside, MqttSink, Console]
