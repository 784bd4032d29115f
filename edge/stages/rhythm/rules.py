"""What counts as which rhythm: every threshold, with the standard or paper it comes from."""

from __future__ import annotations

import msgspec

_RANGES: dict[str, tuple[float, float]] = {
    "hr_window_s": (4, 60),
    "extreme_bradycardia_bpm": (10, 60),
    "extreme_bradycardia_beats": (3, 60),
    "extreme_tachycardia_bpm": (100, 320),
    "extreme_tachycardia_beats": (3, 60),
    "bradycardia_bpm": (15, 100),
    "bradycardia_beats": (3, 60),
    "tachycardia_bpm": (80, 300),
    "tachycardia_beats": (3, 60),
    "rate_hysteresis_bpm": (0, 30),
    "asystole_s": (2, 20),
    "pause_s": (1.5, 20),
    "settle_s": (0.5, 10),
    "burden_per_min": (1, 200),
    "burden_percent": (1, 100),
    "dropped_per_min": (2, 60),
    "pattern_cycles": (2, 60),
    "pattern_end_beats": (3, 60),
    "v_run_beats": (3, 5),
    "vt_beats": (3, 60),
    "vt_bpm": (60, 250),
    "vt_end_beats": (1, 20),
    "svt_run_beats": (3, 60),
    "vf_score": (0.6, 0.95),
    "vf_end_score": (0.05, 0.5),
    "af_score": (0.6, 0.99),
    "af_end_score": (0.01, 0.5),
    "af_suspend_s": (10, 600),
    "suspend_s": (5, 600),
    "signal_lost_s": (2, 600),
    "update_s": (1, 3600),
}


class RhythmRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of the rhythm stage, the `[rhythm]` table of the configuration.

    Attributes
    ----------
    hr_window_s : float
        Heart rate is the mean over the RR intervals that ended within this time. IEC 60601-2-27 201.12.1.101 asks that
        the averaging be disclosed and that a step of rate be followed within 10 s.
    bradycardia_bpm, bradycardia_beats : float, int
        Below this rate for so many beats. PhysioNet/CinC Challenge 2015: < 40/min for 5 beats.
    tachycardia_bpm, tachycardia_beats : float, int
        Above this rate for so many beats. PhysioNet/CinC Challenge 2015: > 140/min for 17 beats.
    extreme_bradycardia_bpm, extreme_bradycardia_beats, extreme_tachycardia_bpm, extreme_tachycardia_beats : float, int
        The same for rates that are an emergency, 10/min below and 40/min above the usual limits; at most monitors they
        are set at such a distance.
    rate_hysteresis_bpm : float
        A running bradycardia, tachycardia or vt ends only so far on the other side of its threshold; 5/min is the error
        that EC57 grants a heart rate.
    asystole_s : float
        Time without a QRS. PhysioNet/CinC Challenge 2015: at least 4 s.
    pause_s : float
        RR interval that is a pause. ACC/AHA/HRS 2018 bradycardia guideline: sinus pause of at least 3 s.
    settle_s : float
        How long after it happened a QRS complex may be known: silence is claimed only so much later, and when the last
        of its seconds has been judged. Covers filters and QRS detection; IEC 60601-2-27 201.12.4.101 wants asystole
        told within 10 s, and is served within 5.
    burden_per_min, burden_percent : float
        V beats in the last minute that make them frequent, or their share of its beats. 10/min is what bedside monitors
        are usually set to; above 24 % Baman et al. 2010 found cardiomyopathy.
    dropped_per_min : int
        Dropped beats in a minute: an interval of about twice the usual between N beats, none of them premature.
        Second-degree block, by the definitions of ACC/AHA/HRS 2018; a QRS complex that was not seen looks the same.
    pattern_cycles, pattern_end_beats : int
        V beats in step that make bigeminy or trigeminy (three: AHA/ACC/HRS 2009 terms), and beats without one in step
        that end it.
    v_run_beats : int
        Consecutive V beats that are a run. ANSI/AAMI EC57: a pair is 2, a short run 3 to 5, a long run 6 and more.
    vt_beats, vt_bpm : int, float
        Consecutive V beats, and their rate, that are ventricular tachycardia. PhysioNet/CinC Challenge 2015: at least 5
        at more than 100/min. As many at no more than that are an idioventricular rhythm.
    vt_end_beats : int
        Consecutive beats other than V that end either; a single capture or fusion beat does not.
    svt_run_beats : int
        Consecutive S beats that are a supraventricular run. ANSI/AAMI EC57.
    vf_score, vf_end_score : float
        Average probability of ventricular flutter or fibrillation from which on it is told, and below which it is over.
        PhysioNet/CinC Challenge 2015: for at least 4 s; IEC 60601-2-27 wants it told within 10 s.
    af_score, af_end_score : float
        Average probability of atrial fibrillation, over half a minute, from which on it is told, and below which it is
        over. Chosen on 56 patients of LTAFDB and 28 healthy hearts, see docs/accuracy.md.
    af_suspend_s : float
        Atrial fibrillation that cannot be judged for so long, because of noise or lost signal, is over.
    suspend_s : float
        A running rate episode that cannot be judged, because of noise, ends after this time.
    signal_lost_s : float
        No lead readable for this long. IEC 60601-2-27 201.12.4.101 wants lead-off told within 10 s, and the second in
        which it happens is judged when it is over.
    update_s : float
        A running episode is told again after this time, then after twice, four times … this time.
    """

    hr_window_s: float = 10.0
    extreme_bradycardia_bpm: float = 30.0
    extreme_bradycardia_beats: int = 5
    extreme_tachycardia_bpm: float = 180.0
    extreme_tachycardia_beats: int = 17
    bradycardia_bpm: float = 40.0
    bradycardia_beats: int = 5
    tachycardia_bpm: float = 140.0
    tachycardia_beats: int = 17
    rate_hysteresis_bpm: float = 5.0
    asystole_s: float = 4.0
    pause_s: float = 3.0
    settle_s: float = 0.5
    burden_per_min: float = 10.0
    burden_percent: float = 24.0
    dropped_per_min: int = 3
    pattern_cycles: int = 3
    pattern_end_beats: int = 6
    v_run_beats: int = 3
    vt_beats: int = 5
    vt_bpm: float = 100.0
    vt_end_beats: int = 3
    svt_run_beats: int = 3
    vf_score: float = 0.82
    vf_end_score: float = 0.27
    af_score: float = 0.955
    af_end_score: float = 0.22
    af_suspend_s: float = 60.0
    suspend_s: float = 30.0
    signal_lost_s: float = 8.0
    update_s: float = 10.0

    def __post_init__(self) -> None:
        for key, (low, high) in _RANGES.items():
            if not low <= getattr(self, key) <= high:
                raise ValueError(f"rhythm.{key} takes {low:g} to {high:g}, not {getattr(self, key):g}")
        if self.pause_s > self.asystole_s:
            raise ValueError("rhythm.pause_s takes no more than rhythm.asystole_s")
        if self.vt_beats < self.v_run_beats:
            raise ValueError("rhythm.vt_beats takes no less than rhythm.v_run_beats")
        if self.bradycardia_bpm + 2 * self.rate_hysteresis_bpm >= self.tachycardia_bpm:
            raise ValueError("rhythm.bradycardia_bpm takes less than rhythm.tachycardia_bpm, with room for hysteresis")
