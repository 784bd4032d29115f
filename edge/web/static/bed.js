// One page per bed: live, its last hour, its alerts with their strips and what was said of them.

import { ask } from "./feed.js";
import { Screen, station } from "./screen.js";
import { Tile } from "./tile.js";
import uPlot from "./uplot/uPlot.esm.js";
import { SIGNS, capital, clock, make, say } from "./words.js";

const TREND_EVERY_MS = 5000;
const MOST_LEADS = 12;
const VERDICTS = { confirmed: "Confirmed", false: "Not so", seen: "Seen" };
const device = document.getElementById("main").dataset.device;
const api = `/api/v1/devices/${device}`;
const list = document.getElementById("alerts");
const problem = document.getElementById("problem");
const tiles = new Map();
const rows = new Map(); // by id of the alert
let told = ""; // of the alerts, so that they are asked for only when they change
let known = []; // alerts with what was said of them

const page = {
  one: true,
  tiles,
  tileOf(view) {
    if (view.id !== device) return null;
    const key = JSON.stringify([view.alerts, view.ended]);
    if (key !== told) { told = key; refresh(); }
    return tiles.get(device) ?? appear(view);
  },
  all() { if (!tiles.size) say(problem, `Nothing has been heard of ${device}`); },
  look() {},
};

function appear(view) {
  const element = document.getElementById("tile").content.cloneNode(true).firstElementChild;
  element.querySelector("h2").replaceChildren(view.id);
  element.style.setProperty("--leads", Math.min(Math.max(view.trace_leads.length, 2), MOST_LEADS));
  document.getElementById("beds").append(element);
  const tile = new Tile(element, station, MOST_LEADS);
  tiles.set(device, tile);
  say(problem, "");
  return tile;
}

// -- trend ------------------------------------------------------------------------------------------------------------

const place = document.getElementById("trend");
const HEIGHT = 220;
const HOUR_S = 3600;
let plot = null;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Alerts as bars under the rate, in the colour and with the sign of their priority. */
function drawAlerts(u) {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const bar = 6 * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  for (const { alert } of [...known].reverse()) {
    const from = u.valToPos(alert.since_ms / 1000, "x", true);
    const to = u.valToPos((alert.until_ms ?? Date.now()) / 1000, "x", true);
    ctx.fillStyle = colour(`--${alert.priority}`);
    ctx.fillRect(from, top + height - bar, Math.max(to - from, 2 * devicePixelRatio), bar);
    ctx.fillStyle = colour("--text");
    ctx.font = `600 ${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.fillText(SIGNS[alert.priority], from, top + height - bar - 3 * devicePixelRatio);
  }
  ctx.restore();
}

function makePlot(data) {
  plot?.destroy();
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  plot = new uPlot({
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { range: (_u, _first, newest) => [newest - HOUR_S, newest] }, y: { range: (_u, low, high) => [Math.min(40, (low ?? 60) - 5), Math.max(120, (high ?? 60) + 5)] } },
    axes: [{ ...axis, values: (_u, at) => at.map((s) => clock(1000 * s).slice(-8, -3)) }, { ...axis, size: 44 }],
    series: [{}, { stroke: colour("--rate"), width: 1.5, spanGaps: false, points: { show: false } }],
    hooks: { draw: [drawAlerts] },
  }, data, place);
}

async function trend() {
  try {
    const answer = await fetch(`${api}/trend`);
    if (answer.ok) {
      const { seconds, bpm } = await answer.json();
      if (plot) plot.setData([seconds, bpm]);
      else if (seconds.length) makePlot([seconds, bpm]);
      const there = bpm.filter((value) => value !== null);
      say(document.getElementById("trend-text"), there.length
        ? `${Math.round(Math.min(...there))} to ${Math.round(Math.max(...there))}/min; gaps where no rate was known; bars under the line are alerts`
        : "No rate was known in the last hour");
    }
  } catch { /* the server is gone, which is told above */ }
}
trend();
setInterval(trend, TREND_EVERY_MS);
new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
document.addEventListener("theme", () => { if (plot) makePlot(plot.data); });

// -- alerts -----------------------------------------------------------------------------------------------------------

async function refresh() {
  try {
    const answer = await fetch(`${api}/alerts`);
    if (!answer.ok) return;
    known = await answer.json();
  } catch { return; }
  document.getElementById("none").hidden = known.length > 0;
  const shown = known.map(row);
  if (shown.length !== list.children.length || shown.some((item, i) => item !== list.children[i])) list.replaceChildren(...shown);
  plot?.redraw();
}

function row({ alert, review }) {
  const item = rows.get(alert.id) ?? make("li", "episode");
  rows.set(alert.id, item);
  const key = JSON.stringify([alert, review]);
  if (item.dataset.key === key) return item;
  item.dataset.key = key;
  item.dataset.priority = alert.priority;
  const open = item.querySelector("details")?.open ?? false;
  const head = make("p");
  head.append(make("b", "", `${SIGNS[alert.priority]} ${capital(alert.title)}`), ` ${when(alert)}`);
  if (alert.detail) head.append(make("span", "detail", alert.detail));
  const said = [];
  if (alert.seen_ms !== null) said.push(`acknowledged ${clock(alert.seen_ms)}${alert.seen_by ? `, ${alert.seen_by}` : ""}`);
  if (review) said.push(`${VERDICTS[review.verdict].toLowerCase()}, ${review.by}, ${clock(review.time_ms)}`);
  item.replaceChildren(head, make("p", "quiet", said.join("; ")), verdicts(alert, review));
  if (alert.strip) item.append(strip(alert, open));
  return item;
}

function when(alert) {
  const from = clock(alert.since_ms);
  return alert.until_ms === null ? `since ${from}` : `${from} to ${clock(alert.until_ms)}`;
}

function strip(alert, open) {
  const details = make("details");
  details.open = open;
  const image = make("img");
  image.alt = `Strip of ${alert.title}, ${clock(alert.since_ms)}`;
  image.loading = "lazy";
  image.src = `${api}/alerts/${alert.id}/strip.svg`;
  const paper = make("div", "paper");
  paper.tabIndex = 0;
  paper.setAttribute("role", "region");
  paper.setAttribute("aria-label", image.alt);
  paper.append(image);
  details.append(make("summary", "", "Strip"), paper);
  return details;
}

function verdicts(alert, review) {
  const group = make("div", "verdicts");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", `What ${alert.title}, ${clock(alert.since_ms)}, was`);
  for (const [verdict, text] of Object.entries(VERDICTS)) {
    const button = make("button", "", text);
    button.type = "button";
    button.setAttribute("aria-pressed", String(review?.verdict === verdict));
    button.onclick = async () => {
      try {
        await ask(`${api}/alerts/${alert.id}/review`, { verdict, by: station() });
        say(problem, "");
      } catch (error) { say(problem, `Not kept: ${error.message}`); }
      refresh();
    };
    group.append(button);
  }
  return group;
}

new Screen(page);
