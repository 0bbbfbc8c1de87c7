"""Runs one subcommand: once, or again and again."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django_socket_status.cli.columns import UsageError
from django_socket_status.cli.frames import Answer, json_text
from django_socket_status.cli.output import Output
from django_socket_status.cli.progress import Progress
from django_socket_status.cli.text import clean

__all__ = ["fields_of", "reader_of", "run", "run_action", "run_check"]

#: The subcommands that show progress, because they may read many pages.
LISTS = frozenset({"list"})

#: The modules that have another name than their subcommand.
MODULES = {"list": "connections"}

Read = Callable[[], Answer]


def run(name: str, options: Mapping[str, Any], output: Output) -> None:
    """Run a subcommand other than ``check``.

    Raises:
        StatusUnavailableError: the status cannot be read. With ``--watch``, the
            reason is shown instead, and the watch goes on.
        UsageError: an option has an impossible value.
    """
    if options.get("json") and options.get("columns"):
        raise UsageError("--columns is for tables: --json always has all keys.")
    if options.get("user") is not None:
        from django_socket_status.cli.subcommands.criteria import with_user

        options = with_user(options)
    read = reader_of(name, options, output)
    with _without_log_lines():
        if options.get("watch") is not None:
            from django_socket_status.cli.watch import watch

            watch(read, options["watch"], output, as_json=bool(options.get("json")))
        else:
            _show(read(), options, output)


def run_action(name: str, options: Mapping[str, Any], output: Output) -> int:
    """Run a subcommand of ``ACTIONS``, and return the exit code.

    Raises:
        StatusUnavailableError: the workers cannot be reached.
        UsageError: an option has an impossible value.
    """
    if options.get("watch") is not None:
        raise UsageError(f"{name} does not take --watch.")
    logger = logging.getLogger("django_socket_status")
    # The audit lines have another logger, and stay.
    logger.addFilter(_no_line)
    try:
        code: int = _module(name).act(options, output)
    finally:
        logger.removeFilter(_no_line)
    return code


def _no_line(record: logging.LogRecord) -> bool:
    return False


def run_check(options: Mapping[str, Any], output: Output) -> int:
    """Run ``check``, print what it found, and return the exit code.

    Every exception is UNKNOWN: Python's exit code 1 would be a WARNING.
    """
    from django_socket_status.cli.subcommands.check import Verdict, read

    try:
        if options.get("watch") is not None:
            raise UsageError("check does not take --watch.")
        with _without_log_lines():
            verdict = read(options)
    except Exception as error:  # noqa: BLE001 - also a fault of the project's code
        verdict = Verdict.unknown(str(error) or type(error).__name__)
    as_json = options.get("json")
    output.lines(
        [json_text(verdict.body, indent=2) if as_json else clean(verdict.line)]
    )
    return int(verdict.state)


def reader_of(name: str, options: Mapping[str, Any], output: Output) -> Read:
    """Return the function that reads the answer of a subcommand.

    Imports the module of this subcommand alone.
    """
    module = _module(name)
    if name not in LISTS:
        return functools.partial(module.read, options)

    def read() -> Answer:
        with Progress(output) as progress:
            answer: Answer = module.read(options, progress.show)
        return answer

    return read


def fields_of(name: str) -> Mapping[str, Any]:
    """Return the columns of a subcommand by name; none if it takes no ``--columns``."""
    return getattr(_module(name), "FIELDS", {})


def _module(name: str) -> Any:
    module = MODULES.get(name, name)
    return importlib.import_module(f"{__package__}.subcommands.{module}")


def _show(answer: Answer, options: Mapping[str, Any], output: Output) -> None:
    if options.get("json"):
        output.lines([json_text(answer.body, indent=2)])
    else:
        output.lines(answer.lines(output.width()))


@contextlib.contextmanager
def _without_log_lines() -> Iterator[None]:
    """Keep the log lines of this package off the terminal.

    The reason of a failed read is part of the answer here.
    """
    logger = logging.getLogger("django_socket_status")
    handler, propagates = logging.NullHandler(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = propagates
        logger.removeHandler(handler)
