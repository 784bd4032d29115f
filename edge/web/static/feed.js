// What the server tells: states as events, samples as frames. All ages are by this browser's own clock, so that a
// server that stands still is noticed as one that is gone.

const RETRY_MS = 1000;
const SILENT_MS = 3000;
const HEAD_BYTES = 16;

/** Follow the ward's events; `on` holds bed, ward, all and server, the last told why the server is not there or null. */
export function followEvents(on) {
  let heard = performance.now();
  let source = null;
  let opened = 0;
  let lost = false;

  const open = () => {
    source?.close();
    opened = performance.now();
    source = new EventSource("/ward/events");
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) logInAgain(); };
    for (const name of ["bed", "ward", "all"]) {
      source.addEventListener(name, (event) => {
        heard = performance.now();
        if (lost) { lost = false; on.server(null); }
        on[name](JSON.parse(event.data));
      });
    }
  };
  open();
  setInterval(() => {
    const now = performance.now();
    if (now - heard > SILENT_MS) {
      if (!lost) { lost = true; on.server(Date.now() - (now - heard)); }
      if (now - opened > 2 * RETRY_MS) open();
    }
  }, 250);
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
}

/** The samples; `on` holds frame, told one bed's block, and lost, told that blocks were left out. */
export class Waves {
  constructor(on) {
    this.on = on;
    this.run = null;
    this.beds = null; // all
  }

  /** Follow the samples of this run of the server: beds have other numbers in another. */
  follow(run) {
    if (run === this.run) return;
    this.run = run;
    this.socket?.close();
    clearTimeout(this.again);
    this.open();
  }

  choose(beds) {
    this.beds = beds;
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ beds }));
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ward/waves?run=${this.run}`);
    let joined = false; // what comes first after joining is what was before
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { if (this.beds) this.choose(this.beds); };
    socket.onmessage = (event) => {
      if (socket !== this.socket) return;
      if (typeof event.data === "string") { this.on.lost(); return; }
      split(event.data, this.on.frame, joined);
      joined = true;
    };
    socket.onclose = (event) => {
      if (event.code === 1013) this.on.lost();
      if (socket === this.socket) this.again = setTimeout(() => this.open(), RETRY_MS);
    };
  }
}

function split(buffer, frame, live) {
  const view = new DataView(buffer);
  for (let at = 0; at + HEAD_BYTES <= buffer.byteLength;) {
    const size = view.getUint16(at, true);
    const leads = view.getUint8(at + 4);
    const n = view.getUint16(at + 6, true);
    if (size < HEAD_BYTES || at + size > buffer.byteLength) return;
    const samples = [];
    for (let lead = 0; lead < leads; lead++) {
      samples.push(new Int16Array(buffer.slice(at + HEAD_BYTES + 2 * n * lead, at + HEAD_BYTES + 2 * n * (lead + 1))));
    }
    frame({
      bed: view.getUint16(at + 2, true),
      generation: view.getUint8(at + 5),
      start: view.getFloat64(at + 8, true),
      n,
      samples,
      live,
    });
    at += size;
  }
}

/** Where the session is over, the page is asked for again, which leads to the log-in. */
async function logInAgain() {
  try {
    if ((await fetch("/session")).status === 401) location.reload();
  } catch { /* the server is not there */ }
}

/** Ask something of the server; throws with its reason. */
export async function ask(url, body) {
  let answer;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("the server does not answer");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  if (answer.status === 401) location.reload();
  let detail = `the server refuses (${answer.status})`;
  try { detail = (await answer.json()).detail; } catch { /* it is no JSON */ }
  throw new Error(typeof detail === "string" ? detail : `the server refuses (${answer.status})`);
}
