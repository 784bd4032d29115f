// Alarm signals of this screen: bar, words for screen readers, sound. After IEC 60601-1-8: bursts of ten, three and two
// pulses for high, medium and low priority, repeated until somebody has acknowledged; audio paused, audio off and
// alarm off are told apart.

import { SIGNS, capital, clock, say } from "./words.js";

const PAUSE_MS = 120000;
const URGENCY = { high: 0, medium: 1, low: 2 };
// Seconds after a burst's begin at which its pulses start, the length of one, and the time to the next burst.
const BURSTS = {
  high: { at: [0, 0.25, 0.5, 0.9, 1.15, 1.9, 2.15, 2.4, 2.8, 3.05], length: 0.15, every: 7, hz: [523, 523, 523, 659, 784] },
  medium: { at: [0, 0.4, 0.8], length: 0.2, every: 10, hz: [523, 440, 392] },
  low: { at: [0, 0.5], length: 0.2, every: 20, hz: [392, 330] },
};

export class Alarms {
  constructor() {
    this.mode = "blocked"; // until somebody has touched the page: browsers allow no sound before
    this.pausedUntil = 0;
    this.next = 0;
    this.known = new Set();
    this.settled = false;
    this.bar = document.getElementById("bar");
    this.announce = document.getElementById("announce");
    this.state = document.getElementById("sound-state");
    this.buttons = {
      on: document.getElementById("sound-on"),
      paused: document.getElementById("sound-pause"),
      off: document.getElementById("sound-off"),
      alarmsOff: document.getElementById("alarms-off"),
    };
    this.buttons.on.onclick = () => this.set("on");
    this.buttons.paused.onclick = () => this.set("paused");
    this.buttons.off.onclick = () => this.set("off");
    this.buttons.alarmsOff.onclick = () => this.set("alarmsOff");
    this.say();
  }

  set(mode) {
    this.mode = mode;
    if (mode === "paused") this.pausedUntil = performance.now() + PAUSE_MS;
    this.audio ??= new AudioContext();
    this.audio.resume();
    if (mode !== "on") this.hush();
    this.next = 0;
    document.documentElement.dataset.alarms = mode === "alarmsOff" ? "off" : "on";
    this.say();
  }

  say() {
    const left = Math.ceil((this.pausedUntil - performance.now()) / 1000);
    const text = {
      blocked: "Sound not started",
      on: "Sound on",
      paused: `Sound paused ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`,
      off: "Sound off",
      alarmsOff: "Alarms off",
    }[this.mode];
    // Told to screen readers by its kind alone: not each second of a pause.
    this.state.dataset.mode = this.mode;
    if (this.mode === "paused") this.state.setAttribute("aria-live", "off");
    else this.state.removeAttribute("aria-live");
    say(this.state, text);
    for (const [mode, button] of Object.entries(this.buttons)) button.setAttribute("aria-pressed", String(mode === this.mode));
  }

  /** Show and sound what is in force; `all` holds {bed, alert}, `wide` the same of what is no bed's and shown elsewhere. */
  show(all, wide) {
    if (this.mode === "paused" && performance.now() > this.pausedUntil) this.set("on");
    if (this.mode === "paused") this.say();
    const unseen = all
      .filter(({ alert }) => alert.seen_ms === null)
      .sort((a, b) => URGENCY[a.alert.priority] - URGENCY[b.alert.priority] || a.alert.since_ms - b.alert.since_ms);
    const silent = wide === null || wide.alert.seen_ms !== null;
    this.tell(silent ? unseen : [...unseen, wide]);
    this.showBar(unseen);
    if (unseen.length || !silent) this.sound(unseen[0]?.alert.priority ?? wide.alert.priority);
    else { this.hush(); this.next = 0; }
  }

  showBar(unseen) {
    this.bar.hidden = !unseen.length;
    if (!unseen.length) return;
    const { bed, alert } = unseen[0];
    this.bar.dataset.priority = alert.priority;
    const more = unseen.length > 1 ? `, and ${unseen.length - 1} more` : "";
    say(this.bar, `${SIGNS[alert.priority]} ${bed}: ${capital(alert.title)} since ${clock(alert.since_ms)}${more}`);
  }

  /** Say each new alert once. */
  tell(unseen) {
    const fresh = unseen.filter(({ alert }) => !this.known.has(alert.id));
    for (const { alert } of fresh) this.known.add(alert.id);
    if (fresh.length) {
      const texts = fresh.slice(0, 3).map(({ bed, alert }) => `${alert.priority} priority, ${bed} ${alert.title}`);
      this.announce.textContent = texts.join("; ");
      this.next = 0;
    }
    if (this.known.size > 2000) this.known = new Set(unseen.map(({ alert }) => alert.id));
  }

  sound(priority) {
    if (this.mode !== "on" || !this.audio || this.audio.state !== "running") return;
    const now = this.audio.currentTime;
    if (now < this.next) return;
    this.hush();
    const burst = BURSTS[priority];
    this.next = now + burst.every;
    this.pulses = burst.at.map((at, i) => this.pulse(now + 0.05 + at, burst.length, burst.hz[i % burst.hz.length]));
  }

  /** One pulse: a fundamental and its harmonics, with soft flanks. */
  pulse(at, length, hz) {
    const volume = this.audio.createGain();
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.12, at + 0.02);
    volume.gain.setValueAtTime(0.12, at + length - 0.03);
    volume.gain.linearRampToValueAtTime(0, at + length);
    volume.connect(this.audio.destination);
    return [1, 2, 3, 4, 5].map((harmonic) => {
      const tone = this.audio.createOscillator();
      tone.frequency.value = hz * harmonic;
      tone.connect(volume);
      tone.start(at);
      tone.stop(at + length);
      return tone;
    });
  }

  hush() {
    for (const tone of (this.pulses ?? []).flat()) { try { tone.stop(); } catch { /* it is over */ } }
    this.pulses = [];
  }
}
