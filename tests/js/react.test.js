import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, describe, mock, test } from "node:test";

import { SocketStatusService, countOf } from "django-socket-status";
import { Window } from "happy-dom";

import { SUMMARY, World, calls, gone } from "./world.js";

const WINDOW_GLOBALS = ["window", "document", "navigator", "HTMLIFrameElement"];

const shown = (view) => (view.updatedAt === null ? "unknown" : `${view.totalSockets} open`);

let window;
let hookOf;

before(async () => {
  window = new Window();
  for (const name of WINDOW_GLOBALS) {
    const value = name === "window" ? window : window[name];
    Object.defineProperty(globalThis, name, { value, configurable: true });
  }
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  ({ createUseSocketStatus: hookOf } = await import("django-socket-status/react"));
});

after(async () => {
  await window.happyDOM.close();
});

for (const [version, require] of [
  ["18", createRequire(new URL("react-18/package.json", import.meta.url))],
  ["19", createRequire(import.meta.url)],
]) {
  describe(`React ${version}`, () => {
    const React = require("react");
    const { renderToString } = require("react-dom/server");
    const { act, createElement: element, StrictMode } = React;
    let client;
    let container;
    let root;
    let world;
    let source;
    let complaints;

    before(() => {
      assert.equal(React.version.split(".")[0], version);
      client = require("react-dom/client");
    });

    beforeEach(() => {
      world = new World();
      source = world.source();
      container = window.document.createElement("div");
      complaints = mock.method(console, "error", () => {}).mock;
      root = client.createRoot(container);
    });

    afterEach(async () => {
      await act(() => root.unmount());
      complaints.restore();
      assert.deepEqual(complaints.calls.map((call) => call.arguments), []);
    });

    const render = (...children) => act(() => root.render(element(StrictMode, null, ...children)));
    const pass = (duration) => act(() => world.pass(duration));

    test("says unknown first, then the number, then the next number", async () => {
      const useSocketStatus = hookOf(React, source);
      const Badge = () => shown(useSocketStatus());
      await render(element(Badge));
      assert.equal(container.textContent, "unknown");
      await pass(0);
      assert.equal(container.textContent, "3 open");
      world.summary = calls(4);
      await pass(10_000);
      assert.equal(container.textContent, "4 open");
    });

    test("asks once for many components, also under StrictMode", async () => {
      const useSocketStatus = hookOf(React, source);
      const Badge = () => shown(useSocketStatus());
      await render(...["a", "b", "c"].map((key) => element(Badge, { key })));
      await pass(0);
      assert.equal(world.requests.length, 1);
      assert.equal(container.textContent, "3 open".repeat(3));
    });

    test("renders only when something changed", async () => {
      const useSocketStatus = hookOf(React, source);
      let renders = 0;
      const Badge = () => {
        renders += 1;
        return shown(useSocketStatus());
      };
      await render(element(Badge));
      await pass(0);
      const before = renders;
      await pass(80_000);
      assert.equal(world.requests.length, 9);
      assert.equal(renders, before);
      world.summary = calls(1);
      await pass(10_000);
      assert.ok(renders > before);
    });

    test("a selection renders only when that changes", async () => {
      const useSocketStatus = hookOf(React, source);
      const renders = {};
      const Selected = ({ name, select }) => {
        renders[name] = (renders[name] ?? 0) + 1;
        return JSON.stringify(useSocketStatus(select));
      };
      const inline = { name: "inline" };
      await render(
        element(Selected, { key: 1, name: "number", select: (view) => view.totalSockets }),
        element(Selected, { key: 2, name: "part", select: (view) => view.wsEndpoints }),
        element(Selected, { key: 3, name: "list", select: (v) => Object.entries(v.socketsByType) }),
        element(() => {
          renders.inline = (renders.inline ?? 0) + 1;
          return JSON.stringify(useSocketStatus((view) => ({ is: view.active, in: inline })));
        }, { key: 4 }),
      );
      await pass(0);
      const before = { ...renders };
      world.summary = { ...SUMMARY, unique_users: 9 };
      await pass(10_000);
      assert.equal(source.getStatus().uniqueUsers, 9);
      assert.deepEqual(renders, before);
      world.summary = calls(5);
      await pass(10_000);
      assert.ok(renders.number > before.number);
      assert.ok(renders.list > before.list);
      assert.equal(renders.part, before.part);
      assert.equal(renders.inline, before.inline);
    });

    test("a selection that is no plain data is not looked into", async () => {
      const useSocketStatus = hookOf(React, source);
      const Clock = () => useSocketStatus((view) => new Date(view.updatedAt ?? 0)).toISOString();
      await render(element(Clock));
      await pass(0);
      assert.equal(container.textContent, "2026-11-22T10:00:00.000Z");
    });

    test("a selector that changes is followed", async () => {
      const useSocketStatus = hookOf(React, source);
      const Count = ({ type }) => `${useSocketStatus((view) => view.socketsByType[type])}`;
      await render(element(Count, { type: "call" }));
      await pass(0);
      assert.equal(container.textContent, "2");
      await render(element(Count, { type: "stt_room" }));
      assert.equal(container.textContent, "1");
    });

    test("a selection counts a type with an inherited name", async () => {
      const useSocketStatus = hookOf(React, source);
      const Count = ({ type }) => `${useSocketStatus((view) => countOf(view, type))} `;
      const types = ["constructor", "__proto__", "toString"];
      await render(...types.map((type) => element(Count, { key: type, type })));
      assert.equal(container.textContent, "0 0 0 ");
      const sockets_by_type = JSON.parse('{"constructor": 1, "__proto__": 2}');
      world.summary = { ...SUMMARY, sockets_by_type };
      await pass(0);
      assert.equal(container.textContent, "1 2 0 ");
    });

    test("shows the connection and the error beside the last number", async () => {
      const useSocketStatus = hookOf(React, source);
      const Badge = () => {
        const { totalSockets, connection, error } = useSocketStatus();
        return [totalSockets, connection, error?.code].join(" ");
      };
      await render(element(Badge));
      await pass(0);
      assert.equal(container.textContent, "3 polling ");
      world.answer = gone;
      await pass(10_000);
      assert.equal(container.textContent, "3 reconnecting network");
    });

    test("stops a second after the last component is gone, and starts with the next", async () => {
      const useSocketStatus = hookOf(React, source);
      const Badge = () => shown(useSocketStatus());
      await render(element(Badge));
      await pass(0);
      await render(null);
      await pass(1_000);
      assert.equal(source.getSnapshot().connection, "idle");
      assert.equal(world.timers, 0);
      await render(element(Badge));
      assert.equal(container.textContent, "3 open");
      await pass(0);
      assert.equal(source.getSnapshot().connection, "polling");
    });

    test("options go to the source, and a change of them as well", async () => {
      const useSocketStatus = hookOf(React, source);
      const Badge = ({ options }) => shown(useSocketStatus(options));
      await render(element(Badge, { options: { url: "/a/", interval: 5_000 } }));
      await pass(5_000);
      await render(element(Badge, { options: { url: "/a/", interval: 5_000 } }));
      await pass(4_999);
      assert.deepEqual(world.requests.map(({ url }) => url), ["/a/", "/a/"]);
      await render(element(Badge, { options: { url: "/b/" } }));
      await pass(0);
      assert.equal(world.request.url, "/b/");
      const before = world.requests.length;
      await render(element(Badge, { options: 2_000 }));
      await pass(2_000);
      assert.equal(world.requests.length, before + 2);
    });

    test("another source is an option, and can change", async () => {
      const useSocketStatus = hookOf(React, source);
      const [a, b] = [new World(), new World()];
      b.summary = calls(8);
      const sources = [a.source(), b.source()];
      const select = (view) => shown(view);
      const Badge = ({ source }) => useSocketStatus({ source }, select);
      await render(element(Badge, { source: sources[0] }));
      await act(() => a.pass());
      assert.equal(container.textContent, "3 open");
      await render(element(Badge, { source: sources[1] }));
      await act(() => b.pass());
      assert.equal(container.textContent, "8 open");
      await act(() => a.pass(1_000));
      assert.equal(a.timers, 0);
      assert.equal(world.requests.length, 0);
    });

    test("renders on a server, unknown, and asks nothing there", () => {
      const useSocketStatus = hookOf(React, source);
      const Badge = () => shown(useSocketStatus());
      const Count = () => `${useSocketStatus((view) => view.totalSockets)}`;
      assert.equal(renderToString(element(Badge)), "unknown");
      assert.equal(renderToString(element(Count)), "0");
      assert.equal(world.requests.length, 0);
      assert.equal(world.timers, 0);
    });

    test("hydrates what the server rendered, though the status is known by then", async () => {
      const useSocketStatus = hookOf(React, source);
      const Badge = () => element("b", null, shown(useSocketStatus()));
      const tree = element(StrictMode, null, element(Badge));
      await act(() => root.unmount());
      container = window.document.createElement("div");
      container.innerHTML = renderToString(tree);
      source.initialize();
      await world.pass();
      await act(() => {
        root = client.hydrateRoot(container, tree);
      });
      assert.equal(container.textContent, "3 open");
    });

    test("the hook without a source uses the shared one", async (t) => {
      t.mock.method(globalThis, "fetch", (url, init) => world.fetch(url, init));
      const useSocketStatus = hookOf(React);
      const Badge = () => shown(useSocketStatus());
      await render(element(Badge));
      await act(() => SocketStatusService.refresh());
      assert.equal(container.textContent, "3 open");
      await act(() => SocketStatusService.stopPolling());
    });
  });
}

test("the ready-made hook is that of the React which the bundler finds", async () => {
  const React = await import("react");
  const { renderToString } = await import("react-dom/server");
  const { useSocketStatus } = await import("django-socket-status/react");
  const Badge = () => `${useSocketStatus().totalSockets}`;
  assert.match(renderToString(React.createElement(Badge)), /^\d+$/);
});

test("what the hook shows before the first answer is what the source shows", async () => {
  const React = await import("react");
  const { renderToString } = await import("react-dom/server");
  const source = new World().source();
  const useSocketStatus = hookOf(React, source);
  let view;
  renderToString(React.createElement(() => (view = useSocketStatus()) && null));
  const { status, ...rest } = source.getSnapshot();
  assert.deepEqual(view, { ...status, ...rest });
});

test("without the shared source and without another one there is no hook", async () => {
  const key = Symbol.for("django-socket-status/v1");
  const shared = globalThis[key];
  delete globalThis[key];
  try {
    assert.throws(() => hookOf({}), /Import socket-status\.js before/);
  } finally {
    globalThis[key] = shared;
  }
});
