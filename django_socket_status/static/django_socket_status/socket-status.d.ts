/**
 * The number of open WebSockets of a site, kept current in the browser.
 *
 * ```js
 * import { SocketStatusService } from "django-socket-status";
 *
 * const unsubscribe = SocketStatusService.subscribe((status) => {
 *   console.log(status.totalSockets, status.socketsByType);
 * });
 * ```
 *
 * The client starts with the first subscriber and stops a second after the last one leaves.
 * It polls the summary of `django_socket_status.urls` with `ETag`s, and changes to live push
 * when the server offers it. While the page is hidden, it does neither.
 *
 * All times are in milliseconds.
 *
 * @module
 */

/**
 * The status of the site. Deeply frozen, and the same object until anything but `timestamp`
 * changes; so are `socketsByType` and `wsEndpoints`.
 *
 * Before the first response it is a constant with `totalSockets` 0, which says nothing about
 * the server. {@link SocketStatusSnapshot.updatedAt} is `null` then.
 */
export interface SocketStatus {
  /** Whether at least one socket is open. */
  readonly active: boolean;
  readonly totalSockets: number;
  /**
   * The number of open sockets of each type, sorted by type. A type without an open socket
   * is absent: read a number with {@link countOf}.
   */
  readonly socketsByType: Readonly<Record<string, number>>;
  /**
   * When the server first sent this content, by the server's clock, in ISO 8601; `null`
   * before the first response.
   */
  readonly timestamp: string | null;
  /** The URL of each type. */
  readonly wsEndpoints: Readonly<Record<string, string>>;
  /**
   * The number of signed-in users with a socket; `null` if the server keeps no users. This
   * field and all below are absent before the first response.
   */
  readonly uniqueUsers?: number | null;
  readonly anonymousSockets?: number;
  /** The number of processes that hold sockets: 0 on an idle site. */
  readonly workers?: number;
  /** How much of the deployment the counts cover. */
  readonly coverage?: "process" | "host" | "cluster";
  /** Whether the server sent an older status because it cannot read the current one. */
  readonly stale?: boolean;
  /** Whether `wsEndpoints` is known; it is `{}` until a worker has reported it. */
  readonly endpointsKnown?: boolean;
  /** The entries of `wsEndpoints` whose sockets are not counted. */
  readonly uncountedEndpoints?: Readonly<Record<string, string>>;
}

/**
 * How the status is kept current.
 *
 * - `idle`: not kept current. The client was not started or was stopped, the page is hidden,
 *   or the first response has not arrived.
 * - `polling`: the client requests it every `interval`.
 * - `live`: the server sends each change.
 * - `reconnecting`: the last request failed; the client retries with a growing delay.
 * - `error`: refused with 401 or 403. The client does not retry before `initialize()`,
 *   `refresh()` or a new subscriber.
 */
export type SocketStatusConnection = "idle" | "polling" | "live" | "reconnecting" | "error";

/** Why there is no current status. */
export interface SocketStatusError {
  /**
   * The code in the server's JSON error; else `http_` and the HTTP status, such as
   * `http_503`; `network` without a response within 8 seconds.
   */
  readonly code: string;
  /** A text for people: the server's message, if it sent one. */
  readonly message: string;
  /** HTTP status, `null` without a response. 401 and 403 also if live push is refused. */
  readonly status: number | null;
}

/**
 * The status and its state. Frozen, and the same object until its content changes: a
 * response without a change makes no new snapshot and calls no subscriber.
 */
export interface SocketStatusSnapshot {
  /** The last known status, also after an error. */
  readonly status: SocketStatus;
  readonly connection: SocketStatusConnection;
  /**
   * When the server last confirmed `status` before this snapshot was made, in milliseconds
   * since the epoch; `null` before the first response. A snapshot never changes, so this
   * does not move while responses confirm it: see {@link SocketStatusSource.checkedAt}.
   * After the connection is lost, it is the time of the values.
   */
  readonly updatedAt: number | null;
  /**
   * Why there is no current status; `null` without an error. It stays while the page is
   * hidden, until the next response.
   */
  readonly error: SocketStatusError | null;
}

export interface SocketStatusOptions {
  /**
   * The URL of the summary, see `django_socket_status.urls`. The default is looked up
   * whenever polling begins, the first of: `data-url` of a
   * `<script src="…socket-status….js">`, the content of `<meta name="socket-status-url">`,
   * `/socket-status/`. Outside a browser, give an absolute URL. A server of another origin
   * has to expose the headers `ETag`, `Retry-After` and `Socket-Status-Live`.
   */
  url?: string;
  /** From a response to the next request. Default 10000, at least 1000. */
  interval?: number;
  /**
   * Whether to use live push: `true` if the server offers it by the header
   * `Socket-Status-Live`, `false` never, a string for its URL, relative to `url`. If live
   * push fails or has another protocol version, polling goes on.
   *
   * Default `true`; with `headers` it is `false`, because a browser cannot send them with a
   * WebSocket.
   */
  live?: boolean | string;
  /** As of `fetch`. Default `same-origin`; `include` to send cookies to another origin. */
  credentials?: RequestCredentials;
  /** More headers for each request, such as `Authorization`. */
  headers?: Readonly<Record<string, string>>;
}

/** A Svelte store: `$store` is the {@link SocketStatusSnapshot}. */
export interface SocketStatusStore {
  /** Call `run` at once and on each change; returns the unsubscribe function. */
  subscribe(run: (snapshot: SocketStatusSnapshot) => void): () => void;
}

/** A client of one server. Its functions need no `this`. */
export interface SocketStatusSource {
  /**
   * Start, and keep the status current without subscribers until `stopPolling()`.
   *
   * A number is the `interval`. Options that you leave out keep their value. Changed options
   * take effect at once. A source that was refused tries again. Changing only `interval`
   * keeps the live connection; changing `url` drops the status.
   */
  initialize(options?: number | SocketStatusOptions): void;

  /**
   * Call `callback` on each change of the snapshot; returns the unsubscribe function.
   *
   * Starts the source if needed; `options` are those of `initialize()`. Ending the last
   * subscription stops it a second later, unless `initialize()` was called. An exception of
   * `callback` is reported as an unhandled rejection and does not affect other subscribers.
   */
  subscribe(
    callback: (status: SocketStatus, snapshot: SocketStatusSnapshot) => void,
    options?: number | SocketStatusOptions,
  ): () => void;

  /**
   * Stop polling and live push, also with subscribers, until the next `initialize()` or
   * `subscribe()`. The last status stays.
   */
  stopPolling(): void;

  /**
   * Request the status now; resolves with the snapshot after the response, never rejects.
   * Simultaneous calls share one request.
   *
   * Restarts a source that was refused; one that is idle makes a single request. While the
   * page is hidden or the status is live, there is no request.
   */
  refresh(): Promise<SocketStatusSnapshot>;

  getStatus(): SocketStatus;

  getSnapshot(): SocketStatusSnapshot;

  /**
   * One line of English text: `Open sockets: 3 (2 call and 1 stt_room)`. It says so if the
   * number is not known or not up to date.
   *
   * @param locale The number format. Default `en`.
   */
  getFormattedStatus(locale?: string | string[]): string;

  toStore(): SocketStatusStore;

  /**
   * When the server last confirmed the status, in milliseconds since the epoch; `null`
   * before the first response. It moves with each response, also with one that changes
   * nothing and calls no subscriber: read it when you draw a clock.
   */
  readonly checkedAt: number | null;
}

/**
 * Return the number of open sockets of a type, or of all types without one.
 *
 * `socketsByType[type] ?? 0` is wrong for a type with the name of an inherited property, such
 * as `constructor`.
 */
export function countOf(
  status: Pick<SocketStatus, "totalSockets" | "socketsByType">,
  type?: string | null,
): number;

/** The globals that a source uses. Looked up at each use. */
export interface SocketStatusEnvironment {
  fetch: typeof globalThis.fetch;
  WebSocket?: new (url: URL) => Pick<WebSocket, "onmessage" | "onclose" | "close">;
  setTimeout(task: () => void, delay: number): unknown;
  clearTimeout(timer: any): void;
  Date: { now(): number };
  Math: { random(): number };
  document?: Pick<
    Document,
    "hidden" | "baseURI" | "querySelector" | "addEventListener" | "removeEventListener"
  >;
}

/**
 * Create a separate source, for a second server or other options. It makes no request
 * before you start it.
 *
 * @param environment Replaces all the globals, for tests.
 */
export function createSocketStatus(
  options?: SocketStatusOptions,
  environment?: SocketStatusEnvironment,
): SocketStatusSource;

/**
 * The source that all code on the page shares, also if the page loads several copies of this
 * module.
 */
export const SocketStatusService: SocketStatusSource;

export default SocketStatusService;
