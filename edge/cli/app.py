"""The `ecg-edge` command: parse, call, exit code. No logic.

What a command needs is imported when it runs, so that each starts at once.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from edge.cli import boards, fleet, report, strip
from edge.cli import service as service_commands
from edge.cli import web as web_command
from edge.cli.encoding import make_printable
from edge.cli.options import (
    DEBUG,
    Alerts,
    Annotations,
    ConfigFile,
    Data,
    InUnit,
    Json,
    Leads,
    Model,
    ModelName,
    Mqtt,
    Rate,
    Version,
    at_home,
    given,
    no_file_twice,
    read_as,
)
from edge.errors import ConfigError, EcgEdgeError

_READ_WITHIN_S = 0.5

app = typer.Typer(
    name="ecg-edge",
    epilog="Exit codes: 0 done, 1 the work failed (one line says why), 2 usage or configuration, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    _take_places()
    make_printable(as_json="--json" in sys.argv)
    try:
        app()
    except ConfigError as error:
        _fail(error, str(error.within(str(given.config)) if given.config else error), 2)
    except EcgEdgeError as error:
        _fail(error, str(error), 1)
    except Exception as error:  # the user gets one line; the traceback is for those who ask
        line = f"unexpected {type(error).__name__}: {error}; {DEBUG}=1 shows where"
        _fail(error, " ".join(line.split()), 1)
    sys.exit(0)


def _fail(error: Exception, line: str, code: int) -> NoReturn:
    if os.environ.get(DEBUG) == "1":
        raise error
    from edge.sinks.display import Display  # noqa: PLC0415

    # Who does not read what went wrong does not keep the program from ending.
    display = Display(sys.stderr, "standard error")
    display.show(f"ecg-edge: {line}\n")
    display.wait(_READ_WITHIN_S)
    sys.exit(code)


def _take_places() -> None:
    """Where standard input or an output is closed, let nothing that is opened later take its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # until the end


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise typer.BadParameter(f"{text!r} is neither 'max' nor a number above 0")
    return speed


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help=f"Show tracebacks, as {DEBUG}=1 does.")] = False,
    version: Version = False,  # noqa: ARG001  (its callback ends the program)
) -> None:
    """Find beats and arrhythmias in ECG on the device, and tell who should know."""
    if debug:
        os.environ[DEBUG] = "1"


@app.command(epilog="Example: ecg-edge replay 208 --data mitdb --annotations out --alerts alerts.jsonl")
def replay(
    records: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORD", help="WFDB path, MIT-BIH name, CSV, TXT, EDF, NumPy or MATLAB file.", show_default=False
        ),
    ],
    *,
    data: Data = None,
    speed: Annotated[
        Any,
        typer.Option(parser=_speed, metavar="max|N", help="As fast as it goes, or N times real time (1 is live)."),
    ] = "max",
    model: Model = None,
    annotations: Annotations = None,
    alerts: Alerts = None,
    mqtt: Mqtt = None,
    config: ConfigFile = None,
    rate: Rate = None,
    unit: InUnit = None,
    leads: Leads = None,
    plot: Annotated[
        Path | None,
        typer.Option(callback=at_home, metavar="FILE", help="Draw a stretch with what was found: .svg, .png or .pdf."),
    ] = None,
    start: Annotated[float, typer.Option(metavar="S", min=0, help="Where the picture begins, s.")] = 0.0,
    stop: Annotated[float | None, typer.Option(metavar="S", help="Where it ends.", show_default="30 s later")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Watch waveform, rate, beats and alerts go by, in real time or at --speed.")
    ] = False,
    json: Json = False,
    block: Annotated[int | None, typer.Option(min=1, hidden=True, help="Samples a block.")] = None,
) -> None:
    """Replay records through the whole pipeline, as fast as it goes or at a pace.

    Alerts are shown as they arrive, and a table of what was found at the end; --json prints one object per record
    instead. A record that fails does not stop the others.
    """
    if annotations is not None and len({Path(record).name for record in records}) < len(records):
        raise typer.BadParameter("two records of one name would write one file", param_hint="--annotations")
    from edge.service import replay as service  # noqa: PLC0415
    from edge.service.wiring import Options, settings  # noqa: PLC0415

    options = Options(
        config=settings(config, model=model, mqtt_url=mqtt),
        annotations=annotations,
        alerts=alerts,
        speed=speed,
        block=block,
        read_as=read_as(rate, unit, leads),
    )
    names = [str(at_home(Path(record))) if record.startswith("~") else record for record in records]
    if live:
        from edge.demo import live as view  # noqa: PLC0415

        raise typer.Exit(view.watch(names, data, options))
    if plot is None:
        raise typer.Exit(service.replay_records(names, data, options, as_json=json))
    if len(names) > 1 and "{name}" not in plot.name:
        raise typer.BadParameter("several records would write one file: put {name} into its name", param_hint="--plot")
    no_file_twice(("--alerts", alerts), ("--plot", plot))
    from edge.service.plot import sink_for  # noqa: PLC0415

    more = sink_for(plot, start, stop)
    raise typer.Exit(service.replay_records(names, data, options, as_json=json, more=more))


@app.command(epilog="Example: ecg-edge demo --speed 20")
def demo(
    speed: Annotated[
        Any, typer.Option(parser=_speed, metavar="max|N", help="Times real time; the ECG lasts five minutes.")
    ] = "10",
    model: Model = None,
) -> None:
    """Watch five minutes of arrhythmia go through the pipeline, over MQTT, into a small dashboard.

    Needs no network and no data: broker and ECG come with the extra `demo`.
    """
    from edge.demo import demo as service  # noqa: PLC0415

    raise typer.Exit(service.run(speed, model or ModelName.cnn))


@app.command(epilog="Example: ecg-edge doctor --mqtt mqtt://localhost")
def doctor(data: Data = None, mqtt: Mqtt = None, config: ConfigFile = None, json: Json = False) -> None:
    """Check that everything this machine needs is there and works, and say how to mend what is not."""
    from edge.service.wiring import settings  # noqa: PLC0415
    from edge.tools import doctor as service  # noqa: PLC0415

    raise typer.Exit(service.run(settings(config, mqtt_url=mqtt), data, as_json=json))


@app.command(epilog="Example: ecg-edge version --json")
def version(json: Json = False) -> None:
    """Say which versions of what are installed, and the hashes of the models."""
    from edge.tools import doctor as service  # noqa: PLC0415

    service.version(as_json=json)


boards.add_to(app)
report.add_to(app)
strip.add_to(app)
service_commands.add_to(app)
fleet.add_to(app)
web_command.add_to(app)


if __name__ == "__main__":
    main()
