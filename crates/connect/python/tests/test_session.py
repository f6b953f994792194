"""Scripts as people write them, against the server that the environment names."""

from __future__ import annotations

import os
import unittest

from tests.harness import Script

REMOTE = os.environ.get("PLIMSOLL_TEST_REMOTE")


@unittest.skipIf(REMOTE is None, "PLIMSOLL_TEST_REMOTE names no server")
class SessionTest(unittest.TestCase):
    def run_script(self, source: str, status: int = 0) -> tuple[str, str]:
        """The output and the errors of a script."""
        result = Script(source).run(remote=REMOTE or "", token=os.environ.get("PLIMSOLL_TEST_TOKEN"))
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout, result.stderr

    def test_classic_script(self) -> None:
        output, _ = self.run_script(
            """
            from pyspark import SparkConf, SparkContext
            from pyspark.sql import Column, DataFrame, SparkSession, functions as F
            from pyspark.sql.utils import AnalysisException
            from py4j.protocol import Py4JJavaError
            plus_one = F.col("id") + 1
            spark = (SparkSession.builder.master("local[*]").appName("job").config("spark.driver.memory", "4g")
                .config(conf=SparkConf().set("spark.sql.shuffle.partitions", "7")).getOrCreate())
            assert SparkSession.builder.getOrCreate() is spark
            assert SparkSession.getActiveSession() is spark and SparkSession.active() is spark
            df = spark.range(5).select(plus_one.alias("x"))
            assert isinstance(spark, SparkSession) and isinstance(df, DataFrame) and isinstance(df.x, Column)
            assert spark.conf.get("spark.sql.shuffle.partitions") == "7"
            df.show()
            print(df.agg(F.sum("x")).collect())
            try:
                spark.table("no_such_table").collect()
            except AnalysisException as error:
                print("caught")
            """
        )
        self.assertIn("|  5|", output)
        self.assertIn("[Row(sum(x)=15)]\ncaught\n", output)

    def test_sessions(self) -> None:
        self.run_script(
            """
            from pyspark.sql import SparkSession
            spark = SparkSession.builder.config("spark.sql.shuffle.partitions", "9").getOrCreate()
            spark.conf.set("spark.sql.shuffle.partitions", "3")
            other = spark.newSession()
            assert other.session_id != spark.session_id and other.sparkContext is spark.sparkContext
            assert other.conf.get("spark.sql.shuffle.partitions") == "9"
            spark.stop()
            assert SparkSession.getActiveSession() is None
            with SparkSession.builder.getOrCreate() as again:
                assert again is not spark and again.range(3).count() == 3
            """
        )

    def test_context(self) -> None:
        output, _ = self.run_script(
            """
            from pyspark import SparkConf, SparkContext
            from pyspark.sql import SparkSession
            sc = SparkContext("local[2]", "app", conf=SparkConf().set("spark.sql.shuffle.partitions", "5"))
            assert SparkContext.getOrCreate() is sc
            try:
                SparkContext()
            except ValueError as error:
                print(error)
            sc.setLogLevel("ERROR")
            spark = SparkSession(sc)
            assert spark.sparkContext is sc and sc.getConf().get("spark.sql.shuffle.partitions") == "5"
            assert sc.version == spark.version and sc.defaultParallelism >= 1 and sc.applicationId
            cities = sc.broadcast({"a": 1})
            assert cities.value["a"] == 1
            cities.unpersist()
            cities.destroy()
            sc.setJobGroup("one, two", "a job")
            sc.setJobDescription("another")
            assert spark.range(4).count() == 4
            sc.cancelJobGroup("one, two")
            sc.stop()
            assert SparkContext.getOrCreate() is not sc
            """
        )
        self.assertIn("Cannot run multiple SparkContexts at once", output)

    def test_sql_context(self) -> None:
        output, _ = self.run_script(
            """
            from pyspark import SparkContext
            from pyspark.sql import SQLContext
            sql = SQLContext.getOrCreate(SparkContext.getOrCreate())
            sql.registerDataFrameAsTable(sql.createDataFrame([(1, "a")], ["i", "s"]), "t")
            print(sql.sql("select i, s from t").collect(), sql.table("t").count())
            """
        )
        self.assertEqual(output, "[Row(i=1, s='a')] 1\n")

    def test_refusals(self) -> None:
        output, _ = self.run_script(
            """
            import pickle
            from pyspark import RDD, SparkContext
            from pyspark.broadcast import Broadcast
            from pyspark.errors import PySparkAttributeError, PySparkNotImplementedError
            from pyspark.sql import SparkSession
            spark = SparkSession.builder.getOrCreate()
            sc, df = spark.sparkContext, spark.range(1)
            for ask in (
                lambda: sc.parallelize([1]), lambda: sc.textFile("x"), lambda: sc.accumulator(0), lambda: sc._jsc,
                lambda: sc._jvm, lambda: spark._jvm, lambda: df.rdd, lambda: df.toJSON(), lambda: df._jdf,
            ):
                try:
                    ask()
                except (PySparkAttributeError, PySparkNotImplementedError) as error:
                    print(error.getCondition(), str(error).splitlines()[-1])
            print(pickle.loads(pickle.dumps(sc.broadcast(7))).value, hasattr(sc, "no_such_thing"))
            """
        )
        lines = output.splitlines()
        self.assertEqual(lines[-1], "7 False")
        self.assertEqual(lines[0], "JVM_ATTRIBUTE_NOT_SUPPORTED Use spark.createDataFrame(rows, schema) instead.")
        self.assertEqual(len(lines), 10)
        for line in lines[:-1]:
            self.assertRegex(line, r"^(JVM_ATTRIBUTE_NOT_SUPPORTED|NOT_IMPLEMENTED) Use .*\.$")

    def test_masters(self) -> None:
        _, errors = self.run_script(
            """
            from pyspark.sql import SparkSession
            SparkSession.builder.master("yarn").getOrCreate()
            """,
            status=1,
        )
        self.assertIn("The master 'yarn' cannot be used", errors)
        self.assertNotIn("plimsoll_session", errors)
        _, errors = self.run_script(
            """
            from pyspark.sql import SparkSession
            spark = SparkSession.builder.remote("sc://elsewhere.invalid:15002").getOrCreate()
            assert spark.range(2).count() == 2
            """
        )
        self.assertIn(" WARN spark.remote is not used", errors)

    def test_uncaught_error_of_the_engine(self) -> None:
        _, errors = self.run_script(
            """
            from pyspark.sql import SparkSession
            spark = SparkSession.builder.getOrCreate()
            spark.sql("select nothing_of_the_kind").collect()
            """,
            status=1,
        )
        self.assertIn("job.py", errors)
        self.assertIn("AnalysisException", errors)
        self.assertNotIn("launcher.py", errors)
