// The ward page: one tile per bed.

import { Screen, station } from "./screen.js";
import { Tile } from "./tile.js";
import { say } from "./words.js";

const byName = new Intl.Collator("en", { numeric: true }).compare;
const URGENCY = { high: 0, medium: 1, low: 2 };

const list = document.getElementById("beds");
const template = document.getElementById("tile");
const empty = document.getElementById("empty");
const order = document.getElementById("order");
const tiles = new Map(); // by device
let arranged = false;

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    entry.target.tile.visible = entry.isIntersecting;
    entry.target.tile.sweep.stale = true;
  }
}, { rootMargin: "100px" });

function arrange(how) {
  const urgency = (tile) => Math.min(3, ...tile.view.alerts.map((a) => URGENCY[a.priority] + (a.seen_ms === null ? 0 : 0.5)));
  const sorted = [...tiles.values()].sort((a, b) => (how === "urgency" ? urgency(a) - urgency(b) : 0) || byName(a.view.id, b.view.id));
  list.append(...sorted.map((tile) => tile.element));
}
order.onchange = () => { if (order.value !== "arrival") arrange(order.value); };

const page = {
  tiles,
  tileOf(view) {
    if (tiles.has(view.id)) return tiles.get(view.id);
    const element = template.content.cloneNode(true).firstElementChild;
    const link = element.querySelector("h2 a");
    link.textContent = view.id;
    link.href = `/beds/${view.id}`;
    list.append(element);
    const tile = new Tile(element, station);
    tiles.set(view.id, tile);
    element.tile = tile;
    watcher.observe(element);
    return tile;
  },
  all(names) {
    for (const [name, tile] of tiles) {
      if (!names.includes(name)) { tile.element.remove(); tiles.delete(name); }
    }
    if (!arranged) { arranged = true; arrange("name"); } // later, beds keep their places
  },
  look() {
    empty.hidden = tiles.size > 0;
    if (tiles.size || !screen) return;
    const { ward } = screen;
    say(empty, ward === null ? "Connecting" : ward.broker === null ? "No broker was given: start with --mqtt URL to see devices" :
      ward.trouble ? "" : `No device has said anything at ${ward.broker} yet`);
  },
};
const screen = new Screen(page);
