import assert from "node:assert/strict";
import { test } from "node:test";

import { START, SUMMARY, World, calls, gone, refusal, silence } from "./world.js";

const OFFER = "/ws/socket-status/";

/** A source that polled once and was offered live push. */
async function offered(options) {
  const world = new World();
  world.offer = OFFER;
  const source = world.source(options);
  source.subscribe(() => {});
  await world.pass();
  return { world, source };
}

/** A source that is live. */
async function live(options) {
  const { world, source } = await offered(options);
  world.socket.tell(SUMMARY);
  return { world, source };
}

test("listens where the server offers it", async () => {
  const { world, source } = await offered();
  assert.deepEqual(world.sockets.map(({ url }) => url), ["wss://example.org/ws/socket-status/"]);
  assert.equal(source.getSnapshot().connection, "polling");
});

for (const [url, offer, expected] of [
  ["http://localhost:8000/socket-status/", "/ws/", "ws://localhost:8000/ws/"],
  ["https://api.example.com/v1/status/", "ws/?a=b", "wss://api.example.com/v1/status/ws/?a=b"],
  ["/socket-status/", "wss://push.example.com/ws/", "wss://push.example.com/ws/"],
  ["/socket-status/", "https://push.example.com/ws/", "wss://push.example.com/ws/"],
]) {
  test(`the offer ${offer} of ${url} is ${expected}`, async () => {
    const world = new World();
    world.offer = offer;
    world.source({ url }).initialize();
    await world.pass();
    assert.equal(world.socket.url, expected);
  });
}

test("polls until the first message came, and no more after it", async () => {
  const { world, source } = await offered();
  await world.pass(20_000);
  assert.equal(world.requests.length, 3);
  world.socket.tell(calls(4));
  assert.equal(source.getSnapshot().connection, "live");
  assert.equal(source.getStatus().totalSockets, 4);
  for (let i = 0; i < 20; i += 1) {
    await world.pass(25_000);
    world.socket.ping();
  }
  assert.equal(world.requests.length, 3);
  assert.equal(world.sockets.length, 1);
});

test("each summary is news, the same one again is not", async () => {
  const { world, source } = await live();
  const heard = [];
  source.subscribe((status) => heard.push(status.totalSockets));
  world.socket.tell(calls(4));
  world.socket.tell({ ...calls(4), timestamp: "later" });
  world.socket.tell(calls(5));
  assert.deepEqual(heard, [4, 5]);
});

test("an answer to a question from before it was live cannot overwrite it", async () => {
  const { world, source } = await offered();
  let answer;
  world.answer = () => new Promise((resolve) => (answer = resolve));
  await world.pass(10_000);
  world.socket.tell(calls(9));
  assert.equal(world.request.init.signal.aborted, true);
  answer(Response.json(SUMMARY));
  await world.pass();
  assert.equal(source.getStatus().totalSockets, 9);
  assert.equal(source.getSnapshot().connection, "live");
});

test("a ping confirms the status and calls no subscriber", async () => {
  const { world, source } = await live();
  const snapshot = source.getSnapshot();
  await world.pass(25_000);
  world.socket.ping();
  assert.equal(source.getSnapshot(), snapshot);
  assert.equal(source.checkedAt, START + 25_000);
});

test("a ping before the first summary does not make it live", async () => {
  const { world, source } = await offered();
  world.socket.ping();
  assert.equal(source.getSnapshot().connection, "polling");
});

test("types that it does not know are ignored, but show that the server is there", async () => {
  const { world, source } = await live();
  const { status } = source.getSnapshot();
  for (let i = 0; i < 5; i += 1) {
    await world.pass(50_000);
    world.socket.say({ v: 1, type: "weather", summary: calls(99) });
  }
  assert.equal(source.getSnapshot().connection, "live");
  assert.equal(source.getStatus(), status);
});

test("a summary that is none is ignored", async () => {
  const { world, source } = await live();
  const { status } = source.getSnapshot();
  for (const summary of [undefined, null, {}, "3", []]) world.socket.tell(summary);
  assert.equal(source.getStatus(), status);
});

for (const message of [{ v: 2, type: "summary", summary: SUMMARY }, {}, "null", "[]", "Hello"]) {
  test(`a message of another version stays with polling: ${JSON.stringify(message)}`, async () => {
    const { world, source } = await offered();
    world.socket.say(message);
    assert.equal(world.socket.isClosed, true);
    await world.pass(24 * 3_600_000);
    assert.equal(world.sockets.length, 1);
    assert.equal(source.getSnapshot().connection, "polling");
    assert.ok(world.requests.length > 8_000);
  });
}

test("polls the moment that it is lost", async () => {
  const { world, source } = await live();
  await world.pass(5_000);
  world.socket.end(1012);
  assert.equal(source.getSnapshot().connection, "polling");
  assert.equal(source.getSnapshot().updatedAt, START);
  await world.pass();
  assert.equal(world.request.at, 5_000);
  assert.equal(source.checkedAt, START + 5_000);
});

for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4000]) {
  test(`is live again after it was lost with ${code}`, async () => {
    const { world, source } = await live();
    world.socket.end(code);
    await world.pass(499);
    assert.equal(world.sockets.length, 1);
    await world.pass(1);
    assert.equal(world.sockets.length, 2);
    world.socket.tell(calls(6));
    assert.equal(source.getSnapshot().connection, "live");
    assert.equal(source.getStatus().totalSockets, 6);
  });
}

test("says reconnecting if polling fails, too, and goes live only after it works", async () => {
  const { world, source } = await live();
  world.answer = gone;
  world.socket.end(1006);
  await world.pass(30_000);
  assert.equal(source.getSnapshot().connection, "reconnecting");
  assert.equal(world.sockets.length, 1);
  world.answer = null;
  await world.pass(30_000);
  assert.equal(world.sockets.length, 2);
  world.socket.tell(SUMMARY);
  assert.equal(source.getSnapshot().connection, "live");
  assert.equal(source.getSnapshot().error, null);
});

test("tries again later each time, up to five minutes, while polling goes on", async () => {
  const { world, source } = await offered();
  world.chance = 1;
  const gaps = [];
  for (let i = 0; i < 12; i += 1) {
    const lostAt = world.time;
    const tries = world.sockets.length;
    world.socket.end(1006);
    while (world.sockets.length === tries) await world.pass(100);
    gaps.push(world.time - lostAt);
  }
  assert.deepEqual(gaps, [
    1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000,
    300_000,
  ]);
  assert.equal(source.getSnapshot().connection, "polling");
  assert.ok(world.requests.length >= world.time / 10_000);
});

test("the whole wait is jittered", async () => {
  const { world } = await live();
  world.chance = 0.1;
  world.socket.end(1012);
  await world.pass(99);
  assert.equal(world.sockets.length, 1);
  await world.pass(1);
  assert.equal(world.sockets.length, 2);
});

test("a server that accepts, answers once and drops is left alone more and more", async () => {
  const { world } = await live();
  world.chance = 1;
  for (let i = 0; i < 5; i += 1) {
    world.socket.end(1011);
    await world.pass(1_000 * 2 ** i - 1);
    assert.equal(world.sockets.length, i + 1);
    await world.pass(1);
    assert.equal(world.sockets.length, i + 2);
    world.socket.tell(SUMMARY);
  }
});

test("a server that sends several messages and drops is left alone more and more", async () => {
  for (const messages of [2, 3, 50]) {
    const { world } = await live();
    world.chance = 1;
    let tries = 0;
    for (const end = world.time + 3_600_000; world.time < end; await world.pass(1_000)) {
      if (world.socket.isClosed || world.sockets.length === tries) continue;
      tries = world.sockets.length;
      for (let i = 0; i < messages; i += 1) world.socket.tell(calls(i % 5));
      world.socket.ping();
      world.socket.end(1011);
    }
    // The first, nine within 511 seconds, then one every 300.
    assert.equal(tries, 20);
    assert.ok(world.requests.length < 400);
  }
});

test("a connection that is dropped just before it has lasted leaves the backoff as it is", async () => {
  const { world } = await live();
  world.chance = 1;
  for (let i = 0; i < 4; i += 1) {
    await world.pass(30_000);
    world.socket.ping();
    await world.pass(29_999);
    world.socket.end(1012);
    await world.pass(1_000 * 2 ** i - 1);
    assert.equal(world.sockets.length, i + 1);
    await world.pass(1);
    assert.equal(world.sockets.length, i + 2);
    world.socket.tell(SUMMARY);
  }
});

test("a handshake that takes long is not a connection that lasted", async () => {
  const { world } = await offered();
  world.chance = 1;
  for (let i = 0; i < 4; i += 1) {
    await world.pass(59_000);
    world.socket.tell(SUMMARY);
    world.socket.ping();
    await world.pass(2_000);
    world.socket.end(1012);
    await world.pass(1_000 * 2 ** i - 1);
    assert.equal(world.sockets.length, i + 1);
    await world.pass(1);
    assert.equal(world.sockets.length, i + 2);
  }
});

test("a connection that lasted one minute starts the backoff again", async () => {
  const { world } = await live();
  world.chance = 1;
  for (let i = 0; i < 5; i += 1) {
    await world.pass(30_000);
    world.socket.ping();
    await world.pass(30_000);
    world.socket.end(1012);
    await world.pass(1_000);
    assert.equal(world.sockets.length, i + 2);
    world.socket.tell(SUMMARY);
  }
});

test("one minute of silence is the end of a connection", async () => {
  const { world, source } = await live();
  await world.pass(59_999);
  assert.equal(source.getSnapshot().connection, "live");
  await world.pass(1);
  assert.equal(world.sockets[0].isClosed, true);
  assert.equal(source.getSnapshot().connection, "polling");
  assert.equal(world.request.at, 60_000);
  await world.pass(500);
  assert.equal(world.sockets.length, 2);
});

test("a connection that never opens is given up after one minute", async () => {
  const { world } = await offered();
  await world.pass(60_000);
  assert.equal(world.socket.isClosed, true);
  await world.pass(500);
  assert.equal(world.sockets.length, 2);
});

test("what a connection says after it was given up is not heard", async () => {
  const { world, source } = await live();
  await world.pass(60_000);
  const [given] = world.sockets;
  given.tell(calls(77));
  given.end(4401);
  await world.pass();
  assert.equal(source.getStatus().totalSockets, 3);
  assert.notEqual(source.getSnapshot().connection, "error");
});

for (const [code, status] of [
  [4401, 401],
  [4403, 403],
]) {
  test(`${code} stops everything, with an error that says so`, async () => {
    const { world, source } = await live();
    world.socket.end(code, "Your session has ended.");
    assert.deepEqual(source.getSnapshot().error, {
      code: `http_${status}`,
      message: "Your session has ended.",
      status,
    });
    assert.equal(source.getSnapshot().connection, "error");
    world.hide();
    world.show();
    await world.pass(3_600_000);
    assert.equal(world.requests.length, 1);
    assert.equal(world.sockets.length, 1);
    assert.equal(world.timers, 0);
  });

  test(`${code} without a reason and before it was live stops as well`, async () => {
    const { world, source } = await offered();
    world.socket.end(code);
    assert.equal(source.getSnapshot().error.message, `No socket status (http_${status})`);
    await world.pass(60_000);
    assert.equal(world.requests.length, 1);
  });
}

for (const code of [4408, 4429]) {
  test(`${code} polls, and tries live after one to two minutes`, async () => {
    for (const chance of [0, 0.5, 1]) {
      const { world, source } = await live();
      world.chance = chance;
      world.socket.end(code);
      assert.equal(source.getSnapshot().connection, "polling");
      await world.pass(60_000 * (1 + chance) - 1);
      assert.ok(world.requests.length > 6);
      assert.equal(world.sockets.length, 1);
      await world.pass(1);
      assert.equal(world.sockets.length, 2);
    }
  });

  test(`${code} also binds a page that was hidden and came back`, async () => {
    const { world } = await live();
    world.socket.end(code);
    world.hide();
    await world.pass(10_000);
    world.show();
    await world.pass(79_000);
    assert.equal(world.sockets.length, 1);
    await world.pass(1_000);
    assert.equal(world.sockets.length, 2);
  });
}

test("is closed while the page is hidden, and back after it", async () => {
  const { world, source } = await live();
  world.hide();
  assert.equal(world.socket.isClosed, true);
  assert.equal(source.getSnapshot().connection, "idle");
  await world.pass(600_000);
  assert.equal(world.timers, 0);
  world.show();
  await world.pass();
  assert.equal(world.requests.length, 2);
  assert.equal(world.sockets.length, 2);
  world.socket.tell(calls(1));
  assert.equal(source.getSnapshot().connection, "live");
});

test("is closed with the last subscriber, and by stopPolling()", async () => {
  const { world, source } = await live();
  source.stopPolling();
  assert.equal(world.socket.isClosed, true);
  assert.equal(world.timers, 0);
  const leave = source.subscribe(() => {});
  await world.pass();
  world.socket.tell(SUMMARY);
  source.stopPolling();
  leave();
  await world.pass(1_000);
  assert.equal(world.timers, 0);
});

test("refresh() asks nothing while it is live", async () => {
  const { world, source } = await live();
  assert.equal(await source.refresh(), source.getSnapshot());
  assert.equal(world.requests.length, 1);
});

test("live: false never listens", async () => {
  const { world } = await offered({ live: false });
  await world.pass(60_000);
  assert.equal(world.sockets.length, 0);
});

test("live: a URL listens there, without an offer", async () => {
  const world = new World();
  world.source({ live: "/my/ws/" }).initialize();
  await world.pass();
  assert.equal(world.socket.url, "wss://example.org/my/ws/");
});

test("without an offer there is nothing to listen to", async () => {
  const world = new World();
  world.source({ live: true }).initialize();
  await world.pass(60_000);
  assert.equal(world.sockets.length, 0);
});

test("an offer holds through 304, and ends with a full answer without it", async () => {
  const { world } = await offered();
  world.socket.end(4408);
  await world.pass(80_000);
  world.offer = null;
  world.summary = calls(1);
  await world.pass(600_000);
  assert.equal(world.sockets.length, 1);
});

test("headers cannot go with a WebSocket, so it is not tried unless asked for", async () => {
  const headers = { Authorization: "Bearer secret" };
  const { world } = await offered({ headers });
  assert.equal(world.sockets.length, 0);
  const asked = await offered({ headers, live: true });
  assert.equal(asked.world.sockets.length, 1);
});

test("a WebSocket that the page may not make leaves polling as it is", async () => {
  const world = new World();
  const tries = [];
  world.chance = 1;
  world.offer = OFFER;
  world.WebSocket = class {
    constructor() {
      tries.push(world.time);
      throw new Error("mixed content");
    }
  };
  const source = world.source();
  source.initialize();
  await world.pass(60_000);
  assert.equal(source.getSnapshot().connection, "polling");
  assert.equal(world.requests.length, 7);
  assert.deepEqual(tries, [0, 1_000, 3_000, 7_000, 15_000, 31_000]);
});

test("an environment without WebSocket, or an offer that is no URL, polls", async () => {
  for (const broken of [{ WebSocket: undefined }, { offer: "http://[" }]) {
    const world = Object.assign(new World(), { offer: OFFER }, broken);
    const source = world.source();
    source.initialize();
    await world.pass(60_000);
    assert.equal(source.getSnapshot().connection, "polling");
  }
});

test("live push that works covers for polling that fails", async () => {
  const { world, source } = await offered();
  world.answer = refusal(503);
  await world.pass(10_000);
  assert.equal(source.getSnapshot().connection, "reconnecting");
  world.socket.tell(calls(2));
  assert.equal(source.getSnapshot().connection, "live");
  assert.equal(source.getSnapshot().error, null);
  const asked = world.requests.length;
  await world.pass(30_000);
  assert.equal(world.requests.length, asked);
});

test("changed options open another connection", async () => {
  const { world, source } = await live();
  source.initialize({ credentials: "include" });
  assert.equal(world.sockets[0].isClosed, true);
  await world.pass();
  assert.equal(world.sockets.length, 2);
});

test("another interval keeps the connection, and holds once it is lost", async () => {
  const { world, source } = await live();
  source.initialize(5_000);
  await world.pass(20_000);
  assert.equal(source.getSnapshot().connection, "live");
  assert.deepEqual([world.sockets.length, world.requests.length], [1, 1]);
  world.offer = null;
  world.summary = calls(1);
  world.socket.end(1006);
  await world.pass(5_000);
  assert.equal(world.requests.length, 3);
});

test("another interval does not give up a connection that is about to open", async () => {
  const world = new World();
  world.offer = "/ws/socket-status/";
  const source = world.source();
  source.subscribe(() => {});
  await world.pass();
  source.initialize(2_000);
  await world.pass();
  world.socket.tell(SUMMARY);
  assert.equal(source.getSnapshot().connection, "live");
  assert.equal(world.sockets.length, 1);
});

test("a listener that stops it at the moment of loss is obeyed", async () => {
  const { world, source } = await live();
  source.subscribe((status, { connection }) => connection === "polling" && source.stopPolling());
  world.answer = silence;
  world.socket.end(1006);
  await world.pass(60_000);
  assert.equal(world.requests.length, 1);
  assert.equal(world.timers, 0);
});
