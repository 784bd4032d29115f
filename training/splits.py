"""Which patients a model learns from, which it is chosen by and which it is reported on.

MIT-BIH is split between patients as by de Chazal et al. (2004, doi:10.1109/TBME.2004.827359). The paced records 102,
104, 107 and 217 are in neither half. Records 201 and 202 are one subject; the split keeps them as published, which its
users should know. Of the supraventricular database three records in four may be learnt from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip
"""MIT-BIH records to learn from and to choose by."""

DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)  # fmt: skip
"""MIT-BIH records to report on, and for nothing else."""

PACED = ("102", "104", "107", "217")

VALIDATION = {"mitdb": ("114", "116", "118", "201", "223"), "svdb": ("824", "854", "866", "876", "881")}
"""The validation set: patients of the training sets by whom epoch and seed are chosen, learnt from only after that.

Among them are many ectopic beats of either class, atrial fibrillation (201) and a patient with more S beats than sinus
beats in places (881), yet nobody who is the only one of a kind.
"""

NEVER_LEARNT = ("201",)
"""Record 202 of DS2 is the same subject."""


def svdb_training(records: Iterable[str]) -> tuple[str, ...]:
    """Return the supraventricular records that may be learnt from: three in four."""
    records = tuple(records)
    unseen = svdb_unseen(records)
    return tuple(record for record in sorted(records) if record not in unseen)


def svdb_unseen(records: Iterable[str]) -> tuple[str, ...]:
    """Return the supraventricular records kept for reports: those whose number leaves 3 when divided by 4.

    The few patients in whom S beats outnumber the others (841, 865, 881) are thereby learnt from or judged by; DS1 has
    none.
    """
    return tuple(record for record in sorted(records) if int(record) % 4 == 3)


def folds(records: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Deal records into `n` folds for patient-wise cross-validation; every record is in exactly one.

    Parameters
    ----------
    records : sequence of str
        In any order; the dealing depends on their names only.
    n : int
        Number of folds, at most as many as records.

    Returns
    -------
    list of tuple of str
        Records of each fold.
    """
    if not 2 <= n <= len(set(records)):
        raise ValueError(f"{n} folds of {len(set(records))} records")
    ordered = sorted(set(records))
    return [tuple(ordered[i::n]) for i in range(n)]
