// How things are said.

export const SIGNS = { high: "!!!", medium: "!!", low: "!" };

const two = (n) => String(n).padStart(2, "0");

/** Time of day, with the date if that is not today. */
export function clock(ms) {
  const t = new Date(ms);
  const time = `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
  return t.toDateString() === new Date().toDateString() ? time : `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${time}`;
}

export function rate(bpm) {
  return bpm === null || bpm === undefined ? "--" : String(Math.round(bpm));
}

/** A title with a capital letter. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Make an element with a class and a text; nothing of it is ever taken for markup. */
export function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Set a text only where it differs, so that screen readers are not told twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
