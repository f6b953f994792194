"""Makes the ``SparkSession`` that a script knows a Spark Connect session with Plimsoll's engine.

PySpark's own client does the work. What is changed is where a session comes from: whatever the script says of masters
and remotes, `install` has each session connect to the one engine, with its token, and tell it every option given to
the builder.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import signal
import threading
import urllib.parse
import warnings
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pyspark.sql.session
from pyspark.errors import PySparkRuntimeError
from pyspark.sql.connect import conf as connect_conf
from pyspark.sql.connect.client import SparkConnectClient
from pyspark.sql.connect.client.core import DefaultChannelBuilder
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession as ConnectSession
from pyspark.sql.session import SparkSession

LOCAL_MASTER = re.compile(r"local(\[\s*(\*|\d+)\s*(,\s*\d+\s*)?\])?")

# Seconds that a call of no length may take. Without a limit a stuck engine would hold up the end of the script.
DEADLINES = {"ReleaseSession": 5.0, "Interrupt": 10.0, "ReleaseExecute": 10.0}

# What the engine knows the requests of `DataFrame.toLocalIterator` by.
LOCAL_ITERATOR = "plimsoll/local-iterator"

# Options that the script gave where there was no builder yet (`SparkContext.setSystemProperty`).
early_options: dict[str, str] = {}

_clients: weakref.WeakSet[SparkConnectClient] = weakref.WeakSet()


class PlimsollWarning(UserWarning):
    """Something that the script asks for and that has no effect here."""


@dataclass(frozen=True)
class Engine:
    """Where the engine is, and whether it is still there."""

    remote: str
    token: str | None
    # The engine lives in the process that started this one.
    process: int = field(default_factory=os.getppid)
    started_in: int = field(default_factory=os.getpid)

    def is_gone(self) -> bool:
        """Whether the process of the engine has ended: then another has become this one's parent."""
        return os.getpid() == self.started_in and os.getppid() != self.process


class EngineChannel(DefaultChannelBuilder):
    """A channel to the engine. The token goes as a plain header: PySpark would have one go over TLS only, but to the
    name ``localhost``, and this channel does not leave the machine."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.remote)
        self._engine = engine
        # The engine is on this machine; calls, and the token, must not go to a proxy that the environment names.
        self.setChannelOption("grpc.enable_http_proxy", 0)

    @property
    def token(self) -> None:
        """None, so that PySpark neither asks for TLS nor takes a token for another server from the environment."""
        return None

    def metadata(self) -> Iterable[tuple[str, str]]:
        """The headers of each call."""
        headers = list(super().metadata())
        if self._engine.token is not None:
            headers.append(("authorization", f"Bearer {self._engine.token}"))
        return headers


class EnginePolicy(DefaultPolicy):
    """Tries again for some seconds where PySpark would for ten minutes, and not at all once the engine is gone."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(max_retries=8, max_backoff=1000)
        self._engine = engine

    def can_retry(self, e: BaseException) -> bool:
        """Whether the call that ended with ``e`` is worth another attempt."""
        return not self._engine.is_gone() and super().can_retry(e)


class SessionType(type):
    """The type of `Session`."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, (SparkSession, ConnectSession))

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        # `SparkSession(sparkContext)`; there is one context, and the session is its session.
        return cls.builder.config(map=kwargs.get("options") or {}).getOrCreate()  # type: ignore[attr-defined]


class Session(SparkSession, metaclass=SessionType):
    __doc__ = SparkSession.__doc__

    # What scripts import in place of PySpark's class, which cannot be told that Connect's sessions are of it.


def install(engine: Engine) -> None:
    """Has every session that is made from now on be one with ``engine``."""
    install_in_client(engine)
    install_in_connect_session(engine)
    install_in_session()
    warnings.formatwarning = format_warning


def install_in_client(engine: Engine) -> None:
    """Gives each connection limits, and an end of its own accord."""
    stock_init = SparkConnectClient.__init__

    @functools.wraps(stock_init)
    def init(self: SparkConnectClient, *args: Any, **kwargs: Any) -> None:
        stock_init(self, *args, **kwargs)
        self.set_retry_policies([EnginePolicy(engine)])
        stub = self._internal_stub
        for name, seconds in DEADLINES.items():
            setattr(stub, name, functools.partial(getattr(stub, name), timeout=seconds))
        for name in ("ExecutePlan", "ReattachExecute"):
            setattr(stub, name, uninterrupted(getattr(stub, name)))
        _clients.add(self)
        # Runs before the handler that PySpark has registered above, which would run a command on a session left open.
        atexit.register(release, self, os.getpid())

    SparkConnectClient.__init__ = init
    install_local_iterator()


class LocalIterator:
    """A client as `SparkConnectClient.to_table_as_iterator` sees it: its requests say that their rows are read one after the
    other and not kept.

    ``collect`` and ``toLocalIterator`` send the same request, and ``spark.driver.maxResultSize`` is to bound the first only.
    The mark is made in what the one call sees of the client, so that no other call, of whatever thread, has it.
    """

    def __init__(self, client: SparkConnectClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _execute_plan_request_with_metadata(self, *args: Any, **kwargs: Any) -> Any:
        request = self._client._execute_plan_request_with_metadata(*args, **kwargs)
        request.request_options.add().extension.type_url = LOCAL_ITERATOR
        return request


def install_local_iterator() -> None:
    """Has the requests of ``DataFrame.toLocalIterator`` marked as such."""
    stock = SparkConnectClient.to_table_as_iterator

    @functools.wraps(stock)
    def to_table_as_iterator(self: SparkConnectClient, *args: Any, **kwargs: Any) -> Any:
        return stock(LocalIterator(self), *args, **kwargs)  # type: ignore[arg-type]

    SparkConnectClient.to_table_as_iterator = to_table_as_iterator


def uninterrupted(start_call: Callable[..., Any]) -> Callable[..., Any]:
    """Has Ctrl-C wait until a call that streams has been started, which takes no time.

    An exception in the midst of it would leave the channel's thread waiting for a lock that is never released, and
    then whoever closes the channel, too.
    """

    def start(*args: Any, **kwargs: Any) -> Any:
        handler = signal.getsignal(signal.SIGINT)
        if handler is None or threading.current_thread() is not threading.main_thread():
            return start_call(*args, **kwargs)
        pressed: list[tuple[Any, ...]] = []
        signal.signal(signal.SIGINT, lambda *event: pressed.append(event))
        try:
            return start_call(*args, **kwargs)
        finally:
            signal.signal(signal.SIGINT, handler)
            if pressed and callable(handler):
                handler(*pressed[0])

    return start


def install_in_connect_session(engine: Engine) -> None:
    """Has the builder of Connect sessions know but one server, and say to it what it was given."""
    builder = ConnectSession.Builder
    stock_create = builder.create

    @functools.wraps(stock_create)
    def create(self: Any) -> ConnectSession:
        drop_remote(self._options)
        self._channel_builder = EngineChannel(engine)
        self._options = {**early_options, **self._options}
        return stock_create(self)

    def apply_options(self: Any, session: ConnectSession) -> None:
        # PySpark's does this twice for a new session, keeps the master for itself, and takes options of an environment
        # that spark-submit leaves.
        drop_remote(self._options)
        if self._options and getattr(self, "_applied_to", None) is not session:
            self._applied_to = session
            known = session.__dict__.setdefault("_plimsoll_options", {})
            known.update(self._options)
            session.conf._set_all(configs=dict(self._options), silent=True)

    def new_session(self: ConnectSession) -> ConnectSession:
        """A session with settings, views and functions of its own, beginning with the options of this one."""
        session = ConnectSession(connection=EngineChannel(engine))
        options = self.__dict__.get("_plimsoll_options", {})
        with warnings.catch_warnings():
            # What there was to say of them has been said.
            warnings.simplefilter("ignore")
            ConnectSession.builder.config(map=options)._apply_options(session)
        return session

    builder.create = create
    builder._apply_options = apply_options
    builder.enableHiveSupport = enable_hive_support
    ConnectSession.newSession = new_session
    ConnectSession.__enter__ = lambda self: self
    ConnectSession.__exit__ = lambda self, *_: self.stop()


def install_in_session() -> None:
    """Sends what is asked of the classic session and its builder to those of Connect."""
    builder = SparkSession.Builder

    def check_options(self: Any) -> None:
        check_master(self._options.get("spark.master"))
        drop_remote(self._options)

    def get_or_create(self: Any) -> ConnectSession:
        return ConnectSession.builder.config(map=dict(self._options)).getOrCreate()

    def create(self: Any) -> ConnectSession:
        return ConnectSession.builder.config(map=dict(self._options)).create()

    builder._validate_startup_urls = check_options
    builder.getOrCreate = get_or_create
    builder.create = create
    builder.enableHiveSupport = enable_hive_support
    Session.__name__, Session.__qualname__, Session.__module__ = "SparkSession", "SparkSession", SparkSession.__module__
    pyspark.sql.SparkSession = pyspark.sql.session.SparkSession = Session


def check_master(master: str | None) -> None:
    """Refuses a master that is not in this process. That the number of threads is sound is for the engine to say."""
    if master is None or LOCAL_MASTER.fullmatch(master.strip()):
        return
    raise PySparkRuntimeError(
        message=f"The master {master!r} cannot be used: Plimsoll runs a script on this machine, without a cluster.\n"
        'Use .master("local[*]"), or leave the master out, to run with all cores.',
        errorClass="MASTER_URL_INVALID",
        messageParameters={},
    )


def drop_remote(options: dict[str, Any]) -> None:
    """Takes out the server that the script names, and says so if it is not the like of ``local``."""
    remote = options.pop("spark.remote", None)
    if remote is not None and not str(remote).startswith("local"):
        host = urllib.parse.urlsplit(str(remote)).netloc
        warnings.warn(f"spark.remote is not used: the session is with Plimsoll, not with {host}", PlimsollWarning)


def enable_hive_support(self: Any) -> Any:
    """Leaves the builder as it is."""
    warnings.warn("enableHiveSupport has no effect: there is no Hive metastore", PlimsollWarning)
    return self


def format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """The text of a warning: one line, as the engine's own, for those of the engine; Python's form for all others."""
    if issubclass(category, PlimsollWarning) or filename == connect_conf.__file__:
        return f" WARN {message}\n"
    return _stock_format_warning(message, category, filename, lineno, line)


_stock_format_warning = warnings.formatwarning


def interrupt_queries() -> None:
    """Has the engine stop what it still runs for this script."""
    for client in list(_clients):
        if not client.is_closed:
            try:
                client.interrupt_all()
            except Exception:
                # The engine has ended, or will be told by the release of the session.
                pass


def release(client: SparkConnectClient, process: int) -> None:
    """Ends a session that the script has left open, at the script's end. Says nothing: there is nobody to act on it."""
    if os.getpid() == process and not client.is_closed:
        try:
            client.release_session()
        except Exception:
            pass
    # The connection ends with the process. It is not closed here: that waits for threads, and a process that the script
    # has forked, whose copy of the connection is not its own, has not got them. As closed it is left alone by PySpark.
    client._closed = True
    client.close = lambda: None
