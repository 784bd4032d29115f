"""From a multipart request to files under names of ours."""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from edge.errors import one_line
from edge.triage.questionnaire import Questionnaire
from edge.web.analyses.files import MOST_FILES, Folders, UploadError, rename_in_header, shown_name, stored_names
from edge.web.analyses.store import Asked, new_id

UNITS = ("mv", "uv", "v", "adc")
_MAX_FIELD = 65_536
_MOST_LEADS, _MAX_LEAD = 64, 32
_PATIENCE_S = 900
_BLOCK = 1 << 20
_LEAST_FREE = 1 << 30
# Each upload that is being read holds a little memory: the others wait for their turn.
_reading = asyncio.Semaphore(8)
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def _inlined(kind: type) -> Any:
    """Return the JSON schema of a struct without references, which a part of a larger schema cannot have."""
    (whole,), parts = msgspec.json.schema_components([kind], ref_template="{name}")

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            return resolve(parts[value["$ref"]]) if "$ref" in value else {k: resolve(v) for k, v in value.items()}
        return [resolve(each) for each in value] if isinstance(value, list) else value

    return resolve(whole)


SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MOST_FILES,
                            "items": {"type": "string", "format": "binary"},
                            "description": "One file, or a WFDB header and the files it names.",
                        },
                        "fs_hz": {"type": "number", "exclusiveMinimum": 0, "maximum": 100_000},
                        "unit": {"type": "string", "enum": list(UNITS)},
                        "leads": {"type": "string", "maxLength": 2000, "description": "Names, with commas between."},
                        "full_disclosure": {
                            "type": "string",
                            "enum": [*_YES, *_NO],
                            "description": "Whether the report shows every beat.",
                        },
                        "questionnaire": {
                            "type": "string",
                            "maxLength": _MAX_FIELD,
                            "contentMediaType": "application/json",
                            "contentSchema": _inlined(Questionnaire),
                            "description": "Answers, a JSON object; what is left out is unknown.",
                        },
                    },
                }
            }
        },
    }
}


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """An upload that lies on the disk."""

    id: str
    name: str
    asked: Asked


async def take_upload(request: Request, folders: Folders) -> Received:
    """Read an upload and keep its files.

    Raises
    ------
    UploadError
        If it cannot be analysed, and why; nothing of it is then kept.
    HTTPException
        If it is no form, or does not come to an end.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise HTTPException(415, "an upload is multipart/form-data with a part named file")
    if shutil.disk_usage(folders.root).free < _LEAST_FREE:
        raise HTTPException(507, "the disk that keeps uploads is nearly full")
    async with _reading:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                form = await request.form(max_files=MOST_FILES, max_fields=16, max_part_size=_MAX_FIELD)
        except TimeoutError:
            raise HTTPException(408, "the upload did not come to an end") from None
        try:
            return await asyncio.to_thread(_keep, form, folders)
        finally:
            await form.close()


def _keep(form: FormData, folders: Folders) -> Received:
    files = [part for part in form.getlist("file") if isinstance(part, UploadFile)]
    if not files or len(files) < len(form.getlist("file")):
        raise UploadError("there is no file", "give it as the part named file")
    names = [shown_name(part.filename or "") for part in files]
    kept, main = stored_names(names)
    asked = _asked(form, main)
    analysis_id = new_id()
    folder = folders.uploads(analysis_id)
    try:
        folder.mkdir(parents=True, mode=0o700)
        for name, part in zip(names, files, strict=True):
            _write(part.file, folder / kept[name], kept)
    except UploadError:
        folders.forget(analysis_id)
        raise
    except OSError as error:
        folders.forget(analysis_id)
        raise HTTPException(507, f"it cannot be kept here: {error.strerror}") from None
    header = next((name for name in names if kept[name] == "record.hea"), names[0])
    return Received(id=analysis_id, name=header, asked=asked)


def _write(source: BinaryIO, path: Path, kept: dict[str, str]) -> None:
    if path.suffix == ".hea":
        path.write_bytes(rename_in_header(source.read(_BLOCK + 1), kept))
        return
    size = 0
    with path.open("xb") as file:
        while block := source.read(_BLOCK):
            size += file.write(block)
    if not size:
        raise UploadError("the file is empty")


def _asked(form: FormData, main: str) -> Asked:
    fs_hz = _text(form, "fs_hz")
    unit = _text(form, "unit").lower().replace("µ", "u").replace("μ", "u")
    leads = tuple(lead.strip() for lead in _text(form, "leads").split(",") if lead.strip())
    if unit and unit not in UNITS:
        raise UploadError(f"unit {one_line(unit)[:20]!r} is not known", f"choose from {', '.join(UNITS)}")
    if len(leads) > _MOST_LEADS or any(len(lead) > _MAX_LEAD for lead in leads):
        raise UploadError("so many or such long names of leads are not taken")
    return Asked(
        file=main,
        fs_hz=_rate(fs_hz) if fs_hz else None,
        unit=unit or None,
        leads=leads or None,
        full_disclosure=_whether(form, "full_disclosure"),
        questionnaire=_questionnaire(_text(form, "questionnaire")),
    )


def _whether(form: FormData, key: str) -> bool:
    text = _text(form, key).lower()
    if text and text not in (*_YES, *_NO):
        raise UploadError(f"{key} takes true or false, not {one_line(text)[:20]!r}")
    return text in _YES


def _text(form: FormData, key: str) -> str:
    value = form.get(key, "")
    if not isinstance(value, str):
        raise UploadError(f"{key} is a file", "give it as text")
    return value.strip()


def _rate(text: str) -> float:
    with contextlib.suppress(ValueError):
        rate = float(text)
        if 0 < rate <= 100_000 and math.isfinite(rate):
            return rate
    raise UploadError(f"fs_hz takes samples a second, not {one_line(text)[:20]!r}")


def _questionnaire(text: str) -> Questionnaire:
    if not text:
        return Questionnaire()
    try:
        return msgspec.json.decode(text, type=Questionnaire)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        fix = "answer yes, no or unknown, as openapi.json describes"
        raise UploadError(f"questionnaire: {one_line(str(error))[:200]}", fix) from None
