"""The JSON schema of every payload; `python -m edge.contract.schemas docs/schemas` writes them."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import msgspec

from edge.contract import topics
from edge.contract.commands import Answer, Command
from edge.contract.payloads import Active, Alert, Beats, Status, Vitals, Waveform

PAYLOADS: dict[str, Any] = {
    topics.STATUS.name: Status,
    topics.VITALS.name: Vitals,
    topics.BEATS.name: Beats,
    topics.ALERTS.name: Alert,
    topics.ACTIVE.name: Active,
    topics.WAVEFORM.name: Waveform,
    topics.SNAPSHOT.name: Waveform,
    topics.COMMAND.name: Command,
    topics.ANSWER.name: Answer,
}
"""Payload of each topic below the device's."""


def schema(topic: str) -> dict[str, Any]:
    """Return the JSON schema (2020-12) of a topic's payload."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{topics.BASE}/<device_id>/{topic}",
        **described(msgspec.json.schema(PAYLOADS[topic])),
    }


def described(part: Any) -> Any:
    """Return a part of a schema with its descriptions free of the code's indentation, which Python 3.13 takes away."""
    if isinstance(part, dict):
        return {
            key: inspect.cleandoc(value) if key == "description" and isinstance(value, str) else described(value)
            for key, value in part.items()
        }
    return [described(each) for each in part] if isinstance(part, list) else part


def schema_file(topic: str) -> str:
    """Return the name of the file that holds a topic's schema."""
    return topic.replace("/", "-") + ".json"


def write_schemas(folder: Path) -> None:
    """Write the schema of every topic to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for topic in PAYLOADS:
        text = msgspec.json.format(msgspec.json.encode(schema(topic)), indent=2).decode()
        (folder / schema_file(topic)).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas"))
