"""R peaks, from one lead or several, at most 0.35 s after they happened.

Candidates are the local maxima of the leads' joint evidence (`edge.stages.evidence`). One is a QRS complex if it stands
above a threshold between the level of the last QRS complexes and that of the last false candidates (Pan and Tompkins
1985, Hamilton and Tompkins 1986).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
from scipy.ndimage import maximum_filter1d

from edge.messages import FS_HZ, Gap, Message, RPeak, Samples
from edge.stages.evidence import AHEAD, Evidence

MOST_DELAY = round(0.35 * FS_HZ)
REFRACTORY = round(0.2 * FS_HZ)
T_WAVE = round(0.36 * FS_HZ)
PLACE_HALF = 24
REFINE_HALF = 5
P = dict(th=0.3, tw=0.5, sb=1.5, sbth=0.15, ka=0.15, kn=0.1, avg=2.0)


class QrsDetector:
    """Finds R peaks.

    Parameters
    ----------
    n_leads : int
        Columns of the samples.
    """

    def __init__(self, n_leads: int) -> None:
        self._n_leads = n_leads
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._evidence: Evidence | None = None
        self._lag = 0
        self._seen = 0

    def push(self, message: Message) -> Iterable[Message]:
        """Find R peaks in samples; everything passes."""
        if isinstance(message, Gap) and not message.bridged:
            return [*self._finish(max(message.decided, self._seen)), message]
        if isinstance(message, Samples):
            return [*self._take(message), message]
        return [message]

    def flush(self) -> Iterable[Message]:
        """Find the last R peaks."""
        return self._finish(self._seen)

    def _take(self, samples: Samples) -> list[RPeak]:
        mv = samples.mv.astype(np.float64)
        bad = np.zeros(mv.shape, bool) if samples.valid is None else ~samples.valid
        if self._evidence is None:
            self._evidence = Evidence(samples.start, mv[0])
            self._start = samples.start
            self._judge = _Judge(self._n_leads)
            self._candidate = samples.start  # next moment to be looked at
        self._lag = samples.lag
        self._seen = samples.end + samples.lag
        self._evidence.extend(mv, bad)
        peaks = self._find(self._evidence.joint.end, None)
        self._evidence.drop(min(self._candidate - 2 * FS_HZ, self._evidence.joint.end))
        return peaks

    def _finish(self, decided: int) -> list[RPeak]:
        if self._evidence is None:
            return []
        end = self._evidence.mv.end
        self._evidence.finish()
        peaks = self._find(end, decided)
        self._evidence = None
        return peaks

    def _find(self, known: int, decided: int | None) -> list[RPeak]:
        """Look at the candidates before `known`."""
        ev = self._evidence
        assert ev is not None
        half = 36 - min(max(self._lag - 20, 0), 24)
        start, stop = self._candidate, known - (half if decided is None else 0)
        if stop <= start:
            return []
        first = max(start - half, ev.joint.origin)
        joint = ev.joint.get(first, min(stop + half, ev.joint.end))
        top = maximum_filter1d(joint, 2 * half + 1, mode="constant", cval=0.0)
        is_top = (joint == top) & (joint > 0)
        is_top[1:] &= joint[1:] > joint[:-1]
        places = np.flatnonzero(is_top[start - first : stop - first]) + start
        self._candidate = stop
        rows = places - ev.joint.origin
        get = lambda t: t.get(t.origin, t.end)
        out = []
        for i, v, e, s, a in zip(
            places.tolist(),
            get(ev.joint)[rows].tolist(),
            get(ev.leads)[rows],
            get(ev.scale)[rows],
            get(ev.average)[rows].tolist(),
            strict=True,
        ):
            for j, lead_e, lead_s, strength in self._judge.look(i, v, e, s, a):
                when = decided if decided is not None else ev.needs(i + half + 1) + self._lag
                out.append(self._place(j, lead_e * lead_s, strength, when))
        return out

    def _place(self, i, share, strength, when):
        ev = self._evidence
        lead = int(np.argmax(share))
        if share[0] > 0.25 * share[lead]:
            lead = 0
        a = max(i - PLACE_HALF, ev.hat.origin)
        hat = ev.hat.get(a, i + PLACE_HALF + 1)[:, lead]
        k = a + int(np.argmax(np.abs(hat)))
        sign = 1 if hat[k - a] > 0 else -1
        a = max(k - REFINE_HALF, ev.mv.origin, self._start)
        k = a + int(np.argmax(sign * ev.mv.get(a, k + REFINE_HALF + 1)[:, lead]))
        return RPeak(
            decided=when, sample=k, lead=lead, amplitude_mv=float(ev.mv.get(k, k + 1)[0, lead]), strength=strength
        )


class _Judge:
    """Decides on candidates one by one."""

    def __init__(self, n_leads):
        self._qrs = None
        self._noise = np.zeros(n_leads)
        self._last = None
        self._last_e = None
        self._rr = deque(maxlen=8)
        self._missed = None

    def look(self, i, v, e, s, a):
        if self._qrs is None:
            self._qrs = np.where(s > 0, 1 / np.maximum(s, 1e-12), 0) * (s > 0) / max((s > 0).sum(), 1)
            self._qrs = np.where(s > 0, e / max(v, 1e-9), 0)
        out = []
        if self._last is not None and self._missed is not None and len(self._rr):
            rr = sorted(self._rr)[len(self._rr) // 2]
            if i - self._last > P["sb"] * rr:
                mi, mv_, me, ms, ma, mth = self._missed
                if mv_ > P["sbth"] * float(self._qrs @ ms) and mv_ > P["avg"] * ma:
                    out.append(self._accept(*self._missed, 0.3))
        spk, npk = float(self._qrs @ s), float(self._noise @ s)
        th = max(npk + P["th"] * (spk - npk), P["avg"] * a * 0.7)
        dt = 10**6 if self._last is None else i - self._last
        if dt < REFRACTORY:
            return out
        if dt < T_WAVE and v < P["tw"] * float(self._last_e @ s):
            return out
        if v >= th:
            out.append(self._accept(i, v, e, s, a, th, P["ka"]))
        else:
            self._noise += P["kn"] * (e - self._noise)
            if self._missed is None or v > self._missed[1]:
                self._missed = (i, v, e, s, a, th)
        return out

    def _accept(self, i, v, e, s, a, th, k):
        ok = s > 0
        self._qrs = np.where(ok, self._qrs + k * (np.minimum(e, 3 * self._qrs) - self._qrs), self._qrs)
        if self._last is not None:
            self._rr.append(i - self._last)
        self._last, self._last_e, self._missed = i, e, None
        return i, e, s, v / max(th, 1e-9)
