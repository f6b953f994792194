"""Runs an unchanged PySpark script against Plimsoll's engine.

``python launcher.py job.py ARGUMENTS`` behaves as ``python job.py ARGUMENTS`` would, but that a ``SparkSession`` of the
script is a Spark Connect session with the engine named by the environment:

``PLIMSOLL_REMOTE``  where the engine listens, such as ``sc://127.0.0.1:15002``
``PLIMSOLL_TOKEN``   what the engine wants to see with each call; taken out of the environment before the script runs

The modules beside this file say what differs from stock PySpark: `plimsoll_session` (sessions and their connection),
`plimsoll_context` (``SparkContext``, ``SQLContext``) and `plimsoll_unsupported` (what to use instead of RDDs).
"""

from __future__ import annotations

import builtins
import gc
import io
import os
import signal
import sys
import traceback
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType

USAGE_ERROR = 2


def main() -> None:
    """Prepares PySpark, becomes the script, and leaves as the script does."""
    if len(sys.argv) < 2:
        fail("usage: launcher.py SCRIPT [ARGUMENTS]", USAGE_ERROR)
    if "PLIMSOLL_REMOTE" not in os.environ:
        fail("PLIMSOLL_REMOTE does not say where the engine is", USAGE_ERROR)

    own_files = prepare_pyspark(os.environ["PLIMSOLL_REMOTE"], os.environ.pop("PLIMSOLL_TOKEN", None))
    script = become_main_module(sys.argv[1:])
    error = run(script)
    if error is None:
        return
    report(error, own_files)
    if isinstance(error, KeyboardInterrupt):
        die_of_interrupt(error)
    sys.exit(1)


def fail(why: str, status: int) -> None:
    """Ends the process with a word on stderr."""
    print(why, file=sys.stderr)
    sys.exit(status)


def prepare_pyspark(remote: str, token: str | None) -> frozenset[str]:
    """Imports PySpark and turns it to the engine. Returns the names of the files whose frames are ours.

    The script's directory is not on ``sys.path`` yet, so that a module of the script cannot stand in for one that
    PySpark needs.
    """
    # From here on PySpark's functions make Connect expressions, also before there is a session.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    # These would lead sessions elsewhere, or add options that nobody asked this run for.
    for name in ("SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_API_MODE", "PYSPARK_REMOTE_INIT_CONF_LEN"):
        os.environ.pop(name, None)

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    try:
        import plimsoll_context
        import plimsoll_session
        import plimsoll_unsupported
    except ImportError as error:
        # PySpark names the package that is missing or too old.
        fail(f"PySpark's Connect client cannot be used with {sys.executable}: {error}", 1)
    finally:
        sys.path.remove(here)

    plimsoll_session.install(plimsoll_session.Engine(remote, token))
    plimsoll_unsupported.install()
    plimsoll_context.install()
    modules = (plimsoll_context, plimsoll_session, plimsoll_unsupported)
    return frozenset([main.__code__.co_filename, *(module.install.__code__.co_filename for module in modules)])


def become_main_module(arguments: list[str]) -> ModuleType:
    """Makes ``sys`` look as if ``python ARGUMENTS`` had been run.

    The module is made by hand rather than by `runpy`, which takes ``__main__`` away again when the script's last line
    is done, while its threads and exit handlers may still pickle what is in it.
    """
    script = arguments[0]
    path = os.path.abspath(script)
    module = ModuleType("__main__")
    vars(module).update(
        __file__=path,
        __builtins__=builtins,
        __loader__=SourceFileLoader("__main__", path),
        __cached__=None,
        __annotations__={},
    )
    # Ours is kept alive: what it defines is still running.
    sys.modules["plimsoll_launcher"] = sys.modules["__main__"]
    sys.modules["__main__"] = module
    sys.argv = arguments
    # Since 3.11 a Python may be told not to put the script's directory there; then there is nothing to replace.
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(script))
    return module


def run(script: ModuleType) -> BaseException | None:
    """Runs the script, and returns what it did not catch. ``sys.exit`` is left to the interpreter."""
    path = str(script.__file__)
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        # In the words of the interpreter.
        reason = f"[Errno {error.errno}] {error.strerror}"
        fail(f"{sys.executable}: can't open file {path!r}: {reason}", USAGE_ERROR)
    try:
        exec(compile(source, path, "exec", dont_inherit=True), vars(script))
    except SystemExit:
        raise
    except BaseException as error:
        return error
    return None


def report(error: BaseException, own_files: frozenset[str]) -> None:
    """Has the traceback printed as the interpreter would, by the script's own hook if it has set one."""
    forget_frames(error, own_files, set())
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit:
        raise
    except BaseException as error_of_hook:
        print("Error in sys.excepthook:", file=sys.stderr)
        forget_frames(error_of_hook, own_files, set())
        traceback.print_exception(error_of_hook)
        print("\nOriginal exception was:", file=sys.stderr)
        traceback.print_exception(error)


def forget_frames(error: BaseException | None, own_files: frozenset[str], seen: set[int]) -> None:
    """Takes our frames out of the traceback of an exception and of those that it came of."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = without_frames(error.__traceback__, own_files)
    forget_frames(error.__cause__, own_files, seen)
    forget_frames(error.__context__, own_files, seen)
    for part in getattr(error, "exceptions", ()):
        if isinstance(part, BaseException):
            forget_frames(part, own_files, seen)


def without_frames(entry: TracebackType | None, own_files: frozenset[str]) -> TracebackType | None:
    """The traceback from ``entry`` on without the frames of ``own_files``."""
    kept = []
    while entry is not None:
        if entry.tb_frame.f_code.co_filename not in own_files:
            kept.append(entry)
        entry = entry.tb_next
    for entry, following in zip(kept, [*kept[1:], None]):
        entry.tb_next = following
    return kept[0] if kept else None


def die_of_interrupt(error: KeyboardInterrupt) -> None:
    """Ends as a Python that Ctrl-C has ended: by the signal itself, after exit handlers have run.

    That is what tells a shell to stop the script that it is running, too.
    """
    # Whoever presses Ctrl-C again does not want to wait for what follows.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.modules["plimsoll_session"].interrupt_queries()
    # An interrupted query of PySpark 4.0 cleans up when nothing holds it any more, which must be before the end of the
    # interpreter. The frames of the traceback hold it.
    error.__traceback__ = error.__context__ = sys.last_value = sys.last_traceback = None
    gc.collect()
    # The traceback has been printed.
    sys.excepthook = lambda *_: None
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
