"""The rules: what speaks for what, how much, how urgently, and who says so.

Points are whole numbers from 1 (fits with it) to 5 (is it, as far as a monitoring lead shows it). They were set by
hand, from how strongly the source puts it; they order considerations and are no probabilities.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.triage.facts import Test, at_least, both, conducted, episode, pr_at_least, qtc_at_least, said, share_of_v

Urgency = Literal["now", "today", "soon", "routine"]
URGENCIES: tuple[Urgency, ...] = ("now", "today", "soon", "routine")
Points = Annotated[int, Meta(ge=1, le=5)]

SOURCES: dict[str, str] = {
    "ESC-ACS-2023": "Byrne et al., 2023 ESC Guidelines for acute coronary syndromes, Eur Heart J 44:3720",
    "AHA-CP-2021": "Gulati et al., 2021 AHA/ACC guideline for the evaluation of chest pain, Circulation 144:e368",
    "ESC-VA-2022": "Zeppenfeld et al., 2022 ESC Guidelines for ventricular arrhythmias, Eur Heart J 43:3997",
    "ESC-SYN-2018": "Brignole et al., 2018 ESC Guidelines for syncope, Eur Heart J 39:1883",
    "ACC-BRADY-2018": "Kusumoto et al., 2018 ACC/AHA/HRS guideline on bradycardia, Circulation 140:e382",
    "ESC-SVT-2019": "Brugada et al., 2019 ESC Guidelines for supraventricular tachycardia, Eur Heart J 41:655",
    "ESC-AF-2024": "Van Gelder et al., 2024 ESC Guidelines for atrial fibrillation, Eur Heart J 45:3314",
    "ESC-HF-2021": "McDonagh et al., 2021 ESC Guidelines for heart failure, Eur Heart J 42:3599",
    "EHRA-PALP-2011": "Raviele et al., EHRA position paper on palpitations, Europace 13:920",
    "ESC-PACE-2021": "Glikson et al., 2021 ESC Guidelines on cardiac pacing, Eur Heart J 42:3427",
    "ERC-ALS-2021": "Soar et al., ERC Guidelines 2021: adult advanced life support, Resuscitation 161:115",
}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that speaks for a consideration.

    Attributes
    ----------
    name : str
        Of the rule; unique.
    test : callable
        What must be so.
    points : int
        How much it speaks for it.
    urgency : Urgency
        How soon somebody should look if it is so.
    source : str
        Key of `SOURCES`.
    alone : bool
        Whether it is reason enough to consider it at all; others only add to it.
    """

    name: str
    test: Test
    points: Points
    urgency: Urgency
    source: str
    alone: bool = True


class Consideration(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be considered, what speaks for it, and what to do about it.

    Attributes
    ----------
    name, title : str
        For machines, for people.
    rules : tuple of Rule
        What speaks for it.
    examine : tuple of str
        What to examine next.
    otherwise : str
        What to do where that is not available.
    """

    name: str
    title: str
    rules: tuple[Rule, ...]
    examine: tuple[str, ...]
    otherwise: str


def _rule(  # noqa: PLR0917  # a table reads better without nine keywords a line
    name: str, test: Test, points: int, urgency: Urgency, source: str, alone: bool = True
) -> Rule:
    return Rule(name=name, test=test, points=points, urgency=urgency, source=source, alone=alone)


_FAINTED = at_least(1, said("symptoms.syncope"), said("symptoms.syncope_on_exertion"))
_STRUCTURAL = at_least(
    1, said("history.structural_disease"), said("history.coronary_disease"), said("history.heart_failure")
)
_BLOCKED = conducted("lbbb", "rbbb")
_PACED = conducted("paced")

CONSIDERATIONS: tuple[Consideration, ...] = (
    Consideration(
        name="arrest_rhythm",
        title="Ventricular fibrillation or flutter, or asystole",
        rules=(
            _rule("vf", episode("vf"), 5, "now", "ERC-ALS-2021"),
            _rule("long_asystole", episode("asystole", at_least_s=10), 5, "now", "ERC-ALS-2021"),
            _rule("arrest_and_syncope", _FAINTED, 1, "now", "ESC-SYN-2018", False),
        ),
        examine=(
            "if this is live: responsiveness, breathing and pulse, at once",
            "electrodes and cables: look at the strip",
            "if it is over: what caused it, under monitoring",
        ),
        otherwise="call the emergency number and start resuscitation if there is no normal breathing",
    ),
    Consideration(
        name="acute_coronary",
        title="Acute coronary syndrome",
        rules=(
            _rule("pain_now", said("pain_now"), 4, "now", "ESC-ACS-2023"),
            _rule("pain_and_coronary", said("history.coronary_disease"), 2, "now", "ESC-ACS-2023", False),
            _rule("pain_and_breathless", said("symptoms.breathlessness"), 1, "now", "AHA-CP-2021", False),
            _rule("pain_and_syncope", _FAINTED, 1, "now", "AHA-CP-2021", False),
            _rule("pain_and_block", both(said("pain_now"), _BLOCKED), 2, "now", "ESC-ACS-2023", False),
        ),
        examine=("a 12-lead ECG within 10 minutes of contact", "high-sensitivity troponin, at once and again"),
        otherwise="call the emergency number; a monitoring lead neither shows nor excludes it",
    ),
    Consideration(
        name="ventricular_tachycardia",
        title="Ventricular tachycardia",
        rules=(
            _rule("sustained_vt", episode("vt", at_least_s=30), 5, "now", "ESC-VA-2022"),
            _rule("vt", episode("vt"), 4, "today", "ESC-VA-2022"),
            _rule("v_run", episode("v_run"), 2, "soon", "ESC-VA-2022"),
            _rule("idioventricular", episode("idioventricular"), 1, "soon", "ESC-VA-2022"),
            _rule("vt_and_syncope", both(episode("vt"), _FAINTED), 3, "now", "ESC-SYN-2018", False),
            _rule("vt_and_structural", _STRUCTURAL, 2, "today", "ESC-VA-2022", False),
            _rule("vt_and_family", said("history.sudden_death_in_family"), 2, "today", "ESC-VA-2022", False),
            _rule("vt_and_qt_drug", said("medication.prolongs_qt"), 1, "today", "ESC-VA-2022", False),
            _rule("vt_and_diuretic", said("medication.diuretic"), 1, "today", "ESC-VA-2022", False),
        ),
        examine=("a 12-lead ECG, with QT", "potassium and magnesium", "echocardiography", "a cardiologist's opinion"),
        otherwise="transfer with monitor and defibrillator; call the emergency number if it comes again or lasts",
    ),
    Consideration(
        name="long_qt",
        title="Long QT interval",
        rules=(
            _rule("qtc_500", qtc_at_least(500), 4, "today", "ESC-VA-2022"),
            _rule("qtc_480", qtc_at_least(480), 2, "soon", "ESC-VA-2022"),
            _rule("qtc_and_syncope", both(qtc_at_least(460), _FAINTED), 3, "today", "ESC-VA-2022"),
            _rule(
                "qtc_and_drug",
                both(qtc_at_least(480), said("medication.prolongs_qt")),
                2,
                "today",
                "ESC-VA-2022",
                False,
            ),
            _rule("qtc_and_diuretic", said("medication.diuretic"), 1, "soon", "ESC-VA-2022", False),
            _rule("qtc_and_family", said("history.sudden_death_in_family"), 2, "today", "ESC-VA-2022", False),
        ),
        examine=(
            "a 12-lead ECG with QT measured by hand in II and V5",
            "drugs that prolong QT",
            "potassium, magnesium and calcium",
        ),
        otherwise="let no further drug that prolongs QT be taken, and keep under monitoring where there was syncope",
    ),
    Consideration(
        name="pacing",
        title="A paced rhythm",
        rules=(
            _rule("paced_and_pause", both(_PACED, episode("pause")), 4, "today", "ESC-PACE-2021"),
            _rule("paced_and_syncope", both(_PACED, _FAINTED), 3, "today", "ESC-PACE-2021"),
            _rule("paced", _PACED, 1, "routine", "ESC-PACE-2021"),
        ),
        examine=("the device, interrogated: battery, leads, thresholds, stored episodes", "a 12-lead ECG"),
        otherwise="refer to where the device is followed; a chest radiograph shows the leads",
    ),
    Consideration(
        name="bradyarrhythmia",
        title="Bradycardia from sinus node or conduction",
        rules=(
            _rule("asystole", episode("asystole"), 4, "today", "ACC-BRADY-2018"),
            _rule("pause", episode("pause"), 3, "today", "ACC-BRADY-2018"),
            _rule("bradycardia", episode("bradycardia"), 2, "soon", "ACC-BRADY-2018"),
            _rule("pr_300", pr_at_least(300), 2, "soon", "ACC-BRADY-2018"),
            _rule("slow_and_block", _BLOCKED, 2, "today", "ACC-BRADY-2018", False),
            _rule("slow_and_syncope", _FAINTED, 2, "today", "ESC-SYN-2018", False),
            _rule("slow_and_presyncope", said("symptoms.presyncope"), 1, "today", "ACC-BRADY-2018", False),
            _rule("slow_and_dizzy", said("symptoms.dizziness"), 1, "soon", "ACC-BRADY-2018", False),
            _rule("slow_and_tired", said("symptoms.fatigue"), 1, "soon", "ACC-BRADY-2018", False),
            _rule("slow_and_drug", said("medication.slows_the_heart"), 1, "soon", "ACC-BRADY-2018", False),
            _rule("slow_and_pacemaker", said("history.pacemaker"), 1, "today", "ACC-BRADY-2018", False),
        ),
        examine=("a 12-lead ECG", "drugs that slow the heart, thyroid and potassium", "the device, if there is one"),
        otherwise="let no drug that slows the heart be taken until a doctor has decided; do not let the patient drive",
    ),
    Consideration(
        name="cardiac_syncope",
        title="Syncope from the heart",
        rules=(
            _rule("syncope_exertion", said("symptoms.syncope_on_exertion"), 4, "today", "ESC-SYN-2018"),
            _rule("syncope_structural", both(_FAINTED, _STRUCTURAL), 3, "today", "ESC-SYN-2018"),
            _rule("syncope_family", both(_FAINTED, said("history.sudden_death_in_family")), 3, "today", "ESC-SYN-2018"),
            _rule("syncope_block", both(_FAINTED, _BLOCKED), 3, "today", "ESC-SYN-2018"),
            _rule("syncope_palpitations", both(_FAINTED, said("symptoms.palpitations")), 2, "today", "ESC-SYN-2018"),
            _rule("syncope", said("symptoms.syncope"), 1, "soon", "ESC-SYN-2018"),
        ),
        examine=(
            "a 12-lead ECG",
            "blood pressure lying and standing",
            "echocardiography where the heart is in question",
        ),
        otherwise="keep under monitoring where a high-risk feature is named; no driving until it is cleared",
    ),
    Consideration(
        name="atrial_fibrillation",
        title="Atrial fibrillation",
        rules=(
            _rule("af_30s", episode("af", at_least_s=30), 4, "soon", "ESC-AF-2024"),
            _rule("af", episode("af"), 2, "soon", "ESC-AF-2024"),
            _rule("af_and_stroke", both(episode("af"), said("history.stroke")), 2, "today", "ESC-AF-2024", False),
            _rule("af_and_failure", said("history.heart_failure"), 1, "soon", "ESC-AF-2024", False),
            _rule("af_and_palpitations", said("symptoms.palpitations"), 1, "soon", "ESC-AF-2024", False),
        ),
        examine=(
            "a 12-lead ECG, or 30 s that a doctor has read",
            "the risk of stroke (CHA2DS2-VA)",
            "thyroid, echocardiography",
        ),
        otherwise="have a doctor read the strips before anything is started",
    ),
    Consideration(
        name="supraventricular_tachycardia",
        title="Supraventricular tachycardia or another fast rhythm",
        rules=(
            _rule("svt_run", episode("svt_run"), 2, "soon", "ESC-SVT-2019"),
            _rule("tachycardia", episode("tachycardia"), 2, "soon", "ESC-SVT-2019"),
            _rule("fast_and_palpitations", said("symptoms.palpitations"), 2, "soon", "EHRA-PALP-2011", False),
            _rule("fast_and_syncope", _FAINTED, 2, "today", "ESC-SVT-2019", False),
            _rule("fast_and_breathless", said("symptoms.breathlessness"), 1, "soon", "ESC-SVT-2019", False),
        ),
        examine=(
            "a 12-lead ECG during it",
            "what drives a fast sinus rhythm: fever, blood loss, pain, anaemia, thyroid, lung embolism",
        ),
        otherwise="record a longer strip while the symptoms last",
    ),
    Consideration(
        name="ventricular_ectopy",
        title="Frequent ventricular ectopy",
        rules=(
            _rule("burden_10", share_of_v(10.0), 3, "soon", "ESC-VA-2022"),
            _rule("burden_1", share_of_v(1.0), 1, "routine", "ESC-VA-2022"),
            _rule("ectopy_and_palpitations", said("symptoms.palpitations"), 1, "routine", "EHRA-PALP-2011", False),
            _rule("ectopy_and_structural", _STRUCTURAL, 2, "soon", "ESC-VA-2022", False),
        ),
        examine=("a 12-lead ECG for the origin", "24 h of ECG for the burden", "echocardiography from 10 % on"),
        otherwise="repeat the recording; count the beats over a day",
    ),
    Consideration(
        name="heart_failure",
        title="Heart failure",
        rules=(
            _rule(
                "congestion",
                at_least(2, said("symptoms.breathlessness"), said("symptoms.ankle_swelling"), said("symptoms.fatigue")),
                3,
                "soon",
                "ESC-HF-2021",
            ),
            _rule("known_failure", said("history.heart_failure"), 2, "soon", "ESC-HF-2021", False),
            _rule("failure_and_coronary", said("history.coronary_disease"), 1, "soon", "ESC-HF-2021", False),
            _rule("failure_and_burden", share_of_v(10.0), 1, "soon", "ESC-VA-2022", False),
            _rule("failure_and_lbbb", conducted("lbbb"), 2, "soon", "ESC-HF-2021", False),
            _rule("failure_and_af", episode("af"), 1, "soon", "ESC-HF-2021", False),
        ),
        examine=("natriuretic peptide", "echocardiography", "a 12-lead ECG"),
        otherwise="weigh daily, look for congestion, and refer",
    ),
    Consideration(
        name="bundle_branch_block",
        title="Bundle-branch block",
        rules=(
            _rule("lbbb", conducted("lbbb"), 2, "soon", "ACC-BRADY-2018"),
            _rule("rbbb", conducted("rbbb"), 1, "routine", "ACC-BRADY-2018"),
            _rule("block_and_presyncope", said("symptoms.presyncope"), 1, "soon", "ACC-BRADY-2018", False),
            _rule("block_and_breathless", said("symptoms.breathlessness"), 1, "soon", "ACC-BRADY-2018", False),
        ),
        examine=("a 12-lead ECG, and earlier ones to compare", "echocardiography, where it is of the left bundle"),
        otherwise="ask for earlier recordings; a block that is new is looked at sooner",
    ),
    Consideration(
        name="chronic_coronary",
        title="Coronary disease",
        rules=(
            _rule("chest_pain", said("symptoms.chest_pain"), 2, "soon", "AHA-CP-2021"),
            _rule("chest_pain_and_coronary", said("history.coronary_disease"), 2, "soon", "AHA-CP-2021", False),
            _rule("chest_pain_and_breathless", said("symptoms.breathlessness"), 1, "soon", "AHA-CP-2021", False),
        ),
        examine=(
            "a 12-lead ECG, now and during pain",
            "the likelihood of coronary disease, by age, sex and risk factors",
        ),
        otherwise="refer; call the emergency number if pain comes at rest, lasts or grows",
    ),
)
"""In the order that breaks ties."""
