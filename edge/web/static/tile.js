// One bed: what is known of it, how old that is, and its alerts.

import { ask } from "./feed.js";
import { Sweep } from "./sweep.js";
import { SIGNS, capital, clock, make, rate, say } from "./words.js";

export const STALE_MS = 2000;
export const SILENT_MS = 5000;

export class Tile {
  constructor(element, station, most) {
    this.element = element;
    this.station = station;
    this.find = (selector) => element.querySelector(selector);
    this.sweep = new Sweep(this.find("canvas"), most);
    this.heard = null; // by performance.now()
    this.visible = true;
    this.asked = new Map(); // alerts that somebody here acknowledges, and what came of it
  }

  get age() { return this.heard === null ? Infinity : performance.now() - this.heard; }

  /**
   * Take what the server says of the bed. When data last came is told by the server's clock, and brought to ours by
   * `offset`: what waited on its way here, or in a browser that is busy, is not taken for new.
   */
  take(view, offset) {
    this.view = view;
    this.heard = view.heard_mono_ms === null ? null : view.heard_mono_ms + offset;
    this.sweep.tune(view.fs_hz, view.trace_leads, view.generation);
    this.nameTraces();
    for (const id of this.asked.keys()) if (!view.alerts.some((a) => a.id === id && a.seen_ms === null)) this.asked.delete(id);
    this.drawAlerts();
    this.look();
  }

  nameTraces() {
    const { trace_leads: leads, generation } = this.view;
    if (this.named === generation && this.scaled === this.sweep.scaled) return;
    this.named = generation;
    this.scaled = this.sweep.scaled;
    const { gains } = this.sweep;
    const shown = leads.slice(0, this.sweep.most);
    this.find("canvas").setAttribute("aria-label", `Trace of ${shown.join(", ") || "no lead"}`);
    this.find(".names").replaceChildren(...shown.map((lead, i) => make("span", "", (gains[i] ?? 10) === 10 ? lead : `${lead} ${gains[i]} mm/mV`)));
  }

  push(frame) {
    this.sweep.push(frame);
  }

  paint(dt) {
    if (!this.visible || !this.view || this.age >= SILENT_MS) return;
    this.sweep.draw(dt);
    this.nameTraces();
  }

  /** Look at the clock: what is old must look old. */
  look() {
    const { view } = this;
    const age = this.age;
    const silent = age > SILENT_MS;
    const old = age > STALE_MS;
    const traceOld = performance.now() - this.sweep.arrived > STALE_MS;
    this.element.dataset.state = silent ? "silent" : old ? "stale" : view.state;
    this.element.classList.toggle("grey", old || (traceOld && view.fs_hz > 0));
    say(this.find(".bpm"), silent ? "--" : rate(view.hr_bpm));
    say(this.find(".why"), silent ? "" : view.hr_bpm === null ? view.reason ?? "" : "");
    say(this.find(".state"), this.stateInWords(silent));
    const cover = this.find(".cover");
    const text = this.coverText(silent, traceOld);
    cover.hidden = text === "";
    say(cover, text);
    if (silent) this.sweep.wipe();
    this.drawLeads(silent ? {} : view.leads);
  }

  stateInWords(silent) {
    const { state, state_reason: reason } = this.view;
    if (state === "offline") return reason ? `offline, ${reason}` : "offline";
    if (silent) return "no data";
    if (state === "unknown") return "";
    return reason ? `${state}, ${reason}` : state;
  }

  coverText(silent, traceOld) {
    const { view } = this;
    if (silent) return view.heard_ms === null ? "No data yet" : `No data since ${clock(Date.now() - this.age)}`;
    if (!view.fs_hz) return "No waveform is published (mqtt.waveform)";
    return traceOld && performance.now() - this.sweep.arrived > SILENT_MS ? "No waveform" : "";
  }

  drawLeads(states) {
    const list = this.find(".leads");
    const leads = Object.entries(states);
    const key = JSON.stringify(leads);
    if (this.leadsKey === key) return;
    this.leadsKey = key;
    list.replaceChildren(...leads.map(([lead, state]) => {
      const item = make("li", state === "good" ? "lead" : "lead bad");
      item.append(make("b", "", lead), ` ${state}`);
      return item;
    }));
  }

  drawAlerts() {
    const { view } = this;
    const place = this.find(".alerts");
    const shown = view.alerts.find((a) => a.id === view.shown);
    this.element.dataset.priority = shown ? shown.priority : "none";
    this.element.dataset.seen = shown ? String(shown.seen_ms !== null) : "";
    say(this.find(".sign"), shown ? SIGNS[shown.priority] : "");
    const key = JSON.stringify([view.alerts, [...this.asked]]);
    if (this.alertsKey === key) return;
    this.alertsKey = key;
    const focused = place.contains(document.activeElement) ? document.activeElement.dataset.alert : null;
    place.replaceChildren(...(shown ? [this.row(shown)] : []), ...this.more());
    if (focused) [...place.querySelectorAll("button")].find((b) => b.dataset.alert === focused)?.focus();
  }

  /** How many alerts are in force besides the one shown, so that no tile grows and no bed moves. */
  more() {
    const others = this.view.alerts.length - 1;
    if (others < 1) return [];
    const line = make("p", "more");
    const link = make("a", "", `and ${others} more`);
    link.href = `/beds/${this.view.id}`;
    line.append(link);
    return [line];
  }

  row(alert) {
    const row = make("div", "alert");
    row.dataset.priority = alert.priority;
    row.dataset.seen = String(alert.seen_ms !== null);
    const text = make("p");
    text.append(make("b", "what", `${SIGNS[alert.priority]} ${capital(alert.title)}`), make("span", "since", ` since ${clock(alert.since_ms)}`));
    if (alert.seen_ms !== null) text.append(make("span", "seen", `seen ${clock(alert.seen_ms)}${alert.seen_by ? `, ${alert.seen_by}` : ""}`));
    row.append(text);
    if (alert.seen_ms !== null) return row;
    const asked = this.asked.get(alert.id);
    const button = make("button", "", asked === "" ? "Acknowledging" : "Acknowledge");
    button.type = "button";
    button.dataset.alert = alert.id;
    button.setAttribute("aria-label", `Acknowledge ${alert.title}, ${this.view.id}`);
    button.onclick = () => this.acknowledge(alert);
    row.append(button);
    if (asked) row.append(make("p", "failed", asked));
    else if (alert.detail) row.append(make("p", "detail", alert.detail));
    return row;
  }

  async acknowledge(alert) {
    if (this.asked.get(alert.id) === "") return;
    this.asked.set(alert.id, "");
    this.drawAlerts();
    try {
      await ask(`/api/v1/devices/${this.view.id}/alerts/${alert.id}/acknowledge`, { by: this.station() });
    } catch (error) {
      this.asked.set(alert.id, `Not acknowledged: ${error.message}`);
      this.drawAlerts();
    }
  }
}
