// Uploads: by dropping, choosing or keyboard, with progress.

import { clock } from "./words.js";

const form = document.getElementById("upload");
const input = document.getElementById("file");
const drop = document.getElementById("drop");
const chosen = document.getElementById("chosen");
const problem = document.getElementById("problem");
const sent = document.getElementById("sent");
const limit = Number(form.dataset.limit) * 1e6;

for (const time of document.querySelectorAll("time[data-ms]")) time.textContent = clock(Number(time.dataset.ms));

function show() {
  const files = [...input.files];
  chosen.textContent = files.map((file) => `${file.name} (${(file.size / 1e6).toFixed(1)} MB)`).join(", ");
  problem.textContent = "";
}
input.onchange = show;

for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  input.files = event.dataTransfer.files;
  show();
});

form.onsubmit = (event) => {
  event.preventDefault();
  const size = [...input.files].reduce((sum, file) => sum + file.size, 0);
  if (size > limit) {
    problem.textContent = `${(size / 1e6).toFixed(0)} MB are more than the ${form.dataset.limit} MB that are taken at once`;
    return;
  }
  send(withAnswers(new FormData(form)));
};

/** Answers, in one part of the form; what is not known is left out. */
function withAnswers(data) {
  const answers = {};
  for (const [name, value] of [...data.entries()]) {
    if (!name.startsWith("q.")) continue;
    data.delete(name);
    if (value === "unknown") continue;
    const path = name.slice(2).split(".");
    const last = path.pop();
    const group = path.length ? (answers[path[0]] ??= {}) : answers;
    group[last] = value;
  }
  if (Object.keys(answers).length) data.set("questionnaire", JSON.stringify(answers));
  return data;
}

function send(data) {
  const button = form.querySelector("button");
  const request = new XMLHttpRequest();
  request.open("POST", "/api/v1/analyses");
  request.responseType = "json";
  request.upload.onprogress = (event) => { if (event.lengthComputable) sent.value = event.loaded / event.total; };
  request.onload = () => {
    if (request.status === 202) { location.href = request.response.links.page; return; }
    fail(request.response?.detail ?? `the server refuses (${request.status})`);
  };
  request.onerror = () => fail("the server does not take it, or does not answer");
  const fail = (why) => {
    problem.textContent = `Not uploaded: ${typeof why === "string" ? why : "it is not what the server takes"}`;
    sent.hidden = true;
    button.disabled = false;
  };
  problem.textContent = "";
  sent.hidden = false;
  sent.value = 0;
  button.disabled = true;
  request.send(data);
}
