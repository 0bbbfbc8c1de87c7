/**
 * Follow the status: by live push if the server offers it, and otherwise by polling.
 *
 * Only this module knows how the page gets the status.
 */

import { SocketStatusService } from "../django_socket_status/socket-status.js";

/**
 * @param {(snapshot: object) => void} onChange called with the snapshot on each change
 * @param {number} everyMilliseconds the pause between two requests while polling
 */
export function watchStatus(onChange, everyMilliseconds = 2000) {
  const show = () => onChange(SocketStatusService.getSnapshot());
  SocketStatusService.subscribe(show);
  SocketStatusService.initialize(everyMilliseconds);
  show();
}

/**
 * Return the answer as a program gets it: indented JSON text.
 *
 * @param {string} url where the summary is
 */
export async function fetchAnswer(url) {
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  return JSON.stringify(await response.json(), null, 2);
}
