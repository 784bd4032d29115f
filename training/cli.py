"""Command line of the training; parses and calls, no logic."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.cli.encoding import make_printable
from edge.cli.options import Version
from edge.errors import EcgEdgeError, one_line, printable_text

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def common(version: Version = False) -> None:
    """Train, evaluate and release the beat classifiers of ecg-edge."""


class Network(StrEnum):
    """Families of networks."""

    cnn = "cnn"
    lstm = "lstm"


class Released(StrEnum):
    """What is released: networks, and the trees that tell S after either of them."""

    cnn = "cnn"
    lstm = "lstm"
    s = "s"


class Database(StrEnum):
    """Databases that can be fetched."""

    mitdb = "mitdb"
    svdb = "svdb"


Kind = Annotated[Network, typer.Argument(help="Family of networks, which is also the model's name.")]
Data = Annotated[Path, typer.Option(envvar="ECG_EDGE_DATA", help="Folder that holds mitdb/ and svdb/.")]
Work = Annotated[Path, typer.Option(help="Where beats and weights are kept between runs.")]
Models = Annotated[Path, typer.Option(help="Where the released models are.")]
Seed = Annotated[list[int], typer.Option(help="Seed of a training; give it several times to train several.")]
Epochs = Annotated[int, typer.Option(min=1, help="Epochs of a training.")]

_DATA, _WORK, _MODELS = Path("data"), Path("build/training"), Path("models")


def _say(text: str, *, err: bool = False) -> None:
    """Print lines; the names in them come from files."""
    typer.echo(printable_text(text), err=err)


@app.command()
def fetch(
    databases: Annotated[list[Database], typer.Argument(help="Which; all by default.")] = list(Database),  # noqa: B006
    data: Data = _DATA,
) -> None:
    """Download the databases from PhysioNet. Example: ecg-train fetch --data data."""
    from training import datasets  # noqa: PLC0415

    for database in databases:
        _say(f"{database.value} into {datasets.fetch(database.value, data)}")


@app.command()
def prepare(data: Data = _DATA, work: Work = _WORK) -> None:
    """Cut all records into labelled beats. Example: ecg-train prepare --data data."""
    from training import sets as gathering  # noqa: PLC0415

    sets = gathering.gather(data, work / "beats", _say)
    _say(f"{len(sets.train):,} beats to learn from, {len(sets.validation):,} to choose by, in {work / 'beats'}")


@app.command()
def fit(kind: Kind, data: Data = _DATA, work: Work = _WORK, seed: Seed = [1], epochs: Epochs = 6) -> None:  # noqa: B006
    """Train, keeping only the best weights. Example: ecg-train fit cnn --data data --seed 1 --seed 2."""
    from training import release as releasing  # noqa: PLC0415
    from training import sets as gathering  # noqa: PLC0415
    from training import train  # noqa: PLC0415

    sets = gathering.gather(data, work / "beats", _say)
    checkpoints = train.Checkpoints(work, kind.value)
    recipe = train.Recipe(epochs=epochs)
    best = releasing.fit_seeds(kind.value, sets, checkpoints, seeds=seed, recipe=recipe, progress=_say)
    _say(f"best weights: seed {best.seed}, F1 of S and V {100 * best.score:.1f} %, in {work}")


@app.command()
def quantize(
    kind: Kind,
    out: Annotated[Path, typer.Argument(help="The .tflite to write.")],
    data: Data = _DATA,
    work: Work = _WORK,
) -> None:
    """Make the best weights int8, without releasing them. Example: ecg-train quantize cnn /tmp/cnn.tflite."""
    from edge.sinks.outputs import put, refuse  # noqa: PLC0415
    from training import quantize as quantizing  # noqa: PLC0415
    from training import sets as gathering  # noqa: PLC0415
    from training import train  # noqa: PLC0415

    refuse(out, is_ours=quantizing.is_model)
    trained = train.Checkpoints(work, kind.value).load(kind.value)
    content = quantizing.quantize(trained, gathering.gather(data, work / "beats", _say).train)
    put(out, content, is_ours=quantizing.is_model)
    _say(f"{out}: {len(content):,} bytes")


@app.command()
def evaluate(  # noqa: PLR0917 - options, not positional to the user
    annotations: Annotated[
        Path,
        typer.Argument(help="Folder of RECORD.edge, as ecg-edge replay writes them; or a database, to be replayed."),
    ],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the database they are compared with; without it that is the argument."),
    ] = None,
    records: Annotated[list[str], typer.Option(help="Record names, or ds1, ds2, paced, svdb, all.")] = ["ds2"],  # noqa: B006
    without: Annotated[list[str], typer.Option(help="Score a second time without this record.")] = [],  # noqa: B006
    extension: Annotated[str, typer.Option(help="Of the annotation files.")] = "edge",
    per_record: Annotated[bool, typer.Option(help="A line for each record as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    full: Annotated[
        bool, typer.Option(help="All that EC57 has disclosed: runs, episodes, heart rate, alarms.")
    ] = False,
    alerts: Annotated[Path | None, typer.Option(help="JSON lines that replay wrote, for --full.")] = None,
    model: Annotated[Network, typer.Option(help="Replays a database.")] = Network.cnn,
) -> None:
    """Score annotations as EC57 prescribes. Example: ecg-train evaluate out --data data/mitdb --without 232.

    A database is replayed and scored in full: ecg-train evaluate data/mitdb --records all
    """
    from training import disclosure  # noqa: PLC0415
    from training import evaluate as evaluating  # noqa: PLC0415

    if data is None:
        with disclosure.replayed(annotations, records, model.value, _say if not as_json else None) as made:
            found = disclosure.disclose(made.annotations, annotations, records, made.alerts)
    elif full:
        found = disclosure.disclose(annotations, data, records, alerts, extension)
    else:
        report = evaluating.evaluate(annotations, data, records, extension, without)
        typer.echo(report.to_json()) if as_json else _say(evaluating.render(report, per_record))
        return
    typer.echo(found.to_json()) if as_json else _say(found.to_markdown())


@app.command()
def noise(
    records: Annotated[list[Path], typer.Argument(help="Records with their .atr, without extension.")],
    added: Annotated[Path, typer.Option("--noise", help="Record of noise, such as data/nstdb/ma.")],
    snr: Annotated[list[float], typer.Option(help="Signal-to-noise ratios, dB.")] = [24, 18, 12, 6, 0, -6],  # noqa: B006
    model: Annotated[Network, typer.Option(help="Classifies the beats.")] = Network.cnn,
    out: Annotated[Path | None, typer.Option(help="Folder to keep the noisy records in.")] = None,
) -> None:
    """Add noise to records by EC57's method and score what is read.

    Example: ecg-train noise data/mitdb/118 --noise data/nstdb/em --snr 6
    """
    from training import noise as noises  # noqa: PLC0415

    _say(noises.table(records, added, snr, model.value, progress=lambda line: _say(line, err=True), keep=out))


@app.command()
def release(  # noqa: PLR0917 - as above
    kinds: Annotated[
        list[Released], typer.Argument(help="Families of networks, and s, the trees that tell S; also their names.")
    ],
    data: Data = _DATA,
    work: Work = _WORK,
    models: Models = _MODELS,
    seed: Seed = [1, 2, 3],  # noqa: B006
    epochs: Epochs = 6,
    learn_from: Annotated[list[Database], typer.Option(help="Databases to learn from; all by default.")] = list(  # noqa: B006
        Database
    ),
    because: Annotated[str, typer.Option(help="Why to replace a model that scores better.")] = "",
) -> None:
    """Prepare, fit, quantize, score and release models. Example: ecg-train release cnn lstm s --data data."""
    networks: list[Any] = [kind.value for kind in kinds if kind is not Released.s]
    if networks:
        _release(networks, data, work, models, seed, epochs, learn_from, because)
    if Released.s in kinds:
        rhythm([Rhythm.s], data, models, work)


def _release(  # noqa: PLR0917 - as above
    networks: list[Any],
    data: Path,
    work: Path,
    models: Path,
    seed: list[int],
    epochs: int,
    learn_from: list[Database],
    because: str,
) -> None:
    from training import release as releasing  # noqa: PLC0415
    from training import sets as gathering  # noqa: PLC0415
    from training import train  # noqa: PLC0415

    sets = gathering.gather(data, work / "beats", _say, learn_from)
    releasing.release(
        networks,
        sets,
        models,
        work,
        seeds=seed,
        recipe=train.Recipe(epochs=epochs),
        because=because,
        progress=_say,
    )


@app.command()
def calibrate(
    kinds: Annotated[list[Network], typer.Argument(help="Families of networks, which are also the models' names.")],
    data: Data = _DATA,
    work: Work = _WORK,
    models: Models = _MODELS,
) -> None:
    """Calibrate the scores of released models again and renew their cards. Example: ecg-train calibrate cnn lstm."""
    from training import sets as gathering  # noqa: PLC0415
    from training import shipped  # noqa: PLC0415

    sets = gathering.gather(data, work / "beats", _say)
    shipped.recalibrate([kind.value for kind in kinds], sets, models, progress=_say)


class Rhythm(StrEnum):
    """Rhythms that are learnt."""

    af = "af"
    af_strip = "af_strip"
    vf = "vf"
    s = "s"


@app.command()
def rhythm(
    kinds: Annotated[list[Rhythm], typer.Argument(help="Which; all by default.")] = list(Rhythm),  # noqa: B006
    data: Data = _DATA,
    models: Models = _MODELS,
    work: Work = _WORK,
) -> None:
    """Learn to tell rhythms and write their models. Example: ecg-train rhythm af --data data --models /tmp/models."""
    from edge.inference.trees import TreeCard, write_trees  # noqa: PLC0415
    from training import atrial, strips, supraventricular, ventricular  # noqa: PLC0415

    make: dict[Rhythm, Callable[..., TreeCard]] = {
        Rhythm.af: atrial.make,
        Rhythm.af_strip: strips.make,
        Rhythm.vf: ventricular.make,
        Rhythm.s: functools.partial(supraventricular.make, cache=work / "beats"),
    }
    models.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        card = make[kind](data, progress=_say)
        write_trees(card, models / f"{kind.value}.json")
        for database, figures in card.metrics.items():
            _say(f"{database}: " + ", ".join(f"{name} {value:g}" for name, value in figures.items()))
        _say(f"{models / kind.value}.json: {len(card.trees)} trees")


@app.command()
def page(  # noqa: PLR0917 - as above
    data: Data = _DATA,
    work: Work = _WORK,
    models: Models = _MODELS,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of a training.")] = 30,
    only_judge: Annotated[bool, typer.Option("--only-judge", help="Print the figures, write no model.")] = False,
) -> None:
    """Learn to tell whole 12-lead pages; print how well, beside what a careless split would say.

    Example: ecg-train page --data data --models /tmp/models
    """
    from training.pages import classifier  # noqa: PLC0415
    from training.pages import examples as reading  # noqa: PLC0415

    pages = reading.gather(data, work / "pages", lambda line: _say(line, err=True))
    metrics = classifier.study(pages, epochs, _say)
    if only_judge:
        return
    card, content = classifier.make(pages, metrics, seed, epochs)
    kept = classifier.release(card, content, models)
    _say(
        kept
        or f"{models / 'page.tflite'}: {len(content):,} bytes; int8 as float: {card.metrics['int8']['agreement']:.1f} %"
    )


@app.command()
def strangers(
    data: Data = _DATA,
    n: Annotated[int, typer.Option(min=1, help="Pictures of each kind.")] = 40,
) -> None:
    """Count pictures that are no ECG page and get an opinion all the same. Example: ecg-train strangers --n 10."""
    from training.pages import strangers as others  # noqa: PLC0415

    for line in others.report(data, n):
        _say(line)


def main() -> None:
    """Entry point: 0 done, 1 the work failed, 2 usage."""
    make_printable()
    try:
        app()
    except EcgEdgeError as error:
        typer.echo(f"ecg-train: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        line = f"{error.filename or 'a file'}: {error.strerror or error}"
        typer.echo(f"ecg-train: {one_line(line)}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
