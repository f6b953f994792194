"""UNION, UNION ALL, INTERSECT and EXCEPT of queries."""


def program(spark):
    spark.range(4).createOrReplaceTempView("a")
    spark.range(2, 6).createOrReplaceTempView("b")
    for operation in ("UNION", "UNION ALL", "INTERSECT", "EXCEPT"):
        yield spark.sql(f"SELECT id FROM a {operation} SELECT id FROM b")
