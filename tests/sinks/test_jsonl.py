"""JSON lines: there as soon as they are known."""

from __future__ import annotations

import os
from pathlib import Path

import jsonschema
import msgspec
import pytest
from msgspec.structs import replace
from sinks_samples import MODEL, STREAM, an_alert

from edge.contract.encoder import Encoder, encode
from edge.contract.schemas import schema
from edge.errors import SinkError
from edge.sinks.jsonl import JsonLines


def test_a_line_is_the_published_payload_and_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "alerts.jsonl"
    sink = JsonLines(path, "bed-3", MODEL)
    sink.open(STREAM)
    sink.write(an_alert())
    assert path.read_bytes() == encode(Encoder("bed-3", MODEL, STREAM).alert(an_alert())) + b"\n"
    sink.write(an_alert(phase="end", end=3000, strip=None))
    sink.close("end of record")
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert [line["phase"] for line in lines] == ["onset", "end"]
    for line in lines:
        jsonschema.validate(line, schema("alerts"))


def test_the_first_stream_begins_the_file_and_the_next_adds_to_it(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_text('{"id":"0","device":"from an earlier run"}\n')
    sink = JsonLines(path, "bed-3", MODEL)
    for name in ("208", "209"):
        sink.open(replace(STREAM, name=name))
        sink.write(an_alert())
        sink.close("end of record")
    assert [msgspec.json.decode(line)["stream"] for line in path.read_bytes().splitlines()] == ["208", "209"]


def test_a_service_that_starts_again_keeps_its_log_and_ends_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    for earlier in (b"", b'{"id":"0","device":"bed-3"}\n', b'{"id":"torn'):
        path.write_bytes(earlier)
        for _ in range(2):
            sink = JsonLines(path, "bed-3", MODEL, keep=True)
            sink.open(STREAM)
            sink.write(an_alert())
            sink.close("stopped")
        line = encode(Encoder("bed-3", MODEL, STREAM).alert(an_alert())) + b"\n"
        ended = earlier if not earlier or earlier.endswith(b"\n") else earlier + b"\n"
        assert path.read_bytes() == ended + 2 * line


def test_a_log_may_be_a_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    sink = JsonLines(Path(f"/dev/fd/{writing}"), "bed-3", MODEL, keep=True)
    sink.open(STREAM)
    sink.write(an_alert(strip=None))
    sink.close("stopped")
    assert msgspec.json.decode(os.read(reading, 65536))["phase"] == "onset"
    os.close(reading)
    os.close(writing)


def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="Is a directory"):
        JsonLines(tmp_path, "bed-3", MODEL).open(STREAM)
    full = JsonLines(Path("/dev/full"), "bed-3", MODEL)
    full.open(STREAM)
    with pytest.raises(SinkError, match="No space left"):
        full.write(an_alert())
