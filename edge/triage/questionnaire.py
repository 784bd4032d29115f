"""What is asked: symptoms, history, medication, and whether there is pain now. Not answered is an answer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Answer = Literal["yes", "no", "unknown"]


class _Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Questions that belong together; each field is one, its text beside it in `QUESTIONS`."""


class Symptoms(_Group, frozen=True, kw_only=True):
    """What the patient has noticed lately."""

    palpitations: Answer = "unknown"
    chest_pain: Answer = "unknown"
    breathlessness: Answer = "unknown"
    syncope: Answer = "unknown"
    syncope_on_exertion: Answer = "unknown"
    presyncope: Answer = "unknown"
    fatigue: Answer = "unknown"
    dizziness: Answer = "unknown"
    ankle_swelling: Answer = "unknown"


class History(_Group, frozen=True, kw_only=True):
    """What is known of before."""

    coronary_disease: Answer = "unknown"
    heart_failure: Answer = "unknown"
    structural_disease: Answer = "unknown"
    known_arrhythmia: Answer = "unknown"
    pacemaker: Answer = "unknown"
    stroke: Answer = "unknown"
    sudden_death_in_family: Answer = "unknown"


class Medication(_Group, frozen=True, kw_only=True):
    """What is taken."""

    slows_the_heart: Answer = "unknown"
    antiarrhythmic: Answer = "unknown"
    prolongs_qt: Answer = "unknown"
    diuretic: Answer = "unknown"
    anticoagulant: Answer = "unknown"


class Questionnaire(_Group, frozen=True, kw_only=True):
    """All answers.

    Attributes
    ----------
    pain_now : Answer
        Chest pain at this moment.
    symptoms, history, medication : Symptoms, History, Medication
        The rest.
    """

    pain_now: Answer = "unknown"
    symptoms: Symptoms = Symptoms()
    history: History = History()
    medication: Medication = Medication()

    def answer(self, question: str) -> Answer:
        """Return the answer to a question of `QUESTIONS`."""
        group, _, name = question.rpartition(".")
        holder = getattr(self, group) if group else self
        answer: Answer = getattr(holder, name)
        return answer

    @property
    def is_empty(self) -> bool:
        """Whether nothing was answered."""
        return all(self.answer(question) == "unknown" for question in QUESTIONS)


Text = Annotated[str, Meta(min_length=1)]

QUESTIONS: dict[str, Text] = {
    "pain_now": "Chest pain now",
    "symptoms.palpitations": "Palpitations",
    "symptoms.chest_pain": "Chest pain, in the last weeks",
    "symptoms.breathlessness": "Breathlessness",
    "symptoms.syncope": "Fainting (syncope)",
    "symptoms.syncope_on_exertion": "Fainting during exertion or while lying",
    "symptoms.presyncope": "Nearly fainting (presyncope)",
    "symptoms.fatigue": "Fatigue, or less exercise than before",
    "symptoms.dizziness": "Dizziness",
    "symptoms.ankle_swelling": "Ankle swelling",
    "history.coronary_disease": "Coronary disease or an infarction",
    "history.heart_failure": "Heart failure",
    "history.structural_disease": "Disease of heart muscle or valves, or from birth",
    "history.known_arrhythmia": "A known arrhythmia",
    "history.pacemaker": "A pacemaker or defibrillator",
    "history.stroke": "Stroke or TIA",
    "history.sudden_death_in_family": "Sudden death in the family before 40",
    "medication.slows_the_heart": "A drug that slows the heart (beta blocker, verapamil, digoxin, ivabradine)",
    "medication.antiarrhythmic": "An antiarrhythmic",
    "medication.prolongs_qt": "A drug that prolongs the QT interval",
    "medication.diuretic": "A diuretic",
    "medication.anticoagulant": "An anticoagulant",
}
"""Every question, as it is asked."""
