"""Options that several commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edge import __version__
from edge.sources.read_as import ReadAs

DEBUG = "ECG_EDGE_DEBUG"
"""Environment variable that shows tracebacks."""


class ModelName(StrEnum):
    """The models that are shipped."""

    cnn = "cnn"
    lstm = "lstm"


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"ecg-edge {__version__}")
        raise typer.Exit


def at_home(path: Path | None) -> Path | None:
    """Return a path with `~` resolved, which a shell leaves as it is in ``--option=~/file``.

    Raises
    ------
    BadParameter
        If it is the home of nobody.
    """
    try:
        return None if path is None else path.expanduser()
    except RuntimeError:
        raise typer.BadParameter(f"{path}: there is no such user") from None


class _Given:
    """What the command line says that an error message needs."""

    config: Path | None = None


given = _Given()


def _configured(path: Path | None) -> Path | None:
    given.config = at_home(path)
    return given.config


Version = Annotated[
    bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version this is, and exit.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        callback=at_home,
        metavar="DIR",
        help="Where records are looked up first; then $ECG_EDGE_DATA/mitdb and the cache.",
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", callback=_configured, metavar="FILE", help="Configuration, a TOML file.")
]
Model = Annotated[
    ModelName | None, typer.Option(help="Model that classifies the beats; cnn unless --config says otherwise.")
]
Annotations = Annotated[
    Path | None,
    typer.Option(callback=at_home, metavar="DIR", help="Write beats and rhythms to DIR/NAME.edge, for EC57 tools."),
]
Alerts = Annotated[
    Path | None, typer.Option(callback=at_home, metavar="FILE", help="Write alerts to FILE as JSON lines.")
]
Mqtt = Annotated[str | None, typer.Option(metavar="URL", help="Broker, mqtt://HOST[:PORT] or mqtts://HOST[:PORT].")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


class UnitName(StrEnum):
    """What the numbers of a file can be."""

    mv = "mv"
    uv = "uv"
    v = "v"
    adc = "adc"


Rate = Annotated[
    float | None,
    typer.Option(metavar="HZ", min=1, max=100_000, help="Samples a second, of a file that does not say it."),
]
InUnit = Annotated[
    UnitName | None, typer.Option("--unit", help="What the numbers are, of a file that does not say it.")
]
Leads = Annotated[
    str | None,
    typer.Option(metavar="NAME,NAME", help="The leads to read; or the names of all, of a file that has none."),
]


def no_file_twice(*given: tuple[str, Path | None]) -> None:
    """Refuse options, given with their paths, that would write one file: it would hold what came last.

    Raises
    ------
    BadParameter
        Naming both.
    """
    taken: dict[Path, str] = {}
    for option, path in given:
        if path is None:
            continue
        if (place := path.resolve()) in taken:
            raise typer.BadParameter(f"{path} is the file of {taken[place]} already", param_hint=option)
        taken[place] = option


def read_as(rate: float | None, unit: UnitName | None, leads: str | None) -> ReadAs:
    """Return what the command line says of files that do not say it themselves."""
    names = tuple(name.strip() for name in leads.split(",")) if leads is not None else None
    if names is not None and not all(names):
        raise typer.BadParameter("takes names with commas between them", param_hint="--leads")
    return ReadAs(fs_hz=rate, unit=None if unit is None else unit.value, leads=names)
