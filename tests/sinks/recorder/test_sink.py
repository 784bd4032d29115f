"""The recorder: what is in its records, what goes when, and what a crash, a full disk or a set clock does to it."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sinks_samples import Keeping, an_alert, beat, episode
from small_disk import small_disk

from edge.errors import SinkError
from edge.messages import LabelledBeat, Message, Samples, SourceState, Stream
from edge.sinks.fanout import Fanout
from edge.sinks.recorder.files import EXTENSIONS, HEADER, JOURNAL, SIGNALS, beside
from edge.sinks.recorder.finish import finish
from edge.sinks.recorder.ring import Limits, Ring, segments
from edge.sinks.recorder.scale import scale
from edge.sinks.recorder.sink import Recorder
from edge.sources.wfdb_record import WfdbRecord

REPO = Path(__file__).resolve().parents[2]
FS_HZ = 100.0
START = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
RANGE_MV = ((-163.84, 163.835), (-163.84, 163.835))
STREAM = Stream(name="board", fs_hz=FS_HZ, leads=("II", "V1"), start_time=START, range_mv=RANGE_MV)
ROOMY = Limits(max_bytes=10**9, max_s=1e9, segment_s=60, reserve_bytes=0)
# In memory there is nothing to wait for when hundreds of segments are finished.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
_ANY_FOLDER = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def signal(n: int, leads: int = 2, seed: int = 1) -> NDArray[np.float32]:
    """Whole counts of a converter with steps of 5 µV."""
    counts = np.random.default_rng(seed).integers(-400, 400, (n, leads)).astype(np.int32)
    return (counts * np.float32(0.005)).astype(np.float32)


def blocks(mv: NDArray[np.float32], start: int = 0, size: int = 25) -> Iterator[Samples]:
    for at in range(0, len(mv), size):
        yield Samples(start=start + at, mv=mv[at : at + size])


def record(
    folder: Path, messages: Sequence[Message] | Iterator[Message], limits: Limits = ROOMY, **stream: object
) -> None:
    recorder = Recorder(folder, "bed-1", limits)
    recorder.open(Stream(**({name: getattr(STREAM, name) for name in STREAM.__struct_fields__} | stream)))
    for message in messages:
        recorder.write(message)
    recorder.close("stopped")


def names(folder: Path) -> list[str]:
    return [kept.path.name for kept in segments(folder)]


def state(sample: int, time: datetime) -> SourceState:
    return SourceState(ok=True, reason=None, sample=sample, time=time, drift_ppm=None, counts={})


def size(folder: Path) -> int:
    total = 0
    for path in folder.iterdir():
        # A temporary file may be gone by now.
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def read(path: Path) -> NDArray[np.float32]:
    return np.concatenate([block.mv for block in WfdbRecord(path).blocks(10_000)])


def test_finished_segments_are_wfdb_records_of_what_came(tmp_path: Path) -> None:
    mv = signal(15_000)
    mv[500:700, 1] = np.nan
    mv[9_000:9_100] = np.nan  # lost: a gap, which is told by the next block's number
    events = [beat(5_990), beat(6_010, "V"), episode(1, "vt", 6_010), an_alert(decided=6_100)]
    messages: list[Message] = [*blocks(mv[:6_200]), *events, *blocks(mv[6_200:9_000], 6_200), beat(8_000, "S")]
    messages += [episode(1, "vt", 6_010, 7_000), *blocks(mv[9_100:], 9_100), beat(14_999)]
    record(tmp_path, messages)
    assert names(tmp_path) == ["20260301T070000Z_000001", "20260301T070100Z_000002", "20260301T070200Z_000003"]
    assert [path.name for path in tmp_path.iterdir() if path.suffix not in (".dat", ".hea", ".edge")] == [".lock"]
    at = 0
    for kept in segments(tmp_path):
        theirs = wfdb.rdrecord(str(kept.path))
        assert (theirs.fs, theirs.sig_name, theirs.units) == (FS_HZ, ["II", "V1"], ["mV", "mV"])
        assert theirs.base_datetime == (START + timedelta(seconds=at / FS_HZ)).replace(tzinfo=None)
        expected = mv[at : at + theirs.sig_len]
        np.testing.assert_allclose(theirs.p_signal, expected, atol=1e-6)
        np.testing.assert_array_equal(read(kept.path), expected)
        range_mv = WfdbRecord(kept.path).stream.range_mv
        np.testing.assert_allclose(range_mv, RANGE_MV, rtol=1e-9)
        at += theirs.sig_len
    assert at == len(mv)
    first, second, third = (wfdb.rdann(str(kept.path), "edge") for kept in segments(tmp_path))
    assert (first.symbol, first.sample.tolist()) == (["+", "N"], [5_990, 5_990])
    assert (second.symbol, second.sample.tolist()) == (["+", "V", '"', "+", "S"], [10, 10, 99, 1_001, 2_000])
    notes = [note.rstrip("\0") for note in second.aux_note]
    assert notes == ["(VT", "", "alarm onset vt high", "(N", ""]
    assert (third.symbol, third.sample.tolist()) == (["+", "N"], [2_999, 2_999])
    assert "beats 2: S 1, V 1" in wfdb.rdheader(str(segments(tmp_path)[1].path)).comments


def test_checksums_are_those_of_wfdb(tmp_path: Path) -> None:
    record(tmp_path, blocks(signal(3_000)))
    (kept,) = segments(tmp_path)
    theirs = wfdb.rdrecord(str(kept.path), physical=False)
    assert theirs.calc_checksum() == [total % 65_536 for total in theirs.checksum]
    assert theirs.init_value == theirs.d_signal[0].tolist()


def test_a_rhythm_that_goes_on_is_that_of_the_next_segment_too(tmp_path: Path) -> None:
    messages: list[Message] = [episode(1, "bigeminy", 3_000)]
    for at in range(0, 20_000, 100):
        messages += [Samples(start=at, mv=signal(100)), beat(at + 50)]
    messages += [episode(1, "bigeminy", 3_000, 13_000)]
    record(tmp_path, messages)
    rhythms = []
    for kept in segments(tmp_path):
        read = wfdb.rdann(str(kept.path), "edge")
        notes = zip(read.sample.tolist(), read.aux_note, strict=True)
        rhythms.append([(sample, note.rstrip("\0")) for sample, note in notes if note])
    # Its end was told when the second segment was finished already, but within the third.
    assert rhythms == [[(50, "(N"), (3_000, "(B")], [(50, "(B")], [(50, "(B"), (1_001, "(N")], [(50, "(N")]]


def test_an_absent_source_ends_a_segment_at_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "bed-1", ROOMY)
    recorder.open(STREAM)
    for message in (*blocks(signal(1_000)), beat(900)):
        recorder.write(message)
    recorder.write(state(6_000, START + timedelta(seconds=60)))
    assert not segments(tmp_path)[0].finished
    recorder.write(state(8_000, START + timedelta(seconds=80)))
    assert recorder._doing.idle(10)
    (first,) = segments(tmp_path)
    assert (first.finished, first.seconds) == (True, 10)
    for block in blocks(signal(500), 9_000):
        recorder.write(block)
    recorder.close("stopped")
    assert names(tmp_path)[1:] == ["20260301T070130Z_000002"]
    assert [kept.seconds for kept in segments(tmp_path)] == [10, 5]


def test_a_clock_that_is_set_changes_times_but_not_the_order(tmp_path: Path) -> None:
    year = timedelta(days=365)
    messages: list[Message] = [*blocks(signal(7_000)), state(7_000, START - year)]
    limits = Limits(max_bytes=10**9, max_s=240, segment_s=60, reserve_bytes=0)
    record(tmp_path, [*messages, *blocks(signal(35_000), 7_000)], limits)
    kept = segments(tmp_path)
    assert [one.number for one in kept] == sorted(one.number for one in kept)
    assert kept[-1].number == 7
    # The first ones, of 2026, went first although their names sort last.
    assert all(one.path.name.startswith("2025") for one in kept)
    assert wfdb.rdheader(str(kept[-1].path)).base_datetime.year == 2025


def test_a_stream_otherwise_than_before_begins_a_segment(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "bed-1", ROOMY)
    for fs_hz, leads in ((100.0, ("II", "V1")), (257.5, ("I", "II", "V6 ü\x1b"))):
        recorder.open(Stream(name="board", fs_hz=fs_hz, leads=leads, start_time=START))
        for block in blocks(signal(2_000, len(leads))):
            recorder.write(block)
        recorder.close("otherwise")
    found = [wfdb.rdrecord(str(kept.path)) for kept in segments(tmp_path)]
    assert [(one.fs, one.sig_len) for one in found] == [(100, 2_000), (257.5, 2_000)]
    assert found[1].sig_name == ["I", "II", "V6 ??"]


def test_values_beyond_16_bit_begin_a_segment_with_coarser_steps(tmp_path: Path) -> None:
    mv = signal(3_000)
    mv[1_500:, 1] += 150
    mv[2_000, 0] = np.inf
    record(tmp_path, blocks(mv), range_mv=None)
    gains = [wfdb.rdheader(str(kept.path)).adc_gain for kept in segments(tmp_path)]
    assert gains == [[1000, 1000], [1000, 125]]
    mv[2_000, 0] = np.nan
    np.testing.assert_allclose(np.concatenate([read(kept.path) for kept in segments(tmp_path)]), mv, atol=0.0041)


@given(
    st.one_of(st.none(), st.tuples(st.floats(-400, 0.1), st.floats(0.2, 400))),
    st.floats(0, 1e6, allow_nan=False),
)
def test_any_scale_holds_what_it_is_for(limits: tuple[float, float] | None, highest: float) -> None:
    chosen = scale(limits, highest)
    if limits is not None and chosen.whole:
        ends = [round(end * chosen.gain) + chosen.baseline for end in limits]
        assert -32_769 <= ends[0] < ends[1] <= 32_769
    elif highest <= 300:
        assert abs(highest * chosen.gain) <= 32_767
    assert chosen.gain >= min(200, 32_767 / max(highest, 1e-9) / 2, 0.05) or chosen.whole


def test_a_converter_of_16_bit_is_met_step_by_step() -> None:
    for lsb in (0.005, 0.00286, 0.001, 0.0001):
        assert scale((-32_768 * lsb, 32_767 * lsb), 1.0) == scale((-32_768 * lsb, 32_767 * lsb), 400.0)
        chosen = scale((-32_768 * lsb, 32_767 * lsb), 1.0)
        assert (chosen.gain, chosen.baseline, chosen.whole) == (pytest.approx(1 / lsb, rel=1e-9), 0, True)


sizes = st.lists(st.tuples(st.integers(1, 900), st.integers(0, 9_000)), min_size=1, max_size=60)
caps = st.builds(
    Limits,
    max_bytes=st.integers(30_000, 120_000),
    max_s=st.floats(40, 600),
    segment_s=st.floats(5, 60),
    reserve_bytes=st.just(0),
)


@settings(max_examples=40, **_ANY_FOLDER)
@given(streams=st.lists(st.tuples(sizes, caps), min_size=1, max_size=3))
def test_caps_hold_at_any_time_and_the_newest_stays(streams: list[tuple[list[tuple[int, int]], Limits]]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        check_caps(Path(folder), streams)


def check_caps(folder: Path, streams: list[tuple[list[tuple[int, int]], Limits]]) -> None:
    seen: list[int] = []
    held_bytes = held_s = 0.0
    for steps, limits in streams:
        recorder = Recorder(folder, "bed-1", limits)
        recorder.open(STREAM)
        at = 0
        # A stream before may have had larger caps: of that the newest one stays.
        held_bytes = max(held_bytes, limits.max_bytes)
        held_s = max(held_s, limits.max_s)
        for n, gap in steps:
            recorder.write(Samples(start=at, mv=signal(n)))
            for sample in range(at, at + n, 40):
                recorder.write(beat(sample))
            at += n + gap
            kept = segments(folder)
            assert size(folder) <= held_bytes
            assert sum(one.seconds for one in kept) <= held_s
            numbers = [one.number for one in kept]
            # What is there are the newest without a hole, so whatever went was the oldest.
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else not seen
            assert not seen or numbers[-1] >= seen[-1]
            seen = numbers or seen
        recorder.close("stopped")
        assert segments(folder)
        assert all(one.finished for one in segments(folder))
        for one in segments(folder):
            assert len(read(one.path)) == round(one.seconds * FS_HZ)


KILLED = """
import sys
from pathlib import Path
import numpy as np
from edge.messages import LabelledBeat, Samples, Stream
from edge.sinks.recorder.sink import Recorder
from edge.sinks.recorder.ring import Limits
from datetime import UTC, datetime
stream = Stream(name="board", fs_hz=100.0, leads=("II", "V1"), start_time=datetime(2026, 3, 1, 7, tzinfo=UTC))
recorder = Recorder(Path(sys.argv[1]), "bed-1", Limits(max_bytes=40_000, max_s=1e9, segment_s=10, reserve_bytes=0))
recorder.open(stream)
print("open", flush=True)
at = 0
while True:
    ramp = (at + np.arange(50)) % 30_000 * 0.001
    recorder.write(LabelledBeat(sample=at, label="N", score=1.0, rr_ms=None, decided=at))
    recorder.write(Samples(start=at, mv=np.stack([ramp, -ramp], 1).astype(np.float32)))
    at += 50
"""


def kill_while_recording(folder: Path, seconds: float) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, folder], cwd=REPO, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()


def check_whole(path: Path) -> tuple[int, int]:
    """A record that tells of itself what was recorded; returns its span."""
    theirs, marks = wfdb.rdrecord(str(path)), wfdb.rdann(str(path), "edge")
    steps = np.rint(theirs.p_signal[:, 0] * 1000).astype(int)
    np.testing.assert_array_equal(steps, (steps[0] + np.arange(len(steps))) % 30_000)
    np.testing.assert_allclose(theirs.p_signal[:, 1], -theirs.p_signal[:, 0])
    beats = marks.sample[np.array(marks.symbol) == "N"].tolist()
    assert beats == list(range(-steps[0] % 50, len(steps), 50))
    return steps[0], len(steps)


def test_killed_at_any_moment_what_was_finished_is_whole_and_the_rest_is_recovered(tmp_path: Path) -> None:
    for turn in range(8):
        kill_while_recording(tmp_path, 0.02 + 0.05 * turn)
        for path in tmp_path.glob(f"*{HEADER}"):
            check_whole(path.with_suffix(""))
        left = [kept for kept in segments(tmp_path) if kept.finished or beside(kept.path, JOURNAL).exists()]
        written = {kept.path.name: beside(kept.path, SIGNALS).stat().st_size // 4 for kept in left}
        assert all(kept.finished for kept in left[:-3])
        record(tmp_path, [])
        recovered = segments(tmp_path)
        assert recovered
        assert all(kept.finished for kept in recovered)
        spans = {kept.path.name: check_whole(kept.path) for kept in recovered}
        assert {name: n for name, (_, n) in spans.items()} == {name: n for name, n in written.items() if n}
        assert size(tmp_path) <= 40_000


@settings(max_examples=60, **_ANY_FOLDER)
@given(data=st.data())
def test_whatever_of_a_segment_reached_the_disk_is_a_record(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    recorder = Recorder(folder, "bed-1", ROOMY)
    recorder.open(STREAM)
    mv = signal(1_000)
    for block in blocks(mv, size=100):
        recorder.write(block)
        recorder.write(beat(block.start + 30))
    (kept,) = segments(folder)
    signals, journal = beside(kept.path, SIGNALS), beside(kept.path, JOURNAL)
    told = journal.read_bytes()
    n_bytes = data.draw(st.integers(0, 4_000), "bytes of signals")
    n_told = data.draw(st.integers(0, len(told)), "bytes of journal")
    os.truncate(signals, n_bytes)
    # ext4 may give zeros for what was not written out.
    journal.write_bytes(told[:n_told] + b"\0" * data.draw(st.integers(0, 50)))
    finish(kept.path)
    about = told.index(b"\n")
    if n_told < about or n_bytes < 4:
        assert not list(folder.glob("2026*"))
        return
    np.testing.assert_array_equal(read(kept.path), mv[: n_bytes // 4])
    whole = [int(line.split(b",")[1]) for line in told[:n_told].splitlines()[1:] if line.endswith(b"]")]
    beats = wfdb.rdann(str(kept.path), "edge")
    assert [s for s, m in zip(beats.sample.tolist(), beats.symbol, strict=True) if m == "N"] == [
        sample for sample in whole if sample < n_bytes // 4
    ]


def leave(folder: Path, *extensions: str) -> None:
    """Leave of a finished segment what there is at some moment of finishing or deleting it."""
    (kept,) = segments(folder)
    for extension in EXTENSIONS:
        if extension not in extensions:
            beside(kept.path, extension).unlink(missing_ok=True)


@pytest.mark.parametrize("there", [(), (".edge",), (".edge", ".tmp"), (".edge", ".hea"), (".tmp",)])
def test_finishing_that_was_interrupted_is_done_again(tmp_path: Path, there: tuple[str, ...]) -> None:
    recorder = Recorder(tmp_path, "bed-1", ROOMY)
    recorder.open(STREAM)
    for message in (*blocks(signal(1_000)), beat(900)):
        recorder.write(message)
    journal = beside(segments(tmp_path)[0].path, JOURNAL)
    told = journal.read_bytes()
    recorder.close("stopped")
    journal.write_bytes(told)
    beside(segments(tmp_path)[0].path, ".tmp").write_bytes(b"half")
    leave(tmp_path, ".dat", ".journal", *there)
    record(tmp_path, [])
    (kept,) = segments(tmp_path)
    assert (kept.finished, kept.seconds) == (True, 10)
    assert {path.suffix for path in tmp_path.glob("2026*")} == {".dat", ".hea", ".edge"}


@pytest.mark.parametrize("there", [(".edge", ".dat"), (".dat",), (".dat", ".tmp"), (".tmp",)])
def test_a_deletion_that_was_interrupted_is_completed(tmp_path: Path, there: tuple[str, ...]) -> None:
    record(tmp_path, blocks(signal(1_000)))
    beside(segments(tmp_path)[0].path, ".tmp").write_bytes(b"half")
    leave(tmp_path, *there)
    (tmp_path / "20260301T070000Z.hea").write_text("somebody else's\n")
    record(tmp_path, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "20260301T070000Z.hea"]


def test_one_process_records_into_a_folder(tmp_path: Path) -> None:
    first = Recorder(tmp_path, "bed-1", ROOMY)
    first.open(STREAM)
    with pytest.raises(SinkError, match="another ecg-edge records there"):
        Recorder(tmp_path, "bed-1", ROOMY).open(STREAM)
    first.close("stopped")
    record(tmp_path, blocks(signal(100)))
    assert len(segments(tmp_path)) == 1


def interrupted(
    recorder: Recorder, disturb: Callable[[], object], mend: Callable[[], object], mend_at: int = 40_000
) -> tuple[list[str], int]:
    """Record ten minutes, of which the middle ones are disturbed; return what was said and what others were given."""
    said, other = list[str](), Keeping()
    keeper = logging.Handler()
    keeper.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("edge.sinks.fanout")
    logger.setLevel(logging.INFO)
    logger.addHandler(keeper)
    fanout = Fanout([recorder, other])
    fanout.open(STREAM)
    mv = signal(60_000)
    for block in blocks(mv):
        if block.start == 20_000:
            disturb()
        if block.start == mend_at:
            assert fanout.problems
            mend()
        fanout.write(beat(block.start))
        fanout.write(block)
    assert not fanout.problems
    fanout.close("stopped")
    return said, len(other.messages)


def test_a_full_disk_stops_the_recorder_alone_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as folder:
        limits = Limits(max_bytes=10**9, max_s=1e9, segment_s=60, reserve_bytes=500_000)
        other = folder / "others"
        recorder = Recorder(folder / "ring", "bed-1", limits)
        said, given_others = interrupted(recorder, lambda: fill(other, 3_700_000), other.unlink)
        assert given_others == 4_800
        assert len(said) <= 3
        assert f"recorder, {folder}/ring: disk full, less than" in said[0]
        assert "written again" in said[-1]
        check_with_a_hole(folder / "ring")


def test_a_disk_that_is_full_to_the_last_byte_leaves_whole_segments(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as folder:
        other = folder / "others"
        recorder = Recorder(folder / "ring", "bed-1", ROOMY)
        said, _ = interrupted(recorder, lambda: fill(other, 10_000_000), other.unlink)
        assert "No space left on device" in said[0]
        check_with_a_hole(folder / "ring")


def fill(path: Path, n_bytes: int) -> None:
    """Write a file that is this large, or as large as it gets."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for _ in range(n_bytes // 1_000):
            file.write(bytes(1_000))


def check_with_a_hole(folder: Path) -> None:
    kept = segments(folder)
    assert all(one.finished for one in kept)
    mv = signal(60_000)
    covered = np.zeros(len(mv), bool)
    for one in kept:
        theirs = WfdbRecord(one.path).stream
        first = round((theirs.start_time - START).total_seconds() * FS_HZ)
        np.testing.assert_array_equal(read(one.path), mv[first : first + round(one.seconds * FS_HZ)])
        covered[first : first + round(one.seconds * FS_HZ)] = True
        assert set(wfdb.rdann(str(one.path), "edge").sample.tolist()) <= set(range(0, 60_000))
    assert covered[:19_800].all()
    assert covered[-2_000:].all()
    assert not covered[25_000:39_000].any()


def test_a_folder_that_is_taken_away_is_made_again(tmp_path: Path) -> None:
    recorder, aside = Recorder(tmp_path / "ring", "bed-1", ROOMY), tmp_path / "aside"
    said, _ = interrupted(recorder, lambda: shutil.move(tmp_path / "ring", aside), lambda: None, 60_000)
    assert "No such file or directory" in said[0]
    assert "written again" in said[-1]
    assert len(segments(tmp_path / "ring")) > 4
    assert sum(not kept.finished for kept in segments(aside)) <= 2
    record(aside, [])
    assert all(kept.finished for kept in segments(aside))


def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as folder:
        record(folder / "ring", blocks(signal(3_000)))
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with pytest.raises(SinkError, match="Read-only file system: it goes on by itself"):
            Recorder(folder / "ring", "bed-1", ROOMY).open(STREAM)
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="Not a directory"):
        Recorder(tmp_path / "file" / "ring", "bed-1", ROOMY).open(STREAM)


def test_short_of_room_the_oldest_go_but_an_hour_stays(tmp_path: Path) -> None:
    minute = signal(6_000)
    with small_disk(tmp_path / "disk", "8m") as folder:
        record(folder, blocks(np.tile(minute, (100, 1)), size=6_000))
        assert len(segments(folder)) == 100
        free = shutil.disk_usage(folder).free
        ring = Ring(folder, Limits(max_bytes=10**9, max_s=1e9, segment_s=60, reserve_bytes=free + 500_000))
        ring.check()
        kept = segments(folder)
        assert 60 < len(kept) < 90
        assert kept[-1].number == 100
        ring = Ring(folder, Limits(max_bytes=10**9, max_s=1e9, segment_s=60, reserve_bytes=10**9))
        with pytest.raises(OSError, match="disk full, less than 1000 MB left"):
            ring.check()
        assert [one.number for one in segments(folder)] == list(range(41, 101))


def test_recordings_are_for_their_owner_alone(tmp_path: Path) -> None:
    record(tmp_path / "ring", blocks(signal(1_000)))
    assert (tmp_path / "ring").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "ring").iterdir()} == {0o600}


def test_what_is_told_of_no_sample_is_no_trouble(tmp_path: Path) -> None:
    early: list[Message] = [beat(50), episode(1, "vt", 50)]
    record(tmp_path, [*early, *blocks(signal(1_000), 30_000), beat(29_999), beat(30_100), beat(99_999)])
    (kept,) = segments(tmp_path)
    read = wfdb.rdann(str(kept.path), "edge")
    assert [(s, m) for s, m in zip(read.sample.tolist(), read.symbol, strict=True) if m != "+"] == [(100, "N")]
    record(tmp_path / "empty", [])
    assert segments(tmp_path / "empty") == []


def test_beats_are_those_given(tmp_path: Path) -> None:
    beats = [LabelledBeat(sample=s, label=lab, score=1.0, rr_ms=None, decided=s) for s, lab in ((10, "Q"), (20, "F"))]
    record(tmp_path, [*beats, *blocks(signal(100))])
    assert wfdb.rdann(str(segments(tmp_path)[0].path), "edge").symbol == ["+", "Q", "F"]
