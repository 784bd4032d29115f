"""ECG in XML, as electrocardiographs export it: HL7 aECG and GE MUSE.

Names of patients, which both hold, are never taken.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError, one_line
from edge.sources.array import ArrayRecording
from edge.sources.read_as import ReadAs
from edge.sources.wfdb_files import MV_PER

SUFFIXES = frozenset({".xml"})

_MOST_BYTES = 200_000_000
_MOST_SAMPLES = 20_000_000
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}

Lead = tuple[str, float, NDArray[np.float64]]
"""Name, seconds after the first sample of all, mV."""


def open_xml(path: Path, read_as: ReadAs | None = None) -> ArrayRecording:
    """Open an ECG in XML.

    Parameters
    ----------
    path : Path
        HL7 aECG or MUSE.
    read_as : ReadAs, optional
        What the user says of it: only which leads to read.

    Raises
    ------
    SourceError
        If it is neither, or damaged.
    """
    root = _parsed(path)
    kind = _tag(root)
    if kind == "AnnotatedECG":
        fs_hz, start, leads = _aecg(path.name, root)
        what = "an HL7 aECG"
    elif kind == "RestingECG":
        fs_hz, start, leads = _muse(path.name, root)
        what = "a MUSE export"
    else:
        raise SourceError(path.name, f"is XML of another kind ({one_line(kind)[:40]})", "export it as aECG, EDF or CSV")
    wanted = (read_as or ReadAs()).leads
    if wanted is not None:
        places = {name.casefold(): (name, at, mv) for name, at, mv in leads}
        if missing := [name for name in wanted if name.casefold() not in places]:
            there = ", ".join(name for name, _, _ in leads)
            raise SourceError(path.name, f"has no lead {', '.join(missing)}", f"it has {there}")
        leads = [places[name.casefold()] for name in wanted]
    if not leads:
        raise SourceError(path.name, f"is {what} without a waveform", "export it with its rhythm strip")
    names = [name for name, _, _ in leads]
    return ArrayRecording(_table(path.name, leads, fs_hz), fs_hz, names, name=path.stem, start_time=start, notes=[what])


def _table(name: str, leads: list[Lead], fs_hz: float) -> NDArray[np.float32]:
    """Return the leads side by side; one that begins later or ends earlier has no values there."""
    starts = [round(at * fs_hz) for _, at, _ in leads]
    total = max(start + len(mv) for start, (_, _, mv) in zip(starts, leads, strict=True))
    if total > _MOST_SAMPLES or min(starts) < 0:
        raise SourceError(name, "has leads of times that are far apart", "correct or export it again")
    out = np.full((total, len(leads)), np.nan, np.float32)
    for column, (start, (_, _, mv)) in enumerate(zip(starts, leads, strict=True)):
        out[start : start + len(mv), column] = mv
    return out


def _parsed(path: Path) -> Any:
    from defusedxml import ElementTree  # noqa: PLC0415
    from defusedxml.common import DefusedXmlException  # noqa: PLC0415

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SourceError(path.name, f"is larger than {_MOST_BYTES // 1_000_000} MB", "no ECG in XML is so large")
        return ElementTree.fromstring(path.read_bytes())
    except DefusedXmlException as error:
        raise SourceError(path.name, "defines entities, which no ECG needs", "export it again") from error
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise SourceError(path.name, f"is no whole XML ({error})", "fetch or export it again") from error
    except OSError as error:
        raise SourceError(str(path), error.strerror or "cannot be read", "check the path") from error


def _tag(element: Any) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _all(element: Any, name: str) -> list[Any]:
    return [e for e in element.iter() if _tag(e) == name]


def _first(element: Any, name: str) -> Any:
    return next((e for e in element.iter() if _tag(e) == name), None)


def _text(element: Any, name: str) -> str:
    found = _first(element, name)
    return (found.text or "").strip() if found is not None else ""


def _aecg(file: str, root: Any) -> tuple[float, datetime | None, list[Lead]]:
    """Return the first series of an aECG: each of its sequence sets has a time and leads."""
    series = next((s for s in _all(root, "series") if _all(s, "sequenceSet")), None)
    leads: list[Lead] = []
    steps: list[float] = []
    begins: list[tuple[float, str]] = []
    sets = _all(series, "sequenceSet") if series is not None else []
    # An averaged beat is derived from the rhythm, and stands within its series.
    derived = {id(one) for part in _all(root, "derivation") for one in _all(part, "sequenceSet")}
    sets = [one for one in sets if id(one) not in derived]
    for each in sets:
        sequences = _all(each, "sequence")
        codes = [_first(s, "code") for s in sequences]
        named = [(c.get("code", ""), s) for c, s in zip(codes, sequences, strict=True) if c is not None]
        head, step = next((_time(file, s) for code, s in named if code.startswith("TIME_")), ("", 0.0))
        if step <= 0:
            continue
        steps.append(step)
        at = _seconds(head)
        begins.append((at, head))
        leads += [(code.rsplit("_", 1)[-1], at, _digits(file, s)) for code, s in named if "_ECG_LEAD_" in code]
    if not leads or len(set(steps)) != 1:
        reason = "has leads of several rates" if len(set(steps)) > 1 else "is an HL7 aECG without a waveform"
        raise SourceError(file, reason, "export it again, or as CSV")
    first = min(begins)
    unique = {name: (name, at - first[0], mv) for name, at, mv in reversed(leads)}
    order = dict.fromkeys(name for name, _, _ in leads)
    return 1 / steps[0], _stamp(first[1]), [unique[name] for name in order]


def _time(file: str, sequence: Any) -> tuple[str, float]:
    head, step = _first(sequence, "head"), _first(sequence, "increment")
    if step is None:
        return "", 0.0
    unit = _SECONDS.get(step.get("unit", "s"), 0.0)
    return (head.get("value", "") if head is not None else ""), _number(file, step.get("value", "")) * unit


def _digits(file: str, sequence: Any) -> NDArray[np.float64]:
    origin, scale = _first(sequence, "origin"), _first(sequence, "scale")
    per = MV_PER.get(scale.get("unit", "uV").lower(), 1e-3) if scale is not None else 1e-3
    zero = _number(file, origin.get("value", "0")) if origin is not None else 0.0
    step = _number(file, scale.get("value", "1")) if scale is not None else 1.0
    try:
        counts = np.array(_text(sequence, "digits").split(), np.float64)
    except ValueError as error:
        raise SourceError(file, f"has digits that are no numbers ({error})", "export it again") from error
    return np.asarray((counts * step + zero) * per)


def _muse(file: str, root: Any) -> tuple[float, datetime | None, list[Lead]]:
    """Return the rhythm waveform of a MUSE export; the limb leads that follow from I and II are made of them."""
    wave = next((w for w in _all(root, "Waveform") if _text(w, "WaveformType").lower() == "rhythm"), None)
    if wave is None:
        raise SourceError(file, "is a MUSE export without a rhythm waveform", "export it with one")
    fs_hz = _number(file, _text(wave, "SampleBase")) * 10 ** _number(file, _text(wave, "SampleExponent") or "0")
    leads: list[Lead] = []
    for lead in _all(wave, "LeadData"):
        unit = _number(file, _text(lead, "LeadAmplitudeUnitsPerBit") or "4.88")
        per = 1e-3 if _text(lead, "LeadAmplitudeUnits").upper() in ("MICROVOLTS", "") else 1.0
        try:
            raw = base64.b64decode("".join(_text(lead, "WaveFormData").split()))
            counts = np.frombuffer(raw[: len(raw) // 2 * 2], "<i2")
        except (binascii.Error, ValueError) as error:
            raise SourceError(file, f"has a waveform that is damaged ({error})", "export it again") from error
        leads.append((one_line(_text(lead, "LeadID"))[:20] or f"lead{len(leads) + 1}", 0.0, counts * unit * per))
    tests = _first(root, "TestDemographics")
    when = f"{_text(tests, 'AcquisitionDate')} {_text(tests, 'AcquisitionTime')}" if tests is not None else ""
    return fs_hz, _shaped(when, "%m-%d-%Y %H:%M:%S"), [*leads, *_derived(leads)]


def _derived(leads: list[Lead]) -> list[Lead]:
    there = {name.upper(): mv for name, _, mv in leads}
    one, two = there.get("I"), there.get("II")
    if one is None or two is None or len(one) != len(two):
        return []
    made = {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    return [(name, 0.0, mv) for name, mv in made.items() if name.upper() not in there]


def _number(file: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise SourceError(file, f"says {one_line(text)[:20]!r} where a number stands", "export it again")
    return value


def _seconds(stamp: str) -> float:
    """Return the seconds of a time stamp, or of a time since the beginning."""
    when = _stamp(stamp)
    if when is not None:
        return when.timestamp()
    return float(stamp) if re.fullmatch(r"-?\d{1,7}(\.\d+)?", stamp) else 0.0


def _stamp(text: str) -> datetime | None:
    """Return the time of `YYYYMMDDHHMMSS.mmm`, a zone taken for what it says, none for UTC."""
    found = re.fullmatch(r"(\d{14})(\.\d+)?([+-]\d{4})?", text)
    if found is None:
        return None
    return _shaped(f"{found[1]}{(found[2] or '.0')[:7]}{found[3] or '+0000'}", "%Y%m%d%H%M%S.%f%z")


def _shaped(text: str, shape: str) -> datetime | None:
    try:
        when = datetime.strptime(text, shape)  # UTC where no zone is said
    except ValueError:
        return None
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
