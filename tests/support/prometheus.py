"""A real Prometheus, and promtool: programs of Debian's package ``prometheus``."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers.servers import wait_until

__all__ = ["Prometheus", "program", "promtool", "running"]

START_SECONDS = 60


def program(name: str) -> str:
    """Return the path of a program; skip the test where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} on the PATH: install Debian's prometheus")
    return found


def promtool(*words: str, text: str = "", directory: Path | None = None) -> str:
    """Return what promtool prints; it has to succeed."""
    done = subprocess.run(
        [program("promtool"), *words],
        cwd=directory,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Prometheus:
    """A server that runs, and what it has scraped."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.port = 0

    def wait_until_ready(self) -> None:
        """Wait until it answers, wherever it listens."""

        def is_ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(psutil.Error, OSError, ValueError):
                sockets = psutil.Process(self.process.pid).net_connections("tcp4")
                (self.port,) = (
                    it.laddr.port for it in sockets if it.status == psutil.CONN_LISTEN
                )
                self.ask("query", query="1")
                return True
            return False

        wait_until(is_ready, START_SECONDS, self.log.read_text)

    def ask(self, what: str, **parameters: str) -> Any:
        """Return the data of an answer of its API."""
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{query}"
        with urllib.request.urlopen(url, timeout=START_SECONDS) as response:
            return json.load(response)["data"]

    def values(self, query: str) -> dict[tuple[str, ...], float]:
        """Return the values of an expression, by the values of its labels."""
        found = self.ask("query", query=query)["result"]
        return {labels_of(it["metric"]): float(it["value"][1]) for it in found}

    def samples(self, query: str) -> dict[tuple[str, ...], list[float]]:
        """Return all samples of a range vector, by the values of its labels."""
        found = self.ask("query", query=query)["result"]
        return {
            labels_of(it["metric"]): [float(value) for _, value in it["values"]]
            for it in found
        }


def labels_of(metric: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(value for _, value in sorted(metric.items()))


@contextlib.contextmanager
def running(directory: Path, jobs: Sequence[Mapping[str, Any]]) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes some jobs, as its configuration has them."""
    directory.mkdir(parents=True, exist_ok=True)
    config, log = directory / "prometheus.yml", directory / "log"
    # JSON is YAML.
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                "scrape_configs": list(jobs),
            }
        )
    )
    promtool("check", "config", str(config))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        server = Prometheus(process, log)
        server.wait_until_ready()
        yield server
    finally:
        process.kill()
        process.wait()
