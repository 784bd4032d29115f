"""One analysis in a process of its own, with bounds that the system keeps: `python -m edge.web.analyses.worker FOLDER`.

It reads `task.json`, tells its progress and its end as JSON lines, and leaves the files of `RESULTS`: the
note where there were answers, exports where the recording is not all too long.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge.errors import EcgEdgeError, one_line
from edge.web.analyses.results import RESULTS
from edge.web.analyses.store import Asked

if TYPE_CHECKING:
    from edge.findings.findings import Findings
    from edge.sources import Recording

EXIT_FAILED = 1
TASK = "task.json"
_PROGRESS_STEP = 0.02
# Values of all leads together: what is larger, people have tools for, and the file that was uploaded.
_MOST_EXPORTED = 5_000_000


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What an analysis may use.

    Attributes
    ----------
    memory_mb : int
        Address space.
    cpu_s, wall_s : int
        Time.
    file_mb : int
        Of one file it writes.
    """

    memory_mb: int = 3000
    cpu_s: int = 600
    wall_s: int = 900
    file_mb: int = 500


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is to do."""

    name: str
    asked: Asked
    bounds: Bounds


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What it tells."""

    progress: float | None = None
    failed: str | None = None
    done: bool = False


def main(folder: Path) -> int:
    """Do the task of a folder; return the exit code."""
    task = msgspec.json.decode((folder / TASK).read_bytes(), type=Task)
    _bind(task.bounds)
    logging.basicConfig(level=logging.ERROR)
    try:
        _analyse(folder, task)
    except EcgEdgeError as error:
        return _fail(str(error).replace(f"{folder}/in/", "").replace(task.asked.file, task.name))
    except MemoryError:
        return _fail(f"{task.name} needs more memory than the {task.bounds.memory_mb:,} MB an analysis may use")
    except Exception as error:
        logging.getLogger(__name__).exception("an analysis failed")
        return _fail(f"{task.name} cannot be analysed ({type(error).__name__}): it may be damaged")
    _tell(Line(done=True))
    return 0


def _analyse(folder: Path, task: Task) -> None:
    from edge.findings.analyze import findings_of  # noqa: PLC0415  (after the bounds are set)
    from edge.inference.beat_model import BeatModel  # noqa: PLC0415
    from edge.report.disclosure import disclose  # noqa: PLC0415
    from edge.report.html import page  # noqa: PLC0415
    from edge.report.write import Extras, write_report  # noqa: PLC0415
    from edge.sources.files import open_recording  # noqa: PLC0415
    from edge.sources.read_as import ReadAs  # noqa: PLC0415
    from edge.triage.note import note_of  # noqa: PLC0415

    asked = task.asked
    read_as = ReadAs(fs_hz=asked.fs_hz, unit=asked.unit, leads=asked.leads)
    recording = open_recording(str(folder / "in" / asked.file), None, read_as)
    with BeatModel.load("cnn") as model:
        found = findings_of(recording, model, progress=_Progress())
    subject = msgspec.structs.replace(found.subject, name=Path(task.name).stem)
    found = msgspec.structs.replace(found, subject=subject)
    note = None if asked.questionnaire.is_empty else note_of(asked.questionnaire, found)
    if note is not None:
        (folder / "triage.json").write_bytes(msgspec.json.encode(note))
    (folder / "findings.json").write_bytes(found.to_json())
    disclosure = disclose(recording) if asked.full_disclosure else None
    (folder / "report.html").write_text(page(found, note, disclosure), encoding="utf-8")
    with contextlib.suppress(EcgEdgeError):  # what makes PDF is not installed everywhere
        (folder / "report.pdf").unlink(missing_ok=True)  # of an attempt that was interrupted
        write_report(found, folder / "report.pdf", Extras(note=note, disclosure=disclosure))
    if found.subject.n_samples * len(recording.stream.leads) <= _MOST_EXPORTED:
        _export(folder, recording, found)


def _export(folder: Path, recording: Recording, found: Findings) -> None:
    from edge.report.export import write_export  # noqa: PLC0415

    for name, result in RESULTS.items():
        if result.export is not None:
            (folder / name).unlink(missing_ok=True)
            with contextlib.suppress(EcgEdgeError):  # not every form can hold every recording
                write_export(result.export, recording, found, folder / name)


class _Progress:
    """Tells the share of the samples that were read, now and then."""

    def __init__(self) -> None:
        self._told = 0.0

    def __call__(self, share: float) -> None:
        if share >= self._told + _PROGRESS_STEP:
            self._told = share
            _tell(Line(progress=round(share, 3)))


def _bind(bounds: Bounds) -> None:
    """Have the system keep the bounds, where it can."""
    with contextlib.suppress(ImportError):
        import resource  # noqa: PLC0415  (of POSIX only)

        limit: Callable[[int, tuple[int, int]], None] = resource.setrlimit
        limit(resource.RLIMIT_AS, (bounds.memory_mb << 20,) * 2)
        limit(resource.RLIMIT_CPU, (bounds.cpu_s, bounds.cpu_s + 5))
        limit(resource.RLIMIT_FSIZE, (bounds.file_mb << 20,) * 2)
        limit(resource.RLIMIT_CORE, (0, 0))


def _fail(reason: str) -> int:
    _tell(Line(failed=one_line(reason)[:500]))
    return EXIT_FAILED


def _tell(line: Line) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
