import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";

import { Page, START, World, calls, refusal, silence } from "./world.js";

test("there is no request before the first subscriber", async () => {
  const world = new World();
  const source = world.source();
  source.getStatus();
  source.getSnapshot();
  source.getFormattedStatus();
  await world.pass(60_000);
  assert.equal(world.requests.length, 0);
  assert.equal(world.timers, 0);
  assert.equal(source.getSnapshot().connection, "idle");
});

test("many subscribers share one question", async () => {
  const world = new World();
  const source = world.source();
  for (let i = 0; i < 20; i += 1) source.subscribe(() => {});
  await world.pass();
  assert.equal(world.requests.length, 1);
});

test("stops a second after the last subscriber left", async () => {
  const world = new World();
  const source = world.source();
  const leave = source.subscribe(() => {});
  const leaveToo = source.subscribe(() => {});
  await world.pass();
  leave();
  await world.pass(20_000);
  assert.equal(world.requests.length, 3);
  leaveToo();
  await world.pass(999);
  assert.equal(source.getSnapshot().connection, "polling");
  await world.pass(1);
  assert.equal(source.getSnapshot().connection, "idle");
  assert.equal(source.getStatus().totalSockets, 3);
  await world.pass(60_000);
  assert.equal(world.requests.length, 3);
  assert.equal(world.timers, 0);
});

test("a subscriber who comes within that second keeps it going without a question", async () => {
  const world = new World();
  const source = world.source();
  source.subscribe(() => {})();
  await world.pass();
  const asked = world.requests.length;
  source.subscribe(() => {});
  await world.pass(9_000);
  assert.equal(world.requests.length, asked);
  assert.equal(source.getSnapshot().connection, "polling");
});

test("a subscriber who comes later starts it again", async () => {
  const world = new World();
  const source = world.source();
  source.subscribe(() => {})();
  await world.pass(5_000);
  source.subscribe(() => {});
  await world.pass();
  assert.equal(source.getSnapshot().connection, "polling");
  assert.equal(world.requests.at(-1).at, 5_000);
});

test("leaving twice counts once", async () => {
  const world = new World();
  const source = world.source();
  const leave = source.subscribe(() => {});
  source.subscribe(() => {});
  leave();
  leave();
  await world.pass(10_000);
  assert.equal(source.getSnapshot().connection, "polling");
});

test("the same callback can subscribe twice, and leave once", async () => {
  const world = new World();
  const source = world.source();
  let told = 0;
  const callback = () => (told += 1);
  source.subscribe(callback);
  const leave = source.subscribe(callback);
  await world.pass();
  assert.equal(told, 2);
  leave();
  world.summary = calls(9);
  await world.pass(10_000);
  assert.equal(told, 3);
});

test("one who leaves while all are told is not told any more", async () => {
  const world = new World();
  const source = world.source();
  const told = [];
  source.subscribe(() => (told.push("first"), leave()));
  const leave = source.subscribe(() => told.push("second"));
  await world.pass();
  assert.deepEqual(told, ["first"]);
});

test("one who subscribes while all are told waits for the next news", async () => {
  const world = new World();
  const source = world.source();
  let told = 0;
  source.subscribe(() => source.subscribe(() => (told += 1)));
  await world.pass();
  assert.equal(told, 0);
});

test("initialize() goes on without subscribers", async () => {
  const world = new World();
  const source = world.source();
  source.initialize(10_000);
  source.subscribe(() => {})();
  await world.pass(30_000);
  assert.equal(world.requests.length, 4);
});

test("initialize() keeps alive what the last subscriber just left", async () => {
  const world = new World();
  const source = world.source();
  source.subscribe(() => {})();
  source.initialize();
  await world.pass(30_000);
  assert.equal(world.requests.length, 4);
});

test("initialize() with what is so already does nothing", async () => {
  const world = new World();
  const source = world.source({ headers: { A: "b" } });
  source.initialize(10_000);
  await world.pass();
  const snapshot = source.getSnapshot();
  source.initialize(10_000);
  source.initialize({ interval: 10_000, headers: { A: "b" } });
  source.initialize();
  await world.pass(9_999);
  assert.equal(world.requests.length, 1);
  assert.equal(source.getSnapshot(), snapshot);
});

test("a changed interval holds from now on", async () => {
  const world = new World();
  const source = world.source();
  source.initialize(10_000);
  await world.pass(3_000);
  source.initialize(2_000);
  await world.pass(4_000);
  assert.deepEqual(world.requests.map(({ at }) => at), [0, 3_000, 5_000, 7_000]);
});

test("another interval gives up no question that is on its way", async () => {
  const world = new World();
  const source = world.source();
  source.subscribe(() => {});
  source.initialize(2_000);
  await world.pass();
  assert.equal(world.requests.length, 1);
  assert.equal(source.getSnapshot().connection, "polling");
  world.hide();
  source.initialize(3_000);
  await world.pass(60_000);
  assert.equal(world.requests.length, 1);
});

test("options that are not given stay as they were", async () => {
  const world = new World();
  const source = world.source({ url: "/elsewhere/" });
  source.initialize({ headers: { A: "b" } });
  source.initialize(5_000);
  await world.pass();
  assert.equal(world.request.url, "/elsewhere/");
  assert.equal(world.request.headers.get("A"), "b");
});

test("another URL forgets what was known of the first, and its ETag", async () => {
  const world = new World();
  const source = world.source({ url: "/a/" });
  source.initialize();
  await world.pass();
  world.answer = silence;
  source.initialize({ url: "/b/" });
  await world.pass();
  assert.equal(world.request.url, "/b/");
  assert.equal(world.request.headers.has("If-None-Match"), false);
  assert.equal(source.getSnapshot().updatedAt, null);
  assert.equal(source.checkedAt, null);
  assert.equal(source.getStatus().totalSockets, 0);
  assert.equal(world.requests[0].init.signal.aborted, true);
});

test("changed options end the backoff", async () => {
  const world = new World();
  const source = world.source();
  world.answer = refusal(503, { "Retry-After": "3600" });
  source.initialize();
  await world.pass();
  world.answer = null;
  source.initialize({ headers: { Authorization: "Bearer fresh" } });
  await world.pass();
  assert.equal(source.getSnapshot().connection, "polling");
});

test("options of a subscriber apply as those of initialize(), without its staying on", async () => {
  const world = new World();
  const source = world.source();
  const leave = source.subscribe(() => {}, { url: "/mine/", interval: 2_000 });
  await world.pass(2_000);
  assert.deepEqual(world.requests.map(({ url }) => url), ["/mine/", "/mine/"]);
  leave();
  await world.pass(1_000);
  assert.equal(source.getSnapshot().connection, "idle");
});

test("stopPolling() wins over subscribers and over initialize()", async () => {
  const world = new World();
  const source = world.source();
  source.initialize();
  source.subscribe(() => {});
  await world.pass();
  source.stopPolling();
  assert.equal(source.getSnapshot().connection, "idle");
  assert.equal(source.getStatus().totalSockets, 3);
  world.hide();
  world.show();
  await world.pass(60_000);
  assert.equal(world.requests.length, 1);
  assert.equal(world.timers, 0);
});

test("stopPolling() gives up the question that is on its way", async () => {
  const world = new World();
  world.answer = silence;
  const source = world.source();
  source.initialize();
  await world.pass(100);
  source.stopPolling();
  assert.equal(world.request.init.signal.aborted, true);
  await world.pass(60_000);
  assert.equal(source.getSnapshot().connection, "idle");
  assert.equal(world.timers, 0);
});

test("stopPolling() from within a callback stops as well", async () => {
  const world = new World();
  const source = world.source();
  source.subscribe(() => source.stopPolling());
  await world.pass(60_000);
  assert.equal(world.requests.length, 1);
  assert.equal(world.timers, 0);
});

test("after stopPolling(), initialize() starts it for all", async () => {
  const world = new World();
  const source = world.source();
  let told = 0;
  source.subscribe(() => (told += 1));
  source.stopPolling();
  source.initialize();
  await world.pass();
  assert.equal(told, 1);
});

test("after stopPolling(), a new subscriber starts it for all", async () => {
  const world = new World();
  const source = world.source();
  let told = 0;
  source.subscribe(() => (told += 1));
  source.stopPolling();
  source.subscribe(() => {});
  await world.pass();
  assert.equal(told, 1);
});

test("after stopPolling(), it stops with its last subscriber, initialize() forgotten", async () => {
  const world = new World();
  const source = world.source();
  source.initialize();
  source.stopPolling();
  source.subscribe(() => {})();
  await world.pass(1_000);
  assert.equal(source.getSnapshot().connection, "idle");
  assert.equal(world.timers, 0);
});

test("nothing is asked while the page is hidden", async () => {
  const world = new World();
  const source = world.source();
  source.initialize();
  await world.pass(5_000);
  world.hide();
  assert.equal(source.getSnapshot().connection, "idle");
  assert.equal(source.getStatus().totalSockets, 3);
  await world.pass(3_600_000);
  assert.equal(world.requests.length, 1);
  assert.equal(world.timers, 0);
});

test("a question that is on its way when the page is hidden is given up", async () => {
  const world = new World();
  world.answer = silence;
  const source = world.source();
  source.initialize();
  await world.pass();
  world.hide();
  assert.equal(world.request.init.signal.aborted, true);
});

test("asks at once when the page comes back, and goes on from there", async () => {
  const world = new World();
  const source = world.source();
  source.initialize();
  await world.pass(5_000);
  world.hide();
  await world.pass(60_000);
  world.summary = calls(8);
  world.show();
  await world.pass();
  assert.equal(world.request.at, 65_000);
  assert.equal(source.getStatus().totalSockets, 8);
  await world.pass(10_000);
  assert.equal(world.request.at, 75_000);
});

test("a page that is hidden from the start waits until it is seen", async () => {
  const page = new Page();
  page.hidden = true;
  const world = new World({ page });
  const source = world.source();
  source.subscribe(() => {});
  await source.refresh();
  await world.pass(60_000);
  assert.equal(world.requests.length, 0);
  world.show();
  await world.pass();
  assert.equal(world.requests.length, 1);
});

test("listens to the page only while it runs", async () => {
  const world = new World();
  const source = world.source();
  const listeners = () => getEventListeners(world.document, "visibilitychange").length;
  source.initialize();
  source.subscribe(() => {});
  source.initialize(5_000);
  assert.equal(listeners(), 1);
  source.stopPolling();
  assert.equal(listeners(), 0);
});

test("a page that comes back after all have left is not asked for", async () => {
  const world = new World();
  const source = world.source();
  source.subscribe(() => {})();
  await world.pass(2_000);
  const asked = world.requests.length;
  world.hide();
  world.show();
  await world.pass(60_000);
  assert.equal(world.requests.length, asked);
});

test("refresh() asks now and answers when it is known", async () => {
  const world = new World();
  const source = world.source();
  source.initialize();
  await world.pass(3_000);
  world.summary = calls(5);
  const snapshot = await source.refresh();
  assert.equal(snapshot.status.totalSockets, 5);
  assert.equal(snapshot, source.getSnapshot());
  await world.pass(10_000);
  assert.deepEqual(world.requests.map(({ at }) => at), [0, 3_000, 13_000]);
});

test("refreshes of the same moment share one request", async () => {
  const world = new World();
  const source = world.source();
  const snapshots = await Promise.all([source.refresh(), source.refresh()]);
  assert.equal(world.requests.length, 1);
  assert.equal(snapshots[0], snapshots[1]);
});

test("refresh() of an idle source asks once and starts nothing", async () => {
  const world = new World();
  const source = world.source();
  const snapshot = await source.refresh();
  assert.equal(world.request.url, "/socket-status/");
  assert.equal(snapshot.connection, "idle");
  assert.equal(snapshot.status.totalSockets, 3);
  assert.equal(snapshot.updatedAt, START);
  await world.pass(60_000);
  assert.equal(world.requests.length, 1);
  assert.equal(world.timers, 0);
});

test("refresh() never rejects, and says what went wrong", async () => {
  const world = new World();
  world.answer = refusal(503);
  const { connection, error } = await world.source().refresh();
  assert.equal(connection, "idle");
  assert.equal(error.status, 503);
  await world.pass(60_000);
  assert.equal(world.requests.length, 1);
});

test("refresh() that is cut off by stopPolling() still answers", async () => {
  const world = new World();
  world.answer = silence;
  const source = world.source();
  const refreshed = source.refresh();
  source.stopPolling();
  assert.equal((await refreshed).updatedAt, null);
});

test("two sources know nothing of each other", async () => {
  const world = new World();
  const a = world.source({ url: "/a/" });
  const b = world.source({ url: "/b/" });
  a.initialize();
  await world.pass();
  assert.equal(a.getStatus().totalSockets, 3);
  assert.equal(b.getStatus().totalSockets, 0);
  assert.deepEqual(world.requests.map(({ url }) => url), ["/a/"]);
});

test("works where there is no document, such as in a worker", async () => {
  const world = new World({ page: undefined });
  delete world.document;
  const source = world.source({ url: "https://example.org/socket-status/" });
  source.initialize();
  await world.pass(10_000);
  assert.equal(world.requests.length, 2);
  source.stopPolling();
});
