"""Says what to use instead of what needs RDDs or a JVM.

PySpark's Connect client refuses these too, and advises not to use Connect. The errors here are of the same classes and
conditions, and their last line says how to write the same in DataFrames.
"""

from __future__ import annotations

from typing import Any, NoReturn

from pyspark.errors import PySparkAttributeError, PySparkNotImplementedError
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.session import SparkSession

LOCAL_ROWS = "Use spark.createDataFrame(rows, schema) instead."
LOCAL_FILES = "Use the path of the file itself: the script and the engine see the same files."
SETTINGS_OF_HADOOP = 'Use .config("spark.hadoop.KEY", VALUE) or spark.conf.set("spark.hadoop.KEY", VALUE) for settings.'
BINARY_FILES = 'Use spark.read.format("binaryFile").load(path) instead.'
HADOOP_FILES = "Use spark.read.parquet, .csv, .json or .text on files of those formats instead."
JVM = "Use PySpark's functions, spark.sql(...) or spark.conf instead: there is no JVM to call into."

# By name of what `SparkContext` has; what is not here and not in `plimsoll_context` PySpark does not have either.
CONTEXT = {
    "parallelize": LOCAL_ROWS,
    "emptyRDD": "Use spark.createDataFrame([], schema) instead.",
    "range": "Use spark.range(start, end, step) instead.",
    "textFile": "Use spark.read.text(path) instead: a DataFrame with a column `value`.",
    "wholeTextFiles": "Use spark.read.text(path, wholetext=True) instead, with input_file_name() for the names.",
    "binaryFiles": BINARY_FILES,
    "binaryRecords": BINARY_FILES,
    "pickleFile": HADOOP_FILES,
    "sequenceFile": HADOOP_FILES,
    "hadoopFile": HADOOP_FILES,
    "hadoopRDD": HADOOP_FILES,
    "newAPIHadoopFile": HADOOP_FILES,
    "newAPIHadoopRDD": HADOOP_FILES,
    "union": "Use df.union(other) instead.",
    "accumulator": "Use an aggregate instead, such as df.agg(F.count_if(condition)), or df.observe(...).",
    "runJob": "Use DataFrame functions, and df.collect() for the result, instead.",
    "statusTracker": "Use plimsoll's own report of the run instead.",
    "show_profiles": "Use plimsoll's own report of the run instead.",
    "dump_profiles": "Use plimsoll's own report of the run instead.",
    "profiler_collector": "Use plimsoll's own report of the run instead.",
    "addFile": LOCAL_FILES,
    "addArchive": LOCAL_FILES,
    "listFiles": LOCAL_FILES,
    "listArchives": LOCAL_FILES,
    "setCheckpointDir": "Use df.cache(), or write the DataFrame and read it again, instead.",
    "getCheckpointDir": "Use df.cache(), or write the DataFrame and read it again, instead.",
    "resources": "Use spark.conf for the settings of the engine instead.",
    "hadoopConfiguration": SETTINGS_OF_HADOOP,
    "_jsc": SETTINGS_OF_HADOOP,
    "_jvm": JVM,
    "_gateway": JVM,
}

SESSION = {
    "_sc": "Use spark.sparkContext for what there is of it.",
    "_jsc": SETTINGS_OF_HADOOP,
    "_jconf": "Use spark.conf instead.",
    "_jvm": JVM,
    "_jsparkSession": JVM,
}

DATAFRAME = {
    "rdd": "Use DataFrame functions instead: select and withColumn for map, filter, groupBy(...).agg(...) for "
    "reduceByKey; and df.collect(), df.toLocalIterator(), df.isEmpty() on the DataFrame itself.",
    "toJSON": 'Use df.select(F.to_json(F.struct("*")).alias("value")) instead.',
    "_jdf": JVM,
    "_jseq": JVM,
    "_jmap": JVM,
    "_jcols": JVM,
}


def unsupported_attribute(name: str, advice: str) -> PySparkAttributeError:
    """The error for an attribute that has no meaning here."""
    return PySparkAttributeError(
        message=f"Attribute `{name}` is not supported: it depends on RDDs or the JVM, and Plimsoll has neither.\n{advice}",
        errorClass="JVM_ATTRIBUTE_NOT_SUPPORTED",
        messageParameters={"attr_name": name},
    )


def not_implemented(feature: str, advice: str) -> PySparkNotImplementedError:
    """The error for something that cannot be done here."""
    return PySparkNotImplementedError(
        message=f"{feature} is not implemented: it depends on RDDs or the JVM, and Plimsoll has neither.\n{advice}",
        errorClass="NOT_IMPLEMENTED",
        messageParameters={"feature": feature},
    )


def install() -> None:
    """Puts the advice into PySpark's sessions and DataFrames."""
    advise(SparkSession, SESSION)
    advise(DataFrame, DATAFRAME)
    # Of the whole of PySpark these are members; `pyspark-client` has not got them, and they end up in `__getattr__`.
    if "rdd" in vars(DataFrame):
        DataFrame.rdd = property(refuse_rdd)
    if "toJSON" in vars(DataFrame):
        DataFrame.toJSON = refuse_to_json


def advise(owner: type, advice: dict[str, str]) -> None:
    """Has ``owner`` answer for the names in ``advice`` before its own ``__getattr__`` is asked."""
    stock: Any = owner.__getattr__  # type: ignore[attr-defined]

    def get_attribute(self: Any, name: str) -> Any:
        if name in advice:
            raise unsupported_attribute(name, advice[name])
        return stock(self, name)

    owner.__getattr__ = get_attribute  # type: ignore[attr-defined]


def refuse_rdd(self: DataFrame) -> NoReturn:
    """In place of ``DataFrame.rdd``."""
    raise not_implemented("rdd", DATAFRAME["rdd"])


def refuse_to_json(self: DataFrame, use_unicode: bool = True) -> NoReturn:
    """In place of ``DataFrame.toJSON``."""
    raise not_implemented("toJSON()", DATAFRAME["toJSON"])
