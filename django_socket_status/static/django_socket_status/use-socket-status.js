/** Creates the React hook for a given React. Documented in react.d.ts. */

const UNKNOWN = Object.freeze({
  status: Object.freeze({
    active: false,
    totalSockets: 0,
    socketsByType: Object.freeze({}),
    timestamp: null,
    wsEndpoints: Object.freeze({}),
  }),
  connection: "idle",
  updatedAt: null,
  error: null,
});

export function createUseSocketStatus(React, shared = findShared()) {
  return function useSocketStatus(...given) {
    const { source = shared, settings, select } = toArguments(given);
    const subscribe = React.useCallback(
      (notify) => source.subscribe(notify, settings),
      [source, JSON.stringify(settings)],
    );
    const read = React.useMemo(() => createReader(source.getSnapshot, select), [source, select]);
    const readUnknown = React.useMemo(() => createReader(() => UNKNOWN, select), [select]);
    return React.useSyncExternalStore(subscribe, read, readUnknown);
  };
}

function findShared() {
  const shared = globalThis[Symbol.for("django-socket-status/v1")];
  if (!shared) throw new Error("Import socket-status.js before createUseSocketStatus(React)");
  return shared;
}

function toArguments([options, select = asItIs]) {
  if (typeof options === "function") return { settings: {}, select: options };
  if (typeof options === "number") return { settings: { interval: options }, select };
  const { source, ...settings } = options ?? {};
  return { source, settings, select };
}

/** Return a function that reads the selection: the same object until its content changes. */
function createReader(getSnapshot, select) {
  let snapshot;
  let selection;
  return () => {
    if (snapshot !== getSnapshot()) {
      snapshot = getSnapshot();
      const { status, ...rest } = snapshot;
      const next = select(Object.freeze({ ...status, ...rest }));
      if (!isEqual(selection, next)) selection = next;
    }
    return selection;
  };
}

function asItIs(view) {
  return view;
}

function isEqual(a, b) {
  if (Object.is(a, b)) return true;
  if (!isPlain(a) || !isPlain(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]))
  );
}

function isPlain(value) {
  if (typeof value !== "object" || value === null) return false;
  return [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(value));
}
