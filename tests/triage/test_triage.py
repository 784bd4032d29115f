"""The triage note: each rule fires on what it names and on nothing else, and what is not known stays open."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edge
from edge.findings.findings import Burden, Conduction, EpisodeFinding, Findings, Intervals, Spread
from edge.kinds import KINDS
from edge.messages import Evidence
from edge.triage.facts import Facts
from edge.triage.note import note_of
from edge.triage.questionnaire import QUESTIONS, Questionnaire
from edge.triage.rules import CONSIDERATIONS, SOURCES, URGENCIES
from edge.triage.schema import FORMS, schema

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"

RULES = {rule.name: rule for consideration in CONSIDERATIONS for rule in consideration.rules}


def episode(kind: str, duration_s: float = 5.0, number: int = 7) -> EpisodeFinding:
    return EpisodeFinding(
        number=number,
        kind=kind,
        title=KINDS[kind].title,
        priority=KINDS[kind].priority,
        onset=3600,
        end=3600 + round(360 * duration_s),
        onset_s=10.0,
        duration_s=duration_s,
        lasting=False,
        evidence=Evidence(rate_per_min=168.0),
    )


@cache
def nothing_found() -> Findings:
    """What is found in half a minute of nothing at all."""
    pipeline = edge.Pipeline(fs_hz=360, leads=["II"], name="x")
    pipeline.push(np.zeros(360 * 30, np.float32))
    pipeline.flush()
    return pipeline.findings()


def findings(
    *episodes: EpisodeFinding,
    v_percent: float = 0.0,
    readable: float | None = 100.0,
    qtc: float | None = None,
    pr: float | None = None,
    conducted: dict[str, int] | None = None,
) -> Findings:
    v = round(10 * v_percent)
    counts = {"N": 1000 - v, "V": v}
    base = nothing_found()
    return msgspec.structs.replace(
        base,
        subject=msgspec.structs.replace(base.subject, start_time=None, n_samples=648_000, duration_s=1800.0),
        burden=Burden(beats=1000, by_class=counts, percent={"N": 100 - v_percent, "V": v_percent}, per_hour={}),
        episodes=episodes,
        intervals=Intervals(
            n=60,
            reason=None,
            pr_ms=None if pr is None else Spread(n=60, mean=pr, median=pr, sd=0, min=pr, max=pr),
            qrs_ms=None,
            qt_ms=None,
            qtc_ms={} if qtc is None else {"Fridericia": qtc},
        ),
        conduction=Conduction(beats=conducted or {}, stretches=()),
        readable=msgspec.structs.replace(base.readable, percent=readable),
    )


def answers(*yes: str, no: tuple[str, ...] = ()) -> Questionnaire:
    out: dict[str, object] = {}
    for question, answer in (*((q, "yes") for q in yes), *((q, "no") for q in no)):
        group, _, name = question.rpartition(".")
        (out.setdefault(group, {}) if group else out)[name] = answer  # type: ignore[index]
    return msgspec.convert(out, Questionnaire)


# What makes rules of intervals and conduction fire: questions answered with yes, episodes, what was measured.
LBBB, RBBB, PACED = ({"conducted": {name: 300, "usual": 600}} for name in ("lbbb", "rbbb", "paced"))
MEASURED: dict[str, tuple[tuple[str, ...], tuple[EpisodeFinding, ...], dict[str, object]]] = {
    "pain_and_block": (("pain_now",), (), LBBB),
    "qtc_500": ((), (), {"qtc": 512.0}),
    "qtc_480": ((), (), {"qtc": 481.0}),
    "qtc_and_syncope": (("symptoms.syncope",), (), {"qtc": 462.0}),
    "qtc_and_drug": (("medication.prolongs_qt",), (), {"qtc": 490.0}),
    "qtc_and_diuretic": (("medication.diuretic",), (), {"qtc": 490.0}),
    "qtc_and_family": (("history.sudden_death_in_family",), (), {"qtc": 490.0}),
    "paced_and_pause": ((), (episode("pause"),), PACED),
    "paced_and_syncope": (("symptoms.syncope",), (), PACED),
    "paced": ((), (), PACED),
    "pr_300": ((), (), {"pr": 310.0}),
    "slow_and_block": ((), (episode("pause"),), RBBB),
    "syncope_block": (("symptoms.syncope",), (), RBBB),
    "failure_and_lbbb": (("symptoms.fatigue", "symptoms.breathlessness"), (), LBBB),
    "lbbb": ((), (), LBBB),
    "rbbb": ((), (), RBBB),
    "block_and_presyncope": (("symptoms.presyncope",), (), RBBB),
    "block_and_breathless": (("symptoms.breathlessness",), (), LBBB),
}

# What makes each other rule fire: questions answered with yes, episodes, share of V beats.
FIRES: dict[str, tuple[tuple[str, ...], tuple[EpisodeFinding, ...], float]] = {
    "vf": ((), (episode("vf"),), 0),
    "asystole": ((), (episode("asystole"),), 0),
    "long_asystole": ((), (episode("asystole", 10.0),), 0),
    "arrest_and_syncope": (("symptoms.syncope",), (episode("vf"),), 0),
    "pain_now": (("pain_now",), (), 0),
    "pain_and_coronary": (("pain_now", "history.coronary_disease"), (), 0),
    "pain_and_breathless": (("pain_now", "symptoms.breathlessness"), (), 0),
    "pain_and_syncope": (("pain_now", "symptoms.syncope"), (), 0),
    "sustained_vt": ((), (episode("vt", 31.0),), 0),
    "vt": ((), (episode("vt"),), 0),
    "v_run": ((), (episode("v_run"),), 0),
    "idioventricular": ((), (episode("idioventricular"),), 0),
    "vt_and_syncope": (("symptoms.syncope",), (episode("vt"),), 0),
    "vt_and_structural": (("history.structural_disease",), (episode("vt"),), 0),
    "vt_and_family": (("history.sudden_death_in_family",), (episode("vt"),), 0),
    "vt_and_qt_drug": (("medication.prolongs_qt",), (episode("vt"),), 0),
    "vt_and_diuretic": (("medication.diuretic",), (episode("vt"),), 0),
    "pause": ((), (episode("pause"),), 0),
    "bradycardia": ((), (episode("bradycardia"),), 0),
    "slow_and_syncope": (("symptoms.syncope",), (episode("pause"),), 0),
    "slow_and_presyncope": (("symptoms.presyncope",), (episode("pause"),), 0),
    "slow_and_dizzy": (("symptoms.dizziness",), (episode("pause"),), 0),
    "slow_and_tired": (("symptoms.fatigue",), (episode("pause"),), 0),
    "slow_and_drug": (("medication.slows_the_heart",), (episode("pause"),), 0),
    "slow_and_pacemaker": (("history.pacemaker",), (episode("pause"),), 0),
    "syncope_exertion": (("symptoms.syncope_on_exertion",), (), 0),
    "syncope_structural": (("symptoms.syncope", "history.heart_failure"), (), 0),
    "syncope_family": (("symptoms.syncope", "history.sudden_death_in_family"), (), 0),
    "syncope_palpitations": (("symptoms.syncope", "symptoms.palpitations"), (), 0),
    "syncope": (("symptoms.syncope",), (), 0),
    "af_30s": ((), (episode("af", 40.0),), 0),
    "af": ((), (episode("af"),), 0),
    "af_and_stroke": (("history.stroke",), (episode("af"),), 0),
    "af_and_failure": (("history.heart_failure",), (episode("af"),), 0),
    "af_and_palpitations": (("symptoms.palpitations",), (episode("af"),), 0),
    "svt_run": ((), (episode("svt_run"),), 0),
    "tachycardia": ((), (episode("tachycardia"),), 0),
    "fast_and_palpitations": (("symptoms.palpitations",), (episode("svt_run"),), 0),
    "fast_and_syncope": (("symptoms.syncope",), (episode("svt_run"),), 0),
    "fast_and_breathless": (("symptoms.breathlessness",), (episode("svt_run"),), 0),
    "burden_10": ((), (), 10.0),
    "burden_1": ((), (), 1.0),
    "ectopy_and_palpitations": (("symptoms.palpitations",), (), 1.0),
    "ectopy_and_structural": (("history.structural_disease",), (), 1.0),
    "congestion": (("symptoms.breathlessness", "symptoms.ankle_swelling"), (), 0),
    "known_failure": (("symptoms.breathlessness", "symptoms.fatigue", "history.heart_failure"), (), 0),
    "failure_and_coronary": (("symptoms.fatigue", "symptoms.ankle_swelling", "history.coronary_disease"), (), 0),
    "failure_and_burden": (("symptoms.fatigue", "symptoms.ankle_swelling"), (), 10.0),
    "failure_and_af": (("symptoms.fatigue", "symptoms.ankle_swelling"), (episode("af"),), 0),
    "chest_pain": (("symptoms.chest_pain",), (), 0),
    "chest_pain_and_coronary": (("symptoms.chest_pain", "history.coronary_disease"), (), 0),
    "chest_pain_and_breathless": (("symptoms.chest_pain", "symptoms.breathlessness"), (), 0),
}


def test_rules_are_named_once_and_cite_a_source_that_is_used() -> None:
    assert len(RULES) == sum(len(consideration.rules) for consideration in CONSIDERATIONS)
    assert {rule.source for rule in RULES.values()} == set(SOURCES)
    assert set(FIRES) | set(MEASURED) == set(RULES)
    for consideration in CONSIDERATIONS:
        assert any(rule.alone for rule in consideration.rules)
        assert consideration.examine
        assert consideration.otherwise


@pytest.mark.parametrize("name", RULES)
def test_each_rule_is_told_with_its_weight_and_its_source_and_without_its_cause_it_is_not(name: str) -> None:
    yes, episodes, *rest = FIRES.get(name) or MEASURED[name]
    measured = rest[0] if isinstance(rest[0], dict) else {"v_percent": rest[0]}
    note = note_of(answers(*yes), findings(*episodes, **measured))
    reasons = {reason.rule: reason for each in note.considered for reason in each.reasons}
    assert name in reasons
    rule = RULES[name]
    assert (reasons[name].points, reasons[name].source) == (rule.points, SOURCES[rule.source])
    nothing = Facts(Questionnaire(), findings())
    assert rule.test(nothing) is None
    assert rule.test(Facts(answers(no=tuple(QUESTIONS)), findings())) is None


@pytest.mark.parametrize("pattern", ["lbbb", "rbbb", "paced", "wide"])
def test_qt_of_a_wide_qrs_is_not_called_long(pattern: str) -> None:
    narrow = note_of(answers("symptoms.syncope"), findings(qtc=520, conducted={"usual": 900}))
    wide = note_of(answers("symptoms.syncope"), findings(qtc=520, conducted={"usual": 500, pattern: 400}))
    assert "long_qt" in {each.name for each in narrow.considered}
    assert "long_qt" not in {each.name for each in wide.considered}


def test_what_is_conducted_otherwise_now_and_then_only_is_not_told() -> None:
    few = findings(conducted={"usual": 950, "lbbb": 50})
    assert (
        note_of(answers("symptoms.syncope"), few).considered
        == note_of(answers("symptoms.syncope"), findings()).considered
    )


def test_an_episode_is_evidence_with_its_strip_and_its_numbers() -> None:
    note = note_of(Questionnaire(), findings(episode("vt", 12.0, number=3), episode("vt", 4.0, number=5)))
    (considered,) = note.considered
    (reason,) = considered.reasons
    assert reason.episode == 3
    assert reason.text == "2 episodes of ventricular tachycardia, the longest 12 s at 168/min, from 0:00:10"
    assert (note.urgency, considered.points) == ("today", 4)


def test_what_only_adds_is_no_reason_by_itself() -> None:
    note = note_of(answers("history.stroke", "history.pacemaker", "medication.diuretic"), findings())
    assert note.considered == ()
    assert note.urgency == "none"


def test_the_most_urgent_comes_first_then_the_weightiest() -> None:
    note = note_of(
        answers("symptoms.syncope", "symptoms.palpitations", "symptoms.chest_pain"),
        findings(episode("vt"), episode("af"), v_percent=12.0),
    )
    order = [(URGENCIES.index(each.urgency), -max(r.points for r in each.reasons)) for each in note.considered]
    assert order == sorted(order)
    many = answers("symptoms.syncope", "history.structural_disease", "history.sudden_death_in_family")
    arrest = note_of(many, findings(episode("vt", 40.0), episode("v_run"), episode("vf")))
    assert [each.name for each in arrest.considered][:2] == ["arrest_rhythm", "ventricular_tachycardia"]
    assert arrest.considered[0].points < arrest.considered[1].points
    assert note.considered[0].name == "ventricular_tachycardia"
    assert note.urgency == "now"


@pytest.mark.parametrize(
    ("given", "readable", "urgency"),
    [
        ((), 100.0, "cannot tell"),
        (("history.stroke",), 10.0, "cannot tell"),
        (("history.stroke",), None, "cannot tell"),
        (("history.stroke",), 100.0, "none"),
    ],
)
def test_silence_of_the_rules_is_worth_what_was_read_and_answered(
    given: tuple[str, ...], readable: float | None, urgency: str
) -> None:
    assert note_of(answers(*given), findings(readable=readable)).urgency == urgency


def test_what_cannot_be_told_is_said() -> None:
    said = {limit.what: limit.why for limit in note_of(answers("symptoms.palpitations"), findings()).cannot_tell}
    assert "one made during the symptoms would tell" in said["whether the palpitations come from an arrhythmia"]
    assert f"{len(QUESTIONS) - 1} of {len(QUESTIONS)} questions" in said["what was not answered"]
    assert "ischaemia and infarction" in said
    full = note_of(answers(no=tuple(QUESTIONS)), findings())
    assert "what was not answered" not in {limit.what for limit in full.cannot_tell}


KINDS_USED = ("vf", "asystole", "vt", "v_run", "pause", "bradycardia", "af", "svt_run", "tachycardia")


@given(
    st.sets(st.sampled_from(list(QUESTIONS))),
    st.sampled_from(list(QUESTIONS)),
    st.lists(st.sampled_from(KINDS_USED), max_size=4),
    st.floats(0, 30),
)
def test_one_more_yes_never_makes_it_less_urgent_and_no_is_never_worth_more_than_not_known(
    yes: set[str], more: str, kinds: list[str], v_percent: float
) -> None:
    found = findings(*(episode(kind) for kind in kinds), v_percent=round(v_percent, 1))
    before, after = note_of(answers(*yes), found), note_of(answers(*yes, more), found)
    scale = (*URGENCIES, "none", "cannot tell")
    assert scale.index(after.urgency) <= scale.index(before.urgency)
    points = {each.name: each.points for each in after.considered}
    assert all(points[each.name] >= each.points for each in before.considered)
    rest = tuple(set(QUESTIONS) - yes)
    assert note_of(answers(*yes, no=rest), found).considered == before.considered


def test_the_note_goes_through_json(tmp_path) -> None:
    note = note_of(answers("pain_now"), findings(episode("vt")))
    again = msgspec.json.decode(msgspec.json.encode(note), type=type(note))
    assert again == note


@pytest.mark.parametrize("bad", [{"pain_now": "maybe"}, {"symptom": {}}, {"symptoms": {"pain": "yes"}}, {"history": 3}])
def test_an_answer_that_is_none_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, Questionnaire)


@pytest.mark.parametrize("name", FORMS)
def test_the_documented_schema_is_that_of_the_code(name: str) -> None:
    documented = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    assert documented == schema(name), "run: python -m edge.triage.schema docs/schemas"
    note = note_of(answers("pain_now"), findings(episode("vt")))
    jsonschema.validate(json.loads(msgspec.json.encode(note if name == "triage" else note.answers)), documented)
