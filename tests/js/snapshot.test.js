import assert from "node:assert/strict";
import { test } from "node:test";

import { countOf } from "django-socket-status";

import { START, SUMMARY, World, calls, gone } from "./world.js";

async function asked(summary = SUMMARY) {
  const world = new World();
  world.summary = summary;
  const source = world.source();
  source.initialize();
  await world.pass();
  return { world, source };
}

function assertDeeplyFrozen(value) {
  if (Object(value) !== value) return;
  assert.ok(Object.isFrozen(value));
  Object.values(value).forEach(assertDeeplyFrozen);
}

test("before the first answer the status is one constant that claims to know nothing", () => {
  const [a, b] = [new World().source(), new World().source()];
  assert.deepEqual(a.getSnapshot(), {
    status: {
      active: false,
      totalSockets: 0,
      socketsByType: {},
      timestamp: null,
      wsEndpoints: {},
    },
    connection: "idle",
    updatedAt: null,
    error: null,
  });
  assert.equal(a.getSnapshot(), b.getSnapshot());
  assert.equal(a.getStatus(), a.getSnapshot().status);
  assert.equal(a.checkedAt, null);
  assert.equal(a.getFormattedStatus(), "Open sockets: not known");
});

test("the summary's keys are in camel case, its types and endpoints as they are", async () => {
  const { source } = await asked();
  assert.deepEqual(source.getStatus(), {
    active: true,
    totalSockets: 3,
    socketsByType: { call: 2, stt_room: 1 },
    timestamp: "2026-11-22T10:30:45.123456+00:00",
    wsEndpoints: { call: "/ws/call/<room>/", stt_room: "/ws/stt/room/" },
    uniqueUsers: 2,
    anonymousSockets: 1,
    workers: 2,
    coverage: "host",
    stale: false,
  });
});

test("the five keys of the original service are enough", async () => {
  const { active, total_sockets, sockets_by_type, timestamp, ws_endpoints } = calls(0);
  const { source } = await asked({
    active,
    total_sockets,
    sockets_by_type,
    timestamp,
    ws_endpoints,
  });
  assert.equal(source.getSnapshot().updatedAt, START);
  assert.equal("uniqueUsers" in source.getStatus(), false);
});

test("a key of a later server is passed on, also a list", async () => {
  const { world, source } = await asked({ ...SUMMARY, closed_last_minute: [4, 2] });
  assert.deepEqual(source.getStatus().closedLastMinute, [4, 2]);
  assertDeeplyFrozen(source.getSnapshot());
  const snapshot = source.getSnapshot();
  world.summary = { ...world.summary, timestamp: "later" };
  world.answer = () => Response.json(world.summary);
  await world.pass(10_000);
  assert.equal(source.getSnapshot(), snapshot);
});

test("users that the server does not know are null, and no news the next time", async () => {
  const { world, source } = await asked({ ...SUMMARY, unique_users: null });
  assert.equal(source.getStatus().uniqueUsers, null);
  assert.equal(source.getFormattedStatus(), "Open sockets: 3 (2 call and 1 stt_room)");
  const snapshot = source.getSnapshot();
  world.answer = () => Response.json({ ...world.summary, timestamp: "later" });
  await world.pass(10_000);
  assert.equal(source.getSnapshot(), snapshot);
  world.answer = () => Response.json({ ...world.summary, unique_users: 2 });
  await world.pass(10_000);
  assert.equal(source.getStatus().uniqueUsers, 2);
});

test("types with the names of JavaScript's own properties are only names", async () => {
  const sockets_by_type = JSON.parse('{"__proto__": 1, "toString": 2, "timestamp": 3}');
  const { world, source } = await asked({ ...SUMMARY, total_sockets: 6, sockets_by_type });
  assert.deepEqual(Object.entries(source.getStatus().socketsByType).sort(), [
    ["__proto__", 1],
    ["timestamp", 3],
    ["toString", 2],
  ]);
  const snapshot = source.getSnapshot();
  await world.pass(10_000);
  assert.equal(source.getSnapshot(), snapshot);
  world.summary = { ...SUMMARY, sockets_by_type: { ...sockets_by_type, timestamp: 4 } };
  await world.pass(10_000);
  assert.equal(source.getStatus().socketsByType.timestamp, 4);
});

const INHERITED = Object.getOwnPropertyNames(Object.prototype);

test("a type without sockets counts 0, whatever every object inherits", async () => {
  const { source } = await asked();
  for (const type of INHERITED) assert.equal(countOf(source.getStatus(), type), 0, type);
  const fresh = new World().source().getStatus();
  for (const type of INHERITED) assert.equal(countOf(fresh, type), 0, type);
});

test("a type with the name of an inherited property counts its sockets", async () => {
  for (const type of INHERITED) {
    const sockets_by_type = JSON.parse(`{"${type}": 7}`);
    const { source } = await asked({ ...SUMMARY, total_sockets: 9, sockets_by_type });
    assert.equal(countOf(source.getStatus(), type), 7, type);
    assert.equal(source.getFormattedStatus(), `Open sockets: 9 (7 ${type})`);
  }
});

test("without a type every socket counts", async () => {
  const { source } = await asked();
  assert.equal(countOf(source.getStatus()), 3);
  assert.equal(countOf(source.getStatus(), ""), 3);
  assert.equal(countOf(source.getStatus(), "call"), 2);
  assert.equal(countOf(source.getStatus(), "fax"), 0);
});

test("what a later server nests under inherited names is frozen as well", async () => {
  const later = JSON.parse('{"__proto__": {}, "constructor": {}, "toString": {"a": [1]}}');
  const { source } = await asked({ ...SUMMARY, later });
  assert.deepEqual(Object.keys(source.getStatus().later), Object.keys(later).sort());
  assertDeeplyFrozen(source.getSnapshot());
  assert.equal(Object.isFrozen(Object.prototype), false);
  for (const key of Object.keys(later)) {
    assert.notEqual(source.getStatus().later[key], Object.prototype);
  }
});

test("snapshots are frozen through and through", async () => {
  const { world, source } = await asked();
  assertDeeplyFrozen(source.getSnapshot());
  world.answer = gone;
  await world.pass(10_000);
  assertDeeplyFrozen(source.getSnapshot());
  assertDeeplyFrozen(new World().source().getSnapshot());
});

test("what did not change is the same object in the next snapshot", async () => {
  const { world, source } = await asked();
  const before = source.getStatus();
  world.summary = { ...SUMMARY, unique_users: 3 };
  await world.pass(10_000);
  const after = source.getStatus();
  assert.notEqual(after, before);
  assert.equal(after.socketsByType, before.socketsByType);
  assert.equal(after.wsEndpoints, before.wsEndpoints);
});

test("a change of the connection alone keeps the status", async () => {
  const { world, source } = await asked();
  const { status } = source.getSnapshot();
  world.hide();
  assert.equal(source.getSnapshot().connection, "idle");
  assert.equal(source.getSnapshot().status, status);
});

test("the line for a person names the types", async () => {
  const { source } = await asked();
  assert.equal(source.getFormattedStatus(), "Open sockets: 3 (2 call and 1 stt_room)");
});

test("its numbers are written as the locale has them", async () => {
  const { source } = await asked(calls(12_345));
  assert.equal(source.getFormattedStatus(), "Open sockets: 12,345 (12,345 call)");
  assert.equal(source.getFormattedStatus("de"), "Open sockets: 12.345 (12.345 call)");
});

test("it says when nothing is open", async () => {
  const { source } = await asked(calls(0));
  assert.equal(source.getFormattedStatus(), "Open sockets: 0");
});

test("it says when the status is not up to date", async () => {
  const { world, source } = await asked(calls(1));
  world.answer = gone;
  await world.pass(10_000);
  assert.equal(source.getFormattedStatus(), "Open sockets: 1 (1 call), not up to date");
  const stale = await asked({ ...calls(1), stale: true });
  assert.equal(stale.source.getFormattedStatus(), "Open sockets: 1 (1 call), not up to date");
});

test("the store calls at once, on each change, and no more after its end", async () => {
  const world = new World();
  const source = world.source();
  const heard = [];
  const end = source.toStore().subscribe((snapshot) => heard.push(snapshot));
  assert.deepEqual(heard, [source.getSnapshot()]);
  await world.pass();
  assert.equal(heard.length, 2);
  assert.equal(heard[1], source.getSnapshot());
  end();
  end();
  await world.pass(1_000);
  assert.equal(heard.length, 2);
  assert.equal(source.getSnapshot().connection, "idle");
});

test("the functions of a source need no this", async () => {
  const world = new World();
  const { subscribe, getStatus, refresh, stopPolling, initialize, toStore } = world.source();
  subscribe(() => {})();
  initialize();
  toStore().subscribe(() => {})();
  await refresh();
  assert.equal(getStatus().totalSockets, 3);
  stopPolling();
  assert.equal(world.timers, 0);
});
