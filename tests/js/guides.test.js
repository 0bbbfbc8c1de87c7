import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { SocketStatusService } from "django-socket-status";
import { createElement } from "react";
import { renderToString } from "react-dom/server";

import { SUMMARY, World } from "./world.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const STATIC = "/static/django_socket_status/";
const OPTIONS = "--strict --jsx react-jsx --module nodenext --target es2022 --lib es2022,dom";

/** Return the blocks of a language in a guide. */
function blocks(guide, language) {
  const text = readFileSync(join(ROOT, "docs", "how-to", guide), "utf-8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(
    ([, code]) => code,
  );
}

let directory;

before(() => {
  // In the package, so that it is found by its own name.
  directory = mkdtempSync(join(ROOT, "tests", "js", "guides-"));
  const [component, ...inComponents] = blocks("react.md", "jsx");
  writeFileSync(join(directory, "badge.tsx"), component);
  const imports = component.match(/^import .*$/gm).join("\n");
  inComponents.forEach((code, index) => {
    const body = `export function Selected() {\n${code}  return <b>{calls}</b>;\n}\n`;
    writeFileSync(join(directory, `selected-${index}.tsx`), `${imports}\n${body}`);
  });
  blocks("show-it-in-a-page.md", "js").forEach((code, index) => {
    const bundled = code.replace(`${STATIC}socket-status.js`, "django-socket-status");
    writeFileSync(join(directory, `client-${index}.ts`), bundled);
  });
  const sources = readdirSync(directory).map((name) => join(directory, name));
  const tsc = join(ROOT, "node_modules", ".bin", "tsc");
  execFileSync(tsc, [...OPTIONS.split(" "), ...sources], { cwd: ROOT, stdio: "inherit" });
});

after(() => {
  rmSync(directory, { recursive: true });
});

const load = (name) => import(pathToFileURL(join(directory, name)));

test("the component of the React guide renders, without a number before the first answer", async () => {
  const { Badge } = await load("badge.js");
  assert.equal(renderToString(createElement(Badge)), "<span>Loading</span>");
});

test("the selectors of the React guide select a number", async () => {
  for (const name of ["selected-0.js", "selected-1.js"]) {
    const { Selected } = await load(name);
    assert.equal(renderToString(createElement(Selected)), "<b>0</b>");
  }
});

test("the hook without a bundler is made of the page's React", async () => {
  const [page] = blocks("react.md", "html");
  const [, script] = page.match(/<script type="module">\n(.*)<\/script>/s);
  const url = pathToFileURL(join(ROOT, "django_socket_status", STATIC));
  const module = `${script.replaceAll(STATIC, `${url}`)}\nexport { useSocketStatus };\n`;
  writeFileSync(join(directory, "page.js"), module);
  globalThis.window = { React: await import("react") };
  try {
    const { useSocketStatus } = await load("page.js");
    const Total = () => `${useSocketStatus().updatedAt}`;
    assert.equal(renderToString(createElement(Total)), "null");
  } finally {
    delete globalThis.window;
  }
});

test("the scripts of the guide to pages log what the server answers", async (context) => {
  const world = new World();
  world.summary = { ...SUMMARY, total_sockets: 3, sockets_by_type: { call: 2, stt_room: 1 } };
  context.mock.method(globalThis, "fetch", (url, init) => world.fetch(url, init));
  const first = new Promise((resolve) => {
    context.mock.method(console, "log", (...numbers) => resolve(numbers));
  });
  try {
    await load("client-0.js");
    await load("client-1.js");
    assert.deepEqual(await first, [3, 2]);
    const [, said] = blocks("show-it-in-a-page.md", "js")[0].match(/Status\(\); \/\/ "(.*)"/);
    assert.equal(SocketStatusService.getFormattedStatus(), said);
  } finally {
    SocketStatusService.stopPolling();
  }
});
