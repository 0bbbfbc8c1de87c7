import assert from "node:assert/strict";
import { test } from "node:test";

import { Page, World } from "./world.js";

const script = { dataset: { url: "/from-script/" } };
const meta = { content: "/from-meta/" };

async function urlAskedWith(elements, options) {
  const world = new World({ page: new Page(elements) });
  world.source(options).initialize();
  await world.pass();
  return world.request.url;
}

test("an option says where to ask, before all else", async () => {
  assert.equal(await urlAskedWith({ script, meta }, { url: "/option/" }), "/option/");
});

test("then data-url of the script", async () => {
  assert.equal(await urlAskedWith({ script, meta }), "/from-script/");
});

test("then the meta element", async () => {
  assert.equal(await urlAskedWith({ meta }), "/from-meta/");
});

test("and /socket-status/ in the end, also when what is there is empty", async () => {
  assert.equal(await urlAskedWith({}), "/socket-status/");
  assert.equal(await urlAskedWith({ script: { dataset: { url: "" } } }), "/socket-status/");
  assert.equal(await urlAskedWith({ meta: { content: "" } }, { url: "" }), "/socket-status/");
});

test("the page is looked at when asking begins, not when the module is loaded", async () => {
  const world = new World();
  const source = world.source();
  world.document.elements = { meta };
  source.initialize();
  await world.pass();
  assert.equal(world.request.url, "/from-meta/");
});

test("the elements are found as the documentation writes them", async () => {
  const { Window } = await import("happy-dom");
  const { document } = new Window();
  document.write(`
    <script type="module" src="/static/app.js" data-url="/not-this/"></script>
    <meta name="socket-status-url" content="/from-meta/">
    <script type="module" src="/static/django_socket_status/socket-status.0f3d2c.js"
            data-url="/from-script/"></script>
  `);
  const world = new World({ page: document });
  world.source().initialize();
  await world.pass();
  assert.equal(world.request.url, "/from-script/");
});
