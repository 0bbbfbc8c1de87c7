/** The React hook over the shared source. Documented in react.d.ts. */

import { useCallback, useMemo, useSyncExternalStore } from "react";
import { SocketStatusService } from "./socket-status.js";
import { createUseSocketStatus } from "./use-socket-status.js";

export { createUseSocketStatus };

export const useSocketStatus = createUseSocketStatus(
  { useCallback, useMemo, useSyncExternalStore },
  SocketStatusService,
);
