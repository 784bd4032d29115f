"""From a recording to its findings, by the loop that everything shares."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec.structs import replace

from edge.analysis import Analysis
from edge.contract.payloads import ModelInfo
from edge.errors import SourceError
from edge.findings.collector import Collector
from edge.findings.findings import Findings, Limit
from edge.findings.page import with_opinion
from edge.inference.beat_model import BeatModel
from edge.messages import Samples
from edge.sources import Recording
from edge.sources.page import PageRecording
from edge.sources.playback import Playback
from edge.stages.alarms import AlarmRules
from edge.stages.rhythm import RhythmRules


def findings_of(
    recording: Recording,
    model: BeatModel,
    *,
    rhythm: RhythmRules | None = None,
    alarms: AlarmRules | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[float], None] | None = None,
) -> Findings:
    """Analyse a recording to its end.

    Parameters
    ----------
    recording : Recording
        Any.
    model : BeatModel
        Classifies the beats.
    rhythm, alarms : RhythmRules, AlarmRules, optional
        What counts as which rhythm, and which are told.
    stop : threading.Event, optional
        Once set, the findings are of what was seen by then.
    progress : callable, optional
        Told after every block which share of the samples was seen, 0 to 1; nothing where the length is not known.

    Raises
    ------
    SourceError
        If nothing could be read. Where a recording breaks off, its findings say so.
    """
    collector, analysis = (
        Collector(ModelInfo(name=model.name, sha256=model.sha256)),
        Analysis(model, rhythm=rhythm, alarms=alarms),
    )
    total, seen = recording.stream.n_samples, 0
    failure: SourceError | None = None
    try:
        for batch in analysis.follow(Playback(recording), stop or threading.Event()):
            for message in batch:
                collector.take(message)
                seen = message.end if isinstance(message, Samples) else seen
            if progress is not None and total:
                progress(min(seen / total, 1.0))
    except SourceError as error:
        if not seen:
            raise
        failure = error
    found = collector.findings()
    if isinstance(recording, PageRecording):
        found = with_opinion(found, recording.page)
    if failure is None:
        return found
    broken = Limit(what="what comes after the recording breaks off", why=failure.reason)
    return replace(found, cannot_tell=(broken, *found.cannot_tell))
