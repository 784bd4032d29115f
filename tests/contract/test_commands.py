"""Commands: done, answered, and whatever is no command refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import jsonschema
import msgspec
import numpy as np
import paho.mqtt.client as paho
import pytest
from broker import HOST, Listener, Mosquitto
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from sinks_samples import MODEL, STREAM, a_second, an_alert

from edge.contract.commands import MAX_BYTES, Acknowledge, Inbox, Refusal, RotateLog, Snapshot, parse
from edge.contract.schemas import schema
from edge.messages import Gap, Message, Samples, SourceState
from edge.sinks.jsonl import JsonLines
from edge.sinks.mqtt.broker import Broker
from edge.sinks.mqtt.command_handler import CommandHandler, LastSamples
from edge.sinks.mqtt.link import MqttLink
from edge.sinks.mqtt.sink import MqttSink
from edge.sinks.outbox.outbox import Outbox

ID = UUID("019ca86f-9d0a-7c11-9b6a-5be0a3a1f7d2")
HOSTILE = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[" * 4000,
    b'{"command": "reboot"}',
    b'{"command": 3}',
    b'{"command": "acknowledge"}',
    b'{"command": "acknowledge", "alert": "../../etc/passwd"}',
    b'{"command": "snapshot", "request": 1}',
    b'{"command": "snapshot", "request": "' + b"x" * 65 + b'"}',
    b" " * (MAX_BYTES + 1),
]


def test_commands_are_understood() -> None:
    assert parse(b'{"command": "snapshot", "new": 1}') == Snapshot()
    assert parse(b'{"command": "rotate_log", "request": "7"}') == RotateLog(request="7")
    assert parse(f'{{"command": "acknowledge", "alert": "{ID}", "by": "desk"}}'.encode()) == Acknowledge(
        alert=ID, by="desk"
    )


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_command_is_refused_in_a_short_line(payload: bytes) -> None:
    answer = parse(payload)
    assert isinstance(answer, Refusal)
    assert 0 < len(answer.reason) <= 160
    assert "\n" not in answer.reason


@given(st.binary(max_size=200))
def test_nothing_breaks_the_parser(payload: bytes) -> None:
    assert parse(payload) is not None


def test_too_many_at_once_are_dropped() -> None:
    inbox = Inbox()
    for _ in range(100):
        inbox.put(b'{"command": "snapshot"}')
    assert sum(inbox.take() is not None for _ in range(100)) == 16


def test_the_last_samples_are_those_after_a_loss() -> None:
    last = LastSamples(10)
    assert last.samples() is None
    for start, n in ((0, 4), (4, 4), (8, 7), (20, 3), (23, 2)):
        last.add(Samples(start=start, mv=np.arange(start, start + n, dtype=np.float32)[:, None]))
        held = last.samples()
        assert held is not None
        assert held.mv[:, 0].tolist() == list(range(held.start, start + n))
        assert len(held.mv) == {0: 4, 4: 8, 8: 10, 20: 3, 23: 5}[start]


@contextmanager
def a_device(broker: Mosquitto, folder: Path) -> Iterator[tuple[MqttSink, JsonLines]]:
    box, inbox, log = Outbox(folder / "outbox.sqlite"), Inbox(), JsonLines(folder / "alerts.jsonl", "ecg-edge", MODEL)
    link = MqttLink(Broker(host=HOST, port=broker.port), "ecg-edge", box, commands=inbox.put)
    commands = CommandHandler("ecg-edge", inbox, log.rotate)
    sink = MqttSink(link, device="ecg-edge", version="0", runtime="test", model=MODEL, outbox=box, commands=commands)
    log.open(STREAM)
    sink.open(STREAM)
    yield sink, log
    sink.close("stopped")
    log.close("stopped")
    box.close()


def test_a_device_obeys_answers_and_survives_what_is_sent_to_it(mosquitto: Mosquitto, tmp_path: Path) -> None:
    listener = Listener(mosquitto.url)
    sender = paho.Client(CallbackAPIVersion.VERSION2)
    sender.connect(HOST, mosquitto.port)
    sender.loop_start()

    def send(payload: bytes, retain: bool = False) -> None:
        sender.publish("ecg/v1/ecg-edge/command", payload, qos=1, retain=retain).wait_for_publish(10)

    send(b'{"command": "rotate_log", "request": "old"}', retain=True)
    with a_device(mosquitto, tmp_path) as (sink, log):
        start = 0

        def answers(n: int) -> list[dict[str, object]]:
            def watched() -> int:
                nonlocal start
                sink.write(Samples(start=start, mv=np.full((36, 2), 0.5, np.float32)))
                start += 36
                return len(listener.of("command/answer"))

            for _ in range(400):
                if watched() >= n:
                    break
                listener._news.acquire()
                listener._news.wait(0.05)
                listener._news.release()
            return [message.json for message in listener.of("command/answer")]

        listener.wait_for(lambda: listener.of("alerts/active"))
        alert = an_alert()
        log.write(alert)
        sink.write(alert)
        listener.wait_for(lambda: listener.of("alerts"))
        its_id = listener.of("alerts")[0].json["id"]
        send(b"x" * 10_000_000)
        for payload in HOSTILE[:10]:
            send(payload)
        assert [answer["ok"] for answer in answers(10)] == [False] * 10
        send(f'{{"command": "acknowledge", "alert": "{ID}", "request": "1"}}'.encode())
        send(f'{{"command": "acknowledge", "alert": "{its_id}", "by": "desk", "request": "2"}}'.encode())
        send(b'{"command": "snapshot", "request": "3"}')
        send(b'{"command": "rotate_log", "request": "4"}')
        said = {answer["request"]: answer["ok"] for answer in answers(14)[10:]}
        assert said == {"1": False, "2": True, "3": True, "4": True}
        log.write(an_alert(phase="end", end=1700))
    listener.wait_for(lambda: listener.of("snapshot"))
    seen = listener.of("alerts/active")[-1].json["alerts"]
    assert seen[0]["acknowledged"]["by"] == "desk"  # type: ignore[index]
    assert [len(path.read_bytes().splitlines()) for path in sorted(tmp_path.glob("alerts*"))] == [1, 1]
    for message in listener.messages:
        if message.topic != "command":
            jsonschema.validate(msgspec.json.decode(message.payload), schema(message.topic))
    sender.disconnect()
    sender.loop_stop()
    listener.close()


NO_SAMPLES: dict[str, Message] = {
    "a gap": Gap(start=0, n=360, decided=360),
    "a second": a_second(None, "no signal"),
    "what the board says": SourceState(
        ok=False, reason="unplugged", sample=0, time=STREAM.start_time, drift_ppm=None, counts={}
    ),
}


@pytest.mark.parametrize("message", NO_SAMPLES.values(), ids=NO_SAMPLES)
def test_what_is_asked_while_no_samples_come_is_answered(
    message: Message, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    listener = Listener(mosquitto.url)
    with a_device(mosquitto, tmp_path) as (sink, _):
        sink.write(an_alert(kind="signal_lost"))
        listener.wait_for(lambda: listener.of("alerts"))
        command = {"command": "acknowledge", "alert": listener.of("alerts")[0].json["id"], "by": "desk"}
        sink._commands._inbox.put(msgspec.json.encode(command))  # type: ignore[union-attr]
        sink.write(message)
        listener.wait_for(lambda: listener.of("command/answer"))
        assert listener.of("command/answer")[0].json["ok"]
        listener.wait_for(lambda: listener.of("alerts/active")[-1].json["alerts"][0]["acknowledged"])  # type: ignore[index]
    listener.close()


def test_what_is_asked_before_there_is_a_board_is_answered(mosquitto: Mosquitto, tmp_path: Path) -> None:
    box, inbox, listener = Outbox(tmp_path / "outbox.sqlite"), Inbox(), Listener(mosquitto.url)
    link = MqttLink(Broker(host=HOST, port=mosquitto.port), "ecg-edge", box, commands=inbox.put)
    commands = CommandHandler("ecg-edge", inbox)
    sink = MqttSink(link, device="ecg-edge", version="0", runtime="test", model=MODEL, outbox=box, commands=commands)
    sink.announce("no such port", final=False)
    listener.wait_for(lambda: listener.states() == ["degraded"])
    asked = (f'{{"command": "acknowledge", "alert": "{ID}"}}', '{"command": "snapshot"}', '{"command": "rotate_log"}')
    for command in asked:
        inbox.put(command.encode())
    sink.announce("no such port", final=False)
    listener.wait_for(lambda: len(listener.of("command/answer")) == 3)
    assert [answer.json["reason"] for answer in listener.of("command/answer")] == [
        "no alert in force has this id",
        "there are no samples yet",
        "no log of alerts is written",
    ]
    sink.announce("no such port", final=True)
    listener.close()
    box.close()


def test_a_flood_of_commands_makes_one_file_and_one_snapshot(mosquitto: Mosquitto, tmp_path: Path) -> None:
    listener = Listener(mosquitto.url)
    with a_device(mosquitto, tmp_path) as (sink, log):
        inbox = sink._commands._inbox  # type: ignore[union-attr]
        listener.wait_for(lambda: listener.of("alerts/active"))
        for number in range(200):
            log.write(an_alert(number=number))
            inbox.put(b'{"command": "rotate_log"}')
            inbox.put(b'{"command": "snapshot"}')
            sink.write(Samples(start=36 * number, mv=np.zeros((36, 2), np.float32)))
        listener.wait_for(lambda: listener.of("command/answer"))
    assert sorted(path.name for path in tmp_path.glob("alerts*")) == ["alerts.jsonl", "alerts.jsonl.1"]
    assert sum(len(path.read_bytes().splitlines()) for path in tmp_path.glob("alerts*")) == 200
    told = {(m.json["command"], m.json["reason"]) for m in listener.of("command/answer")}
    assert ("rotate_log", "was done less than 10 s ago") in told
    assert len(listener.of("snapshot")) <= 5
    listener.close()
