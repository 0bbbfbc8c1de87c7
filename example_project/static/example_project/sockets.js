/** The WebSockets of this page: opened by the forms, closed by their buttons. */

const list = document.getElementById("sockets");
const closeAll = document.getElementById("close-all");
const none = document.getElementById("none");
const open = new Set();

export function pathOf(template, fields) {
  return template.replace(/\{(\w+)\}/g, (_, name) =>
    encodeURIComponent(fields.get(name) ?? ""),
  );
}

export function openSocket(path, { json }) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  const row = addRow(path, () => socket.close(1000));
  let wasOpen = false;

  socket.addEventListener("open", () => {
    wasOpen = true;
    open.add(socket);
    row.say("open");
    socket.send(json ? JSON.stringify("good morning") : "good morning");
    showHowMany();
  });
  socket.addEventListener("message", ({ data }) => row.say(`heard ${data}`));
  socket.addEventListener("close", ({ code }) => {
    open.delete(socket);
    if (wasOpen) row.remove();
    else row.fail("refused: is this user allowed to open it?");
    showHowMany();
    if (wasOpen && code !== 1000) console.info(`${path} closed with ${code}`);
  });
  showHowMany();
}

function addRow(path, onClose) {
  const row = document.createElement("li");
  const name = document.createElement("code");
  const state = document.createElement("span");
  const button = document.createElement("button");
  name.textContent = path;
  state.textContent = "opening";
  state.setAttribute("role", "status");
  button.textContent = "Close";
  button.setAttribute("aria-label", `Close ${path}`);
  button.addEventListener("click", onClose, { once: true });
  row.append(name, state, button);
  list.append(row);
  return {
    say: (text) => (state.textContent = text),
    remove: () => row.remove(),
    fail(text) {
      row.classList.add("failed");
      state.textContent = text;
      button.textContent = "Dismiss";
      button.setAttribute("aria-label", `Dismiss ${path}`);
      button.addEventListener("click", () => {
        row.remove();
        showHowMany();
      });
    },
  };
}

function showHowMany() {
  none.hidden = list.childElementCount > 0;
  closeAll.hidden = open.size < 2;
}

closeAll.addEventListener("click", () => {
  for (const socket of open) socket.close(1000);
});
