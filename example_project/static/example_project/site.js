import { openSocket, pathOf } from "./sockets.js";
import { watchStatus } from "./status.js";

const at = (id) => document.getElementById(id);

for (const form of document.querySelectorAll(".kind")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const path = pathOf(form.dataset.path, new FormData(form));
    openSocket(path, { json: "json" in form.dataset });
  });
}

function show(element, text) {
  // Only a change is worth a screen reader's breath.
  if (element.textContent !== String(text)) element.textContent = text;
}

function rowOf(type, endpoint, count, total) {
  const row = document.createElement("tr");
  const name = document.createElement("th");
  const share = document.createElement("td");
  const bar = document.createElement("div");
  const number = document.createElement("td");
  name.scope = "row";
  name.textContent = type;
  name.title = endpoint ?? "";
  bar.className = "bar";
  bar.style.inlineSize = total ? `${(100 * count) / total}%` : "0";
  share.append(bar);
  number.textContent = count;
  row.append(name, share, number);
  return row;
}

function showStatus(status) {
  const endpoints = status.wsEndpoints;
  const counts = { ...status.socketsByType };
  for (const type of Object.keys(endpoints)) counts[type] ??= 0;
  const rows = Object.keys(counts)
    .sort()
    .map((type) => rowOf(type, endpoints[type], counts[type], status.totalSockets));
  at("types").replaceChildren(...rows);
  show(at("total"), status.totalSockets);
  show(at("users"), status.uniqueUsers ?? "not known");
  show(at("anonymous"), status.anonymousSockets);
  show(at("workers"), status.workers);
  show(at("coverage"), `this ${status.coverage}`);
  show(at("answer"), JSON.stringify(status, null, 2));
}

function problemOf({ status, error }) {
  if (error) return `No answer: ${error.message}`;
  return status.stale ? "This is the last answer that could be read." : "";
}

watchStatus((snapshot) => {
  if (snapshot.updatedAt !== null) showStatus(snapshot.status);
  const problem = problemOf(snapshot);
  at("problem").hidden = !problem;
  show(at("problem"), problem);
  show(at("connection"), snapshot.connection);
});
