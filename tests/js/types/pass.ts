/** What has to compile. */

import defaultService, {
  SocketStatusService,
  countOf,
  createSocketStatus,
  type SocketStatus,
  type SocketStatusConnection,
  type SocketStatusEnvironment,
  type SocketStatusOptions,
  type SocketStatusSnapshot,
  type SocketStatusSource,
  type SocketStatusStore,
} from "django-socket-status";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function holds<_Claim extends true>(): void {}

// The original front end.

SocketStatusService.initialize(10000);
const { active, totalSockets, socketsByType, timestamp, wsEndpoints } =
  SocketStatusService.getStatus();
const unsubscribe: () => void = SocketStatusService.subscribe((status) => {
  holds<Same<typeof status, SocketStatus>>();
});
unsubscribe();
SocketStatusService.stopPolling();
const line: string = SocketStatusService.getFormattedStatus();

holds<Same<typeof active, boolean>>();
holds<Same<typeof totalSockets, number>>();
holds<Same<(typeof socketsByType)[string], number>>();
holds<Same<typeof timestamp, string | null>>();
holds<Same<(typeof wsEndpoints)[string], string>>();
holds<Same<typeof defaultService, SocketStatusSource>>();

// What came to it.

holds<Same<ReturnType<typeof countOf>, number>>();
countOf(SocketStatusService.getStatus(), "call").toFixed();
countOf(SocketStatusService.getStatus());

const options: SocketStatusOptions = {
  url: "https://example.org/socket-status/",
  interval: 5_000,
  live: "wss://example.org/ws/",
  credentials: "include",
  headers: { Authorization: "Bearer secret" },
};
const source: SocketStatusSource = createSocketStatus(options);
source.initialize();
source.initialize({ live: false });
source.subscribe(() => {});
source.subscribe(async (_status, snapshot) => {
  holds<Same<typeof snapshot, SocketStatusSnapshot>>();
}, options);
source.getFormattedStatus(["de", "en"]);
source.refresh().then(({ error }) => error?.status === 403);
createSocketStatus().checkedAt?.toFixed();

const { status, connection, updatedAt, error } = source.getSnapshot();
const coverage: "process" | "host" | "cluster" | undefined = status.coverage;
const users: number | null | undefined = status.uniqueUsers;
const texts: Record<SocketStatusConnection, string> = {
  idle: "Paused",
  polling: "Every few seconds",
  live: "Live",
  reconnecting: "Reconnecting",
  error: "Not allowed",
};
texts[connection];
if (updatedAt !== null) new Date(updatedAt);
if (error) [error.code, error.message].join(": ");

const store: SocketStatusStore = source.toStore();
store.subscribe((snapshot) => snapshot.status.totalSockets)();

const { getSnapshot, subscribe } = source;
subscribe(() => getSnapshot());

const environment: SocketStatusEnvironment = globalThis;
createSocketStatus({}, environment);
createSocketStatus(undefined, {
  fetch: async () => Response.json({}),
  setTimeout: (task, delay) => delay + task.length,
  clearTimeout: () => {},
  Date: { now: () => 0 },
  Math: { random: () => 0 },
});

export { coverage, line, users };
