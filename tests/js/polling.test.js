import assert from "node:assert/strict";
import { test } from "node:test";

import { SUMMARY, World, calls } from "./world.js";

test("asks at once, and then every ten seconds", async () => {
  const world = new World();
  world.source().subscribe(() => {});
  await world.pass(30_000);
  assert.deepEqual(world.requests.map(({ at }) => at), [0, 10_000, 20_000, 30_000]);
});

test("counts the interval from the answer, so that questions never overlap", async () => {
  const world = new World();
  world.answer = async () => {
    await new Promise((resolve) => world.setTimeout(resolve, 4_000));
    return Response.json(SUMMARY);
  };
  world.source({ interval: 2_000 }).subscribe(() => {});
  await world.pass(13_000);
  assert.deepEqual(world.requests.map(({ at }) => at), [0, 6_000, 12_000]);
});

test("asks with the ETag of the last answer, past the browser's cache", async () => {
  const world = new World();
  world.source().subscribe(() => {});
  await world.pass(10_000);
  const [first, second] = world.requests;
  assert.equal(first.headers.has("If-None-Match"), false);
  assert.match(second.headers.get("If-None-Match"), /^W\/".+"$/);
  assert.equal(second.init.cache, "no-store");
});

test("a 304 confirms the status and calls no subscriber", async () => {
  const world = new World();
  const source = world.source();
  let told = 0;
  source.subscribe(() => (told += 1));
  await world.pass();
  const { updatedAt } = source.getSnapshot();
  const known = source.getSnapshot();
  await world.pass(40_000);
  assert.equal(world.requests.length, 5);
  assert.equal(told, 1);
  assert.equal(source.getSnapshot(), known);
  assert.equal(source.getStatus().totalSockets, 3);
  assert.equal(source.checkedAt, updatedAt + 40_000);
});

test("an ETag that the server no longer sends is not asked with again", async () => {
  const world = new World();
  world.source().subscribe(() => {});
  await world.pass();
  world.answer = () => Response.json(SUMMARY);
  await world.pass(20_000);
  assert.equal(world.requests[1].headers.has("If-None-Match"), true);
  assert.equal(world.requests[2].headers.has("If-None-Match"), false);
});

test("a full answer that says the same is no news, though its timestamp moved", async () => {
  const world = new World();
  const source = world.source();
  let told = 0;
  source.subscribe(() => (told += 1));
  world.answer = () => Response.json({ ...SUMMARY, timestamp: `at ${world.time}` });
  await world.pass();
  const known = source.getSnapshot();
  await world.pass(20_000);
  assert.equal(told, 1);
  assert.equal(source.getSnapshot(), known);
  assert.equal(source.getStatus().timestamp, "at 0");
});

test("the order in which the server names the types is no news either", async () => {
  const world = new World();
  const source = world.source();
  source.subscribe(() => {});
  await world.pass();
  const known = source.getSnapshot();
  world.answer = () => Response.json({ ...SUMMARY, sockets_by_type: { stt_room: 1, call: 2 } });
  await world.pass(10_000);
  assert.equal(source.getSnapshot(), known);
});

test("news reaches every subscriber, with the status and the snapshot", async () => {
  const world = new World();
  const source = world.source();
  const heard = [];
  source.subscribe((status, snapshot) => heard.push([status, snapshot]));
  await world.pass();
  world.summary = calls(7);
  await world.pass(10_000);
  assert.deepEqual(heard.map(([status]) => status.totalSockets), [3, 7]);
  assert.equal(heard[1][0], source.getStatus());
  assert.equal(heard[1][1], source.getSnapshot());
});

test("credentials and headers are passed on with each question", async () => {
  const world = new World();
  const headers = { Authorization: "Bearer secret" };
  world.source({ credentials: "include", headers }).subscribe(() => {});
  await world.pass(10_000);
  for (const { init, headers } of world.requests) {
    assert.equal(init.credentials, "include");
    assert.equal(headers.get("Authorization"), "Bearer secret");
  }
  assert.equal(Object.isFrozen(headers), false);
});

for (const [interval, expected] of [
  [2_500, 2_500],
  [1, 1_000],
  [-5, 1_000],
  [0, 10_000],
  [NaN, 10_000],
  ["soon", 10_000],
  [undefined, 10_000],
  [Infinity, 2 ** 31 - 1],
]) {
  test(`an interval of ${interval} is one of ${expected} milliseconds`, async () => {
    const world = new World();
    world.source({ interval }).subscribe(() => {});
    await world.pass(expected - 1);
    assert.equal(world.requests.length, 1);
    await world.pass(1);
    assert.equal(world.requests.length, 2);
  });
}
