"""The contract of reports: what is taken, what is refused, what is read back."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

import dataclasses

from django_socket_status.testing.contract.harness import Harness

__all__ = ["ReportsContract"]


class ReportsContract(Harness):
    """A worker reports."""

    def test_no_worker_has_reported(self) -> None:
        snapshot = self.backend.read()
        assert not snapshot.workers
        assert snapshot.unique_users == 0
        assert snapshot.complete
        page = self.find()
        assert (len(page), page.total, page.next_offset) == (0, 0, None)
        assert not self.backend.is_online("7")
        assert not self.backend.online_user_ids()

    def test_full_report_is_read_back(self) -> None:
        worker = self.worker()
        self.start(
            worker,
            worker.open("call", user="7", labels={"room": "blue", "role": "host"}),
            worker.open("stt_room", endpoint=""),
        )
        self.assert_knows(worker)

    def test_worker_without_connections_is_known(self) -> None:
        worker = self.worker()
        self.start(worker)
        self.assert_knows(worker)

    def test_change_adds_to_what_was_reported(self) -> None:
        worker = self.worker()
        first = worker.open(user="7")
        self.start(worker, first, worker.open())
        assert self.backend.report(worker.change(worker.open(user="8")))
        assert self.backend.report(worker.change(closed=[first]))
        self.assert_knows(worker)

    def test_change_opens_and_closes_at_once(self) -> None:
        worker = self.worker()
        first = worker.open(user="7")
        self.start(worker, first)
        assert self.backend.report(
            worker.change(worker.open(user="7"), worker.open(), closed=[first])
        )
        self.assert_knows(worker)

    def test_closing_what_was_never_reported_is_no_error(self) -> None:
        worker = self.worker()
        self.start(worker)
        assert self.backend.report(worker.change(closed=[worker.open()]))
        self.assert_knows(worker)

    def test_change_of_an_unknown_worker_is_refused(self) -> None:
        worker = self.worker()
        assert self.backend.report(worker.change(worker.open(user="7"))) is False
        self.assert_knows()

    def test_change_after_a_lost_one_is_refused(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open())
        worker.change(worker.open())
        assert self.backend.report(worker.change(worker.open())) is False
        assert self.statuses()["a"].counts == {"call": 1}
        assert len(self.find()) == 1

    def test_refused_worker_is_known_after_a_full_report(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open(user="7"))
        worker.change(worker.open(user="8"))
        assert self.backend.report(worker.change(worker.open())) is False
        assert self.backend.report(worker.full())
        assert self.backend.report(worker.change(worker.open()))
        self.assert_knows(worker)

    def test_report_that_comes_twice_is_taken_once(self) -> None:
        worker = self.worker()
        self.start(worker)
        again = worker.change(worker.open(user="7"))
        assert self.backend.report(again) is True
        assert self.backend.report(again) is False
        self.assert_knows(worker)

    def test_late_report_changes_nothing(self) -> None:
        worker = self.worker()
        first = worker.open(user="7")
        self.start(worker)
        late = worker.change(first)
        assert self.backend.report(late)
        assert self.backend.report(worker.change(closed=[first]))
        assert self.backend.report(late) is False
        self.assert_knows(worker)

    def test_full_report_replaces_everything(self) -> None:
        worker = self.worker()
        self.start(worker, worker.open(user="7"), worker.open("chat"))
        assert self.backend.report(worker.full([worker.open("call", user="8")]))
        self.assert_knows(worker)
        assert not self.backend.is_online("7")

    def test_full_report_may_come_in_pieces(self) -> None:
        worker = self.worker()
        held = [worker.open(user=str(number % 3)) for number in range(9)]
        self.start(self.worker("b"))
        assert self.backend.report(worker.full(held[:3], complete=False))
        assert not self.statuses()["a"].complete
        assert self.statuses()["b"].complete
        assert self.backend.report(worker.change(*held[3:6], complete=False))
        assert not self.statuses()["a"].complete
        assert len(self.find()) == 6
        assert self.backend.report(worker.change(*held[6:]))
        self.assert_knows(worker, self.worker("b"))

    def test_total_is_of_what_can_be_listed(self) -> None:
        worker = self.worker()
        report = worker.full([worker.open()], complete=False)
        # The counts are whole from the first piece on.
        worker.connections.update({n: worker.open() for n in range(10, 14)})
        first = dataclasses.replace(report, counts=worker.counts)
        assert self.backend.report(first)
        assert self.statuses()["a"].total_sockets == 5
        assert self.find().total == self.find(type="call").total == 1

    def test_connection_may_close_between_two_pieces(self) -> None:
        worker = self.worker()
        held = [worker.open(user=str(number)) for number in range(4)]
        assert self.backend.report(worker.full(held[:2], complete=False))
        assert self.backend.report(worker.change(*held[2:], closed=held[:1]))
        self.assert_knows(worker)

    def test_many_connections_in_one_report(self) -> None:
        worker = self.worker()
        held = [worker.open(f"type{n % 7}", user=str(n % 300)) for n in range(1000)]
        self.start(worker)
        assert self.backend.report(worker.change(*held))
        self.assert_knows(worker)
        assert self.backend.report(worker.change(closed=held[:-1]))
        self.assert_knows(worker)

    def test_age_is_the_time_since_the_last_report(self) -> None:
        worker = self.worker()
        self.start(worker)
        young = self.statuses()["a"].age_seconds
        self.pass_time(self.lease_seconds / 2)
        old = self.statuses()["a"].age_seconds
        assert 0 <= young < old < self.lease_seconds
        assert self.backend.report(worker.change())
        assert self.statuses()["a"].age_seconds < old
