// What every page that watches the ward shares: the feeds, the alarm signals of all beds, what is wrong with broker,
// server or browser, and the name of this screen.

import { Alarms } from "./alarm.js";
import { Waves, followEvents } from "./feed.js";
import { capital, clock, make, say } from "./words.js";

const SLOW_MS = 10000;
const OFFSETS = 10;
const SESSION_MS = 3600000;
const trouble = document.getElementById("trouble");
const stationField = document.getElementById("station");

try { stationField.value = localStorage.getItem("station") ?? ""; } catch { /* nothing is kept here */ }
stationField.onchange = () => { try { localStorage.setItem("station", stationField.value.trim()); } catch { /* as above */ } };

/** How this screen is called when it acknowledges. */
export const station = () => stationField.value.trim() || "ward page";

export class Screen {
  /** `page` has tiles, a Map by device; tileOf(view), null where none is shown; all(names); look(); one, if it is of one bed. */
  constructor(page) {
    this.page = page;
    this.views = new Map(); // of all beds, shown here or not
    this.byIndex = new Map();
    this.alarms = new Alarms();
    this.ward = null;
    this.lostMs = null; // since when the server is gone
    this.slow = null;
    this.offsets = []; // of the server's clock to ours, lately; the least is that of what came without delay
    this.known = new Set(); // troubles that somebody here has silenced
    this.waves = new Waves({
      frame: (frame) => this.byIndex.get(frame.bed)?.push(frame),
      lost: () => { this.slow = performance.now(); this.look(); },
    });
    followEvents({
      bed: (view) => this.takeBed(view),
      ward: (view) => {
        if (this.ward?.run !== view.run) {
          this.byIndex.clear();
          this.offsets = [];
        }
        this.ward = view;
        this.offsets = [...this.offsets, performance.now() - view.mono_ms].slice(-OFFSETS);
        this.look();
      },
      all: (names) => this.takeAll(names),
      server: (lostMs) => { this.lostMs = lostMs; this.look(); },
    });
    setInterval(() => this.look(), 250);
    setInterval(() => fetch("/session").catch(() => {}), SESSION_MS); // a screen on a wall stays logged in
    document.addEventListener("theme", () => { for (const tile of page.tiles.values()) tile.sweep.colours(); });
    this.before = performance.now();
    requestAnimationFrame((now) => this.paint(now));
  }

  takeBed(view) {
    this.views.set(view.id, view);
    const tile = this.page.tileOf(view);
    if (tile) {
      if (this.page.one && !this.byIndex.has(view.index)) this.waves.choose([view.index]); // the others are not drawn
      this.byIndex.set(view.index, tile);
      tile.take(view, Math.min(...this.offsets));
    }
    this.look();
  }

  /** The whole ward has been told: beds that are not in it are of another run of the server. */
  takeAll(names) {
    for (const name of this.views.keys()) if (!names.includes(name)) this.views.delete(name);
    this.page.all(names);
    this.byIndex.clear();
    for (const tile of this.page.tiles.values()) if (tile.view) this.byIndex.set(tile.view.index, tile);
    this.waves.follow(this.ward.run);
    this.look();
  }

  look() {
    for (const tile of this.page.tiles.values()) if (tile.view) tile.look();
    const all = [...this.views.values()].flatMap((view) => view.alerts.map((alert) => ({ bed: view.id, alert })));
    this.alarms.show(all, this.showTrouble());
    this.page.look();
  }

  paint(now) {
    const dt = Math.min((now - this.before) / 1000, 1);
    this.before = now;
    for (const tile of this.page.tiles.values()) tile.paint(dt);
    requestAnimationFrame((later) => this.paint(later));
  }

  /** What concerns all beds, the most urgent first. */
  wide() {
    const { ward } = this;
    if (this.lostMs !== null) return { id: `server-${this.lostMs}`, text: "The server does not answer", since: this.lostMs };
    if (ward?.trouble && ward.broker) return { id: `broker-${ward.gone_ms}`, text: "No connection to the broker", since: ward.gone_ms, why: ward.trouble };
    return null;
  }

  showTrouble() {
    const what = this.wide();
    if (this.slow !== null && performance.now() - this.slow > SLOW_MS) this.slow = null;
    trouble.hidden = what === null && this.slow === null;
    if (what === null) {
      trouble.dataset.kind = "slow";
      trouble.dataset.key = "";
      if (this.slow !== null) say(trouble, "This browser does not keep up: parts of the traces are missing");
      return null;
    }
    trouble.dataset.kind = "lost";
    const key = what.id + (what.why ?? "");
    if (trouble.dataset.key !== key) {
      trouble.dataset.key = key;
      const button = make("button", "", "Silence");
      button.type = "button";
      button.onclick = () => { this.known.add(what.id); button.remove(); this.look(); };
      trouble.replaceChildren(
        make("b", "", `!! ${what.text} since ${clock(what.since)}.`), " What is shown is from before. ",
        make("span", "detail", what.why ?? ""), ...(this.known.has(what.id) ? [] : [button]),
      );
    }
    const seen = this.known.has(what.id) ? what.since : null;
    return { bed: "", alert: { id: what.id, title: capital(what.text), priority: "medium", since_ms: what.since, seen_ms: seen } };
  }
}
