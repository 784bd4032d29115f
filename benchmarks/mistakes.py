"""Where a model goes wrong: the records of DS2 that cost most, what is mistaken for what, and a picture of each.

Writes docs/mistakes/: README.md and a picture a record.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import wfdb
from numpy.typing import NDArray

from benchmarks import common, mistake_pictures, replayed
from benchmarks.mistake_pictures import Kind
from benchmarks.replayed import NO_BEAT, Scored
from edge.inference.runtime import runtime_name
from training import ec57
from training.ec57 import CLASSES
from training.splits import DS2

MOST_RECORDS = 6
MOST_KINDS = 5
FEWEST = 5
"""Mistakes of a kind worth a line."""
COUNTED = ("V", "S")
"""Classes whose F1 is looked at."""
DOCS = common.REPO / "docs" / "mistakes"

WHY = {
    "105": "Noise and artifacts are the predominant feature of this record, as its header says.",
    "200": "826 V beats of several forms, in bigeminy for almost half of the record; noise, severe in V1.",
    "202": "Atrial fibrillation and flutter for a third of the record; 19 of the 55 S beats are conducted aberrantly.",
    "210": "Atrial fibrillation all through: no RR interval is the usual one; the V beats have several forms.",
    "213": "362 of DS2's 388 fusion beats are this patient's; by its header their form runs from almost normal to "
    "almost that of the V beats.",
    "219": "Atrial fibrillation for four fifths of the record: beats come early without being S. In the rest 133 "
    "atrial beats are not conducted, and RR intervals of 0.8 and 1.5 s mix.",
    "221": "Atrial fibrillation all through: beats come early without being S.",
    "222": "Bouts of atrial flutter and fibrillation, whose beats are annotated N, and 212 nodal escape beats, N too; "
    "the S beats are atrial bigeminy and short runs.",
    "231": "Second-degree block for two fifths of the record, with RR intervals of 1.7 s; in between they are 1 s. "
    "A right bundle branch block comes and goes.",
    "232": "Runs of ectopic atrial beats at 80 to 90 a minute between pauses of up to six seconds: almost four beats "
    "in five are S, so that within a run none comes early.",
    "233": "831 V beats of several forms, single, in couplets and in bigeminy; 11 more are fusions.",
    "234": "The 50 S beats are one run of junctional tachycardia of half a minute.",
}
"""What is special about a record, by its header and annotations; nothing is said of one that is not here."""


class Loss(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one record costs.

    Attributes
    ----------
    beats : Scored
        Its beats.
    cost : dict
        By how much the F1 of each of `COUNTED` over all records would rise if this record had no mistake.
    missed, false : dict
        Beats of each class missed, and called so falsely.
    """

    beats: Scored
    cost: dict[str, float]
    missed: dict[str, int]
    false: dict[str, int]

    @property
    def total(self) -> float:
        """Cost over all classes."""
        return sum(self.cost.values())


def losses(records: Sequence[Scored]) -> list[Loss]:
    """Return what each record costs, the dearest first."""
    tables = [_table(record) for record in records]
    out = []
    for record, table in zip(records, tables, strict=True):
        own = {label: ec57.beat_class(table, label) for label in CLASSES}
        every = {label: ec57.beat_class(np.sum(tables, axis=0), label) for label in COUNTED}
        cost = {
            label: ec57.Score(
                all_.tp + own[label].fn, all_.fn - own[label].fn, all_.fp - own[label].fp
            ).f1 - all_.f1
            for label, all_ in every.items()
        }  # fmt: skip
        out.append(
            Loss(
                beats=record,
                cost={label: 0.0 if np.isnan(value) else value for label, value in cost.items()},
                missed={label: own[label].fn for label in CLASSES},
                false={label: own[label].fp for label in CLASSES},
            )
        )
    return sorted(out, key=lambda loss: -loss.total)


def kinds(beats: Scored, rhythms: tuple[NDArray[np.int64], list[str]]) -> list[Kind]:
    """Return what was mistaken for what, and in which rhythm, most frequent first.

    Parameters
    ----------
    beats : Scored
        Of one record.
    rhythms : (int64 array, list of str)
        Where the annotated rhythm changes, and to what.
    """
    timing, before = rr_ratios(beats), _before(beats)
    at_change = np.searchsorted(rhythms[0], beats.samples, side="right") - 1
    wrong = np.flatnonzero(beats.truth != beats.said)
    groups: dict[tuple[str, str, str], list[int]] = {}
    for row in wrong.tolist():
        rhythm = rhythms[1][at_change[row]] if at_change[row] >= 0 else "?"
        groups.setdefault((str(beats.truth[row]), str(beats.said[row]), rhythm), []).append(row)
    out = []
    for (truth, said, rhythm), rows in groups.items():
        ratios = timing[rows][np.isfinite(timing[rows])]
        scores = beats.scores[rows][np.isfinite(beats.scores[rows])]
        out.append(
            Kind(
                truth=truth,
                said=said,
                rhythm=rhythm,
                rows=tuple(rows),
                rr_ratio=float(np.median(ratios)) if len(ratios) else float("nan"),
                before=Counter(before[row] for row in rows).most_common(1)[0][0],
                score=float(scores.mean()) if len(scores) else float("nan"),
            )
        )
    return sorted(out, key=lambda kind: -len(kind.rows))


def rr_ratios(beats: Scored) -> NDArray[np.float64]:
    """Return each reference beat's RR interval over the median of the eight before it; NaN where there is none."""
    ratios = np.full(len(beats.samples), np.nan)
    real = np.flatnonzero(beats.truth != NO_BEAT)
    rr = np.diff(beats.samples[real]).astype(np.float64)
    for number in range(1, len(rr)):
        ratios[real[number + 1]] = rr[number] / np.median(rr[max(number - 8, 0) : number])
    return ratios


def rhythm_notes(path: Path) -> tuple[NDArray[np.int64], list[str]]:
    """Return where the annotated rhythm of a record changes, and to what, such as ``(AFIB``."""
    marks = wfdb.rdann(str(path), "atr")
    noted = [(at, aux.rstrip("\0")) for at, aux in zip(marks.sample.tolist(), marks.aux_note, strict=True)]
    changes = [(at, aux) for at, aux in noted if aux.startswith("(")]
    return np.array([at for at, _ in changes], np.int64), [aux for _, aux in changes]


def main() -> None:
    """Find the mistakes, draw them and write docs/mistakes."""
    parser = common.options(__doc__ or "")
    parser.add_argument("--model", default="cnn", help="name, or path of a .tflite")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder to write to")
    parser.add_argument("--jobs", type=int, default=replayed.JOBS, help="processes at once")
    arguments = parser.parse_args()
    mitdb = common.data_dir(arguments.data) / "mitdb"
    records = [record for record in common.chosen_records(arguments, mitdb) if record in DS2]
    if not records:
        sys.exit("none of these records is in DS2")
    with tempfile.TemporaryDirectory() as out:
        replayed.replay(records, mitdb, arguments.model, Path(out), arguments.jobs)
        scored = [replayed.read(record, Path(out), mitdb) for record in records]
    arguments.docs.mkdir(parents=True, exist_ok=True)
    for old in arguments.docs.glob("*.png"):
        old.unlink()
    found = losses(scored)
    worst = [loss for loss in found if loss.total > 0][:MOST_RECORDS]
    text = _summary(Path(arguments.model).stem, len(records), worst)
    for loss in worst:
        name = loss.beats.name
        every = kinds(loss.beats, rhythm_notes(mitdb / name))
        drawn = _dearest(every)
        picture = mistake_pictures.draw(mitdb / name, loss.beats, drawn)
        (arguments.docs / f"{name}.png").write_bytes(picture)
        sys.stderr.write(f"{name}.png: {len(picture) / 1000:.0f} kB\n")
        text += _section(loss, every, drawn)
    (arguments.docs / "README.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


def _summary(model: str, n_records: int, worst: Sequence[Loss]) -> list[str]:
    rows = [
        [
            f"[{loss.beats.name}](#{loss.beats.name})",
            *(f"{100 * loss.cost[label]:.1f}" for label in COUNTED),
            *(
                cell
                for label in COUNTED
                for cell in (
                    f"{int(np.sum(loss.beats.truth == label)):,}",
                    f"{loss.missed[label]:,}",
                    f"{loss.false[label]:,}",
                    f"{loss.false[label] / loss.beats.hours:.0f}",
                )
            ),
            f"{loss.missed['F']:,}",
        ]
        for loss in worst
    ]
    costs = [f"F1 of {label} it costs" for label in COUNTED]
    counts = [f"{label} {what}" for label in COUNTED for what in ("beats", "missed", "false", "false an hour")]
    return [
        "# Where the model goes wrong",
        f"Written by `make mistakes`: the `{model}` on {n_records} records of DS2, none of which it has learnt from, "
        f"replayed as `ecg-edge replay` does; {runtime_name()}. What a record costs is by how many points the F1 of V "
        f"or S over all these records would rise if it had no mistake. The dearest {len(worst)}:",
        common.table(["record", *costs, *counts, "F missed"], rows),
        "In the pictures the letters above each beat are the reference's and those below it the model's; mistakes are "
        "shaded. A small square is 40 ms by 0.1 mV. To the right, beats averaged: those of the mistake in the strip, "
        "and those called rightly what these are, and what they were taken for. A dash stands for no beat there.",
        "Rhythms are as annotated: `(N` normal, `(AFIB` and `(AFL` atrial fibrillation and flutter, `(AB` atrial "
        "bigeminy, `(SVTA` supraventricular tachycardia, `(NOD` nodal, `(SBR` sinus bradycardia, `(BII` second-degree "
        "block, `(B` and `(T` ventricular bigeminy and trigeminy, `(VT` ventricular tachycardia. The usual RR interval "
        "is the median of the eight before.",
    ]


def _section(loss: Loss, every: Sequence[Kind], drawn: Kind) -> list[str]:
    name = loss.beats.name
    rows = [
        [
            f"{_called(kind.truth)} called {_called(kind.said)}",
            f"{len(kind.rows):,}",
            f"`{kind.rhythm}`",
            _figure(kind.rr_ratio),
            kind.before,
            _figure(kind.score),
        ]
        for kind in every[:MOST_KINDS]
        if len(kind.rows) >= FEWEST or kind is drawn
    ]
    header = ["mistake", "times", "annotated rhythm", "RR over the usual", "beat before", "mean score"]
    text = [f"## {name}", f"![{drawn.truth} called {drawn.said} in record {name}]({name}.png)"]
    if name in WHY:
        text.append(WHY[name])
    return [*text, common.table(header, rows)]


def _dearest(every: Sequence[Kind]) -> Kind:
    """Return the kind to draw: the most frequent one that costs V or S."""
    costly = [kind for kind in every if {kind.truth, kind.said} & set(COUNTED)]
    return (costly or list(every))[0]


def _before(beats: Scored) -> list[str]:
    """Return the class of the reference beat before each beat."""
    out, last = [], "-"
    for truth in beats.truth.tolist():
        out.append(last)
        last = last if truth == NO_BEAT else truth
    return out


def _table(record: Scored) -> ec57.Table:
    order = [*CLASSES, NO_BEAT]
    table = np.zeros((6, 6), np.int64)
    for truth, said in zip(record.truth.tolist(), record.said.tolist(), strict=True):
        table[order.index(truth), order.index(said)] += 1
    return table


def _called(label: str) -> str:
    return "no beat" if label == NO_BEAT else label


def _figure(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


if __name__ == "__main__":
    main()
