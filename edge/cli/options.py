"""Options that several commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEBUG = "ECG_EDGE_DEBUG"
"""Environment variable that shows tracebacks."""


class ModelName(StrEnum):
    """The models that are shipped."""

    cnn = "cnn"
    lstm = "lstm"


Data = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where records are looked up first; then $ECG_EDGE_DATA/mitdb and the cache."),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration, a TOML file.")]
Model = Annotated[
    ModelName | None, typer.Option(help="Model that classifies the beats; cnn unless --config says otherwise.")
]
Annotations = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write beats and rhythms to DIR/NAME.edge, for EC57 tools.")
]
Alerts = Annotated[Path | None, typer.Option(metavar="FILE", help="Write alerts to FILE as JSON lines.")]
Mqtt = Annotated[str | None, typer.Option(metavar="URL", help="Broker, mqtt://HOST[:PORT] or mqtts://HOST[:PORT].")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
