"""The API of analyses, and its pages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from edge.errors import EcgEdgeError
from edge.triage.questionnaire import QUESTIONS
from edge.web.analyses import upload
from edge.web.analyses.files import KINDS, Folders
from edge.web.analyses.results import RESULTS, Name
from edge.web.analyses.runner import Runner
from edge.web.analyses.store import Analysis, FullError, Store
from edge.web.pages import page
from edge.web.problems import EVERYWHERE, problems
from edge.web.settings import Settings

API = "/api/v1/analyses"
_PAGE = 50
# A report is a document of its own: no script, nothing loaded, shown within our page only.
_REPORT_POLICY = (
    "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)

router = APIRouter(responses=EVERYWHERE)
Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Id of the analysis.")]


class Links(BaseModel):
    """Where the parts of an analysis are; null while they are not there."""

    self: str
    page: str
    findings: str | None = None
    report: str | None = None
    report_pdf: str | None = None
    triage: str | None = Field(None, description="The note, where there were answers.")
    fhir: str | None = None
    dicom: str | None = None
    edf: str | None = None
    csv: str | None = None


class AnalysisBody(BaseModel):
    """What is known of an analysis."""

    id: str
    name: str
    status: Literal["queued", "running", "done", "failed"]
    reason: str | None = Field(None, description="Why it failed.")
    progress: float
    created_ms: int
    finished_ms: int | None = None
    links: Links


class WholeAnalysis(AnalysisBody):
    """An analysis with its findings (docs/schemas/findings.json) and triage note, once it is done."""

    findings: dict[str, object] | None = None
    triage: dict[str, object] | None = Field(None, description="Where there were answers (docs/schemas/triage.json).")


class Services(msgspec.Struct, frozen=True):
    """What the routes work with."""

    store: Store
    folders: Folders
    runner: Runner
    settings: Settings


def services(request: Request) -> Services:
    """Return what the application works with."""
    found: Services = request.app.state.analyses
    return found


def found(request: Request, analysis_id: str) -> Analysis:
    """Return an analysis; 404 if there is none."""
    analysis = services(request).store.get(analysis_id)
    if analysis is None:
        raise HTTPException(404, "there is no such analysis")
    return analysis


def body(request: Request, analysis: Analysis) -> AnalysisBody:
    """Return what is told of an analysis."""
    here, folders = f"{API}/{analysis.id}", services(request).folders
    there = [name for name in RESULTS if analysis.status == "done" and folders.result(analysis.id, name).is_file()]
    results = {RESULTS[name].key: f"{here}/{name}" for name in there}
    return AnalysisBody(
        id=analysis.id,
        name=analysis.name,
        status=analysis.status,
        reason=analysis.reason,
        progress=analysis.progress,
        created_ms=analysis.created_ms,
        finished_ms=analysis.finished_ms,
        links=Links(self=here, page=f"/analyses/{analysis.id}", **results),
    )


@router.post(
    API,
    tags=["analyses"],
    status_code=202,
    response_model=AnalysisBody,
    responses=problems(408, 415, 503, 507),
    openapi_extra=upload.SCHEMA,
)
async def create(request: Request, response: Response) -> AnalysisBody:
    """Take an upload and put its analysis into the queue."""
    with_ = services(request)
    try:
        received = await upload.take_upload(request, with_.folders)
        try:
            analysis = await run_in_threadpool(with_.store.add, received.id, received.name, received.asked)
        except BaseException:
            with_.folders.forget(received.id)
            raise
    except FullError as error:
        raise HTTPException(503, str(error), {"Retry-After": "60"}) from None
    except EcgEdgeError as error:
        raise HTTPException(400, str(error)) from None
    with_.runner.wake()
    told = body(request, analysis)
    response.headers["Location"] = told.links.self
    return told


@router.get(API, tags=["analyses"])
def history(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = _PAGE,
    before: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="Those before this one.")] = None,
) -> list[AnalysisBody]:
    """Return the history, the newest first."""
    number = found(request, before).number if before else None
    return [body(request, each) for each in services(request).store.newest(limit, number)]


@router.get(API + "/{analysis_id}", tags=["analyses"], response_model=WholeAnalysis)
def read(request: Request, analysis_id: Id) -> Response:
    """Return an analysis, with its findings once it is done."""
    analysis = found(request, analysis_id)
    told = msgspec.json.decode(body(request, analysis).model_dump_json(), type=dict[str, msgspec.Raw])
    for name in ("findings", "triage"):
        path = services(request).folders.result(analysis.id, f"{name}.json")
        told[name] = msgspec.Raw(path.read_bytes() if analysis.status == "done" and path.is_file() else b"null")
    return Response(msgspec.json.encode(told), media_type="application/json")


@router.delete(
    API + "/{analysis_id}",
    tags=["analyses"],
    status_code=204,
    responses=problems(409),
)
def delete(request: Request, analysis_id: Id) -> Response:
    """Delete an analysis: uploads, answers and results."""
    analysis, with_ = found(request, analysis_id), services(request)
    if not with_.store.delete(analysis.id):
        raise HTTPException(409, "it is running: try again when it is over")
    with_.folders.forget(analysis.id)
    return Response(status_code=204)


_MEDIA_TYPES = sorted({result.media_type.partition(";")[0] for result in RESULTS.values()})
_GROUPS = [
    (title, [(name, text) for name, text in QUESTIONS.items() if name.partition(".")[0] == group])
    for group, title in (
        ("pain_now", "Now"),
        ("symptoms", "Noticed lately"),
        ("history", "Known of before"),
        ("medication", "Taken"),
    )
]


@router.get(
    API + "/{analysis_id}/{name}",
    tags=["analyses"],
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in _MEDIA_TYPES}}},
)
def result(request: Request, analysis_id: Id, name: Name) -> Response:
    """Return a part of the result: findings, triage note, report or export."""
    analysis = found(request, analysis_id)
    path = services(request).folders.result(analysis.id, name)
    if analysis.status != "done" or not path.is_file():
        raise HTTPException(404, f"there is no {name} of this analysis; it is {analysis.status}")
    answer = FileResponse(path, media_type=RESULTS[name].media_type)
    if name == "report.html":
        answer.headers["Content-Security-Policy"] = _REPORT_POLICY
        answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer


@router.get("/analyses", include_in_schema=False)
def history_page(request: Request) -> Response:
    """Show the history, and where to drop a file."""
    with_ = services(request)
    shown = with_.store.newest(_PAGE)
    limit = with_.settings.max_upload_mb
    form: dict[str, Any] = {"kinds": ",".join(KINDS), "max_upload_mb": limit, "groups": _GROUPS}
    return page(request, "analyses.html", analyses=shown, **form)


@router.get("/analyses/{analysis_id}", include_in_schema=False)
def analysis_page(request: Request, analysis_id: Id) -> Response:
    """Show an analysis: how far it is, or its report."""
    analysis = found(request, analysis_id)
    links = body(request, analysis).links.model_dump()
    results = [(links[result.key], result.title, name) for name, result in RESULTS.items() if links[result.key]]
    return page(request, "analysis.html", analysis=analysis, results=results)
