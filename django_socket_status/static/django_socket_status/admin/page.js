/**
 * Keeps a page of the admin up to date; the page is right without it.
 *
 * - An element with `data-ss-live="URL"` is fetched again, with its ETag, and changed in
 *   place: focus, open details and checked boxes stay. `data-ss-every` is the number of
 *   seconds between two fetches (10). With `data-ss-final` in it, it is not fetched again.
 * - `<time data-age>` shows its age. The server sends instants only.
 * - The bar says how current the page is: `#ss-pill`, `#ss-updated`, `#ss-lost`, `#ss-pause`.
 *
 * XMLHttpRequest parses the answer, since a policy of Trusted Types forbids DOMParser.
 */

const SECOND = 1000;
const TIMEOUT = 8 * SECOND;
const LONGEST = 60 * SECOND;
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];

const root = document.getElementById("ss");
const bar = document.getElementById("ss-bar");
const language = document.documentElement.lang || undefined;

/** How far the server's clock is ahead of this one, in milliseconds. */
let ahead = Date.parse(root?.dataset.now ?? "") - Date.now() || 0;

const unitFormats = new Map();

function amount(count, unit) {
  if (!unitFormats.has(unit)) {
    const options = { style: "unit", unit, unitDisplay: unit === "day" ? "long" : "short" };
    unitFormats.set(unit, new Intl.NumberFormat(language, options));
  }
  return unitFormats.get(unit).format(count);
}

/** Return a number of seconds in one or two units, such as "2 hr 5 min". */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const first = UNITS.findIndex(([, size]) => whole >= size);
  if (first === -1) return amount(0, "second");
  const [unit, size] = UNITS[first];
  const next = UNITS[first + 1];
  const rest = next && unit !== "minute" ? Math.floor((whole % size) / next[1]) : 0;
  const text = amount(Math.floor(whole / size), unit);
  return rest ? `${text} ${amount(rest, next[0])}` : text;
}

function showAges(within = document) {
  for (const time of within.querySelectorAll("time[data-age]")) {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) continue;
    if (!time.title) time.title = time.textContent;
    const text = duration((Date.now() + ahead - at) / SECOND);
    if (time.textContent !== text) time.textContent = text;
  }
}

const isAge = (node) => node.nodeName === "TIME" && node.hasAttribute("data-age");
const isSame = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && !a.id && !b.id;

/** Make one element like another, and keep its nodes. A child with an id keeps its node. */
export function morph(live, next) {
  if (live.isEqualNode(next)) return;
  if (isAge(live) && isAge(next) && live.dateTime === next.dateTime) return;
  if (isAge(live)) live.removeAttribute("title");
  for (const { name } of [...live.attributes]) {
    // What the visitor opened, and what this script showed, stays.
    if (!next.hasAttribute(name) && !["open", "title", "data-ss-etag"].includes(name)) {
      live.removeAttribute(name);
    }
  }
  for (const { name, value } of next.attributes) {
    if (live.getAttribute(name) !== value) live.setAttribute(name, value);
  }
  morphChildren(live, next);
}

function morphChildren(live, next) {
  const wanted = [...next.childNodes];
  const ids = new Set(wanted.map((node) => node.id).filter(Boolean));
  const known = new Map();
  for (const child of [...live.children]) {
    if (!child.id) continue;
    if (ids.has(child.id)) known.set(child.id, child);
    else child.remove();
  }
  let at = live.firstChild;
  const drop = () => {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  };
  for (const node of wanted) {
    const match = node.id ? known.get(node.id) : at && isSame(at, node) ? at : null;
    // A node that is moved loses the focus, so what is before it goes instead.
    while (match && at && at !== match && !at.id) drop();
    if (!match) {
      live.insertBefore(document.importNode(node, true), at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else live.insertBefore(match, at);
    if (match.nodeType === Node.ELEMENT_NODE) morph(match, node);
    else if (match.nodeValue !== node.nodeValue) match.nodeValue = node.nodeValue;
  }
  while (at) drop();
}

/** Fetch HTML: `{status, document, header}`; status 0 if there was no answer. */
function load(url, etag) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.timeout = TIMEOUT;
    if (etag) request.setRequestHeader("If-None-Match", etag);
    request.onloadend = () =>
      resolve({
        status: request.status,
        document: request.status === 200 ? request.response : null,
        header: (name) => request.getResponseHeader(name),
      });
    request.send();
  });
}

/** One element that follows the server. */
class Region {
  constructor(element, bar) {
    this.element = element;
    this.bar = bar;
    this.every = Number(element.dataset.ssEvery || 10) * SECOND;
    this.failures = 0;
    this.timer = null;
    this.isBusy = false;
  }

  get isFinal() {
    return this.element.querySelector("[data-ss-final]") !== null;
  }

  start() {
    this.stop();
    if (this.isFinal) return;
    const wait = Math.min(this.every * 2 ** this.failures, Math.max(LONGEST, this.every));
    this.timer = setTimeout(() => this.update(), wait * (this.failures ? 0.75 + Math.random() / 2 : 1));
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  async update() {
    this.stop();
    if (this.isBusy || this.isFinal) return;
    this.isBusy = true;
    const url = this.element.dataset.ssLive;
    const { status, document: next, header } = await load(url, this.element.dataset.ssEtag);
    this.isBusy = false;
    const asOf = header("Socket-Status-As-Of");
    if (asOf && (status === 304 || next)) this.accept(url, asOf, next, header);
    else this.fail(status);
    if (this.bar.follows) this.start();
  }

  accept(url, asOf, next, header) {
    this.failures = 0;
    ahead = Date.parse(header("Socket-Status-Now")) - Date.now() || ahead;
    // A link may have changed what the region shows meanwhile.
    if (next && this.element.dataset.ssLive === url) {
      morphChildren(this.element, next.body);
      this.element.dataset.ssEtag = header("ETag") ?? "";
      showAges(this.element);
      this.element.dispatchEvent(new CustomEvent("ss:updated", { bubbles: true }));
    }
    this.bar.succeeded(this, asOf);
  }

  fail(status) {
    this.failures = Math.min(this.failures + 1, 8);
    // The login page comes with 200, and without the header of ours.
    this.bar.failed(this, [200, 401, 403].includes(status));
  }
}

/** Says how current the page is, and pauses it. */
class Bar {
  constructor(element) {
    this.texts = element.dataset;
    this.pill = element.querySelector("#ss-pill");
    this.updated = element.querySelector("#ss-updated");
    this.lost = element.querySelector("#ss-lost");
    this.button = element.querySelector("#ss-pause");
    this.isPaused = false;
    this.isSignedOut = false;
    this.failing = new Set();
    this.regions = [...document.querySelectorAll("[data-ss-live]")].map((it) => new Region(it, this));
  }

  get follows() {
    return !(this.isPaused || this.isSignedOut || document.hidden);
  }

  start() {
    if (!this.regions.length) return;
    this.button.hidden = false;
    this.button.addEventListener("click", () => this.pause(!this.isPaused));
    document.addEventListener("visibilitychange", () => this.follow(true));
    this.follow(false);
    this.show();
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    this.button.setAttribute("aria-pressed", String(isPaused));
    this.follow(true);
    this.show();
  }

  follow(atOnce) {
    for (const region of this.regions) {
      if (!this.follows) region.stop();
      else if (atOnce) region.update();
      else region.start();
    }
  }

  succeeded(region, asOf) {
    this.failing.delete(region);
    this.updated.dateTime = asOf;
    this.updated.removeAttribute("title");
    showAges(this.updated.parentElement);
    this.show();
  }

  failed(region, isSignedOut) {
    this.failing.add(region);
    this.isSignedOut = this.isSignedOut || isSignedOut;
    this.show();
  }

  get state() {
    if (this.isSignedOut) return "signedOut";
    if (this.regions.every((it) => it.isFinal)) return "final";
    if (this.isPaused) return "paused";
    if (this.failing.size) return "lost";
    // The server answers, with values that it read before its backend failed.
    return document.querySelector("[data-ss-old]") ? "old" : "live";
  }

  /** Change the text of the live region only when the state changed. */
  show() {
    const { state } = this;
    if (this.pill.dataset.state !== state) {
      this.pill.dataset.state = state;
      this.pill.textContent = this.texts[state] ?? "";
    }
    const isLost = state === "lost" || state === "signedOut";
    if (this.lost.hidden === isLost) this.lost.hidden = !isLost;
    const banner = state === "signedOut" ? this.texts.signedOutBanner : this.texts.lostBanner;
    if (this.lost.textContent !== banner) this.lost.textContent = banner;
  }
}

if (root) {
  showAges();
  setInterval(() => document.hidden || showAges(), SECOND);
  if (bar) new Bar(bar).start();
}
