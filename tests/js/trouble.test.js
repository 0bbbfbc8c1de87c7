import assert from "node:assert/strict";
import { test } from "node:test";

import { SUMMARY, START, World, calls, gone, refusal, silence } from "./world.js";

async function running(options) {
  const world = new World();
  const source = world.source(options);
  source.subscribe(() => {});
  await world.pass();
  return { world, source };
}

test("a failure keeps the last status, says since when, and why", async () => {
  const { world, source } = await running();
  const status = source.getStatus();
  world.answer = refusal(503);
  await world.pass(10_000);
  assert.deepEqual(source.getSnapshot(), {
    status,
    connection: "reconnecting",
    updatedAt: START,
    error: { code: "code_503", message: "Message of 503.", status: 503 },
  });
  assert.equal(source.getStatus(), status);
});

test("updatedAt of a lost connection is the last confirmation, not the last change", async () => {
  const { world, source } = await running();
  await world.pass(30_000);
  world.answer = gone;
  await world.pass(10_000);
  assert.equal(source.getSnapshot().updatedAt, START + 30_000);
});

test("the same failure again calls no subscriber", async () => {
  const { world, source } = await running();
  world.answer = refusal(503);
  await world.pass(10_000);
  const snapshot = source.getSnapshot();
  await world.pass(60_000);
  assert.ok(world.requests.length > 4);
  assert.equal(source.getSnapshot(), snapshot);
});

test("a good answer after failures clears the error", async () => {
  const { world, source } = await running();
  world.answer = gone;
  await world.pass(10_000);
  world.answer = null;
  await world.pass(1_000);
  assert.equal(source.getSnapshot().connection, "polling");
  assert.equal(source.getSnapshot().error, null);
  assert.equal(source.getSnapshot().updatedAt, START + 10_500);
});

test("backs off twice as far each time, up to three intervals", async () => {
  const { world } = await running();
  world.chance = 1;
  world.answer = gone;
  await world.pass(300_000);
  const gaps = world.requests.slice(1).map(({ at }, i) => at - world.requests[i].at);
  assert.deepEqual(gaps.slice(0, 9), [
    10_000, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
  ]);
});

test("an interval longer than ten seconds stretches the backoff, too", async () => {
  const { world } = await running({ interval: 60_000 });
  world.chance = 1;
  world.answer = gone;
  await world.pass(3_600_000);
  const gaps = world.requests.slice(1).map(({ at }, i) => at - world.requests[i].at);
  assert.equal(gaps.at(-1), 180_000);
});

for (const chance of [0, 0.25, 0.999]) {
  test(`the whole wait is jittered: a chance of ${chance} waits that part of it`, async () => {
    const { world } = await running();
    world.chance = chance;
    world.answer = () => {
      world.answer = silence;
      return refusal(500)();
    };
    const asked = 10_000 + Math.round(chance * 1_000);
    await world.pass(asked - 1);
    assert.equal(world.requests.length, chance ? 2 : 1);
    await world.pass(1);
    assert.equal(world.request.at, asked);
    assert.equal(world.requests.length, 3);
  });
}

test("success resets the backoff", async () => {
  const { world } = await running();
  world.chance = 1;
  world.answer = gone;
  await world.pass(11_000);
  world.answer = null;
  await world.pass(2_000);
  world.answer = gone;
  await world.pass(10_000);
  const before = world.requests.length;
  await world.pass(1_000);
  assert.equal(world.requests.length, before + 1);
});

test("Retry-After in seconds is waited for, with the jitter on top", async () => {
  const { world } = await running();
  world.answer = refusal(503, { "Retry-After": "120" });
  await world.pass(10_000);
  await world.pass(120_000 + 499);
  assert.equal(world.requests.length, 2);
  await world.pass(1);
  assert.equal(world.requests.length, 3);
});

test("Retry-After as an HTTP date is waited for", async () => {
  const { world } = await running();
  const until = new Date(START + 10_000 + 90_000).toUTCString();
  world.answer = refusal(429, { "Retry-After": until });
  await world.pass(10_000);
  await world.pass(90_000 + 499);
  assert.equal(world.requests.length, 2);
  await world.pass(1);
  assert.equal(world.requests.length, 3);
});

for (const value of ["0", "-30", "", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"]) {
  test(`Retry-After "${value}" adds nothing to the backoff`, async () => {
    const { world } = await running();
    world.answer = refusal(503, { "Retry-After": value });
    await world.pass(10_500);
    assert.equal(world.requests.length, 3);
  });
}

test("a Retry-After beyond what a timer can hold does not fire at once", async () => {
  const { world } = await running();
  world.answer = refusal(503, { "Retry-After": "99999999999" });
  await world.pass(10_000);
  await world.pass(24 * 3_600_000);
  assert.equal(world.requests.length, 2);
});

test("Retry-After also binds a page that was hidden and came back", async () => {
  const { world } = await running();
  world.answer = refusal(503, { "Retry-After": "60" });
  await world.pass(10_000);
  world.hide();
  world.show();
  await world.pass(59_999);
  assert.equal(world.requests.length, 2);
  await world.pass(1);
  assert.equal(world.requests.length, 3);
});

test("what could not be confirmed stays so while the page is hidden, and after it", async () => {
  const { world, source } = await running();
  world.answer = refusal(503, { "Retry-After": "60" });
  await world.pass(10_000);
  const { error } = source.getSnapshot();
  world.hide();
  assert.equal(source.getSnapshot().connection, "idle");
  assert.equal(source.getSnapshot().error, error);
  world.show();
  assert.match(source.getFormattedStatus(), /, not up to date$/);
  world.answer = null;
  await world.pass(60_000);
  assert.equal(source.getSnapshot().error, null);
});

test("Retry-After also binds a subscriber who comes after all have left", async () => {
  const world = new World();
  const source = world.source();
  world.answer = refusal(503, { "Retry-After": "60" });
  source.subscribe(() => {})();
  await world.pass(2_000);
  source.subscribe(() => {});
  await world.pass(57_999);
  assert.equal(world.requests.length, 1);
  await world.pass(1);
  assert.equal(world.requests.length, 2);
});

for (const status of [401, 403]) {
  test(`${status} stops it, with an error that says so and the last status`, async () => {
    const { world, source } = await running();
    world.answer = refusal(status);
    await world.pass(10_000);
    const { connection, error } = source.getSnapshot();
    assert.equal(connection, "error");
    assert.deepEqual(error, {
      code: `code_${status}`,
      message: `Message of ${status}.`,
      status,
    });
    assert.equal(source.getStatus().totalSockets, 3);
    world.hide();
    world.show();
    await world.pass(3_600_000);
    assert.equal(world.requests.length, 2);
    assert.equal(world.timers, 0);
  });

  test(`after ${status}, refresh() starts it again`, async () => {
    const { world, source } = await running();
    world.answer = refusal(status);
    await world.pass(10_000);
    world.answer = null;
    const snapshot = await source.refresh();
    assert.equal(snapshot.connection, "polling");
    assert.equal(snapshot.error, null);
    await world.pass(20_000);
    assert.equal(world.requests.length, 5);
  });

  test(`after ${status}, initialize() and a new subscriber start it again`, async () => {
    for (const again of ["initialize", "subscribe"]) {
      const { world, source } = await running();
      world.answer = refusal(status);
      await world.pass(10_000);
      world.answer = null;
      source[again](again === "subscribe" ? () => {} : undefined);
      await world.pass();
      assert.equal(source.getSnapshot().connection, "polling", again);
    }
  });
}

test("an error without the contract's JSON is told by its HTTP status", async () => {
  for (const body of ["<h1>Bad gateway</h1>", '{"error": "bad gateway"}', "null", ""]) {
    const { world, source } = await running();
    world.answer = () => new Response(body, { status: 502 });
    await world.pass(10_000);
    assert.deepEqual(source.getSnapshot().error, {
      code: "http_502",
      message: "No socket status (http_502)",
      status: 502,
    });
  }
});

test("an answer that is no summary is a failure, not zero sockets", async () => {
  for (const body of ["<h1>Log in</h1>", "{}", "null", "[]", '{"total_sockets": "3"}']) {
    const { world, source } = await running();
    world.answer = () => new Response(body);
    await world.pass(10_000);
    assert.equal(source.getSnapshot().connection, "reconnecting", body);
    assert.equal(source.getSnapshot().error.code, "http_200", body);
    assert.equal(source.getStatus().totalSockets, 3, body);
  }
});

test("a server that cannot be reached is told as such", async () => {
  const { world, source } = await running();
  world.answer = gone;
  await world.pass(10_000);
  assert.deepEqual(source.getSnapshot().error, {
    code: "network",
    message: "No socket status (network)",
    status: null,
  });
});

test("a question without answer is given up after eight seconds", async () => {
  const { world, source } = await running();
  world.answer = silence;
  await world.pass(17_999);
  assert.equal(source.getSnapshot().connection, "polling");
  assert.equal(world.request.init.signal.aborted, false);
  await world.pass(1);
  assert.equal(world.request.init.signal.aborted, true);
  assert.equal(source.getSnapshot().connection, "reconnecting");
  assert.equal(source.getSnapshot().error.code, "network");
});

test("an answer whose body never ends is given up as well", async () => {
  const { world, source } = await running();
  world.answer = ({ init }) => {
    const body = new ReadableStream({
      start(stream) {
        init.signal.addEventListener("abort", () => stream.error(init.signal.reason));
      },
    });
    return new Response(body);
  };
  await world.pass(18_000);
  assert.equal(source.getSnapshot().connection, "reconnecting");
});

test("an environment without fetch fails like a server that is not there", async () => {
  const world = new World();
  world.fetch = undefined;
  const source = world.source();
  source.subscribe(() => {});
  await world.pass();
  assert.equal(source.getSnapshot().error.code, "network");
  assert.equal(source.getSnapshot().updatedAt, null);
});

test("before any answer a failure leaves the status unknown", async () => {
  const world = new World();
  world.answer = gone;
  const source = world.source();
  source.subscribe(() => {});
  await world.pass();
  assert.equal(source.getSnapshot().updatedAt, null);
  assert.equal(source.checkedAt, null);
  assert.equal(source.getFormattedStatus(), "Open sockets: not known");
  world.answer = null;
  world.summary = calls(0);
  await world.pass(1_000);
  assert.equal(source.getFormattedStatus(), "Open sockets: 0");
});

test("a late answer to a question that was given up changes nothing", async () => {
  const world = new World();
  const source = world.source();
  let answer;
  world.fetch = () => new Promise((resolve) => (answer = resolve));
  source.subscribe(() => {});
  await world.pass();
  source.stopPolling();
  answer(Response.json(SUMMARY));
  await world.pass();
  assert.equal(source.getSnapshot().updatedAt, null);
  assert.equal(world.timers, 0);
});
