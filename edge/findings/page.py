"""The second opinion on a 12-lead page: what a model of whole pages says of it, or why it says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from edge.contract.payloads import ModelInfo
from edge.errors import ModelError
from edge.features import page
from edge.features.page import Measured
from edge.findings.findings import Findings, Limit, PageOpinion, Sentence
from edge.inference.page_model import TITLES, PageModel, shipped

if TYPE_CHECKING:
    from edge.paper import Digitized


def measured_of(read: Digitized, found: Findings) -> Measured | str:
    """Return what the model is given of a page, or why it is given nothing.

    Parameters
    ----------
    read : Digitized
        Not refused.
    found : Findings
        Of its leads, on the same time base.
    """
    missing = [name for name in page.LEADS if name not in read.leads]
    if missing:
        return f"it is no page of twelve leads ({read.layout})"
    if any("doubtful" in what for what in read.assumed):
        return "the lead names are doubtful"
    measured = page.measure(read.leads, read.fs_hz, found.beats["sample"].tolist(), found.beats["label"].tolist())
    return measured or f"fewer than {page.LEAST_BEATS} beats, or leads without any, were read"


def with_opinion(found: Findings, read: Digitized, model: PageModel | None = None) -> Findings:
    """Return findings with the second opinion on the page they are of.

    Parameters
    ----------
    found : Findings
        Of the leads of `read`, on the same time base.
    read : Digitized
        Not refused.
    model : PageModel, optional
        The shipped one by default.
    """
    try:
        model = model or shipped()
    except ModelError as error:  # the first opinion does not need it
        limit = Limit(what="a second opinion on the page", why=str(error))
        return replace(found, cannot_tell=(*found.cannot_tell, limit))
    card = model.card
    measured = measured_of(read, found)
    said = {} if isinstance(measured, str) else dict(zip(card.classes, model.predict(measured).tolist(), strict=True))
    kind = max(said, key=lambda name: said[name]) if said else None
    opinion = PageOpinion(
        kind=kind,
        title=None if kind is None else TITLES[kind],
        probabilities={name: round(value, 3) for name, value in said.items()},
        learnt_from=card.learnt_from,
        why_not=measured if isinstance(measured, str) else None,
        model=ModelInfo(name=card.name, sha256=card.sha256),
    )
    return replace(found, page=opinion, sentences=(*found.sentences, *_in_words(opinion)))


def _in_words(opinion: PageOpinion) -> tuple[Sentence, ...]:
    if opinion.kind is None:
        return ()
    sure = f"probability {opinion.probabilities[opinion.kind]:.2f}, not calibrated"
    text = f"Second opinion, of a model of whole pages: most like {opinion.title} ({sure}). {opinion.learnt_from}"
    return (Sentence(text=text),)
