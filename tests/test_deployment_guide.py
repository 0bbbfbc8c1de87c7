"""The files of the guide to deployments are valid, and their times suffice."""

from __future__ import annotations

import argparse
import configparser
import re
import shlex
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from django_socket_status.cli.arguments import add_arguments
from django_socket_status.operations.drainage import AFTERWARDS_SECONDS
from tests.support.source import ROOT

PAGE = (ROOT / "docs/how-to/deploy-without-a-storm.md").read_text(encoding="utf-8")

#: What the command needs to start, on a busy node.
START_SECONDS = 10.0


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
    return str(found)


def seconds_of(hook: Sequence[str], server: Sequence[str]) -> float:
    """Return what a stop takes: the hook, and the shutdown of the server."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = parser.parse_args(hook[hook.index("socket_status") + 1 :])
    assert given.subcommand == "drain"
    assert given.this_host and given.wait
    place = server.index("--timeout-graceful-shutdown")
    shutdown = float(server[place + 1])
    return given.grace + given.over + AFTERWARDS_SECONDS + shutdown + START_SECONDS


@pytest.fixture
def deployment() -> Any:
    found, budget = yaml.safe_load_all(block("yaml"))
    assert (found["kind"], budget["kind"]) == ("Deployment", "PodDisruptionBudget")
    assert budget["spec"]["selector"] == found["spec"]["selector"]
    return found


def test_pod_has_time_for_grace_window_and_shutdown(deployment):
    labels = deployment["spec"]["selector"]["matchLabels"]
    template = deployment["spec"]["template"]
    assert template["metadata"]["labels"] == labels
    (container,) = template["spec"]["containers"]
    hook = container["lifecycle"]["preStop"]["exec"]["command"]
    needed = seconds_of(hook, container["command"])
    assert template["spec"]["terminationGracePeriodSeconds"] >= needed


def test_unit_has_time_for_grace_window_and_shutdown():
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(block("ini"))
    service = unit["Service"]
    hook, server = map(shlex.split, (service["ExecStop"], service["ExecStart"]))
    # A drain whose time ran out is no failure of the service.
    assert hook[0].startswith("-/")
    assert float(service["TimeoutStopSec"]) >= seconds_of(hook, server)
