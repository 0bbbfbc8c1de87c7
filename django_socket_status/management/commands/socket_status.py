"""``manage.py socket_status``: the status of the deployment, in a terminal."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_socket_status.cli.arguments import ACTIONS, add_arguments, named_in

USAGE, UNKNOWN = 2, 3
#: The exit code of a process that Ctrl-C ended, as shells have it: 128 + SIGINT.
INTERRUPTED = 130
#: The longest that a command waits for the backend. A person at a terminal prefers a
#: late answer to none; monitoring systems give a plugin 10 seconds.
READ_SECONDS = 5.0


class Command(BaseCommand):
    help = (
        "Shows which WebSockets are open in the whole deployment. Asking changes "
        "nothing; 'disconnect' and 'drain' close connections. Exit codes: 0; 1 if the "
        "status cannot be read; 2 for wrong options; 3 if not all was done; 'check' "
        "has those of monitoring plugins."
    )
    # Checks import the project's URLs and consumers. The status must be readable while
    # these are broken.
    requires_system_checks: tuple[str, ...] = ()

    _has_own_process = False
    _is_running = False
    _has_watched = False

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, allow_abbrev=False, **kwargs
        )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_arguments(parser)

    def run_from_argv(self, argv: list[str]) -> None:
        self._has_own_process = True
        try:
            super().run_from_argv(argv)
        except SystemExit as end:
            # argparse exits with 2, which a monitoring system reads as CRITICAL.
            if end.code and not self._is_running and named_in(argv[2:]) == "check":
                self.stdout.write("SOCKETS UNKNOWN - wrong options, see stderr")
                sys.exit(UNKNOWN)
            raise
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            # The reader, such as "head", has closed the pipe.
            self._write_no_more()
        else:
            if self._has_watched and not self.stdout.isatty():
                # The reader may have closed the pipe before the last line of the watch.
                self._write_no_more()

    def _write_no_more(self) -> None:
        """Discard buffered output: at exit, Python writes it to the closed pipe."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def handle(self, *args: Any, **options: Any) -> None:
        # "--help" needs none of these modules.
        from django_socket_status.cli.columns import UsageError
        from django_socket_status.cli.notes import with_fix
        from django_socket_status.cli.output import Output
        from django_socket_status.cli.run import run, run_action, run_check
        from django_socket_status.cli.text import clean
        from django_socket_status.exceptions import StatusUnavailableError
        from django_socket_status.status.reader import status_reader

        if self._has_own_process:
            status_reader.read_seconds = READ_SECONDS
        self._is_running = True
        self._has_watched = options["watch"] is not None
        colors = False if options["no_color"] else options["force_color"] or None
        output = Output(self.stdout, self.stderr, colors=colors)
        name = options["subcommand"] or "summary"
        if not output.has_colors:
            self.stderr.style_func = None
        if name == "check":
            if code := run_check(options, output):
                sys.exit(code)
            return
        try:
            if name not in ACTIONS:
                run(name, options, output)
            elif code := run_action(name, options, output):
                sys.exit(code)
        except UsageError as error:
            raise CommandError(clean(str(error)), returncode=USAGE) from error
        except StatusUnavailableError as error:
            raise CommandError(clean(with_fix(error))) from error
