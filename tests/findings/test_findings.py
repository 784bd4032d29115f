"""Findings: everything a stream's events say, once, in bounded room, and back from JSON."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.analysis import Analysis
from edge.contract.payloads import ModelInfo
from edge.errors import SourceError
from edge.findings import Collector, Findings
from edge.findings.analyze import findings_of
from edge.findings.arrays import BEAT
from edge.findings.gallery import OF_A_KIND
from edge.findings.rate import MAX_STEPS, RateOverTime
from edge.findings.schema import FILE, schema
from edge.findings.strips import band_passed
from edge.findings.variability import variability
from edge.inference.beat_model import BeatModel
from edge.kinds import KINDS
from edge.messages import Episode, Evidence, Gap, LabelledBeat, Quality, Samples, Stream, Vitals
from edge.sources.array import ArrayRecording

DOCS = Path(__file__).resolve().parents[2] / "docs"
MODEL = ModelInfo(name="cnn", sha256="0" * 64)
STREAM = Stream(name="bed-3", fs_hz=250.0, leads=("II", "V1"), start_time=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture(scope="module")
def toy(toy_ecg: NDArray[np.float32]) -> Findings:
    with BeatModel.load() as model:
        return findings_of(ArrayRecording(toy_ecg, 360, ["MLII"], name="toy"), model)


def test_what_is_found_is_what_the_events_say(toy: Findings, toy_ecg: NDArray[np.float32]) -> None:
    with BeatModel.load() as model:
        analysis = Analysis(model)
        recording = ArrayRecording(toy_ecg, 360, ["MLII"])
        events = [*analysis.take(recording.stream)]
        for block in recording.blocks(1000):
            events += analysis.take(block)
        events += analysis.finish()
    beats = [e for e in events if isinstance(e, LabelledBeat)]
    assert toy.beats["sample"].tolist() == [b.sample for b in beats]
    assert "".join(toy.beats["label"]) == "".join(b.label for b in beats)
    assert toy.burden.by_class == {k: sum(b.label == k for b in beats) for k in "NSVFQ"}
    assert sum(toy.burden.percent.values()) == pytest.approx(100, abs=0.1)
    onsets = Counter(e.kind for e in events if isinstance(e, Episode) and e.phase == "onset")
    assert toy.episode_counts == dict(onsets)
    assert Counter(e.kind for e in toy.episodes) == onsets
    rates = [e.hr_bpm for e in events if isinstance(e, Vitals) and e.hr_bpm is not None]
    assert toy.heart_rate.overall is not None
    assert toy.heart_rate.overall.mean == pytest.approx(np.mean(rates), abs=0.06)
    assert toy.heart_rate.overall.median == pytest.approx(np.median(rates), abs=0.2)


def test_blocks_do_not_matter(toy: Findings, toy_ecg: NDArray[np.float32]) -> None:
    recording = ArrayRecording(toy_ecg, 360, ["MLII"], name="toy")
    with BeatModel.load() as model:
        analysis, collector = Analysis(model), Collector(ModelInfo(name=model.name, sha256=model.sha256))
        for message in [recording.stream, *recording.blocks(777)]:
            for each in analysis.take(message):
                collector.take(each)
        for each in analysis.finish():
            collector.take(each)
    assert collector.findings().to_json() == toy.to_json()


def test_the_rhythm_covers_the_recording_once(toy: Findings) -> None:
    assert toy.rhythm[0].start_s == 0
    assert toy.rhythm[-1].stop_s == toy.subject.duration_s
    for before, after in zip(toy.rhythm, toy.rhythm[1:], strict=False):
        assert before.stop_s == after.start_s
        assert before.kind != after.kind


def test_json_is_valid_and_comes_back_the_same(toy: Findings) -> None:
    content = toy.to_json()
    jsonschema.validate(msgspec.json.decode(content), schema())
    back = Findings.from_json(content)
    assert back.beats.dtype == BEAT
    assert (back.beats["sample"] == toy.beats["sample"]).all()
    assert (back.beats["label"] == toy.beats["label"]).all()
    for mine, theirs in zip(toy.strips, back.strips, strict=True):
        np.testing.assert_array_equal(mine.uv, theirs.uv)
    assert Findings.from_json(back.to_json()).to_json() == back.to_json()


@pytest.mark.parametrize("broken", [b"", b"{}", b'{"beats": 3}', b"[]", b'{"schema_version": "x"}'])
def test_what_is_no_json_form_is_refused(broken: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Findings.from_json(broken)


def test_a_form_with_wrong_beats_is_refused(toy: Findings) -> None:
    form = msgspec.json.decode(toy.to_json())
    for beats in ({}, {"sample": [1], "time_s": ["x"], "label": "N", "score": [1], "rr_ms": [1]}, None, 3):
        with pytest.raises(msgspec.ValidationError):
            Findings.from_json(msgspec.json.encode({**form, "beats": beats}))


def test_the_documented_schema_is_that_of_the_code() -> None:
    documented = msgspec.json.decode((DOCS / "schemas" / FILE).read_bytes())
    assert documented == schema(), "run: python -m edge.findings.schema docs/schemas"
    jsonschema.Draft202012Validator.check_schema(documented)


def test_every_strip_shows_what_it_says(toy: Findings) -> None:
    episodes = {episode.number: episode for episode in toy.episodes}
    assert any(strip.why == "typical" for strip in toy.strips)
    for strip in toy.strips:
        assert strip.uv.shape[0] == 1
        assert strip.uv.shape[1] <= 10 * 360
        if strip.episode is not None:
            assert strip.start <= episodes[strip.episode].onset < strip.start + strip.uv.shape[1]
    kinds = Counter(episodes[s.episode].kind for s in toy.strips if s.episode is not None)
    assert all(n <= OF_A_KIND[KINDS[kind].priority] for kind, n in kinds.items())
    assert {e.kind for e in toy.episodes} == set(kinds)


def test_the_longest_episodes_of_a_kind_are_shown() -> None:
    collector = Collector(MODEL)
    collector.take(STREAM)
    collector.take(Samples(start=0, mv=np.zeros((250 * 4, 2), np.float32)))
    rng = np.random.default_rng(1)
    lengths = rng.permutation(40) + 1
    for number, seconds in enumerate(lengths.tolist()):
        onset = 250 * 60 * (number + 1)
        collector.take(Samples(start=onset - 250, mv=np.zeros((250 * 20, 2), np.float32)))
        begun = Episode(
            number=number, kind="couplet", phase="onset", onset=onset, evidence=Evidence(), decided=onset + 250
        )
        collector.take(begun)
        collector.take(msgspec.structs.replace(begun, phase="end", end=onset + 25 * seconds))
    shown = {strip.episode for strip in collector.findings().strips if strip.why == "episode"}
    assert shown == set(np.argsort(-lengths)[: OF_A_KIND["low"]].tolist())


def test_nothing_readable_is_told_and_never_taken_for_health() -> None:
    with BeatModel.load() as model:
        found = findings_of(ArrayRecording(np.zeros((250 * 40, 1)), 250, ["II"]), model)
    assert found.readable.percent == 0
    assert found.sentences[0].text.startswith("Nothing could be read")
    assert any(limit.what == "anything" for limit in found.cannot_tell)
    assert found.heart_rate.overall is None
    assert not found.hrv.valid
    assert "normal" not in found.summary()


def test_no_samples_at_all_are_findings_too() -> None:
    collector = Collector(MODEL)
    collector.take(STREAM)
    found = collector.findings()
    assert found.readable.percent is None
    assert Findings.from_json(found.to_json()).subject.n_samples == 0


def test_gaps_are_unreadable_and_count() -> None:
    collector = Collector(MODEL)
    collector.take(STREAM)
    for second in range(10):
        start = 250 * second
        collector.take(Quality(decided=start + 250, start=start, n=250, leads=("good", "off")))
    collector.take(Samples(start=0, mv=np.ones((2500, 2), np.float32)))
    collector.take(Gap(decided=5000, start=2500, n=2500))
    found = collector.findings()
    assert found.readable.percent == 50
    assert found.readable.stretches == ((10.0, 20.0),)
    assert found.readable.leads == {"II": {"good": 10}, "V1": {"off": 10}}
    assert [stretch.kind for stretch in found.rhythm] == ["none", "unreadable"]
    assert found.subject.duration_s == 20


def test_a_recording_that_breaks_off_says_so() -> None:
    class Broken(ArrayRecording):
        def blocks(self, n: int):  # type: ignore[no-untyped-def]
            yield from super().blocks(n)
            raise SourceError("x", "x.dat ends after 2,500 of 5,000 samples")

    with BeatModel.load() as model:
        found = findings_of(Broken(np.zeros(2500), 250), model)
    assert "ends after" in found.cannot_tell[0].why


def test_days_take_no_more_room_than_hours() -> None:
    rate = RateOverTime()
    for second in range(3 * 86_400):
        rate.add(second, 60 + second % 7 if second % 5 else None)
    told = rate.rate()
    assert len(told.mean) <= MAX_STEPS
    assert len(told.mean) * told.step_s >= 3 * 86_400
    assert told.overall is not None
    assert told.overall.n == 3 * 86_400 * 4 // 5
    assert told.overall.mean == pytest.approx(63, abs=0.05)
    assert (min(v for v in told.min if v), max(v for v in told.max if v)) == (60, 66)


def beats_of(rr_ms: NDArray[np.float64], labels: str | None = None) -> NDArray[np.void]:
    beats = np.zeros(len(rr_ms), BEAT)
    beats["rr_ms"] = rr_ms
    beats["rr_ms"][0] = np.nan
    beats["time_s"] = np.cumsum(rr_ms) / 1000
    beats["label"] = list(labels or "N" * len(rr_ms))
    return beats


def test_variability_by_its_definition() -> None:
    rr = np.tile([800.0, 900.0], 300)
    hrv = variability(beats_of(rr), 520, 0)
    assert hrv.valid
    assert hrv.rmssd_ms == 100
    assert hrv.pnn50_percent == 100
    assert hrv.sdnn_ms == pytest.approx(50, abs=0.1)
    assert hrv.sdann_ms is None


def test_variability_leaves_ectopy_out_and_says_when_it_is_too_much() -> None:
    rr = np.full(600, 1000.0)
    labels = np.full(600, "N")
    rr[50::60], rr[51::60], labels[50::60] = 500, 1500, "V"
    few = variability(beats_of(rr, "".join(labels)), 600, 0)
    assert few.valid
    assert (few.sdnn_ms, few.rmssd_ms) == (0, 0)
    labels[::3] = "V"
    many = variability(beats_of(rr, "".join(labels)), 600, 0)
    assert not many.valid
    assert many.reason is not None
    assert "between normal beats" in many.reason
    assert "fibrillation" in (variability(beats_of(rr), 600, 400).reason or "")
    assert "5 min" in (variability(beats_of(rr[:50]), 50, 0).reason or "")


def test_sdann_is_of_five_minute_means() -> None:
    hours = 20
    rr = np.concatenate([np.full(3600, 1000.0), np.full(4500, 800.0)] * (hours // 2))
    hrv = variability(beats_of(rr), hours * 3600, 0)
    assert hrv.sdann_ms == pytest.approx(100, abs=2)


def test_the_band_is_passed_without_delay_and_what_is_missing_stays_so() -> None:
    t = np.arange(16 * 360) / 360
    for hz, left in ((0.05, 0.0), (1.5, 1.0), (10.0, 1.0), (40.0, 0.5), (60.0, 0.01), (150.0, 0.0)):
        wave = np.sin(2 * np.pi * hz * t)[:, None]
        clean = band_passed(wave, 360)[5 * 360 : 11 * 360]
        assert np.abs(clean - left * wave[5 * 360 : 11 * 360]).max() < 0.05, hz
    wave[100:140] = np.nan
    assert np.isnan(band_passed(wave, 360)).sum() == 40


def test_a_stream_comes_first_and_there_is_one() -> None:
    collector = Collector(MODEL)
    with pytest.raises(ValueError, match="begin with their stream"):
        collector.findings()
    with pytest.raises(ValueError, match="begin with their stream"):
        collector.take(Samples(start=0, mv=np.zeros((1, 2), np.float32)))
    collector.take(STREAM)
    with pytest.raises(ValueError, match="one stream"):
        collector.take(STREAM)
