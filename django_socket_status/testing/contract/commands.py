"""The contract of commands: workers receive each until they have it, or it expires."""

# A test asserts, and its name is its docstring.
# ruff: noqa: D102, S101

from __future__ import annotations

from django_socket_status.activity.stored import Activity, Command, CommandState
from django_socket_status.exceptions import BackendError
from django_socket_status.testing.contract.activity import (
    DAY,
    ActivityHarness,
    if_kept,
)
from django_socket_status.testing.fakes import FakeWorker

__all__ = ["CommandsContract"]


class CommandsContract(ActivityHarness):
    """An operator gives commands, and workers answer."""

    def give(self, *names: str, seconds: float = 60.0) -> None:
        """Give commands with these ids."""
        for name in names:
            self.backend.give_command(Command(name, f'{{"do":"{name}"}}', seconds))

    def get(self, worker: FakeWorker, after: int = 0) -> list[Command]:
        """Return the commands that a worker receives with its next report."""
        answer = self.exchange(worker, full=True, commands_after=after)
        return list(answer.commands)

    def ids(self, worker: FakeWorker, after: int = 0) -> list[str]:
        """Return the ids of those commands."""
        return [it.command_id for it in self.get(worker, after)]

    @property
    def states(self) -> dict[str, CommandState]:
        """Return the listed commands by id, in their order."""
        return {it.command.command_id: it for it in self.backend.read_commands()}

    def results(self, command_id: str) -> dict[str, str]:
        """Return what workers have answered to a command."""
        return dict(self.states[command_id].results)

    def test_there_are_no_commands_before_one_is_given(self) -> None:
        worker = self.worker()
        assert self.get(worker) == []
        assert not self.backend.read_commands()

    @if_kept("commands")
    def test_worker_receives_commands_in_their_order(self) -> None:
        worker = self.worker()
        self.start(worker)
        self.give("one", "two", "three")
        found = list(self.exchange(worker).commands)
        assert [it.command_id for it in found] == ["one", "two", "three"]
        assert found[0].text == '{"do":"one"}'
        assert found[0].expires_seconds == 60.0
        numbers = [it.number for it in found]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > 0

    @if_kept("commands")
    def test_worker_receives_a_command_until_it_has_it(self) -> None:
        worker = self.worker()
        self.give("one", "two")
        # The first reply is lost.
        assert self.ids(worker) == ["one", "two"]
        one, two = self.get(worker)
        assert self.ids(worker, after=one.number) == ["two"]
        assert self.ids(worker, after=two.number) == []
        self.give("three")
        assert self.ids(worker, after=two.number) == ["three"]

    @if_kept("commands")
    def test_command_says_how_long_ago_it_was_given(self) -> None:
        worker = self.worker()
        self.give("one", "two")
        one, _ = self.get(worker)
        self.pass_time(1.2)
        for later in self.get(worker):
            assert 0.0 <= one.age_seconds <= later.age_seconds - 1.1 < 60.0

    @if_kept("commands")
    def test_every_worker_receives_a_command(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.give("one")
        assert self.ids(one) == self.ids(two) == ["one"]
        # And a worker that starts afterwards.
        assert self.ids(self.worker("c")) == ["one"]

    @if_kept("commands")
    def test_heartbeat_with_activity_receives_commands(self) -> None:
        worker = self.worker()
        self.start(worker)
        assert self.exchange(worker).commands == ()
        self.give("one")
        assert [it.command_id for it in self.exchange(worker).commands] == ["one"]

    @if_kept("commands")
    def test_refused_report_receives_none(self) -> None:
        self.give("one")
        worker = self.worker()
        answer = self.backend.exchange(worker.change(activity=Activity()))
        assert answer.is_taken is False
        assert answer.commands == ()

    @if_kept("commands")
    def test_command_that_has_expired_is_not_received_but_listed(self) -> None:
        worker = self.worker()
        self.give("short", seconds=1.0)
        self.give("long")
        self.pass_time(1.2)
        assert self.ids(worker) == ["long"]
        assert list(self.states) == ["short", "long"]

    @if_kept("commands")
    def test_numbers_grow_when_commands_expire(self) -> None:
        worker = self.worker()
        self.give("one", seconds=1.0)
        (one,) = self.get(worker)
        self.pass_time(1.2)
        self.give("two")
        (two,) = self.get(worker)
        assert two.number > one.number

    @if_kept("commands")
    def test_results_are_listed_by_worker(self) -> None:
        one, two = self.worker("a"), self.worker("b")
        self.give("close", "drain")
        self.exchange(one, results={"close": "3", "drain": "4"})
        self.exchange(two, results={"close": "5"})
        assert self.results("close") == {"a": "3", "b": "5"}
        assert self.results("drain") == {"a": "4"}
        state = self.states["close"]
        assert state.command.text == '{"do":"close"}'
        assert state.given_at > 0

    @if_kept("commands")
    def test_result_may_come_again_or_late(self) -> None:
        worker = self.worker()
        self.start(worker)
        self.give("close", seconds=1.0)
        activity = Activity(results={"close": "3"})
        lost = worker.change(activity=activity)
        assert self.backend.exchange(lost).is_taken
        assert self.backend.exchange(lost).is_taken is False
        self.pass_time(1.2)
        # The command has expired, and the worker does not know that its report came.
        assert self.backend.exchange(worker.full(activity=activity)).is_taken
        assert self.results("close") == {"a": "3"}

    @if_kept("commands")
    def test_refused_report_leaves_no_result(self) -> None:
        worker = self.worker()
        self.start(worker)
        self.give("close")
        worker.change()
        report = worker.change(activity=Activity(results={"close": "3"}))
        assert self.backend.exchange(report).is_taken is False
        assert self.results("close") == {}

    @if_kept("commands")
    def test_result_of_an_unknown_command_is_ignored(self) -> None:
        worker = self.worker()
        self.give("close")
        self.exchange(worker, results={"unknown": "1", "close": "2"})
        assert list(self.states) == ["close"]
        assert self.results("close") == {"a": "2"}

    @if_kept("commands")
    def test_results_outlive_their_worker(self) -> None:
        worker = self.worker()
        self.give("stop")
        self.exchange(worker, results={"stop": "done"}, stops=True)
        assert self.results("stop") == {"a": "done"}

    @if_kept("commands")
    def test_long_command_is_kept_whole(self) -> None:
        worker = self.worker()
        text = "\\u00e9'%s?:x" * 300
        self.backend.give_command(Command("long", text, 60.0))
        assert self.get(worker)[0].text == text
        self.exchange(worker, results={"long": text})
        assert self.results("long") == {"a": text}

    @if_kept("commands")
    def test_hundred_commands_are_kept_and_then_one_is_refused(self) -> None:
        names = [f"c{number}" for number in range(100)]
        self.give(*names)
        try:
            self.give("too many")
        except BackendError:
            pass
        else:
            raise AssertionError("the 101st command was taken")
        assert self.ids(self.worker()) == names

    @if_kept("commands")
    def test_expired_command_makes_room_for_another(self) -> None:
        self.give("old", seconds=1.0)
        self.give(*(f"c{number}" for number in range(99)))
        self.pass_time(1.2)
        self.give("new")
        found = list(self.states)
        assert len(found) == 100
        assert (found[0], found[-1]) == ("c0", "new")

    @if_kept("commands")
    def test_commands_are_listed_for_a_day(self) -> None:
        if not self.may_pass(DAY):
            return
        self.give("one")
        self.exchange(self.worker(), results={"one": "1"})
        self.pass_time(DAY - 60)
        assert self.results("one") == {"a": "1"}
        self.give("two")
        self.pass_time(120)
        assert list(self.states) == ["two"]

    @if_kept("commands")
    def test_another_instance_has_the_same_commands(self) -> None:
        if self.backend.coverage == "process":
            return
        worker = self.worker()
        other = self.another_backend()
        other.give_command(Command("one", "text", 60.0))
        assert self.ids(worker) == ["one"]
        self.exchange(worker, results={"one": "1"})
        self.backend.close()
        assert dict(other.read_commands()[0].results) == {"a": "1"}
        self.give("two")
        numbers = [it.command.number for it in other.read_commands()]
        assert numbers == sorted(set(numbers))
