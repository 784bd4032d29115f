// The ward page: a tile a bed.

import { Alarms } from "./alarm.js";
import { Waves, followEvents } from "./feed.js";
import { Tile } from "./tile.js";
import { capital, clock, make, say } from "./words.js";

const byName = new Intl.Collator("en", { numeric: true }).compare;
const URGENCY = { high: 0, medium: 1, low: 2 };

const list = document.getElementById("beds");
const template = document.getElementById("tile");
const trouble = document.getElementById("trouble");
const empty = document.getElementById("empty");
const order = document.getElementById("order");
const stationField = document.getElementById("station");
const tiles = new Map(); // by device
const byIndex = new Map();
const alarms = new Alarms();

let ward = null;
let serverLostMs = null;
let slow = null; // when samples were last left out
let seenAll = false;
const troubleSeen = new Map(); // by what; set when somebody here has said to know

try { stationField.value = localStorage.getItem("station") ?? ""; } catch { /* nothing is kept here */ }
stationField.onchange = () => { try { localStorage.setItem("station", stationField.value.trim()); } catch { /* as above */ } };
const station = () => stationField.value.trim() || "ward page";

function tileOf(view) {
  if (tiles.has(view.id)) return tiles.get(view.id);
  const element = template.content.cloneNode(true).firstElementChild;
  const link = element.querySelector("h2 a");
  link.textContent = view.id;
  link.href = `/beds/${encodeURIComponent(view.id)}`;
  list.append(element);
  const tile = new Tile(element, station);
  tiles.set(view.id, tile);
  watcher.observe(element);
  element.tile = tile;
  return tile;
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    entry.target.tile.visible = entry.isIntersecting;
    entry.target.tile.sweep.stale = true;
  }
}, { rootMargin: "100px" });

const waves = new Waves({
  frame(frame) { byIndex.get(frame.bed)?.push(frame); },
  lost() { slow = performance.now(); look(); },
});

followEvents({
  bed(view) {
    const tile = tileOf(view);
    byIndex.set(view.index, tile);
    tile.take(view);
    look();
  },
  ward(view) {
    if (ward?.run !== view.run) byIndex.clear();
    ward = view;
    look();
  },
  all(names) {
    if (!seenAll) { seenAll = true; arrange("name"); }
    for (const [name, tile] of tiles) {
      if (!names.includes(name)) { tile.element.remove(); tiles.delete(name); }
    }
    byIndex.clear();
    for (const tile of tiles.values()) byIndex.set(tile.view.index, tile);
    waves.follow(ward.run);
    look();
  },
  server(lostMs) { serverLostMs = lostMs; look(); },
});


function arrange(how) {
  const urgency = (tile) => Math.min(3, ...tile.view.alerts.map((a) => URGENCY[a.priority] + (a.seen_ms === null ? 0 : 0.5)));
  const sorted = [...tiles.values()].sort((a, b) => (how === "urgency" ? urgency(a) - urgency(b) : 0) || byName(a.view.id, b.view.id));
  list.append(...sorted.map((tile) => tile.element));
}

order.onchange = () => { if (order.value !== "arrival") arrange(order.value); };

/** What concerns all beds, most urgent first. */
function wards() {
  if (serverLostMs !== null) return { id: `server-${serverLostMs}`, text: "The server does not answer", since: serverLostMs };
  if (ward?.trouble && ward.broker) return { id: `broker-${ward.gone_ms}`, text: "No connection to the broker", since: ward.gone_ms, why: ward.trouble };
  return null;
}

function showTrouble() {
  const what = wards();
  trouble.hidden = what === null && slow === null;
  if (what === null) {
    if (slow !== null && performance.now() - slow > 10000) slow = null;
    if (slow !== null) say(trouble, "This browser does not keep up: parts of the traces are missing");
    trouble.dataset.kind = "slow";
    return null;
  }
  trouble.dataset.kind = "lost";
  const key = what.id + (what.why ?? "");
  if (trouble.dataset.key !== key) {
    trouble.dataset.key = key;
    const button = make("button", "", "Silence");
    button.type = "button";
    button.onclick = () => { troubleSeen.set(what.id, Date.now()); button.remove(); look(); };
    trouble.replaceChildren(
      make("b", "", `!! ${what.text} since ${clock(what.since)}.`), " What is shown is from before. ",
      make("span", "detail", what.why ?? ""), ...(troubleSeen.has(what.id) ? [] : [button]),
    );
  }
  return { bed: "", alert: { id: what.id, title: capital(what.text), priority: "medium", since_ms: what.since, seen_ms: troubleSeen.get(what.id) ?? null } };
}

function look() {
  for (const tile of tiles.values()) if (tile.view) tile.age_();
  const all = [...tiles.values()].flatMap((tile) => tile.view.alerts.map((alert) => ({ bed: tile.view.id, alert })));
  const wide = showTrouble();
  alarms.show(all, wide);
  empty.hidden = tiles.size > 0;
  if (!tiles.size) {
    say(empty, ward === null ? "Connecting" : ward.broker === null ? "No broker was given: start with --mqtt URL to see devices" :
      ward.trouble ? "" : `No device has said anything at ${ward.broker} yet`);
  }
}
setInterval(look, 250);
document.addEventListener("theme", () => { for (const tile of tiles.values()) tile.sweep.colours(); });

let before = performance.now();
function paint(now) {
  const dt = Math.min((now - before) / 1000, 1);
  before = now;
  for (const tile of tiles.values()) if (tile.visible && tile.age < 5000) tile.sweep.draw(dt);
  requestAnimationFrame(paint);
}
requestAnimationFrame(paint);
