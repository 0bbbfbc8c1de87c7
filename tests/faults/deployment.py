"""Workers that report to one Redis, a process that only reads, and what is true."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable
from typing import Any

from tests.faults.watching import Truth, lies
from tests.faults.workers import Worker, wait_until

HEARTBEAT_SECONDS = 0.1
LEASE_SECONDS = 2.0
#: Of Redis: less than a reader waits for.
TIMEOUT_SECONDS = 0.4

BACKEND = "django_socket_status.backends.redis.RedisBackend"

#: Whose sockets the workers hold from first to last.
USERS = (None, "7", "8")

#: An outage is one warning. A busy machine causes a few more.
FEW = 5


class Deployment:
    """A few processes of a project that do what a test tells them.

    Args:
        start: Starts one; see :func:`tests.faults.conftest.start`.
        workers: How many have sockets.
        lease_seconds: For which a worker counts.
        settings: Others than the short ones here.
        **options: Of the backend.
    """

    def __init__(
        self,
        start: Callable[..., Worker],
        *,
        workers: int = 2,
        lease_seconds: float = LEASE_SECONDS,
        settings: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.lease_seconds = lease_seconds
        self._start = start
        self._settings = {
            "BACKEND": BACKEND,
            "OPTIONS": {"timeout_seconds": TIMEOUT_SECONDS, **options},
            "HEARTBEAT_SECONDS": HEARTBEAT_SECONDS,
            "LEASE_SECONDS": lease_seconds,
            **(settings or {}),
        }
        self.workers: list[Worker] = []
        self._truths: dict[Worker, Truth] = {}
        self._users: dict[Worker, list[str | None]] = {}
        self._turns = itertools.count()
        self._is_watched = False
        self.reader = self._one_more()
        for _ in range(workers):
            self.join()
        self.settle()

    def _one_more(self, **options: Any) -> Worker:
        options = {**self._settings["OPTIONS"], **options}
        return self._start(**{**self._settings, "OPTIONS": options})

    def join(self, **options: Any) -> Worker:
        """Start one more worker, with a few sockets, and other options."""
        worker = self._one_more(**options)
        self._truths[worker], self._users[worker] = Truth(), []
        self.workers.append(worker)
        self._change(worker, +len(USERS), lambda: self._begin(worker))
        if self._is_watched:
            worker.ask("watch")
        return worker

    def _begin(self, worker: Worker) -> None:
        """Have a worker report its first sockets: it may have to wait for its turn."""
        for user in USERS:
            worker.ask("open", user=user)
        self._users[worker] += USERS
        wait_until(lambda: worker.ask("flush"))

    def settle(self) -> None:
        """Wait until all is well, and take note of what has to stay."""
        self.wait_until_exact()
        self.held = set(self.reader.ask("ids"))

    @property
    def processes(self) -> list[Worker]:
        return [*self.workers, self.reader]

    # What happens in it.

    def open(self, worker: Worker, number: int = 1) -> None:
        for _ in range(number):
            self._open_one(worker)

    def _open_one(self, worker: Worker) -> None:
        user = USERS[len(self._users[worker]) % len(USERS)]
        self._users[worker].append(user)
        self._change(worker, +1, lambda: worker.ask("open", user=user))

    def close(self, worker: Worker) -> None:
        self._users[worker].pop()
        self._change(worker, -1, lambda: worker.ask("close"))

    def _change(self, worker: Worker, by: int, do: Callable[[], object]) -> None:
        truth, since = self._truths[worker], time.monotonic()
        do()
        truth.becomes(truth.now + by, since)

    def go_on(self, seconds: float) -> None:
        """Let sockets come and go for a while; it ends with more than it began."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            worker = self.workers[next(self._turns) % len(self.workers)]
            self.open(worker, 2)
            self.close(worker)
            time.sleep(0.02)

    def kill(self, worker: Worker) -> None:
        def ask_and_kill() -> None:
            self._note_stalls(worker)
            worker.kill()

        self._users[worker].clear()
        self.workers.remove(worker)
        self._change(worker, -self._truths[worker].now, ask_and_kill)

    def freeze(self, *workers: Worker) -> None:
        """Stop workers, and wait until no answer counts them any more."""
        self._frozen_at = time.monotonic()
        for worker in workers:
            worker.signal(signal.SIGSTOP)
            worker.wait_until_frozen()
        self.wait_until_missing(*workers)

    def thaw(self, *workers: Worker) -> None:
        for worker in workers:
            worker.signal(signal.SIGCONT)
        self.wait_until_exact()
        self.may_be_missing(self._frozen_at, *workers)

    def wait_until_missing(self, *workers: Worker) -> None:
        """Wait until readers are sure of all that the others hold, and of no more."""
        rest = self.total - sum(self._truths[worker].now for worker in workers)
        wait_until(lambda: self.reader.total == rest)

    def may_be_missing(self, since: float, *workers: Worker) -> None:
        """Note that until now no reader could know what workers hold."""
        for worker in workers:
            self._truths[worker].may_seem(0, since)

    def _note_stalls(self, worker: Worker) -> None:
        """Note that the lease of a process that could not run may have ended."""
        for begun, ended in worker.ask("stalls"):
            self._truths[worker].may_seem(0, begun, ended)

    # What is said of it.

    @property
    def total(self) -> int:
        return sum(truth.now for truth in self._truths.values())

    def held_by(self, worker: Worker) -> int:
        return self._truths[worker].now

    @property
    def unique_users(self) -> int:
        return len({it for users in self._users.values() for it in users} - {None})

    def is_exact(self, process: Worker) -> bool:
        """Return whether a process says what is true, and nothing else."""
        summary = process.ask("summary")
        return "error" not in summary and (
            summary["total_sockets"],
            summary["unique_users"],
            summary["workers"],
            summary["coverage"],
            summary["stale"],
        ) == (self.total, self.unique_users, len(self.workers), "cluster", False)

    def wait_until_exact(self) -> float:
        """Wait until everybody says what is true; return how many seconds it took."""
        began = time.monotonic()
        for process in self.processes:
            wait_until(
                lambda process=process: self.is_exact(process),
                lambda process=process: f"{process.ask('summary')}, not {self.total}",
            )
        took = time.monotonic() - began
        for process in self.processes:
            wait_until(lambda process=process: len(process.ask("ids")) == self.total)
        return took

    def watch(self) -> None:
        """Have every process ask what there is, from now on."""
        self._is_watched = True
        for process in self.processes:
            process.ask("watch")

    def verify_honest(self) -> None:
        """See that no process was told a lie since :meth:`watch`."""
        for worker in self.workers:
            self._note_stalls(worker)
        truths = list(self._truths.values())
        for process in self.processes:
            samples = process.ask("seen")
            assert samples, "it was not watched"
            found = lies(samples, truths, self.lease_seconds)
            number = self.processes.index(process)
            assert not found, (
                f"process {number}, {len(found)} of {len(samples)} answers: "
                f"{found[0]}, {found[-1]}. True were {truths}."
            )

    def verify_kept(self) -> None:
        """See that sockets that were open from first to last have their ids still."""
        wait_until(lambda: self.held <= set(self.reader.ask("ids")))

    def verify_quiet(self) -> None:
        """See that no process warned at each heartbeat, and of nothing unforeseen."""
        for process in self.processes:
            warnings = process.ask("warnings")
            assert not [it for it in warnings if "Traceback" in it], warnings
            for what in ("cannot be reported", "cannot be read"):
                assert sum(what in it for it in warnings) <= FEW, warnings
