"""A script sees what it would see if Python ran it."""

from __future__ import annotations

import signal
import subprocess
import sys
import unittest

from tests.harness import LAUNCHER, NOWHERE, Script, environment


class ScriptTest(unittest.TestCase):
    def same_as_python(self, script: Script, *arguments: str) -> subprocess.CompletedProcess:
        """Runs a script both ways, and checks that nobody can tell which is which."""
        ours = script.run(*arguments)
        command = [sys.executable, str(script.path), *arguments]
        pythons = subprocess.run(command, env=environment(NOWHERE), capture_output=True, text=True, timeout=60)
        self.assertEqual(ours.stdout, pythons.stdout)
        self.assertEqual(ours.stderr, pythons.stderr)
        self.assertEqual(ours.returncode, pythons.returncode)
        return ours

    def test_main_module(self) -> None:
        script = Script(
            """
            "What it is."
            import inspect, pickle, sys
            import sibling
            number: int = 1
            class Thing:
                pass
            print(sys.argv, __name__, __file__, __doc__, __package__, __spec__, __annotations__, sys.path[0])
            print(type(__loader__).__name__, __loader__.path, sys.modules["__main__"].Thing is Thing)
            print(sibling.word, type(pickle.loads(pickle.dumps(Thing()))) is Thing, inspect.getsource(Thing))
            print(sorted(name for name in globals()))
            """,
            sibling="word = 'sibling'",
        )
        self.assertIn("sibling True", self.same_as_python(script, "one", "--two").stdout)

    def test_processes_of_the_script(self) -> None:
        script = Script(
            """
            import multiprocessing
            def square(number):
                return number * number
            if __name__ == "__main__":
                for method in ("fork", "spawn"):
                    with multiprocessing.get_context(method).Pool(2) as pool:
                        print(method, pool.map(square, [1, 2, 3]))
            """
        )
        self.assertIn("spawn [1, 4, 9]", self.same_as_python(script).stdout)

    def test_exit_statuses(self) -> None:
        for statement, status in {
            "pass": 0,
            "sys.exit(7)": 7,
            "sys.exit()": 0,
            "sys.exit('farewell')": 1,
            "raise SystemExit(3) from None": 3,
            "1 / 0": 1,
            "raise Exception('a') from ValueError('b')": 1,
            "raise ExceptionGroup('several', [ValueError('a'), TypeError('b')])": 1,
            "def broken(:": 1,
            "from __future__ import nothing": 1,
        }.items():
            with self.subTest(statement):
                result = self.same_as_python(Script(f"import sys\nprint('out')\n{statement}\n"))
                self.assertEqual(result.returncode, status)

    def test_hooks_and_ends(self) -> None:
        self.same_as_python(
            Script(
                """
                import atexit, sys, threading, time
                sys.excepthook = lambda kind, error, trace: print("hook", kind, trace.tb_frame.f_code.co_name)
                atexit.register(lambda: print("exit handler", sys.modules["__main__"].__dict__ is globals()))
                threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
                raise ValueError("x")
                """
            )
        )
        self.same_as_python(Script("import sys\nsys.excepthook = lambda *_: 1 / 0\nraise ValueError('x')\n"))

    def test_missing_script(self) -> None:
        script = Script("")
        script.path.unlink()
        self.assertEqual(self.same_as_python(script).returncode, 2)

    def test_signals(self) -> None:
        source = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                script = Script(source)
                process = script.start()
                self.assertEqual(process.stdout.readline(), "ready\n")
                process.send_signal(number)
                _, errors = process.communicate(timeout=120)
                # The shell makes 130 and 143 of these.
                self.assertEqual(process.returncode, -number)
                self.assertNotIn("launcher", errors)
                self.assertEqual("KeyboardInterrupt" in errors, number == signal.SIGINT)

    def test_token_is_not_inherited(self) -> None:
        result = Script("import os; print(os.environ.get('PLIMSOLL_TOKEN'))").run(token="secret")
        self.assertEqual(result.stdout, "None\n")

    def test_without_an_engine(self) -> None:
        variables = environment("")
        del variables["PLIMSOLL_REMOTE"]
        result = subprocess.run(
            [sys.executable, str(LAUNCHER), "job.py"], env=variables, capture_output=True, text=True, timeout=60
        )
        self.assertEqual(result.returncode, 2)
        self.assertIn("PLIMSOLL_REMOTE", result.stderr)
