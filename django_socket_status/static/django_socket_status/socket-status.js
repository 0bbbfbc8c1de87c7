/** See socket-status.d.ts. */

const IDLE = share(null, {
  status: { active: false, totalSockets: 0, socketsByType: {}, timestamp: null, wsEndpoints: {} },
  connection: "idle",
  updatedAt: null,
  error: null,
});

export function createSocketStatus(settings = {}, env = globalThis) {
  const listeners = new Set();
  const timers = {};
  let snapshot = IDLE;
  let checkedAt = null;
  let askAt = 0;
  let failures = 0;
  let connectAt = 0;
  let losses = 0;
  let pinned, running, url, etag, offer, request, answer, socket;

  const now = () => env.Date.now();
  const interval = () => Math.max(1_000, +settings.interval || 10_000);
  const backoff = (attempt, cap) => env.Math.random() * Math.min(cap, 1_000 * 2 ** attempt);
  const cancel = (name) => env.clearTimeout(timers[name]);

  function later(name, delay, task) {
    cancel(name);
    timers[name] = env.setTimeout(task, Math.min(delay, 2 ** 31 - 1));
    timers[name].unref?.();
  }

  function publish(connection, error = null, status = snapshot.status) {
    const old = snapshot.status;
    if (share(old, { ...status, timestamp: old.timestamp }) === old) status = old;
    const next = share(snapshot, { ...snapshot, connection, error, status });
    if (next === snapshot) return;
    snapshot = Object.freeze({ ...next, updatedAt: checkedAt });
    for (const tell of [...listeners]) tell();
  }

  function subscribe(callback, options) {
    const tell = async () => listeners.has(tell) && callback(snapshot.status, snapshot);
    listeners.add(tell);
    start(options);
    return () => {
      if (listeners.delete(tell) && !listeners.size && !pinned) later("stop", 1_000, stop);
    };
  }

  function start(options) {
    cancel("stop");
    if (options > 0) options = { interval: options };
    const next = share(settings, { ...settings, ...options });
    if (running && next === settings) return;
    if (next !== settings) askAt = failures = connectAt = losses = 0;
    if (share(settings, { ...next, interval: settings.interval }) !== settings) stop();
    settings = next;
    running = true;
    env.document?.addEventListener("visibilitychange", look);
    look();
  }

  function stop(connection, error) {
    running = false;
    env.document?.removeEventListener("visibilitychange", look);
    pause(connection, error);
  }

  function pause(connection = "idle", error) {
    stopAsking();
    hangUp();
    publish(connection, error);
  }

  function look() {
    if (env.document?.hidden) return pause("idle", snapshot.error);
    locate();
    askIn(askAt - now());
  }

  function locate() {
    const found =
      settings.url ||
      env.document?.querySelector("script[src*=socket-status][data-url]")?.dataset.url ||
      env.document?.querySelector("meta[name=socket-status-url]")?.content ||
      "/socket-status/";
    if (found === url) return;
    url = found;
    etag = checkedAt = null;
    publish("idle", null, IDLE.status);
  }

  function askIn(delay) {
    if (running && snapshot.connection !== "live") later("ask", delay, ask);
  }

  function ask() {
    return (answer ??= fetchSummary());
  }

  function stopAsking() {
    ["ask", "timeout", "connect"].forEach(cancel);
    request?.abort();
    request = answer = null;
  }

  async function fetchSummary() {
    const mine = (request = new AbortController());
    let response = {};
    let body;
    later("timeout", 8_000, () => mine.abort());
    try {
      response = await env.fetch(url, {
        headers: { ...settings.headers, ...(etag && { "If-None-Match": etag }) },
        credentials: settings.credentials,
        cache: "no-store",
        signal: mine.signal,
      });
      body = await response.json();
    } catch {}
    if (mine !== request) return;
    stopAsking();
    const { ok, status, headers } = response;
    const news = status === 304 ? snapshot.status : ok && toStatus(body);
    if (!news) return fail(toError(status, body?.error), headers?.get("Retry-After"));
    etag = headers.get("ETag");
    if (ok) offer = headers.get("Socket-Status-Live");
    askAt = failures = 0;
    checkedAt = now();
    publish(running ? "polling" : "idle", null, news);
    askIn(interval());
    connectSoon();
  }

  function fail(error, retryAfter) {
    if (error.status === 401 || error.status === 403) return stop("error", error);
    const wait = Math.max(0, retryAfter * 1_000 || Date.parse(retryAfter) - now() || 0);
    askAt = now() + wait;
    publish(running ? "reconnecting" : "idle", error);
    askIn(wait + backoff(failures++, 3 * interval()));
  }

  function connectSoon() {
    if (!socket && snapshot.connection === "polling") later("connect", connectAt - now(), connect);
  }

  function connect() {
    const { live = !settings.headers } = settings;
    const target = live === true ? offer : live;
    if (!target) return;
    later("silence", 60_000, lose);
    try {
      const address = new URL(target, new URL(url, env.document?.baseURI));
      address.protocol = address.protocol.replace("http", "ws");
      socket = new env.WebSocket(address);
      socket.onmessage = hear;
      socket.onclose = lose;
    } catch {
      lose();
    }
  }

  function hear({ data }) {
    const { v, type, summary } = parse(data);
    if (v !== 1) return lose({ delay: Infinity });
    later("silence", 60_000, lose);
    const wasLive = snapshot.connection === "live";
    const status = type === "summary" ? toStatus(summary) : wasLive && snapshot.status;
    if (!status) return;
    stopAsking();
    checkedAt = now();
    if (!wasLive) later("live", 60_000, () => (losses = 0));
    publish("live", null, status);
  }

  function lose({ code, reason, delay } = {}) {
    hangUp();
    if (code === 4401 || code === 4403) return fail(toError(code - 4_000, { message: reason }));
    if (code === 4408 || code === 4429) delay = 60_000 + backoff(6, 60_000);
    connectAt = now() + (delay ?? backoff(losses++, 300_000));
    if (snapshot.connection === "live") {
      publish("polling");
      askIn(0);
    }
    connectSoon();
  }

  function hangUp() {
    ["silence", "live"].forEach(cancel);
    if (socket) socket.onmessage = socket.onclose = null;
    socket?.close();
    socket = null;
  }

  return {
    initialize(options) {
      pinned = true;
      start(options);
    },
    stopPolling() {
      pinned = false;
      stop();
    },
    async refresh() {
      if (snapshot.connection === "error") start();
      locate();
      if (!env.document?.hidden && snapshot.connection !== "live") await ask();
      return snapshot;
    },
    subscribe,
    getStatus: () => snapshot.status,
    getSnapshot: () => snapshot,
    getFormattedStatus: (locale) => format(snapshot, locale),
    toStore: () => ({
      subscribe(run) {
        run(snapshot);
        return subscribe(() => run(snapshot));
      },
    }),
    get checkedAt() {
      return checkedAt;
    },
  };
}

export const SocketStatusService = (globalThis[Symbol.for("django-socket-status/v1")] ??=
  createSocketStatus());

export default SocketStatusService;

export function countOf({ totalSockets, socketsByType }, type) {
  const known = { __proto__: null, ...socketsByType };
  return type ? (known[type] ?? 0) : totalSockets;
}

function toStatus(summary) {
  if (typeof summary?.total_sockets !== "number") return null;
  const camel = (key) => key.replace(/_./g, (part) => part[1].toUpperCase());
  return Object.fromEntries(Object.entries(summary).map(([key, it]) => [camel(key), it]));
}

function toError(status = null, error) {
  const code = error?.code ?? (status ? `http_${status}` : "network");
  return { code, message: error?.message || `No socket status (${code})`, status };
}

function parse(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

function format({ status, updatedAt, error }, locale = "en") {
  if (!updatedAt) return "Open sockets: not known";
  const number = new Intl.NumberFormat(locale).format;
  const types = Object.entries(status.socketsByType);
  const list = new Intl.ListFormat("en").format(types.map(([key, it]) => `${number(it)} ${key}`));
  const note = error || status.stale ? ", not up to date" : "";
  return `Open sockets: ${number(status.totalSockets)}${list && ` (${list})`}${note}`;
}

/** Freeze `next`, sharing equal parts of `old`. */
function share(old, next) {
  if (Object(next) !== next || Array.isArray(next)) return Object.freeze(next);
  const known = { __proto__: null, ...old };
  const entries = Object.keys(next).sort().map((key) => [key, share(known[key], next[key])]);
  const copy = Object.freeze(Object.fromEntries(entries));
  return JSON.stringify(copy) === JSON.stringify(old) ? old : copy;
}
