"""``SparkContext``, ``SQLContext`` and what else scripts import from ``pyspark``, on top of a Connect session.

The context here has what concerns a whole application: its name, its settings, groups of jobs, broadcast values. What
makes RDDs is refused, with advice, by way of `plimsoll_unsupported`.
"""

from __future__ import annotations

import functools
import getpass
import importlib.util
import os
import re
import sys
import threading
import time
import types
import warnings
from typing import Any, Generic, NoReturn, TypeVar

import plimsoll_session
import plimsoll_unsupported
import pyspark
from pyspark.conf import SparkConf
from pyspark.errors.exceptions.connect import SparkConnectGrpcException
from pyspark.sql import context as sql_context
from pyspark.sql.connect.session import SparkSession as ConnectSession
from pyspark.sql.session import SparkSession

Value = TypeVar("Value")


class Broadcast(Generic[Value]):
    """A value that functions may use wherever they run. It travels with the function that names it."""

    def __init__(self, value: Value) -> None:
        self._value: Value | None = value
        self._destroyed = False

    @property
    def value(self) -> Value:
        """What was broadcast."""
        if self._destroyed:
            raise ValueError("Attempted to use Broadcast after it was destroyed")
        return self._value  # type: ignore[return-value]

    def unpersist(self, blocking: bool = False) -> None:
        """Does nothing: there are no copies on other machines."""

    def destroy(self, blocking: bool = False) -> None:
        """Lets go of the value."""
        self._value, self._destroyed = None, True

    def __reduce__(self) -> tuple[Any, ...]:
        # Where it arrives there is no such module as this one.
        return functools.partial(types.SimpleNamespace, value=self.value), ()


class OnClassOnly:
    """None when asked of the class, as PySpark itself does to see whether a JVM runs; refused when asked of a context."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> None:
        if instance is not None:
            raise plimsoll_unsupported.unsupported_attribute(self._name, plimsoll_unsupported.CONTEXT[self._name])


class SparkContext:
    """The application that the script is."""

    _active_spark_context: SparkContext | None = None
    _lock = threading.RLock()
    _gateway = OnClassOnly()
    _jvm = OnClassOnly()

    def __init__(
        self,
        master: str | None = None,
        appName: str | None = None,
        sparkHome: str | None = None,
        pyFiles: list[str] | None = None,
        environment: dict[str, Any] | None = None,
        batchSize: int = 0,
        serializer: Any = None,
        conf: SparkConf | None = None,
        **ignored: Any,
    ) -> None:
        with SparkContext._lock:
            running = SparkContext._running()
            if running is not None:
                raise ValueError(
                    "Cannot run multiple SparkContexts at once; existing SparkContext"
                    f"(app={running.appName}, master={running.master})"
                )
            options = dict(conf.getAll()) if conf is not None else {}
            named = {"spark.master": master, "spark.app.name": appName, "spark.home": sparkHome}
            options.update({key: value for key, value in named.items() if value})
            options.update({f"spark.executorEnv.{key}": str(value) for key, value in (environment or {}).items()})
            self._attach(SparkSession.builder.config(map=options).getOrCreate())
            for path in pyFiles or []:
                self.addPyFile(path)

    def _attach(self, session: ConnectSession) -> None:
        self._session = session
        self._started = int(time.time() * 1000)
        self._local_properties = threading.local()
        SparkContext._active_spark_context = self

    @classmethod
    def _running(cls) -> SparkContext | None:
        context = cls._active_spark_context
        return None if context is None or context._session.is_stopped else context

    @classmethod
    def _of(cls, session: ConnectSession) -> SparkContext:
        """The context of a session: all sessions have the same, until it is stopped."""
        with SparkContext._lock:
            context = cls._running()
            if context is None:
                context = object.__new__(SparkContext)
                context._attach(session)
            return context

    @classmethod
    def getOrCreate(cls, conf: SparkConf | None = None) -> SparkContext:
        """The running context, or a new one; ``conf`` is applied to either."""
        options = dict(conf.getAll()) if conf is not None else {}
        return cls._of(SparkSession.builder.config(map=options).getOrCreate())

    @classmethod
    def setSystemProperty(cls, key: str, value: str) -> None:
        """Sets an option of the sessions that are made later."""
        plimsoll_session.early_options[key] = value

    def _setting(self, key: str) -> str | None:
        """What the engine has for ``key``, and if it has nothing, what the script gave to the builder."""
        options: dict[str, Any] = self._session.__dict__.get("_plimsoll_options", {})
        return self._session.conf.get(key, None) or options.get(key)

    @property
    def master(self) -> str:
        """Such as ``local[*]``."""
        return self._setting("spark.master") or "local[*]"

    @property
    def appName(self) -> str:
        """The name of the application."""
        return self._setting("spark.app.name") or os.path.basename(sys.argv[0])

    @property
    def applicationId(self) -> str:
        """The engine's name for the run, or one as Spark's local mode makes it."""
        return self._setting("spark.app.id") or f"local-{self._started}"

    @property
    def version(self) -> str:
        """The version of Spark that the engine goes by."""
        return self._session.version

    @property
    def uiWebUrl(self) -> str | None:
        """Where a browser finds the engine, if it has such a place."""
        return self._setting("spark.driver.appUIAddress")

    @property
    def startTime(self) -> int:
        """When the context was made, in milliseconds since 1970."""
        return self._started

    @property
    def sparkHome(self) -> str | None:
        """What was set so."""
        return self._setting("spark.home")

    @property
    def pythonVer(self) -> str:
        """The version of Python, as ``3.11``."""
        return "%d.%d" % sys.version_info[:2]

    @property
    def defaultParallelism(self) -> int:
        """How many tasks run at a time."""
        threads = self._setting("spark.default.parallelism")
        if threads is None:
            named = re.match(r"local\[\s*(\d+)", self.master)
            if named is not None:
                threads = named.group(1)
            elif self.master.strip() == "local":
                threads = "1"
        return int(threads) if threads is not None else os.cpu_count() or 1

    @property
    def defaultMinPartitions(self) -> int:
        """As Spark reckons it."""
        return min(self.defaultParallelism, 2)

    def sparkUser(self) -> str:
        """Who runs the script."""
        return getpass.getuser()

    def getConf(self) -> SparkConf:
        """A copy of the settings: those of the engine, and those given to the builder that it does not know."""
        settings = {**self._session.__dict__.get("_plimsoll_options", {}), **self._session.conf.getAll}
        return SparkConf(loadDefaults=False).setAll(list(settings.items()))

    def setLogLevel(self, logLevel: str) -> None:
        """Sets how much the engine says on stderr."""
        # Silently, because Spark's own server knows this as a setting of the process.
        self._session.conf._set_all(configs={"spark.log.level": logLevel}, silent=True)

    def broadcast(self, value: Value) -> Broadcast[Value]:
        """Wraps a value for use in functions."""
        return Broadcast(value)

    def addPyFile(self, path: str) -> None:
        """Makes a module or an archive of modules importable, here and, if it runs Python, in the engine."""
        sys.path.insert(1, path if path.lower().endswith((".zip", ".egg", ".jar")) else os.path.dirname(path))
        try:
            self._session.addArtifacts(path, pyfile=True)
        except SparkConnectGrpcException:
            # A function that misses the module there says so itself.
            pass

    def setLocalProperty(self, key: str, value: str | None) -> None:
        """Notes something for the jobs of this thread. Groups of jobs are told to the engine as tags."""
        if key == "spark.jobGroup.id":
            if self.getLocalProperty(key) is not None:
                self._session.removeTag(tag_of_group(self.getLocalProperty(key)))
            if value is not None:
                self._session.addTag(tag_of_group(value))
        vars(self._local_properties)[key] = value

    def getLocalProperty(self, key: str) -> str | None:
        """What `setLocalProperty` has noted."""
        return vars(self._local_properties).get(key)

    def setJobGroup(self, groupId: str, description: str, interruptOnCancel: bool = False) -> None:
        """Puts the jobs of this thread into a group that `cancelJobGroup` stops."""
        self.setLocalProperty("spark.jobGroup.id", groupId)
        self.setLocalProperty("spark.job.description", description)

    def setJobDescription(self, value: str | None) -> None:
        """Notes what the jobs of this thread are for."""
        self.setLocalProperty("spark.job.description", value)

    def setInterruptOnCancel(self, interruptOnCancel: bool) -> None:
        """Does nothing: what is cancelled is always interrupted."""

    def cancelJobGroup(self, groupId: str) -> None:
        """Stops the queries of a group."""
        self._session.interruptTag(tag_of_group(groupId))

    def cancelAllJobs(self) -> None:
        """Stops all queries of the script."""
        self._session.interruptAll()

    def addJobTag(self, tag: str) -> None:
        """Marks the queries of this thread."""
        self._session.addTag(tag)

    def removeJobTag(self, tag: str) -> None:
        """Undoes `addJobTag`."""
        self._session.removeTag(tag)

    def getJobTags(self) -> set[str]:
        """The marks of this thread's queries."""
        return self._session.getTags()

    def clearJobTags(self) -> None:
        """Undoes each `addJobTag`."""
        self._session.clearTags()

    def cancelJobsWithTag(self, tag: str) -> None:
        """Stops the queries that are so marked."""
        self._session.interruptTag(tag)

    def stop(self) -> None:
        """Ends the session."""
        self._session.stop()
        if SparkContext._active_spark_context is self:
            SparkContext._active_spark_context = None

    def __enter__(self) -> SparkContext:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<SparkContext master={self.master} appName={self.appName}>"

    def __getattr__(self, name: str) -> NoReturn:
        if name in plimsoll_unsupported.CONTEXT:
            raise plimsoll_unsupported.unsupported_attribute(name, plimsoll_unsupported.CONTEXT[name])
        raise AttributeError(f"'SparkContext' object has no attribute {name!r}")


def tag_of_group(group: str | None) -> str:
    """The tag by which the engine knows a group of jobs. A tag has no comma."""
    return f"job-group-{group}".replace(",", "_")


class RDD:
    """Stands for a class that `pyspark-client` has not got, where a script imports it to name a type."""

    def __init__(self, *_: Any) -> None:
        raise plimsoll_unsupported.not_implemented("RDD", plimsoll_unsupported.DATAFRAME["rdd"])

    def __class_getitem__(cls, _: Any) -> type[RDD]:
        return cls


class SparkFiles:
    """Of files that were added to a context, which has none here."""

    @classmethod
    def get(cls, filename: str) -> NoReturn:
        """Refuses."""
        raise plimsoll_unsupported.not_implemented("SparkFiles", plimsoll_unsupported.LOCAL_FILES)

    getRootDirectory = get


def install() -> None:
    """Puts these classes where scripts find them."""
    ConnectSession.sparkContext = property(SparkContext._of)
    SparkContext.__module__ = "pyspark.context"
    install_in_sql_context()

    supplied: dict[str, dict[str, Any]] = {"pyspark.context": {"SparkContext": SparkContext}}
    if not hasattr(pyspark, "SparkContext"):
        # This is `pyspark-client`.
        supplied["pyspark.rdd"] = {"RDD": RDD}
        supplied["pyspark.broadcast"] = {"Broadcast": Broadcast}
        supplied["pyspark.files"] = {"SparkFiles": SparkFiles}
        pyspark.SQLContext = sql_context.SQLContext
        pyspark.HiveContext = sql_context.HiveContext
    for module_name, members in supplied.items():
        module = sys.modules.setdefault(module_name, types.ModuleType(module_name))
        setattr(pyspark, module_name.rpartition(".")[2], module)
        for name, member in members.items():
            setattr(module, name, member)
            setattr(pyspark, name, member)
    if importlib.util.find_spec("py4j") is None:
        install_errors_of_py4j()


def install_errors_of_py4j() -> None:
    """Supplies the errors of a JVM, which scripts name in ``except`` and which never occur."""
    package, protocol = types.ModuleType("py4j"), types.ModuleType("py4j.protocol")
    package.__path__ = []
    package.protocol = protocol
    protocol.Py4JError = type("Py4JError", (Exception,), {"__module__": "py4j.protocol"})
    for name in ("Py4JJavaError", "Py4JNetworkError"):
        setattr(protocol, name, type(name, (protocol.Py4JError,), {"__module__": "py4j.protocol"}))
    sys.modules.update({"py4j": package, "py4j.protocol": protocol})


def install_in_sql_context() -> None:
    """Has ``SQLContext`` ask the session for what it would ask the JVM."""
    owner: Any = sql_context.SQLContext

    def init(self: Any, sparkContext: Any, sparkSession: Any = None, *_: Any) -> None:
        if sparkSession is None:
            warnings.warn("Deprecated in 3.0.0. Use SparkSession.builder.getOrCreate() instead.", FutureWarning, 2)
        self._sc = sparkContext
        self.sparkSession = sparkSession or SparkSession.builder.getOrCreate()

    def tables(self: Any, dbName: str | None = None) -> Any:
        return self.sparkSession.sql("SHOW TABLES" if dbName is None else f"SHOW TABLES IN `{dbName}`")

    owner.__init__ = init
    owner._get_or_create = classmethod(lambda cls, sc, **_: cls(sc, SparkSession.builder.getOrCreate()))
    owner.read = property(lambda self: self.sparkSession.read)
    owner.readStream = property(lambda self: self.sparkSession.readStream)
    owner.streams = property(lambda self: self.sparkSession.streams)
    owner.tables = tables
    owner.tableNames = lambda self, dbName=None: [row.tableName for row in self.tables(dbName).collect()]
    owner.cacheTable = lambda self, tableName: self.sparkSession.catalog.cacheTable(tableName)
    owner.uncacheTable = lambda self, tableName: self.sparkSession.catalog.uncacheTable(tableName)
    owner.clearCache = lambda self: self.sparkSession.catalog.clearCache()
