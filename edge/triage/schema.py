"""The JSON schemas of questionnaire and note; `python -m edge.triage.schema docs/schemas` writes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from edge.contract.schemas import described
from edge.triage.note import Note
from edge.triage.questionnaire import Questionnaire

FORMS: dict[str, type] = {"questionnaire": Questionnaire, "triage": Note}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema (2020-12) of a form."""
    form = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"ecg-edge {name}",
        **described(msgspec.json.schema(FORMS[name])),
    }
    # As it reads in the file: JSON has no tuples.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(form))
    return plain


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas")
    for each in FORMS:
        text = msgspec.json.format(msgspec.json.encode(schema(each)), indent=2).decode()
        (folder / f"{each}.json").write_text(text + "\n", encoding="utf-8")
