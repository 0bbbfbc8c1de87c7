"""A script that is forked has what Python gives to one that it starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.forking import Forked

pytestmark = pytest.mark.python

TOLD = """
import json, os, sys
told = [sys.argv, dict(os.environ), os.getcwd(), __name__, sys.stdin.read()]
print(json.dumps([*told, sys.stdout.encoding, sys.stderr.line_buffering]))
sys.stderr.write("said")
sys.exit(7)
"""


def forked(script: str, *words: str, directory: Path) -> tuple[int, str, str]:
    files = [(directory / name).open("w+") for name in ("in", "out", "err")]
    inp, out, err = (it.fileno() for it in files)
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "NAME": "\u65e5"}
    code = Forked(script, *words, env=env, streams=(inp, out, err)).wait(60)
    for it in files:
        it.close()
    return code, (directory / "out").read_text(), (directory / "err").read_text()


def test_script_finds_what_it_finds_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = forked(TOLD, "a", "b c", directory=tmp_path)
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "NAME": "\u65e5"}
    own = subprocess.run(
        [sys.executable, "-c", TOLD, "a", "b c"],
        env={**env, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (code, err) == (own.returncode, own.stderr) == (7, "said")
    told, expected = json.loads(out), json.loads(own.stdout)
    for it in (told, expected):
        # Python sets it where the locale is C.
        it[1] = {name: it[1][name] for name in env}
    assert told == expected


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("import atexit; atexit.register(print, 'bye')", 0, ""),
        ("raise ValueError('no')", 1, "ValueError: no"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
    ],
)
def test_script_ends_as_python_does(tmp_path, end, code, said):
    found, out, err = forked(end, directory=tmp_path)
    assert found == code
    assert out == ("bye\n" if "bye" in end else "")
    assert err.strip().rpartition("\n")[2] == said
