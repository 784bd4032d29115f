"""What is told of the outbox itself: alerts that were lost, alerts nobody saw the end of, a disk that fails."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import UNSET

from edge import messages
from edge.contract.encoder import Encoder
from edge.contract.payloads import Alert, OutboxInfo
from edge.messages import Phase, Priority
from edge.sinks.outbox.outbox import NOTICE, Outbox

RESTARTED = "the device restarted, nobody saw the end"
_URGENT_FIRST: tuple[Priority, ...] = ("high", "medium", "low")


class OutboxNotices:
    """Puts the state of an outbox into words.

    Parameters
    ----------
    outbox : Outbox
        The one to watch.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._told = self._facts()

    @property
    def trouble(self) -> str | None:
        """Why alerts are not safe, perhaps were not, or do not arrive; None if nothing is wrong."""
        box = self._outbox
        aside = box.aside
        kept = f"{aside} alert messages are damaged or cannot be sent, and are set aside" if aside else None
        return "; ".join(filter(None, (box.damaged, box.trouble, box.refused, kept))) or None

    def info(self) -> OutboxInfo:
        """Return what `status` says."""
        box = self._outbox
        return OutboxInfo(
            pending=box.pending,
            aside=box.aside + box.deferred,
            lost=sum(box.lost.values()),
            durable=box.durable,
            reason=self.trouble,
        )

    def changed(self) -> bool:
        """Return whether there is something new to say, other than how many wait."""
        facts = self._facts()
        told, self._told = self._told, facts
        return facts != told

    def abandoned(self) -> Iterator[Alert]:
        """Yield an end for each alert that was in force when the process before this one died."""
        for remembered in self._outbox.in_force():
            try:
                alert = msgspec.json.decode(remembered, type=Alert)
            except (msgspec.DecodeError, UnicodeDecodeError):
                # Of a version that said it otherwise. Who heard its onset has `alerts/active` to see that it is over.
                self._outbox.forget(remembered)
                continue
            yield msgspec.structs.replace(alert, phase="end", reason=RESTARTED)

    def of_losses(self, encoder: Encoder, sample: int) -> Iterator[Alert]:
        """Yield an alert, onset and end, about alerts that were lost and not told of yet, one such at a time."""
        unsaid = {priority: n for priority in _URGENT_FIRST if (n := self._outbox.unsaid[priority])}
        if not unsaid or self._outbox.notice_waits():
            return
        evidence = messages.Evidence(
            lost=sum(unsaid.values()),
            high=unsaid.get("high", UNSET),
            medium=unsaid.get("medium", UNSET),
            low=unsaid.get("low", UNSET),
        )
        phases: tuple[Phase, ...] = ("onset", "end")
        for phase in phases:
            notice = messages.Alert(
                # Below those of the stages, and never the same twice in a stream.
                number=-sum(self._outbox.lost.values()),
                kind=NOTICE,
                phase=phase,
                priority=next(iter(unsaid)),
                onset=sample,
                end=sample if phase == "end" else None,
                decided=sample,
                evidence=evidence,
            )
            yield encoder.alert(notice)
        self._outbox.said(unsaid)

    def _facts(self) -> tuple[str | None, int]:
        return self.trouble, sum(self._outbox.lost.values())
