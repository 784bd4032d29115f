"""How soon somebody is told, and what, for every way in which a signal can end or change.

``python -m benchmarks.first_word`` sends a synthetic patient (72 beats a minute, two leads, 360 Hz) through the whole
pipeline; after twenty seconds something happens. Each is tried at two moments, with a board that says when an
electrode is off and with one that does not; the worst is shown. It needs no database.

``--write`` puts the table into ``docs/safety.md`` and ``docs/alarms.md``, between their marks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.common import REPO, table
from edge.inference.beat_model import BeatModel
from edge.kinds import title
from edge.messages import FS_HZ, Alert, Gap, LabelledBeat, Samples, Stream
from edge.pipeline import Pipeline

Signal = NDArray[np.float64]
Change = Callable[[Signal, np.random.Generator], Signal]

AT_S, LENGTH_S = 20, 60
RANGE_MV = (-5.0, 5.0)
SEEDS = 2
LIMIT_S = 10.0
PAGES = (REPO / "docs" / "safety.md", REPO / "docs" / "alarms.md")
MARKS = ("<!-- first word -->", "<!-- end of first word -->")

_WAVES = ((-0.18, 0.025, 0.12), (-0.03, 0.008, -0.1), (0.0, 0.011, 1.0), (0.03, 0.01, -0.2), (0.27, 0.045, 0.25))
_HEIGHTS = (1.0, 0.6)
_BLOCK = 90


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a signal can end or change.

    Attributes
    ----------
    name : str
        What happens, in words.
    change : callable
        Makes the signal from then on of what it would have been.
    right : tuple of str
        Kinds that are right to tell; none if the heart goes on and nothing is to be told.
    unknown : tuple of str or None
        The same where the board does not say when an electrode is off, if that is something else.
    gap_s : float
        Seconds of samples that are lost from then on.
    """

    name: str
    change: Change
    right: tuple[str, ...] = ()
    unknown: tuple[str, ...] | None = None
    gap_s: float = 0.0

    def expected(self, electrodes_known: bool) -> tuple[str, ...]:
        """Return the kinds that are right to tell."""
        return self.right if electrodes_known or self.unknown is None else self.unknown


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes
    ----------
    kinds : tuple of str
        What was told from then on, in order.
    reason : str
        Why the signal was lost, if that was told first.
    first_s : float or None
        From what happened to the first word; None if there was none.
    beats_s : float or None
        From what happened until beats were found again for good; None if they were not.
    """

    kinds: tuple[str, ...]
    reason: str
    first_s: float | None
    beats_s: float | None


def patient(seconds: float, rng: np.random.Generator) -> Signal:
    """Return an ECG of two leads, with the noise of a good amplifier; mV, shape (n, 2)."""
    beats = np.arange(0.5, seconds, 60 / 72)
    beats = beats + 0.03 * np.sin(np.arange(len(beats)))
    time = np.arange(round(seconds * FS_HZ)) / FS_HZ
    wave = np.zeros(len(time))
    for beat in beats:
        for after, width, height in _WAVES:
            wave += height * np.exp(-0.5 * ((time - beat - after) / width) ** 2)
    return np.outer(wave, _HEIGHTS) + rng.normal(0, 0.003, (len(time), 2))


def _noise(rms_mv: float) -> Change:
    return lambda mv, rng: rng.normal(0, rms_mv, mv.shape)


def _uniform(peak_to_peak_mv: float) -> Change:
    return lambda mv, rng: (rng.random(mv.shape) - 0.5) * peak_to_peak_mv


def _then(first: Change, seconds: float, second: Change) -> Change:
    """One change, and another some seconds later."""
    n = round(seconds * FS_HZ)
    return lambda mv, rng: np.vstack([first(mv[:n], rng), second(mv[n:], rng)])


def _mains(hz: float, mv_high: float) -> Change:
    return lambda mv, _: np.repeat(mv_high * np.sin(2 * np.pi * hz * np.arange(len(mv)) / FS_HZ)[:, None], 2, axis=1)


def _fibrillation(mv: Signal, rng: np.random.Generator) -> Signal:
    smooth = np.hanning(FS_HZ) / FS_HZ
    n = len(mv)
    hz = 4.5 + 12 * np.convolve(rng.standard_normal(n + FS_HZ), smooth, "same")[:n]
    height = 1 + 6 * np.convolve(rng.standard_normal(n + FS_HZ), smooth, "same")[:n]
    return np.outer(0.5 * height * np.sin(2 * np.pi * np.cumsum(hz) / FS_HZ), _HEIGHTS)


def _one_lead(state: Change) -> Change:
    """Change the first lead alone."""
    return lambda mv, rng: np.column_stack([state(mv, rng)[:, 0], mv[:, 1]])


def _kick(mv: Signal, _: np.random.Generator) -> Signal:
    return mv + np.where(np.arange(len(mv)) < 0.3 * FS_HZ, 100.0, 0.0)[:, None]


def _constant(value: float) -> Change:
    return lambda mv, _: np.full(mv.shape, value)


def _same(mv: Signal, _: np.random.Generator) -> Signal:
    return mv


_LOST, _STILL, _EITHER = ("signal_lost",), ("asystole",), ("asystole_or_lead_off", "asystole")

WAYS: tuple[Way, ...] = (
    Way(name="electrodes off, the board says so", change=_constant(np.nan), right=_LOST),
    Way(name="dead flat, or frozen at one value", change=_constant(0.37), right=_STILL, unknown=_EITHER),
    Way(name="asystole, 10 µV of noise peak to peak", change=_uniform(0.01), right=_STILL, unknown=_EITHER),
    Way(name="asystole, 30 µV", change=_uniform(0.03), right=_STILL, unknown=_EITHER),
    Way(name="asystole, 60 µV", change=_uniform(0.06), right=_STILL, unknown=_EITHER),
    Way(name="asystole, 50 µV rms", change=_noise(0.05), right=(*_STILL, *_LOST)),
    Way(name="saturated at an end of the range", change=_constant(5.0), right=_LOST),
    Way(name="mains of 50 Hz alone, 0.5 mV", change=_mains(50, 0.5), right=_LOST),
    Way(name="mains of 60 Hz alone, 0.5 mV", change=_mains(60, 0.5), right=_LOST),
    Way(name="white noise of 0.3 mV", change=_noise(0.3), right=_LOST),
    Way(name="ventricular fibrillation", change=_fibrillation, right=("vf", "vt", "v_run")),
    Way(
        name="noise, then asystole after 6 s",
        change=_then(_noise(0.3), 6, _uniform(0.02)),
        right=(*_STILL, *_LOST),
        unknown=(*_EITHER, *_LOST),
    ),
    Way(
        name="asystole, then noise after 6 s",
        change=_then(_uniform(0.02), 6, _noise(0.3)),
        right=_STILL,
        unknown=_EITHER,
    ),
    Way(name="samples lost for 12 s", change=_same, right=_LOST, gap_s=12),
    Way(name="170 ms lost, asystole from then on", change=_uniform(0.02), right=_STILL, unknown=_EITHER, gap_s=0.17),
    Way(name="one lead off", change=_one_lead(_constant(np.nan))),
    Way(name="one lead flat", change=_one_lead(_constant(0.0))),
    Way(name="one lead mains only", change=_one_lead(_mains(50, 1.0))),
    Way(name="one lead saturated", change=_one_lead(_constant(5.0))),
    Way(name="a defibrillator's 100 mV for 0.3 s", change=_kick),
    Way(name="a step of 20 mV", change=lambda mv, _: mv + 20),
    Way(name="170 ms lost", change=_same, gap_s=0.17),
    Way(name="flat for 3 s", change=_then(_constant(0.0), 3, _same), right=("pause",)),
)


def happens(way: Way, model: BeatModel, *, electrodes_known: bool, seed: int) -> Outcome:
    """Let it happen to a patient, and return what came of it."""
    rng = np.random.default_rng(seed)
    mv = patient(LENGTH_S, rng)
    # Each seed at another moment of the heart's cycle.
    at = round((AT_S + 0.27 * seed) * FS_HZ)
    mv[at:] = way.change(mv[at:], rng)
    stream = Stream(
        name="patient",
        fs_hz=FS_HZ,
        leads=("II", "V1"),
        start_time=datetime(2026, 1, 1, tzinfo=UTC),
        range_mv=(RANGE_MV, RANGE_MV),
        lead_off_detection=electrodes_known,
    )
    pipeline = Pipeline(stream, model)
    lost = (at, at + round(way.gap_s * FS_HZ))
    events = [event for message in _messages(mv.astype(np.float32), lost) for event in pipeline.push(message)]
    alerts = [event for event in events if isinstance(event, Alert) and event.decided > at and event.phase == "onset"]
    beats = [event.sample for event in events if isinstance(event, LabelledBeat) and event.sample >= at]
    reason = alerts[0].evidence.reason if alerts else ""
    return Outcome(
        kinds=tuple(alert.kind for alert in alerts),
        reason=reason if isinstance(reason, str) else "",
        first_s=(alerts[0].decided - at) / FS_HZ if alerts else None,
        beats_s=_regular_from(beats, at),
    )


def _messages(mv: NDArray[np.float32], lost: tuple[int, int]) -> list[Samples | Gap]:
    """Cut a signal into blocks; what is lost is told once a second, as a live source tells it."""
    out: list[Samples | Gap] = []
    for first, stop in ((0, lost[0]), (lost[1], len(mv))):
        if first:
            seconds = [*range(lost[0], lost[1], FS_HZ), lost[1]]
            out += [Gap(start=a, n=b - a, decided=b) for a, b in pairwise(seconds) if b > a]
        out += [Samples(start=at, mv=mv[at : min(at + _BLOCK, stop)]) for at in range(first, stop, _BLOCK)]
    return out


def _regular_from(beats: Sequence[int], at: int) -> float | None:
    """Return when the beats that go on to the end begin, seconds after what happened."""
    if not beats or beats[-1] < (LENGTH_S - 5) * FS_HZ:
        return None
    for before, after in zip(beats[-2::-1], beats[:0:-1], strict=True):
        if after - before > 1.5 * FS_HZ:
            return (after - at) / FS_HZ
    return (beats[0] - at) / FS_HZ


def measure(model: BeatModel, seeds: int = SEEDS) -> list[tuple[Way, bool, list[Outcome]]]:
    """Let everything happen, several times, with either kind of board."""
    return [
        (way, known, [happens(way, model, electrodes_known=known, seed=seed) for seed in range(seeds)])
        for way in WAYS
        for known in (True, False)
    ]


def wrong(way: Way, known: bool, outcomes: Sequence[Outcome]) -> str:
    """Return what is not as it should be, or nothing."""
    expected = way.expected(known)
    for outcome in outcomes:
        if not expected and outcome.kinds:
            return f"told {outcome.kinds[0]}"
        if expected and not any(kind in expected for kind in outcome.kinds):
            return f"told {', '.join(outcome.kinds) or 'nothing'}"
        if expected and (outcome.first_s is None or outcome.first_s > LIMIT_S):
            return f"told after {outcome.first_s} s"
        if not expected and (outcome.beats_s is None or outcome.beats_s > 2.0):
            return f"beats after {outcome.beats_s} s"
    return ""


def _told(outcomes: Sequence[Outcome]) -> str:
    said = [
        (title(kind) + (f" ({outcome.reason})" if i == 0 and outcome.reason else ""))
        for outcome in outcomes
        for i, kind in enumerate(outcome.kinds)
    ]
    return ", ".join(dict.fromkeys(said)) or "nothing; beats go on"


def _when(outcomes: Sequence[Outcome]) -> str:
    if any(outcome.kinds for outcome in outcomes):
        return f"{max(outcome.first_s or 0.0 for outcome in outcomes):.1f}"
    return f"beat after {max(outcome.beats_s or 99.0 for outcome in outcomes):.1f}"


def report(measured: Sequence[tuple[Way, bool, list[Outcome]]]) -> str:
    """Return the table, one row a way; the board that does not know only where it makes a difference."""
    rows: list[tuple[str, str, str]] = []
    for (way, _, known), (_, _, unknown) in zip(measured[::2], measured[1::2], strict=True):
        rows.append((way.name, _told(known), _when(known)))
        if (_told(unknown), _when(unknown)) != rows[-1][1:]:
            rows.append((f"{way.name}; the board cannot say if electrodes are on", _told(unknown), _when(unknown)))
    return table(("what happens", "what is told", "s to the first word, at most"), rows)


def put(page: Path, text: str) -> None:
    """Write the table between the marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    page.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and fail if anything is not told as it should be."""
    parser = argparse.ArgumentParser(description="Time to the first word, for every way a signal can end or change.")
    parser.add_argument("--write", action="store_true", help="put the table into docs/safety.md and docs/alarms.md")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how often each is tried")
    options = parser.parse_args(arguments)
    with BeatModel.load("cnn") as model:
        measured = measure(model, options.seeds)
    text = report(measured)
    sys.stdout.write(text + "\n")
    if options.write:
        for page in PAGES:
            put(page, text)
    failed = [(way.name, known, why) for way, known, outcomes in measured if (why := wrong(way, known, outcomes))]
    for name, known, why in failed:
        sys.stderr.write(f"{name} (electrodes {'known' if known else 'not known'}): {why}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
