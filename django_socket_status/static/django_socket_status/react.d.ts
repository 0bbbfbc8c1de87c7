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
 * The status and its state. On the server, while hydrating and before the first response,
 * `updatedAt` is `null` and the counts say nothing.
 */
export interface SocketStatusView extends SocketStatus, Omit<SocketStatusSnapshot, "status"> {}

export interface UseSocketStatusOptions extends SocketStatusOptions {
  /**
   * A source from `createSocketStatus()` instead of the shared one. Create it outside the
   * component.
   */
  source?: SocketStatusSource;
}

export interface UseSocketStatus {
  /**
   * The status, kept current while a component uses it; renders when its content changes.
   *
   * Options apply to the source, so to all components that use it; the latest change wins. A
   * number is the `interval`.
   */
  (options?: number | UseSocketStatusOptions | null): SocketStatusView;

  /**
   * The result of `select`; renders only when it changes. Plain objects and arrays are
   * compared by content, other values by `Object.is`.
   */
  <Selection>(select: (view: SocketStatusView) => Selection): Selection;

  <Selection>(
    options: number | UseSocketStatusOptions | null | undefined,
    select: (view: SocketStatusView) => Selection,
  ): Selection;
}

/** The functions of React that the hook uses. */
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

/** The hook for the source that all code on the page shares. */
export const useSocketStatus: UseSocketStatus;

/**
 * Create the hook for a React that no bundler or import map resolves, such as a global one.
 *
 * This function is also in `use-socket-status.js`, which imports nothing and works directly
 * from the static files; import `socket-status.js` too.
 *
 * @param React React, or a library with its hooks, such as `preact/compat`.
 * @param source The default source of the hook. Default: the shared one.
 */
export function createUseSocketStatus(
  React: ReactHooks,
  source?: SocketStatusSource,
): UseSocketStatus;
