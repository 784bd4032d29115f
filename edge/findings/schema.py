"""The JSON schema of findings; `python -m edge.findings.schema docs/schemas` writes it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from edge.contract.schemas import described
from edge.findings.findings import Findings

FILE = "findings.json"


def schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of the findings' JSON form."""
    form = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ecg-edge findings",
        **described(msgspec.json.schema(Findings, schema_hook=lambda _: {})),
    }
    # As it reads in the file: JSON has no tuples.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(form))
    return plain


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas")
    text = msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode()
    (folder / FILE).write_text(text + "\n", encoding="utf-8")
