// Many devices in one picture: who needs somebody, the most urgent first, and every device in its ward. The server reads
// the collector's database; what it cannot tell, or not any more, is never drawn as if it were well.

import { SIGNS, capital, clock, make, rate, say } from "./words.js";

const EVERY_MS = 3000;
const PATIENCE_MS = 8000;
const SESSION_MS = 3600000;
const SHOWN = 60;
const CALM = 9;
// Of the server's `need`: alerts as they are told, and as the ward page has it, who is not heard is medium.
const PRIORITY = { 0: "high", 1: "medium", 2: "medium", 3: "medium", 4: "low", 5: "low" };
const NAMES = { silent: "no data", lost: "connection lost", degraded: "not as it should be", left: "off", never: "never heard of" };
const main = document.getElementById("main");
const [trouble, sum, needs, none, more, doubt, wards, find] =
  ["trouble", "sum", "needs", "none", "more", "doubt", "wards", "find"].map((id) => document.getElementById(id));
const linked = "beds" in main.dataset;
const cells = new Map(); // by device: its cell, and what it shows
let picture = null;
let lostMs = null; // since when the server does not answer
let lastMs = Date.now();

/** The device's name, with its page where this server has one. */
function named(tag, device, name) {
  const element = make(linked ? "a" : tag, "", name);
  if (linked) element.href = `/beds/${encodeURIComponent(device.id)}`;
  return element;
}

const place = (device, ward) => [ward, device.bed].filter(Boolean).join(", ");
const asRate = (device) => (device.state === "left" ? "off" : device.state === "never" ? "?" : rate(device.hr_bpm));
const alarm = (device) => device.alerts[0]?.priority ?? "";
const ofAlert = (device) => alarm(device) === PRIORITY[device.need];

function whatIsWrong(device) {
  const told = device.alerts.map((alert) => capital(alert.title));
  if (device.state in NAMES && device.state !== "left") told.push(capital(NAMES[device.state]));
  return told.join("; ");
}

function sinceMs(device) {
  return ofAlert(device) ? device.alerts[0].since_ms : device.since_ms;
}

function row({ device, ward }) {
  const item = make("li");
  item.dataset.priority = PRIORITY[device.need];
  item.dataset.state = device.state;
  const who = make("div", "who");
  who.append(named("b", device, device.id), make("span", "", place(device, ward)));
  const what = make("div", "what", whatIsWrong(device));
  if (device.reason && device.reason !== NAMES[device.state]) what.append(make("span", "", device.reason));
  const since = make("time", "", sinceMs(device) ? clock(sinceMs(device)) : "");
  item.append(make("span", "sign", SIGNS[item.dataset.priority]), who, what, since);
  return item;
}

function showNeeds(all) {
  const urgent = all.filter(({ device }) => device.need < CALM);
  // Within a kind the newest first: what has just begun is what nobody has seen yet.
  urgent.sort((a, b) => a.device.need - b.device.need || (sinceMs(b.device) ?? 0) - (sinceMs(a.device) ?? 0) || a.device.id.localeCompare(b.device.id));
  needs.replaceChildren(...urgent.slice(0, SHOWN).map(row));
  more.hidden = urgent.length <= SHOWN;
  say(more, `And ${(urgent.length - SHOWN).toLocaleString("en")} more, marked in their wards below.`);
  none.hidden = urgent.length > 0;
  say(none, all.length ? "Nobody, as far as is known." : "No device is known yet.");
}

function showCell(device, list) {
  const shown = JSON.stringify(device);
  let cell = cells.get(device.id);
  if (!cell) {
    cell = { element: make("li", "cell"), shown: "" };
    cells.set(device.id, cell);
  }
  if (cell.element.parentNode !== list) list.append(cell.element);
  if (cell.shown === shown) return;
  cell.shown = shown;
  const { element } = cell;
  element.dataset.state = device.state;
  element.dataset.priority = alarm(device);
  element.title = [device.id, whatIsWrong(device), device.reason].filter(Boolean).join("\n");
  element.replaceChildren(make("small", "", device.bed ?? device.id), make("i", "", SIGNS[PRIORITY[device.need]] ?? ""), make("b", "", asRate(device)));
  if (whatIsWrong(device)) element.append(make("span", "unseen", whatIsWrong(device)));
  if (linked) {
    const link = named("a", device, "");
    link.setAttribute("aria-label", device.id);
    element.append(link);
  }
}

function showWards(parts) {
  const sections = new Map([...wards.children].map((section) => [section.dataset.ward, section]));
  const wanted = parts.map((part) => {
    let section = sections.get(part.name);
    if (!section) {
      section = make("section");
      section.dataset.ward = part.name;
      const title = make("h3", "", part.name || "In no ward");
      title.append(make("span"));
      section.append(title, make("ul", "cells"));
    }
    const list = section.querySelector(".cells");
    const needing = part.devices.filter((device) => device.need < CALM).length;
    say(section.querySelector("h3 span"), needing ? `${needing} of ${part.devices.length} to look after` : `${part.devices.length}`);
    for (const device of part.devices) showCell(device, list);
    const names = new Set(part.devices.map((device) => device.id));
    for (const [id, cell] of cells) if (cell.element.parentNode === list && !names.has(id)) { cell.element.remove(); cells.delete(id); }
    const order = part.devices.map((device) => cells.get(device.id).element);
    if (order.some((element, n) => list.children[n] !== element)) list.replaceChildren(...order);
    return section;
  });
  if (wanted.length !== wards.children.length || wanted.some((section, n) => wards.children[n] !== section)) wards.replaceChildren(...wanted);
}

function summary(all) {
  const count = (test) => all.filter(({ device }) => test(device)).length;
  const parts = [
    [count((d) => alarm(d) === "high"), "in high alarm"], [count((d) => alarm(d) === "medium"), "in medium"], [count((d) => alarm(d) === "low"), "in low"],
    [count((d) => d.state === "silent"), "silent"], [count((d) => d.state === "lost"), "connection lost"], [count((d) => d.state === "degraded"), "not as they should be"],
    [count((d) => d.state === "left"), "off"], [count((d) => d.state === "never"), "never heard of"],
  ];
  const told = parts.filter(([n]) => n).map(([n, what]) => `${n.toLocaleString("en")} ${what}`);
  const n = all.length;
  return `${n.toLocaleString("en")} device${n === 1 ? "" : "s"} in ${picture.wards.filter((ward) => ward.name).length} wards${told.length ? `: ${told.join(", ")}` : ""}`;
}

/** What makes the whole of it old: the server, or what it reads. */
function showTrouble() {
  const text = lostMs !== null ? `!! The server does not answer since ${clock(lostMs)}. What is shown is from before.`
    : picture?.trouble ? `!! ${picture.trouble}.${picture.newest_ms ? ` The newest is of ${clock(picture.newest_ms)}; what is shown is from then.` : ""}` : "";
  trouble.hidden = text === "";
  say(trouble, text);
  main.classList.toggle("old", text !== "");
  if (lostMs !== null) for (const cell of cells.values()) if (!/off|\?/.test(cell.element.querySelector("b").textContent)) { say(cell.element.querySelector("b"), "--"); cell.shown = ""; }
}

function show() {
  if (picture) {
    const words = find.value.trim().toLowerCase();
    const fits = (device, ward) => !words || [device.id, device.bed ?? "", ward].some((text) => text.toLowerCase().includes(words));
    const parts = picture.wards.map((ward) => ({ name: ward.name, devices: ward.devices.filter((device) => fits(device, ward.name)) })).filter((ward) => ward.devices.length);
    // What needs somebody is shown whatever is looked for.
    const all = picture.wards.flatMap((ward) => ward.devices.map((device) => ({ device, ward: ward.name })));
    say(sum, summary(all));
    showNeeds(all);
    showWards(parts);
    const kept = picture.not_believed;
    doubt.hidden = !kept;
    if (kept) say(doubt, `${kept.number.toLocaleString("en")} message${kept.number === 1 ? "" : "s"} of the last day not believed; the newest, ${clock(kept.at_ms)}: ${kept.newest}`);
  }
  showTrouble();
}

async function look() {
  try {
    const answer = await fetch("/api/v1/fleet", { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.status === 401) location.reload();
    if (!answer.ok) throw new Error(answer.status);
    picture = await answer.json();
    lostMs = null;
    lastMs = Date.now();
  } catch {
    lostMs ??= lastMs;
  }
  show();
  setTimeout(look, EVERY_MS);
}

find.oninput = show;
setInterval(() => fetch("/session").catch(() => {}), SESSION_MS); // a screen on a wall stays logged in
look();
