// @ts-check
/** The names of a source, which the compiler compares with its types and a test with itself. */

/** @import { SocketStatusSource } from "django-socket-status" */

/** @type {Record<Exclude<keyof SocketStatusSource, "checkedAt">, true>} */
export const functions = {
  initialize: true,
  subscribe: true,
  stopPolling: true,
  refresh: true,
  getStatus: true,
  getSnapshot: true,
  getFormattedStatus: true,
  toStore: true,
};

/** @type {Record<Exclude<keyof SocketStatusSource, keyof typeof functions>, true>} */
export const properties = { checkedAt: true };
