/** What must not compile: each marked line is an error, or the compiler complains of the mark. */

import { SocketStatusService, createSocketStatus } from "django-socket-status";
import { createUseSocketStatus, useSocketStatus } from "django-socket-status/react";

const status = SocketStatusService.getStatus();
const snapshot = SocketStatusService.getSnapshot();

// @ts-expect-error: the status is frozen
status.totalSockets = 4;
// @ts-expect-error: and so is what it holds
status.socketsByType["call"] = 4;
// @ts-expect-error: and the snapshot
snapshot.connection = "live";
// @ts-expect-error: keys are in camel case
status.total_sockets;
// @ts-expect-error: a type may have no socket
status.socketsByType["stt_room"].toFixed();
// @ts-expect-error: absent before the first answer
status.anonymousSockets.toFixed();
// @ts-expect-error: null where the server does not know them, also after it
if (status.uniqueUsers !== undefined) status.uniqueUsers.toFixed();
// @ts-expect-error: null before the first answer
new Date(snapshot.updatedAt);
// @ts-expect-error: null before the first answer
Date.parse(status.timestamp);
// @ts-expect-error: null while all is well
snapshot.error.code;
// @ts-expect-error: there is no such state
snapshot.connection === "connected";
// @ts-expect-error: read only
SocketStatusService.checkedAt = 0;

// @ts-expect-error: milliseconds are a number
SocketStatusService.initialize("10000");
// @ts-expect-error: no such option
SocketStatusService.initialize({ pollingInterval: 10_000 });
// @ts-expect-error: a string, so that options can be compared
SocketStatusService.initialize({ url: new URL("https://example.org") });
// @ts-expect-error: a plain object, so that options can be compared
SocketStatusService.initialize({ headers: new Headers() });
// @ts-expect-error: as of fetch
SocketStatusService.initialize({ credentials: "always" });
// @ts-expect-error: "off" is no URL, but how should a type know; a number is not
SocketStatusService.initialize({ live: 1 });
// @ts-expect-error: a callback is needed
SocketStatusService.subscribe();
// @ts-expect-error: its first argument is the status, not the snapshot
SocketStatusService.subscribe(({ connection }) => connection);
// @ts-expect-error: refresh() promises
SocketStatusService.refresh().status;
// @ts-expect-error: options are an object here
createSocketStatus(10_000);
// @ts-expect-error: an environment is complete
createSocketStatus({}, { fetch });

// @ts-expect-error: the view is flat
useSocketStatus().status;
// @ts-expect-error: a selection has the type of what was selected
useSocketStatus((view) => view.totalSockets).toUpperCase();
// @ts-expect-error: no such option
useSocketStatus({ selector: () => 1 });
// @ts-expect-error: the view is frozen
useSocketStatus((view) => (view.active = true));
// @ts-expect-error: React is needed
createUseSocketStatus();
// @ts-expect-error: or what has its hooks
createUseSocketStatus({ useMemo: () => 1 });
