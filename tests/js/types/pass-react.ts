/** What has to compile with React. */

import { createSocketStatus, type SocketStatus } from "django-socket-status";
import {
  createUseSocketStatus,
  useSocketStatus,
  type SocketStatusView,
  type UseSocketStatus,
} from "django-socket-status/react";
import * as React from "react";

const elsewhere = createSocketStatus({ url: "https://example.org/socket-status/" });

export function useEverything() {
  const { active, totalSockets, socketsByType, connection, updatedAt, error } = useSocketStatus();
  const view: SocketStatusView = useSocketStatus({ interval: 5_000 });
  const status: SocketStatus = useSocketStatus(10_000);
  const total: number = useSocketStatus((view) => view.totalSockets);
  const calls: number | undefined = useSocketStatus(null, (view) => view.socketsByType["call"]);
  const both: { is: boolean; at: number | null } = useSocketStatus(
    { source: elsewhere, live: false },
    (view) => ({ is: view.active, at: view.updatedAt }),
  );
  const first = { active, totalSockets, socketsByType, connection, updatedAt, error };
  return { first, view, status, total, calls, both };
}

export const useOther: UseSocketStatus = createUseSocketStatus(React);
export const useElsewhere: UseSocketStatus = createUseSocketStatus(React, elsewhere);
