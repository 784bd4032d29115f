"""The command `report`. Parse, call, exit code; `add_to` puts it into the app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import ConfigFile, Data, InUnit, Json, Leads, Model, Rate, at_home, no_file_twice, read_as


def add_to(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command(epilog="Example: ecg-edge report 208 --data mitdb -o 208.html -o 208.pdf")(report)


def _files(paths: list[Path]) -> list[Path]:
    return [path for given in paths if (path := at_home(given)) is not None]


Export = Annotated[
    Path | None,
    typer.Option(
        callback=at_home, metavar="FILE", help="Write samples, beats and episodes in this form, too; {name} as with -o."
    ),
]


def report(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="WFDB path, MIT-BIH name, CSV, EDF, NumPy, MATLAB, aECG, MUSE, DICOM, picture, recorder's folder.",
            show_default=False,
        ),
    ],
    *,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            callback=lambda paths: _files(paths or []),
            metavar="FILE",
            help="Where to write; the suffix says the form, may be given again. {name} stands for the input's name.",
            show_default="{name}.html",
        ),
    ] = None,
    fhir: Export = None,
    dicom: Export = None,
    edf: Export = None,
    csv: Export = None,
    questionnaire: Annotated[
        Path | None,
        typer.Option(
            callback=at_home,
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="Answers as JSON, docs/schemas/questionnaire.json: the report has a triage note, too.",
        ),
    ] = None,
    full_disclosure: Annotated[
        bool, typer.Option("--full-disclosure", help="Every beat, a minute in a row, at the end of HTML and PDF.")
    ] = False,
    data: Data = None,
    model: Model = None,
    config: ConfigFile = None,
    rate: Rate = None,
    unit: InUnit = None,
    leads: Leads = None,
    json: Json = False,
) -> None:
    """Write what was found in a recording as a report: in words, over time, and on ECG paper.

    The suffix says the form: .html (one file by itself), .pdf (in true millimetres), .svg and .png (one picture),
    .json (all findings, for machines).
    """
    asked = {"fhir": fhir, "dicom": dicom, "edf": edf, "csv": csv}
    exports = {form: path for form, path in asked.items() if path is not None}
    outputs = output or ([] if exports else [Path("{name}.html")])
    if len(inputs) > 1 and not all("{name}" in path.name for path in (*outputs, *exports.values())):
        raise typer.BadParameter("several inputs would write one file: put {name} into its name", param_hint="-o")
    no_file_twice(*(("-o", path) for path in outputs), *((f"--{form}", path) for form, path in exports.items()))
    from edge.service import report as service  # noqa: PLC0415
    from edge.service.wiring import Options, settings  # noqa: PLC0415

    options = Options(config=settings(config, model=model), read_as=read_as(rate, unit, leads))
    answers = None if questionnaire is None else service.read_answers(questionnaire)
    wanted = service.Wanted(outputs, exports, answers, full_disclosure)
    raise typer.Exit(service.write_reports(inputs, wanted, data, options, as_json=json))
