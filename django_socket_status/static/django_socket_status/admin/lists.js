/**
 * The lists: says how many connections are newer, selects rows, copies the command.
 *
 * Rows never change by themselves. Every text comes from the page or the server.
 */

const INTERVAL = 10_000;

/** Asks again and again how many are newer, while the page is visible. */
function watchNewer(place) {
  let timer = 0;
  let isAsking = false;

  const show = (text) => {
    if ((place.textContent ?? "") === text) return;
    place.replaceChildren();
    if (!text) return;
    const link = document.createElement("a");
    link.href = place.dataset.ssFirst;
    link.textContent = text;
    place.append(link);
  };

  const ask = async () => {
    clearTimeout(timer);
    if (document.hidden || isAsking) return;
    isAsking = true;
    try {
      const answer = await fetch(place.dataset.ssNewer, { redirect: "error" });
      if (answer.ok) show((await answer.json()).text);
      else if (answer.status < 500) return;
    } catch {
      // The server restarts, or the network is gone: ask later.
    } finally {
      isAsking = false;
    }
    timer = setTimeout(ask, INTERVAL);
  };

  timer = setTimeout(ask, Number(place.dataset.ssInterval) || INTERVAL);
  document.addEventListener("visibilitychange", ask);
}

/** Ticks all boxes of the page, and says how many are ticked. */
function countSelected(form) {
  const all = form.querySelector("[data-ss-all]");
  const boxes = [...form.querySelectorAll("[name=connection_id]")];
  const place = form.querySelector("[data-ss-selected]");
  const count = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
    const text = place.dataset.ssText.replace("{count}", String(ticked));
    place.textContent = ticked ? text : "";
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    count();
  });
  form.addEventListener("change", count);
  count();
}

/** Copies the text of an element. */
function offerCopy(button) {
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.ssCopy).textContent;
    await navigator.clipboard.writeText(text);
    button.textContent = button.dataset.ssDone;
  });
}

document.querySelectorAll("[data-ss-newer]").forEach(watchNewer);
document.querySelectorAll("[data-ss-selection]").forEach(countSelected);
document.querySelectorAll("[data-ss-copy]").forEach(offerCopy);
