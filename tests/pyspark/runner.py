"""Runs programs, each in a session of its own, in a process that is replaced when a program hangs or kills it."""

from __future__ import annotations

import gc
import importlib.util
import inspect
import logging
import multiprocessing
import os
import socket
import tempfile
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Outcome = dict[str, Any]

# A new process has to import pyspark, which takes seconds and is no part of a program's time.
SECONDS_TO_START = 60.0


def find_programs(directory: Path, only: Iterable[str]) -> list[str]:
    """The names (`area/name`) of the programs below `directory`; `only` selects areas and names, or all if empty."""
    names = sorted(path.relative_to(directory).with_suffix("").as_posix() for path in directory.glob("*/*.py"))
    return select(names, only)


def select(names: list[str], only: Iterable[str]) -> list[str]:
    """Those of `names` that are in `only`, or in an area in `only`; all of them if it is empty."""
    wanted = {name.rstrip("/") for name in only}
    unknown = wanted - set(names) - {name.split("/")[0] for name in names}
    if unknown:
        raise SystemExit(f"no such program or area: {', '.join(sorted(unknown))}")
    return [name for name in names if not wanted or name in wanted or name.split("/")[0] in wanted]


class Runner:
    """Runs programs one after another against the server at `remote`."""

    def __init__(self, remote: str, directory: Path, time_limit: float) -> None:
        self._remote = remote
        self._directory = directory
        self._time_limit = time_limit
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def run(self, program: str) -> list[Outcome]:
        """The outcomes of one program; that it hung, or that process or server died, is the last of them."""
        if not _reachable(self._remote):
            return [_failure("ServerUnreachable")]
        connection = self._worker()
        connection.send(program)
        outcomes: list[Outcome] = []
        deadline = time.monotonic() + self._time_limit
        try:
            while connection.poll(max(0.0, deadline - time.monotonic())):
                outcome = connection.recv()
                if outcome is None:
                    return outcomes
                outcomes.append(outcome)
            outcomes.append(_failure("TimeLimitExceeded"))
        except EOFError:
            outcomes.append(_failure("ClientDied"))
        self.close()
        return outcomes

    def close(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def _worker(self) -> Connection:
        if self._connection is not None:
            return self._connection
        # Not fork: gRPC does not outlive it.
        context = multiprocessing.get_context("spawn")
        connection, other_end = context.Pipe()
        arguments = (other_end, self._remote, self._directory)
        process = context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        # The process has the only other end, so that its death closes the pipe.
        other_end.close()
        self._process, self._connection = process, connection
        if not connection.poll(SECONDS_TO_START):
            raise SystemExit("the process that runs programs does not start")
        connection.recv()
        return connection


def _failure(what: str) -> Outcome:
    return {"error": {"class": what, "condition": None}}


def _reachable(remote: str) -> bool:
    # A client retries for minutes; a server that is gone is to fail every program at once.
    address = urllib.parse.urlparse(remote)
    try:
        with socket.create_connection((address.hostname or "localhost", address.port or 15002), timeout=10):
            return True
    except OSError:
        return False


def _work(connection: Connection, remote: str, directory: Path) -> None:
    """The process's main loop: receives names, sends the outcomes of each as they come, then None."""
    # Clients convert timestamps to the zone of their machine.
    os.environ["TZ"] = "UTC"
    time.tzset()
    # Clients log every error of the server; programs provoke many, and they are outcomes here.
    logging.disable(logging.CRITICAL)
    import outcomes  # noqa: F401  imported early: starting takes long and has a time limit of its own

    connection.send(None)
    while True:
        try:
            program = connection.recv()
        except EOFError:
            return
        for outcome in _outcomes(program, remote, directory):
            connection.send(outcome)
        # A session that the garbage collector finds in the middle of another one's call shuts down the thread pool that
        # sessions share, and so waits for that call, which waits for it (pyspark 4.1). Hence it is to be found now.
        gc.collect()
        connection.send(None)


def _outcomes(program: str, remote: str, directory: Path) -> Iterator[Outcome]:
    from pyspark.sql import SparkSession

    from outcomes import error_of, outcome_of

    session = None
    with tempfile.TemporaryDirectory(prefix="pyspark-program-", ignore_cleanup_errors=True) as scratch:
        try:
            session = SparkSession.builder.remote(remote).create()
            session.conf.set("spark.sql.session.timeZone", "UTC")
            function = _load(directory / f"{program}.py").program
            takes_path = len(inspect.signature(function).parameters) > 1
            for yielded in function(session, scratch) if takes_path else function(session):
                yield outcome_of(yielded)
        except Exception as error:
            yield error_of(error)
        finally:
            if session is not None:
                session.stop()


def _load(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
