// How far an analysis is; its report once it is there.

import { clock, say } from "./words.js";

const main = document.getElementById("main");
const url = `/api/v1/analyses/${main.dataset.analysis}`;
const problem = document.getElementById("problem");

for (const time of document.querySelectorAll("time[data-ms]")) time.textContent = clock(Number(time.dataset.ms));

async function follow() {
  try {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error();
    const analysis = await answer.json();
    if (analysis.status === "done" || analysis.status === "failed") { location.reload(); return; }
    say(document.getElementById("state"), analysis.status === "queued" ? "Waiting for its turn" : `Analysing, ${Math.round(100 * analysis.progress)} %`);
    document.getElementById("progress").value = analysis.progress;
    say(problem, "");
  } catch { say(problem, "The server does not answer; trying again"); }
  setTimeout(follow, 1000);
}
if (["queued", "running"].includes(main.dataset.status)) follow();

document.getElementById("delete").onclick = async () => {
  if (!confirm("Delete this analysis, its upload and its report?")) return;
  const answer = await fetch(url, { method: "DELETE" });
  if (answer.ok) location.href = "/analyses";
  else say(problem, `Not deleted: ${(await answer.json()).detail}`);
};
