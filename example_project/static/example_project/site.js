import { openSocket, pathOf } from "./sockets.js";
import { fetchAnswer, watchStatus } from "./status.js";

const at = (id) => document.getElementById(id);

for (const form of document.querySelectorAll(".kind")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const path = pathOf(form.dataset.path, new FormData(form));
    openSocket(path, { json: "json" in form.dataset });
  });
}

function show(element, text) {
  // A screen reader reads what is written, so write changes only.
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
  // Maps, because a type may have the name of what every object inherits.
  const endpoints = new Map(Object.entries(status.wsEndpoints));
  const counts = new Map(Object.entries(status.socketsByType));
  const rows = [...new Set([...endpoints.keys(), ...counts.keys()])]
    .sort()
    .map((type) => rowOf(type, endpoints.get(type), counts.get(type) ?? 0, status.totalSockets));
  at("types").replaceChildren(...rows);
  show(at("total"), status.totalSockets);
  show(at("unit"), status.totalSockets === 1 ? "socket" : "sockets");
  show(at("users"), status.uniqueUsers ?? "not known");
  show(at("anonymous"), status.anonymousSockets);
  show(at("workers"), status.workers);
  // On an idle site it is 0, which reads like a site that is down.
  at("workers").parentElement.hidden = status.workers === 0;
  show(at("coverage"), COVERAGE[status.coverage] ?? status.coverage);
}

const COVERAGE = { process: "one process", host: "all processes of this host", cluster: "all hosts" };

const UPDATES = { live: "live", polling: "every two seconds", reconnecting: "reconnecting" };

function problemOf({ status, error }) {
  if (error?.code === "network") return "The server does not answer. This page tries again.";
  if (error) return `The server answered with an error: ${error.message}`;
  return status.stale ? "The server cannot read the current status." : "";
}

/** Mark an old number: grey, with the time of the last answer. */
function showAge(isOld, updatedAt) {
  const isShown = isOld && updatedAt !== null;
  at("status-section").classList.toggle("old", isOld);
  at("as-of").hidden = !isShown;
  show(at("as-of"), isShown ? `as of ${new Date(updatedAt).toLocaleTimeString()}` : "");
}

const answer = at("answer");
let isFetching = false;

async function showAnswer() {
  if (!at("answer-box").open || isFetching) return;
  isFetching = true;
  try {
    show(answer, await fetchAnswer(answer.dataset.url));
  } catch (error) {
    show(answer, `No answer: ${error.message}`);
  } finally {
    isFetching = false;
  }
}

at("answer-box").addEventListener("toggle", showAnswer);

watchStatus((snapshot) => {
  if (snapshot.updatedAt !== null) showStatus(snapshot.status);
  const problem = problemOf(snapshot);
  at("problem").hidden = !problem;
  show(at("problem"), problem);
  showAge(Boolean(problem), snapshot.updatedAt);
  show(at("connection"), UPDATES[snapshot.connection] ?? "none");
  showAnswer();
});
