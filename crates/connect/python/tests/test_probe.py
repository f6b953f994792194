"""What the probe says of a Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import pyspark

from tests.harness import PROBE


def probe(*options: str, path: str = "") -> dict:
    """The answer of the interpreter that runs this."""
    command = [sys.executable, *options, "-c", PROBE.read_text()]
    result = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(result.stdout)


class ProbeTest(unittest.TestCase):
    def test_this_python(self) -> None:
        answer = probe()
        self.assertEqual(answer["pyspark"], pyspark.__version__)
        self.assertEqual(answer["missing"], [])
        self.assertIsNone(answer["problem"])

    def test_no_pyspark(self) -> None:
        answer = probe("-S")
        self.assertIsNone(answer["pyspark"])
        self.assertIn("pip install", answer["problem"])

    def test_missing_packages(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            utils = Path(directory, "pyspark", "sql", "connect", "utils.py")
            utils.parent.mkdir(parents=True)
            utils.write_text("import zstandard")
            version = Path(directory, "pyspark", "version.py")
            version.write_text('__version__: str = "4.1.0"\n')
            Path(directory, "pyspark", "__init__.py").touch()
            answer = probe("-S", path=directory)
            modules = [entry["module"] for entry in answer["missing"]]
            self.assertEqual(modules[0], "pandas")
            self.assertEqual(modules[-1], "zstandard")
            self.assertTrue(answer["client_only"])

            version.write_text('__version__ = "3.5.1"\n')
            self.assertIn("too old", probe("-S", path=directory)["problem"])
