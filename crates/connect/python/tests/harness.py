"""Runs scripts through the launcher."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import weakref
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAUNCHER = HERE.parent / "launcher.py"
PROBE = HERE.parent / "probe.py"

# A server that nobody asks, for scripts that make no session.
NOWHERE = "sc://127.0.0.1:9"


def environment(remote: str, token: str | None = None, **more: str) -> dict[str, str]:
    """The environment that the launcher is started with."""
    variables = {**os.environ, "PLIMSOLL_REMOTE": remote, "PYTHONDONTWRITEBYTECODE": "1", **more}
    # PySpark 4.2 has something to say of pandas 3, and these tests are not about that.
    variables.setdefault("PYTHONWARNINGS", "ignore:PySpark does not yet fully support:FutureWarning")
    if token is not None:
        variables["PLIMSOLL_TOKEN"] = token
    return variables


class Script:
    """A script in a directory of its own, which is there as long as this object is."""

    def __init__(self, source: str, **siblings: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="script-test-"))
        weakref.finalize(self, shutil.rmtree, self.directory)
        self.path = self.directory / "job.py"
        self.path.write_text(textwrap.dedent(source))
        for name, text in siblings.items():
            (self.directory / f"{name}.py").write_text(textwrap.dedent(text))

    def start(self, *arguments: str, remote: str = NOWHERE, token: str | None = None, **more: str) -> subprocess.Popen:
        """Starts the launcher on the script."""
        return subprocess.Popen(
            [sys.executable, str(LAUNCHER), str(self.path), *arguments],
            env=environment(remote, token, **more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *arguments: str, remote: str = NOWHERE, token: str | None = None, **more: str
    ) -> subprocess.CompletedProcess:
        """Runs the script to its end."""
        process = self.start(*arguments, remote=remote, token=token, **more)
        output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
