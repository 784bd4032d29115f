"""What is annotated in which segment: things are told of samples that are already written, or not yet."""

from __future__ import annotations

from collections.abc import Sequence

from edge.messages import Alert, Episode, LabelledBeat, Message
from edge.sinks.recorder.journal import ONSET, Mark, Span
from edge.sinks.recorder.segment import Segment
from edge.sinks.wfdb_annotations import RHYTHMS
from edge.wfdb_format.annotations import NOTE


class Notes:
    """Beats, alarms and rhythms of a stream, on their way into its segments."""

    def __init__(self) -> None:
        self._marks: list[Mark] = []
        self._spans: dict[int, Span] = {}

    def take(self, message: Message, segments: Sequence[Segment]) -> None:
        """Take in a message; `segments` are those that are not finished."""
        match message:
            case LabelledBeat():
                self._marks.append(Mark(message.sample, message.label))
            case Alert(phase="onset" | "end"):
                what = ONSET if message.phase == "onset" else "alarm end"
                self._marks.append(Mark(message.decided - 1, NOTE, f"{what} {message.kind} {message.priority}"))
            case Episode() if message.kind in RHYTHMS:
                span = Span(message.number, message.kind, message.onset, message.end)
                self._spans[span.number] = span
                for segment in segments:
                    segment.note(_within(segment, span))
            case _:
                pass

    def begin(self, segment: Segment, since: float) -> None:
        """Tell a new segment of the rhythms that last; forget those that were over at the sample `since`."""
        self._spans = {n: span for n, span in self._spans.items() if span.end is None or span.end >= since}
        for span in self._spans.values():
            segment.note(_within(segment, span))

    def give(self, segments: Sequence[Segment], end: int) -> None:
        """Give beats and alarms to the segments they are in; those from the sample `end` on wait."""
        for mark in self._marks:
            for segment in segments:
                if segment.first <= mark.sample < segment.end:
                    segment.note(Mark(mark.sample - segment.first, mark.mnemonic, mark.aux))
        self._marks = [mark for mark in self._marks if mark.sample >= end]

    def forget(self, before: int) -> None:
        """Forget what is told of samples before this one, which are not recorded."""
        self._marks = [mark for mark in self._marks if mark.sample >= before]
        self._spans = {n: span for n, span in self._spans.items() if span.end is None}


def _within(segment: Segment, span: Span) -> Span:
    """Return a span of the stream in the numbers of a segment."""
    end = None if span.end is None else span.end - segment.first
    return Span(span.number, span.kind, span.onset - segment.first, end)
