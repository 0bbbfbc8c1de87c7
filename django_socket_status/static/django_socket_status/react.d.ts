/**
 * The status of a site's WebSockets in React 18 and 19.
 *
 * ```jsx
 * import { useSocketStatus } from "django-socket-status/react";
 *
 * function Badge() {
 *   const { totalSockets, updatedAt } = useSocketStatus();
 *   return <span>{updatedAt === null ? "…" : `${totalSockets} open`}</span>;
 * }
 * ```
 *
 * @module
 */

import type {
  SocketStatus,
  SocketStatusOptions,
  SocketStatusSnapshot,
  SocketStatusSource,
} from "./socket-status.js";

/**
 * The status, and how well it is known. On the server, while hydrating and before the first
 * answer, `updatedAt` is `null` and the counts say nothing.
 */
export interface SocketStatusView extends SocketStatus, Omit<SocketStatusSnapshot, "status"> {}

export interface UseSocketStatusOptions extends SocketStatusOptions {
  /**
   * Another source than the shared one, as `createSocketStatus()` makes it. Make it outside
   * of the component.
   */
  source?: SocketStatusSource;
}

export interface UseSocketStatus {
  /**
   * The status, kept current while a component uses it; renders when its content changes.
   *
   * Options apply to the source, that is to everyone who uses it; the latest that change
   * something win. A number is the `interval`.
   */
  (options?: number | UseSocketStatusOptions | null): SocketStatusView;

  /**
   * What `select` makes of the status; renders only when that changes. Plain objects and
   * arrays are compared by content, everything else by `Object.is`.
   */
  <Selection>(select: (view: SocketStatusView) => Selection): Selection;

  <Selection>(
    options: number | UseSocketStatusOptions | null | undefined,
    select: (view: SocketStatusView) => Selection,
  ): Selection;
}

/** The part of React that the hook is made of. */
export interface ReactHooks {
  useCallback<Callback extends (...given: any[]) => any>(
    callback: Callback,
    dependencies: unknown[],
  ): Callback;
  useMemo<Value>(make: () => Value, dependencies: unknown[]): Value;
  useSyncExternalStore<Snapshot>(
    subscribe: (notify: () => void) => () => void,
    getSnapshot: () => Snapshot,
    getServerSnapshot?: () => Snapshot,
  ): Snapshot;
}

/** The hook over the source that everybody on the page shares. */
export const useSocketStatus: UseSocketStatus;

/**
 * Make the hook of a React that a bundler or import map cannot find, for instance a global
 * one.
 *
 * This function is also in `use-socket-status.js`, which imports nothing and so can be used
 * straight from the static files; import `socket-status.js` as well there.
 *
 * @param React React, or what has its hooks, such as `preact/compat`.
 * @param source What the hook uses if it is not told otherwise. Default: the shared one.
 */
export function createUseSocketStatus(
  React: ReactHooks,
  source?: SocketStatusSource,
): UseSocketStatus;
