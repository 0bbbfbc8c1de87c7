import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import defaultExport, { SocketStatusService, createSocketStatus } from "django-socket-status";

import { World, settle } from "./world.js";
import { functions, properties } from "./types/surface.js";

const MODULE = new URL(import.meta.resolve("django-socket-status"));

/** Run `code` in a separate Node process for at most a minute. */
function run(code) {
  const args = ["--input-type=module", "--eval", code.replace("MODULE", MODULE)];
  return promisify(execFile)(process.execPath, args, { timeout: 60_000 });
}

test("is at most 3 kB, compressed as it is served", async () => {
  const size = gzipSync(await readFile(MODULE), { level: 9 }).length;
  assert.ok(size <= 3_000, `${size} bytes`);
});

test("imports nothing, so that it is right under any storage of static files", async () => {
  assert.doesNotMatch(await readFile(MODULE, "utf8"), /\bimport\b/);
});

test("the default export is the shared source", () => {
  assert.equal(defaultExport, SocketStatusService);
});

test("a source has what its types promise, and nothing else", () => {
  const promised = [...Object.keys(functions), ...Object.keys(properties)].sort();
  assert.deepEqual(Object.keys(createSocketStatus()).sort(), promised);
  for (const name of Object.keys(functions)) {
    assert.equal(typeof SocketStatusService[name], "function", name);
  }
});

test("two copies of the module on a page share one source", async (t) => {
  const world = new World();
  t.mock.method(globalThis, "fetch", (url, init) => world.fetch(url, init));
  const [a, b] = await Promise.all([import(`${MODULE}?a`), import(`${MODULE}?b`)]);
  assert.notEqual(a.createSocketStatus, b.createSocketStatus);
  assert.equal(a.SocketStatusService, b.SocketStatusService);
  let told = 0;
  a.SocketStatusService.subscribe(() => (told += 1));
  b.SocketStatusService.subscribe(() => (told += 1));
  await new Promise((resolve) => setTimeout(resolve));
  await settle();
  await settle();
  assert.equal(world.requests.length, 1);
  assert.equal(told, 2);
  a.SocketStatusService.stopPolling();
  assert.equal(b.SocketStatusService.getSnapshot().connection, "idle");
});

test("can be imported where there is no browser, and starts nothing there", async () => {
  const { stdout } = await run(`
    delete globalThis.fetch;
    delete globalThis.navigator;
    const { SocketStatusService } = await import("MODULE");
    console.log(SocketStatusService.getFormattedStatus());
  `);
  assert.equal(stdout, "Open sockets: not known\n");
});

test("does not keep a process alive, also while it runs", async () => {
  await run(`
    globalThis.fetch = async () => Response.json({ total_sockets: 0 });
    const { SocketStatusService } = await import("MODULE");
    SocketStatusService.initialize(1000);
    SocketStatusService.subscribe(() => {});
  `);
});

test("what a callback throws is reported and does not affect other subscribers", async () => {
  const { stdout } = await run(`
    globalThis.fetch = async () => Response.json({ total_sockets: 7 });
    process.on("unhandledRejection", (error) => console.log("reported", error.message));
    const { SocketStatusService } = await import("MODULE");
    SocketStatusService.subscribe(() => { throw new Error("of a callback"); });
    SocketStatusService.subscribe(async () => { throw new Error("of another"); });
    SocketStatusService.subscribe((status) => console.log("told", status.totalSockets));
    await SocketStatusService.refresh();
    console.log(SocketStatusService.getSnapshot().connection);
  `);
  assert.deepEqual(stdout.trim().split("\n").sort(), [
    "polling",
    "reported of a callback",
    "reported of another",
    "told 7",
  ]);
});

test("the npm package has the version of the Python package", async () => {
  const root = new URL("../../", import.meta.url);
  const { version } = JSON.parse(await readFile(new URL("package.json", root), "utf8"));
  const python = await readFile(new URL("django_socket_status/__init__.py", root), "utf8");
  assert.equal(/__version__ = "(.+)"/.exec(python)?.[1], version);
});
