"""A PySpark job that says how much memory it wants, changes its mind while it runs, and works within it.

`./x demo --pyspark` runs it on TPC-H's tables; `plimsoll run --tables DIR bench/pyspark/demo.py` does the same by hand.
It is a script for Apache Spark as it stands: nothing in it is Plimsoll's.
"""

import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.window import Window

spark = (
    SparkSession.builder.master("local[*]")
    .appName("demo")
    .config("spark.driver.memory", "1g")
    .config("spark.driver.maxResultSize", "512m")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("WARN")


def step(what):
    """Prints what follows, and how long the step before took."""
    now = time.monotonic()
    print(f"   ({now - step.started:.1f} s)\n" if step.started else "", end="", flush=True)
    print(f"== {what}", flush=True)
    step.started = now


step.started = None

step("Shuffle-heavy: more partitions, and less memory kept for cached data")
spark.conf.set("spark.sql.shuffle.partitions", "400")
spark.conf.set("spark.memory.storageFraction", "0.2")
lineitem = spark.table("lineitem")
orders = spark.table("orders")
revenue = (
    lineitem.join(orders, lineitem.l_orderkey == orders.o_orderkey)
    .where(F.col("o_orderdate") >= "1995-01-01")
    .groupBy(F.year("o_orderdate").alias("year"), "o_orderpriority")
    .agg(
        F.count("*").alias("lines"),
        F.round(F.sum(F.col("l_extendedprice") * (1 - F.col("l_discount"))), 2).alias("revenue"),
    )
    .orderBy("year", "o_orderpriority")
)
revenue.show(10)

step("The same from SQL")
spark.sql(
    """
    SELECT l_shipmode, count(*) AS late
    FROM lineitem
    WHERE l_receiptdate > l_commitdate
    GROUP BY l_shipmode
    ORDER BY late DESC
    """
).show()

step("Sort more than fits: it spills, and finishes")
spark.conf.set("spark.driver.memory", "512m")
largest = lineitem.orderBy("l_comment", F.desc("l_extendedprice"))
print(f"   first comment in order: {largest.select('l_comment').first()[0]!r}")
ranked = lineitem.select(
    "l_orderkey",
    "l_extendedprice",
    F.row_number().over(Window.partitionBy("l_suppkey").orderBy(F.desc("l_extendedprice"))).alias("rank"),
)
print(f"   {ranked.where('rank <= 3').count()} line items are among the three dearest of their supplier")

step("A sample for the driver, and not the whole table")
rows = lineitem.limit(1000).collect()
print(f"   {len(rows)} rows collected")

step("More memory while it runs")
spark.conf.set("spark.executor.memory", "2g")
print(f"   spark.executor.memory is {spark.conf.get('spark.executor.memory')} now")
print(f"   ({time.monotonic() - step.started:.1f} s)")
spark.stop()
