/**
 * Follow the status: live if the server offers it, by polling if not.
 *
 * The one place of the site that knows how the status comes here.
 */

import { SocketStatusService } from "../django_socket_status/socket-status.js";

/**
 * @param {(snapshot: object) => void} onChange called with what is known, and how well
 * @param {number} everyMilliseconds the pause between two questions while polling
 */
export function watchStatus(onChange, everyMilliseconds = 2000) {
  const show = () => onChange(SocketStatusService.getSnapshot());
  SocketStatusService.subscribe(show);
  SocketStatusService.initialize(everyMilliseconds);
  show();
}
