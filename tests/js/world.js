/** A world for the client that a test holds in its hands: clock, server, page and chance. */

import { createSocketStatus } from "django-socket-status";

export const START = Date.parse("2026-11-22T10:00:00Z");

export const SUMMARY = {
  active: true,
  total_sockets: 3,
  sockets_by_type: { call: 2, stt_room: 1 },
  timestamp: "2026-11-22T10:30:45.123456+00:00",
  ws_endpoints: { call: "/ws/call/<room>/", stt_room: "/ws/stt/room/" },
  unique_users: 2,
  anonymous_sockets: 1,
  workers: 2,
  coverage: "host",
  stale: false,
};

/** The summary of a server where `total` calls are open. */
export function calls(total) {
  return {
    ...SUMMARY,
    active: total > 0,
    total_sockets: total,
    sockets_by_type: total > 0 ? { call: total } : {},
  };
}

export class World {
  /** The URL, `init`, headers and time of each request. */
  requests = [];
  /** Every WebSocket that was opened. */
  sockets = [];
  /** What `Math.random()` answers. */
  chance = 0.5;
  /** What the server knows; it answers with an ETag and 304. */
  summary = SUMMARY;
  /** What the server offers in `Socket-Status-Live`. */
  offer = null;
  /** Instead of an answer: a function of the request. */
  answer = null;

  #now = START;
  #timers = new Map();
  #lastTimer = 0;

  constructor({ page = new Page() } = {}) {
    const world = this;
    this.document = page;
    this.Date = { now: () => this.#now };
    this.Math = { random: () => this.chance };
    this.WebSocket = class extends FakeWebSocket {
      constructor(url) {
        super(url);
        world.sockets.push(this);
      }
    };
  }

  source(options) {
    return createSocketStatus(options, this);
  }

  get timers() {
    return this.#timers.size;
  }

  get time() {
    return this.#now - START;
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get request() {
    return this.requests.at(-1);
  }

  setTimeout(task, delay) {
    const timer = ++this.#lastTimer;
    this.#timers.set(timer, { task, at: this.#now + Math.max(0, delay) });
    return timer;
  }

  clearTimeout(timer) {
    this.#timers.delete(timer);
  }

  /** Let `duration` pass, and all that falls due and follows from it happen. */
  async pass(duration = 0) {
    const end = this.#now + duration;
    await settle();
    let tasks = 0;
    for (let due = this.#next(end); due; due = this.#next(end)) {
      if (++tasks > 10_000) throw new Error("Timers without end");
      const [timer, { task, at }] = due;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, at);
      task();
      await settle();
    }
    this.#now = end;
  }

  #next(end) {
    const due = [...this.#timers].filter(([, { at }]) => at <= end);
    return due.sort(([, a], [, b]) => a.at - b.at)[0];
  }

  fetch(url, init) {
    const request = { url, init, headers: new Headers(init.headers), at: this.time };
    this.requests.push(request);
    return new Promise((resolve, reject) => {
      init.signal.addEventListener("abort", () => reject(init.signal.reason));
      Promise.resolve((this.answer ?? this.#serve)(request)).then(resolve, reject);
    });
  }

  #serve = ({ headers: asked }) => {
    const { timestamp, ...content } = this.summary;
    const etag = `W/"${btoa(JSON.stringify(content))}"`;
    const headers = { ETag: etag };
    if (asked.get("If-None-Match") === etag) return new Response(null, { status: 304, headers });
    if (this.offer) headers["Socket-Status-Live"] = this.offer;
    return Response.json(this.summary, { headers });
  };

  hide() {
    this.document.turn(true);
  }

  show() {
    this.document.turn(false);
  }
}

/** A page: whether it can be seen, and the elements that the client looks for. */
export class Page extends EventTarget {
  hidden = false;
  baseURI = "https://example.org/rooms/";

  constructor(elements = {}) {
    super();
    this.elements = elements;
  }

  querySelector(selector) {
    return this.elements[selector.startsWith("script") ? "script" : "meta"] ?? null;
  }

  turn(hidden) {
    this.hidden = hidden;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

class FakeWebSocket {
  onmessage = null;
  onclose = null;
  isClosed = false;

  constructor(url) {
    this.url = String(url);
  }

  close() {
    this.isClosed = true;
  }

  /** The server says something: an object as JSON, a string as it is. */
  say(message) {
    const data = typeof message === "string" ? message : JSON.stringify(message);
    this.onmessage?.({ data });
  }

  tell(summary) {
    this.say({ v: 1, type: "summary", summary });
  }

  ping() {
    this.say({ v: 1, type: "ping" });
  }

  /** The server, or the network, ends it. */
  end(code, reason = "") {
    this.onclose?.({ code, reason });
  }
}

/** An answer of the server with the JSON error of its contract. */
export function refusal(status, headers = {}) {
  const error = { code: `code_${status}`, message: `Message of ${status}.` };
  return () => Response.json({ error }, { status, headers });
}

/** A server that never answers. */
export function silence() {
  return new Promise(() => {});
}

/** A server that is not there. */
export function gone() {
  throw new TypeError("fetch failed");
}

/** Wait for everything that is ready to run, timers excepted. */
export function settle() {
  return new Promise((resolve) => setImmediate(resolve));
}
