"""Add up what every tox environment reported, and name what should have run too."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

SUPPORTED = ("3.10", "3.11", "3.12", "3.13")


def read(report: Path) -> Counter[str]:
    """Return how many tests of one environment ended how."""
    counts: Counter[str] = Counter()
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314
        total, failed, skipped = (
            int(suite.get(key, "0")) for key in ("tests", "failures", "skipped")
        )
        failed += int(suite.get("errors", "0"))
        counts += Counter(passed=total - failed - skipped)
        counts += Counter(failed=failed)
        counts += Counter(skipped=skipped)
    return counts


def is_here(version: str) -> bool:
    """Return whether this machine has an interpreter of a version."""
    try:
        command = [f"python{version}", "-c", "import venv"]
        return subprocess.run(command, capture_output=True).returncode == 0  # noqa: S603
    except OSError:
        return False


def main(tox: Path) -> int:
    """Print the sum as the last line; return 1 when something did not run."""
    reports = {path.parent.parent.name: path for path in tox.glob("*/tmp/junit.xml")}
    total: Counter[str] = Counter()
    for environment, report in sorted(reports.items()):
        counts = read(report)
        total += counts
        print(f"{environment}: {counts['passed']} passed, {counts['failed']} failed")
    left_out = [
        version
        for version in SUPPORTED
        if is_here(version)
        and not any(
            name.startswith(f"py{version.replace('.', '')}") for name in reports
        )
    ]
    for version in left_out:
        print(f"Python {version} is here, and no environment used it")
    print(", ".join(f"{total[end]} {end}" for end in ("passed", "failed", "skipped")))
    return int(bool(left_out or total["failed"] or not total["passed"]))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
