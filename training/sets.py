"""The beats of all patients, by what they are for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training import datasets, features, splits
from training.datasets import LabelledBeats
from training.synthesis import synthesize

DATABASES = ("mitdb", "svdb")
"""Databases that can be learnt from."""

_SYNTHETIC = (0, 1)
"""Seeds of the patients made of each record."""

Progress = Callable[[str], object]


@dataclass(frozen=True)
class Sets:
    """Beats by what they are for.

    Attributes
    ----------
    train, validation : features.Table
        To learn from, and of other patients to choose epoch and seed by.
    added : features.Table
        Of the validation patients, what the last training learns from besides `train`.
    recorded : tuple of LabelledBeats
        Every beat of the patients of `train` and `validation`, read as they are: with both leads, nothing left out.
    test : tuple of LabelledBeats
        DS2, only reported.
    """

    train: features.Table
    validation: features.Table
    added: features.Table
    recorded: tuple[LabelledBeats, ...]
    test: tuple[LabelledBeats, ...]

    @functools.cached_property
    def everybody(self) -> features.Table:
        """All beats that may be learnt from in the end."""
        return features.join(self.train, self.added)

    @property
    def records(self) -> list[str]:
        """``database/record`` of all that is learnt from or chosen by."""
        return sorted({*self.train.records.tolist(), *self.validation.records.tolist()})

    @property
    def databases(self) -> list[str]:
        """Where these are from."""
        return sorted({record.partition("/")[0] for record in self.records})


def gather(data: Path, cache: Path, progress: Progress = print, databases: Sequence[str] = DATABASES) -> Sets:
    """Make the beats of all sets, or take them from `cache`.

    Parameters
    ----------
    data : Path
        Folder with `mitdb` and `svdb`; what is not there is downloaded.
    cache : Path
        Where beats are kept from run to run, see `training.datasets.prepare`.
    progress : callable
        Called with a line for each set.
    databases : sequence of {"mitdb", "svdb"}
        From whose patients to learn, and by whose to choose.
    """
    mitdb = datasets.locate("mitdb", data)
    wanted: dict[Path, Sequence[str]] = {mitdb: splits.DS1} if "mitdb" in databases else {}
    if "svdb" in databases:
        svdb = datasets.locate("svdb", data)
        wanted[svdb] = splits.svdb_training(datasets.records_of(svdb))
    train: list[LabelledBeats] = []
    added: list[LabelledBeats] = []
    recorded: list[LabelledBeats] = []
    for folder, records in wanted.items():
        progress(f"{folder.name}: beats of {len(records)} records")
        for beats in datasets.prepare(folder, records, cache, datasets.ONE_LEAD_TOO):
            recorded += [] if beats.variant else [beats]
            if beats.record not in splits.NEVER_LEARNT:
                side = added if _validates(beats) else train
                side += [beats, *made_of(beats)]
    progress(f"mitdb: beats of {len(splits.DS2)} records to report on")
    return Sets(
        train=features.table(train),
        validation=features.table([beats for beats in recorded if _validates(beats)]),
        added=features.table(added),
        recorded=tuple(recorded),
        test=tuple(datasets.prepare(mitdb, splits.DS2, cache)),
    )


def made_of(beats: LabelledBeats) -> list[LabelledBeats]:
    """Return the synthetic patients made of a record; none of a single lead of it."""
    return [] if beats.variant else [made for seed in _SYNTHETIC for made in synthesize(beats, seed)]


def _validates(beats: LabelledBeats) -> bool:
    return beats.record in splits.VALIDATION[beats.database]
