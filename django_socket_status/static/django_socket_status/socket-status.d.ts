/**
 * Which WebSockets of a site are open, kept current in the browser.
 *
 * ```js
 * import { SocketStatusService } from "django-socket-status";
 *
 * const unsubscribe = SocketStatusService.subscribe((status) => {
 *   console.log(status.totalSockets, status.socketsByType);
 * });
 * ```
 *
 * The first subscriber starts it, a second after the last one left it stops. It asks the
 * summary of `django_socket_status.urls` with `ETag`s, and listens to live push as soon as
 * the server offers that. Nothing is asked or listened to while the page is hidden.
 *
 * All times are in milliseconds.
 *
 * @module
 */

/**
 * What is open. Deeply frozen, and the same object until something else than `timestamp`
 * changes; so are `socketsByType` and `wsEndpoints`.
 *
 * Before the first answer it is a constant with `totalSockets` 0: that says nothing about
 * the server. {@link SocketStatusSnapshot.updatedAt} is `null` then.
 */
export interface SocketStatus {
  /** Whether at least one socket is open. */
  readonly active: boolean;
  readonly totalSockets: number;
  /** How many are open of each type, in the order of the types' names. */
  readonly socketsByType: Readonly<Record<string, number>>;
  /**
   * When the server first gave an answer with this content, by its own clock, in ISO 8601;
   * `null` before the first answer.
   */
  readonly timestamp: string | null;
  /** Where each type is served. */
  readonly wsEndpoints: Readonly<Record<string, string>>;
  /**
   * Signed-in users with a socket; `null` where the server keeps counts alone and cannot
   * tell. This and all that follow: absent until answered.
   */
  readonly uniqueUsers?: number | null;
  readonly anonymousSockets?: number;
  /** Processes of the server that serve sockets. */
  readonly workers?: number;
  /** How much of the deployment the counts cover. */
  readonly coverage?: "process" | "host" | "cluster";
  /** Whether the server gave its last good answer because it cannot read the present one. */
  readonly stale?: boolean;
}

/**
 * How the status is kept current.
 *
 * - `idle`: not at all. Nobody asked yet, it was stopped, the page is hidden, or the first
 *   answer has not come yet.
 * - `polling`: asked every `interval`.
 * - `live`: told by the server as it changes.
 * - `reconnecting`: the last question failed; it will be asked again, later each time.
 * - `error`: refused with 401 or 403. Not asked again before `initialize()`, `refresh()`, or
 *   a new subscriber.
 */
export type SocketStatusConnection = "idle" | "polling" | "live" | "reconnecting" | "error";

/** Why there is no answer. */
export interface SocketStatusError {
  /**
   * The server's own code, if it gave one; else `http_` and the HTTP status, such as
   * `http_503`; `network` when no answer came within 8 seconds, or none at all.
   */
  readonly code: string;
  /** For a person: the server's words, if it gave any. */
  readonly message: string;
  /** HTTP status, `null` without an answer. 401 and 403 also when live push is refused. */
  readonly status: number | null;
}

/**
 * The status and how well it is known. Frozen, and the same object until its content
 * changes: an answer that says what was known makes no new one and calls no subscriber.
 */
export interface SocketStatusSnapshot {
  /** The last one that is known, also after an error. */
  readonly status: SocketStatus;
  readonly connection: SocketStatusConnection;
  /**
   * When `status` was last confirmed before this snapshot was made, in milliseconds since
   * the epoch; `null` before the first answer. A snapshot never changes, so this stands
   * still while answers confirm what is known: see {@link SocketStatusSource.checkedAt}.
   * Once the connection is lost, it is the time that the values are from.
   */
  readonly updatedAt: number | null;
  /**
   * Why there is no newer status; `null` while all is well. Stays while the page is hidden,
   * until there is an answer again.
   */
  readonly error: SocketStatusError | null;
}

export interface SocketStatusOptions {
  /**
   * Where `django_socket_status.urls` answers. Without it, each time asking begins, the
   * first of these: `data-url` of a `<script src="…socket-status….js">`, the content of
   * `<meta name="socket-status-url">`, `/socket-status/`. Outside of a browser it has to be
   * absolute. A server of another origin has to expose the headers `ETag`, `Retry-After` and
   * `Socket-Status-Live` to scripts.
   */
  url?: string;
  /** From an answer to the next question. Default 10000, at least 1000. */
  interval?: number;
  /**
   * Whether to listen to live push. `true` when the server offers it (by the header
   * `Socket-Status-Live`), `false` never, a URL there. Resolved against `url`. Wherever live
   * push does not work, or speaks another version of the protocol, polling goes on.
   *
   * Default `true`, but `false` with `headers`, which no browser sends with a WebSocket.
   */
  live?: boolean | string;
  /** As of `fetch`. Default `same-origin`; `include` to send cookies to another origin. */
  credentials?: RequestCredentials;
  /** More headers for each question, such as `Authorization`. */
  headers?: Readonly<Record<string, string>>;
}

/** A store as Svelte understands it: `$store` is the {@link SocketStatusSnapshot}. */
export interface SocketStatusStore {
  /** Call `run` at once and on each change; the answer ends it. */
  subscribe(run: (snapshot: SocketStatusSnapshot) => void): () => void;
}

/** One source of status. Its functions need no `this`. */
export interface SocketStatusSource {
  /**
   * Start, and go on without subscribers until `stopPolling()`.
   *
   * A number is the `interval`. Options that are not given stay as they were; changed ones
   * take effect at once, unchanged ones do nothing, except that a refused source tries
   * again. Another `interval` alone leaves live push as it is; another `url` forgets the
   * status.
   */
  initialize(options?: number | SocketStatusOptions): void;

  /**
   * Call `callback` on each change of the snapshot; the answer ends that.
   *
   * Starts the source if need be, with `options` as of `initialize()`. Ending the last
   * subscription stops it a second later, unless `initialize()` was called. What `callback`
   * throws is reported as an unhandled rejection and hinders nobody else.
   */
  subscribe(
    callback: (status: SocketStatus, snapshot: SocketStatusSnapshot) => void,
    options?: number | SocketStatusOptions,
  ): () => void;

  /**
   * Stop asking and listening, also if there are subscribers, until the next `initialize()`
   * or `subscribe()`. The last status stays.
   */
  stopPolling(): void;

  /**
   * Ask now; resolves with the snapshot once the answer is in, and never rejects. Questions
   * of the same moment share one request.
   *
   * Starts a refused source again, but not one that is idle: that is asked this once.
   * Nothing is asked while the page is hidden, nor while the status is live.
   */
  refresh(): Promise<SocketStatusSnapshot>;

  getStatus(): SocketStatus;

  getSnapshot(): SocketStatusSnapshot;

  /**
   * One line for a person, in English: `Open sockets: 3 (2 call and 1 stt_room)`. It says so
   * when the number is not known or not up to date.
   *
   * @param locale How to write the numbers. Default `en`.
   */
  getFormattedStatus(locale?: string | string[]): string;

  toStore(): SocketStatusStore;

  /**
   * When the server last confirmed the status, in milliseconds since the epoch; `null`
   * before the first answer. Moves with every answer, also with one that changes nothing and
   * hence calls no subscriber: read it when you draw a clock.
   */
  readonly checkedAt: number | null;
}

/** What a source takes from the world around it. Looked up at each use. */
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
 * Make a source of its own, for a second server or other options. Nothing is asked before
 * it is started.
 *
 * @param environment For tests: what to use instead of the globals, all of them.
 */
export function createSocketStatus(
  options?: SocketStatusOptions,
  environment?: SocketStatusEnvironment,
): SocketStatusSource;

/**
 * The source that everybody on the page shares, also when the page holds several copies of
 * this module.
 */
export const SocketStatusService: SocketStatusSource;

export default SocketStatusService;
