"""The contract of leases and goodbyes, and of several workers at once."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

from django_socket_status.testing.contract.harness import Harness
from django_socket_status.testing.fakes import FakeWorker

__all__ = ["LeasesContract"]


class LeasesContract(Harness):
    """Workers come, go, and do not touch each other."""

    def test_lease_that_ended_takes_its_connections_with_it(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open(user="7"), worker.open())
        self.pass_time(self.lease_seconds * 1.1)
        self.assert_knows()
        assert not self.backend.is_online("7")

    def test_heartbeat_renews_the_lease(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open(user="7"))
        for _ in range(3):
            self.pass_time(self.lease_seconds * 0.6)
            assert self.backend.report(worker.change())
        self.assert_knows(worker)

    def test_change_renews_the_lease(self) -> None:
        worker = self.worker()
        self.start(worker)
        for _ in range(3):
            self.pass_time(self.lease_seconds * 0.6)
            assert self.backend.report(worker.change(worker.open(user="7")))
        self.assert_knows(worker)

    def test_each_worker_has_the_lease_that_it_asks_for(self) -> None:
        patient = FakeWorker("a", lease_seconds=self.lease_seconds * 4)
        hasty = self.worker("b")
        self.start(patient, patient.open(user="7"))
        self.start(hasty, hasty.open(user="8"))
        self.pass_time(self.lease_seconds * 1.1)
        self.assert_knows(patient)

    def test_lease_may_change_from_report_to_report(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open())
        worker.lease_seconds *= 4
        assert self.backend.report(worker.change())
        self.pass_time(self.lease_seconds * 1.1)
        self.assert_knows(worker)

    def test_worker_comes_back_after_its_lease(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open(user="7"), worker.open())
        before = {it.connection_id for it in self.find()}
        self.pass_time(self.lease_seconds * 1.1)
        self.assert_knows()
        self.tell(worker, worker.change())
        self.assert_knows(worker)
        assert {it.connection_id for it in self.find()} == before

    def test_goodbye_takes_everything_with_it(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open(user="7"), worker.open())
        self.backend.goodbye("a")
        self.assert_knows()
        assert not self.backend.is_online("7")

    def test_goodbye_of_an_unknown_worker_is_no_error(self) -> None:
        self.backend.goodbye("unknown")
        worker = self.worker()
        self.start(worker, worker.open())
        self.backend.goodbye("unknown")
        self.assert_knows(worker)

    def test_late_report_cannot_undo_a_goodbye(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open(user="7"))
        late = worker.change(worker.open(user="8"))
        self.backend.goodbye("a")
        assert self.backend.report(late) is False
        self.assert_knows()

    def test_worker_may_come_back_after_its_goodbye(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open(user="7"))
        self.backend.goodbye("a")
        assert self.backend.report(worker.full())
        self.assert_knows(worker)

    def test_workers_do_not_touch_each_other(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.start(one, one.open(user="7"), one.open("chat"))
        self.start(two, two.open(user="8"))
        self.assert_knows(one, two)
        # Both connections have number 1.
        assert self.backend.report(one.change(closed=[one.connections[1]]))
        self.assert_knows(one, two)
        self.backend.goodbye("a")
        self.assert_knows(two)

    def test_many_workers(self) -> None:
        workers = [self.worker(f"worker{number}") for number in range(50)]
        for number, worker in enumerate(workers):
            self.start(worker, worker.open(user=str(number // 2)))
        self.assert_knows(*workers)

    def test_user_on_two_workers_is_one_user(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.start(one, one.open(user="7"), one.open(user="7"))
        self.start(two, two.open(user="7"), two.open(user="8"))
        self.assert_knows(one, two)
        assert self.backend.read().unique_users == 2

    def test_user_stays_until_the_last_connection_closes(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        first, second = one.open(user="7"), one.open(user="7")
        self.start(one, first, second)
        self.start(two, two.open(user="7"))
        assert self.backend.report(one.change(closed=[first]))
        self.assert_knows(one, two)
        assert self.backend.report(one.change(closed=[second]))
        self.assert_knows(one, two)
        assert self.backend.is_online("7")
        assert self.backend.report(two.change(closed=[two.connections[1]]))
        self.assert_knows(one, two)
        assert not self.backend.is_online("7")

    def test_users_of_a_dead_worker_stay_where_they_also_are(self) -> None:
        dead, live = self.worker("a"), self.worker("b")
        self.start(dead, dead.open(user="7"), dead.open(user="8"))
        self.start(live, live.open(user="8"), live.open(user="9"))
        self.pass_time(self.lease_seconds * 0.6)
        assert self.backend.report(live.change())
        self.pass_time(self.lease_seconds * 0.6)
        self.assert_knows(live)
        # A user of the dead worker connects before its data is removed.
        assert self.backend.report(live.change(live.open(user="7")))
        self.assert_knows(live)
        assert self.backend.report(live.change(closed=[*live.connections.values()]))
        self.assert_knows(live)

    def test_worker_that_comes_back_finds_its_users(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.start(one, one.open(user="7"), one.open(user="8"))
        self.start(two, two.open(user="8"))
        self.backend.goodbye("a")
        self.assert_knows(two)
        self.start(one, *one.connections.values())
        self.assert_knows(one, two)

    def test_another_instance_sees_the_same(self) -> None:
        if self.backend.coverage == "process":
            return
        worker = self.worker()
        self.start(worker, worker.open(user="7"))
        other = self.another_backend()
        assert other.read().workers[0].counts == {"call": 1}
        assert other.is_online("7")
        assert other.report(worker.change(worker.open()))
        self.assert_knows(worker)
        other.goodbye("a")
        self.assert_knows()
