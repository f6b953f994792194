"""What goes to the server, and what is made of its answers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import unittest

from tests.harness import HERE, Script, environment
from tests.recording_server import RecordingServer

BUILDER = "from pyspark.sql import SparkSession\nspark = SparkSession.builder"


class WireTest(unittest.TestCase):
    def setUp(self) -> None:
        self.server = RecordingServer()
        self.addCleanup(self.server.stop)

    def run_script(self, source: str, **more: str) -> subprocess.CompletedProcess:
        result = Script(source).run(remote=self.server.remote, token="secret", **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_each_call_carries_the_token(self) -> None:
        misleading = {
            "SPARK_CONNECT_AUTHENTICATE_TOKEN": "another",
            "SPARK_REMOTE": "sc://192.0.2.1",
            "http_proxy": "http://192.0.2.1:1",
        }
        self.run_script(BUILDER + ".getOrCreate()\nprint(spark.version)", **misleading)
        self.assertIn("AnalyzePlan", self.server.names())
        self.assertEqual({headers["authorization"] for _, _, headers in self.server.calls}, {"Bearer secret"})

    def test_options_reach_the_server_once(self) -> None:
        self.run_script(
            BUILDER + ".master('local[4]').appName('job').config('spark.driver.memory', '4g')"
            ".config(map={'a': 1, 'b': True}).getOrCreate()"
        )
        (sent,) = self.server.sets()
        self.assertTrue(sent.silent)
        self.assertEqual(
            {pair.key: pair.value for pair in sent.pairs},
            {"spark.master": "local[4]", "spark.app.name": "job", "spark.driver.memory": "4g", "a": "1", "b": "true"},
        )

    def test_options_for_a_session_that_is_there(self) -> None:
        self.run_script(
            BUILDER + ".getOrCreate()\n"
            "assert SparkSession.builder.config('a', 'b').getOrCreate() is spark\n"
            "assert SparkSession.builder.remote('local[*]').getOrCreate() is spark\n"
        )
        self.assertEqual([[(pair.key, pair.value) for pair in sent.pairs] for sent in self.server.sets()], [[("a", "b")]])

    def test_a_session_left_open_is_released(self) -> None:
        result = self.run_script(BUILDER + ".getOrCreate()\nspark.conf.get('x', None)")
        self.assertEqual(self.server.names(), ["Config", "ReleaseSession"])
        self.assertEqual(result.stderr, "")

    def test_a_stopped_session_is_released_once(self) -> None:
        self.run_script(
            BUILDER + ".getOrCreate()\nfirst = spark.session_id\nspark.stop()\n"
            "again = SparkSession.builder.getOrCreate()\nassert again.session_id != first\nagain.stop()\n"
        )
        self.assertEqual(self.server.names(), ["ReleaseSession", "ReleaseSession"])

    def test_a_forked_process_leaves_the_session_alone(self) -> None:
        self.run_script(
            BUILDER + ".getOrCreate()\nimport os, sys\nchild = os.fork()\n"
            "if child == 0:\n    sys.exit(0)\nos.waitpid(child, 0)\nspark.conf.get('x', None)\n"
        )
        self.assertEqual(self.server.names()[-2:], ["Config", "ReleaseSession"])
        self.assertEqual(self.server.names().count("ReleaseSession"), 1)

    def test_warnings_of_the_server_are_lines(self) -> None:
        self.server.warnings = ["too much memory"]
        result = self.run_script(
            "import warnings\n" + BUILDER + ".config('a', 'b').enableHiveSupport().getOrCreate()\nwarnings.warn('mine')\n"
        )
        lines = result.stderr.splitlines()
        self.assertEqual(lines[0], " WARN enableHiveSupport has no effect: there is no Hive metastore")
        self.assertEqual(lines[1], " WARN too much memory")
        self.assertIn("UserWarning: mine", lines[2])

    def test_context_asks_the_server(self) -> None:
        self.server.settings = {
            "spark.app.id": "run-1",
            "spark.default.parallelism": "3",
            "spark.driver.appUIAddress": "http://here",
        }
        result = self.run_script(
            BUILDER + ".appName('job').getOrCreate()\nsc = spark.sparkContext\nsc.setLogLevel('ERROR')\n"
            "print(sc.applicationId, sc.defaultParallelism, sc.uiWebUrl, sc.appName, sc.master, sc.version)\n"
            "print(sorted(sc.getConf().getAll()))\n"
        )
        first, second = result.stdout.splitlines()
        self.assertEqual(first, "run-1 3 http://here job local[*] 4.1.0")
        self.assertIn("('spark.log.level', 'ERROR')", second)

    def test_interrupt(self) -> None:
        script = Script(BUILDER + ".getOrCreate()\nspark.range(5).collect()")
        process = script.start(remote=self.server.remote, token="secret")
        self.assertTrue(self.server.executing.wait(60))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertTrue(errors.rstrip().endswith("KeyboardInterrupt"), errors)
        self.assertNotIn("plimsoll_", errors)
        self.assertIn("Interrupt", self.server.names())
        self.assertEqual(self.server.names()[-1], "ReleaseSession")

    def test_interrupted_queries_of_threads(self) -> None:
        script = Script(
            "import threading, time\n" + BUILDER + ".getOrCreate()\n"
            "threading.Thread(target=lambda: spark.range(5).collect()).start()\n"
            # A signal that comes just before a long sleep does not end it: Python's own weakness.
            "while True:\n    time.sleep(0.1)\n"
        )
        process = script.start(remote=self.server.remote)
        self.assertTrue(self.server.executing.wait(60))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        self.assertEqual(process.returncode, -signal.SIGINT)

    def test_the_script_ends_with_the_engine(self) -> None:
        script = Script(BUILDER + ".getOrCreate()\nprint('ready', flush=True)\nspark.range(5).collect()")
        engine = (
            # PySpark 4.2 takes a main module that is no file for its own tests.
            "import os, subprocess, sys, __main__\n"
            "__main__.__file__ = 'engine'\n"
            "from tests.recording_server import RecordingServer\n"
            "server = RecordingServer()\n"
            "os.environ['PLIMSOLL_REMOTE'] = server.remote\n"
            "subprocess.Popen([sys.executable, 'launcher.py', sys.argv[1]])\n"
            "server.executing.wait(60)\n"
            "os._exit(0)\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", engine, str(script.path)],
            cwd=HERE.parent,
            env=environment(""),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # The pipes are open as long as the script runs.
        began = time.monotonic()
        output, errors = process.communicate(timeout=90)
        self.assertEqual(output, "ready\n", errors)
        self.assertIn("SparkConnectGrpcException", errors)
        self.assertLess(time.monotonic() - began, 30)

    def test_an_engine_that_does_not_answer(self) -> None:
        self.server.stop()
        began = time.monotonic()
        result = Script(BUILDER + ".config('a', 'b').getOrCreate()").run(remote=self.server.remote)
        self.assertEqual(result.returncode, 1)
        self.assertLess(time.monotonic() - began, 30)
