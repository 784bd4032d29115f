// The trace, as monitors draw it: from left to right at 25 mm/s, an erase bar before it.

const MM = 96 / 25.4; // CSS pixels
const SPEED = 25 * MM; // a second
const GAINS = [10, 5, 2.5, 1.25]; // mm a millivolt: as large as fits
const LOOK_S = 1; // between looks whether it still fits
const LARGER_AFTER = 10; // looks at which a larger gain would have fitted
const ERASE = 18;
const LAG_S = 0.35; // enough for blocks of 0.2 s that come in tenths
const KEPT_S = 14;
const USUAL = 0.6; // of its lane is above the baseline
const NO_VALUE = -32768;
const CORNER_HZ = 0.5;

export class Sweep {
  constructor(canvas, most = 2) {
    this.canvas = canvas;
    this.most = most;
    this.context = canvas.getContext("2d");
    this.fs = 0;
    this.generation = -1;
    this.scaled = 0;
    this.arrived = -Infinity; // when samples last came
    this.colours();
    new ResizeObserver(() => this.fit()).observe(canvas);
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    this.ink = style.getPropertyValue("--trace").trim();
    this.stale = true;
  }

  /** Take rate and leads; whatever was drawn of another stream goes. */
  tune(fs, leads, generation) {
    if (fs === this.fs && generation === this.generation) return;
    this.fs = fs;
    this.generation = generation;
    this.leads = leads.slice(0, this.most);
    this.kept = Math.ceil(fs * KEPT_S);
    this.rings = this.leads.map(() => new Float32Array(this.kept).fill(NaN));
    this.before = this.leads.map(() => null);
    this.lanes = this.leads.map(() => ({ gain: GAINS[0], middle: null, larger: 0 }));
    this.scaled += 1;
    this.newest = null;
    this.play = null;
    this.fit();
  }

  /** mm a millivolt of each lead that is shown; `scaled` counts how often they have changed. */
  get gains() { return (this.lanes ?? []).map((lane) => lane.gain); }

  /** Give each lead the gain and the baseline with which all that is on the screen fits into its lane. */
  scale() {
    const height = this.height / this.rings.length;
    const n = Math.min(Math.round((this.width / SPEED) * this.fs), this.kept - 1);
    this.rings.forEach((ring, i) => {
      let low = Infinity;
      let high = -Infinity;
      for (let k = 0, at = Math.floor(this.play); k < n; k++, at--) {
        const mv = ring[((at % this.kept) + this.kept) % this.kept];
        if (mv < low) low = mv;
        if (mv > high) high = mv;
      }
      if (low > high) return;
      const lane = this.lanes[i];
      const largest = GAINS.find((gain) => (high - low) * gain * MM <= height - 4) ?? GAINS[GAINS.length - 1];
      lane.larger = largest > lane.gain ? lane.larger + 1 : 0;
      const changes = largest < lane.gain || lane.larger >= LARGER_AFTER;
      if (changes) {
        lane.gain = largest;
        lane.larger = 0;
        this.scaled += 1;
      }
      const px = lane.gain * MM;
      const fits = (middle) => middle - high * px >= 1 && middle - low * px <= height - 1;
      if (changes || lane.middle === null || !fits(lane.middle)) {
        const usual = USUAL * height;
        const middle = fits(usual) ? usual : height / 2 + ((high + low) / 2) * px;
        if (changes || middle !== lane.middle) this.stale = true;
        lane.middle = middle;
      }
    });
  }

  push(frame) {
    if (frame.generation !== this.generation || !this.fs) return;
    if (frame.live) this.arrived = performance.now();
    if (this.newest === null) { this.newest = frame.start; this.first = frame.start; }
    if (frame.start + frame.n <= this.newest) return; // it has been here already
    const lost = Math.min(frame.start - this.newest, this.kept);
    for (let i = 0; i < this.rings.length; i++) {
      const ring = this.rings[i];
      for (let k = 0; k < lost; k++) ring[(frame.start - 1 - k) % this.kept] = NaN;
      this.filter(i, ring, frame);
    }
    this.newest = frame.start + frame.n;
  }

  /** First-order high pass, for the picture alone: the device measures on its own. */
  filter(i, ring, frame) {
    const a = 1 / (1 + (2 * Math.PI * CORNER_HZ) / this.fs);
    let state = this.before[i];
    const samples = frame.samples[i];
    for (let k = 0; k < frame.n; k++) {
      const uv = samples[k];
      let mv = NaN;
      if (uv !== NO_VALUE) {
        const x = uv / 1000;
        const y = state === null ? 0 : a * (state[1] + x - state[0]);
        state = [x, y];
        mv = y;
      } else state = null;
      ring[(frame.start + k) % this.kept] = mv;
    }
    this.before[i] = state;
  }

  fit() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.width = width;
    this.height = height;
    for (const lane of this.lanes ?? []) lane.middle = null;
    this.looked = 0;
    this.stale = true; // all of it is to be drawn anew
  }

  /** Show that nothing is known: an empty screen. */
  wipe() {
    this.context.clearRect(0, 0, this.width, this.height);
    this.stale = true;
  }

  /** Draw what has become due since the last time. */
  draw(dt) {
    if (!this.fs || this.newest === null || !this.width) return;
    const target = this.newest - LAG_S * this.fs;
    if (this.play === null || target - this.play > this.fs) this.play = target;
    const from = this.play;
    const behind = (target - this.play) / this.fs;
    const pace = 1 + Math.max(-0.5, Math.min(0.5, behind));
    this.play = Math.min(this.play + dt * this.fs * pace, this.newest - 1);
    this.looked -= dt;
    if (this.looked <= 0) {
      this.looked = LOOK_S;
      this.scale();
    }
    if (this.stale || this.play < from) {
      this.stale = false;
      this.context.clearRect(0, 0, this.width, this.height);
      this.stroke(Math.max(this.first, this.play - ((this.width - ERASE) / SPEED) * this.fs), this.play);
    } else this.stroke(from, this.play);
  }

  x(sample) { return ((sample / this.fs) * SPEED) % this.width; }

  stroke(from, to) {
    const c = this.context;
    const first = Math.floor(from);
    const last = Math.floor(to);
    if (last <= first) return;
    this.erase(this.x(first), ((last - first) / this.fs) * SPEED + ERASE);
    c.lineWidth = 1.5;
    c.lineJoin = "round";
    c.strokeStyle = this.ink;
    const height = this.height / this.rings.length;
    this.rings.forEach((ring, i) => {
      const lane = this.lanes[i];
      const middle = height * i + (lane.middle ?? USUAL * height);
      const px = lane.gain * MM;
      let pen = false;
      let x0 = -1;
      c.beginPath();
      for (let s = first; s <= last; s++) {
        const mv = ring[((s % this.kept) + this.kept) % this.kept];
        const x = this.x(s);
        if (Number.isNaN(mv)) { pen = false; continue; }
        const y = middle - mv * px;
        if (pen && x >= x0) c.lineTo(x, y);
        else c.moveTo(x, y);
        pen = true;
        x0 = x;
      }
      c.stroke();
    });
  }

  erase(x, width) {
    this.context.clearRect(x + 1, 0, width, this.height);
    if (x + width > this.width) this.context.clearRect(0, 0, x + width - this.width, this.height);
  }
}
