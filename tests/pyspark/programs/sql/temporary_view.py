"""CREATE TEMPORARY VIEW in SQL, replaced and then dropped."""


def program(spark):
    spark.sql("CREATE TEMPORARY VIEW small AS SELECT id FROM range(3)")
    yield spark.sql("SELECT * FROM small")
    spark.sql("CREATE OR REPLACE TEMP VIEW small AS SELECT id * 10 AS tens FROM range(2)")
    yield spark.table("small")
    spark.sql("DROP VIEW small")
    yield spark.catalog.tableExists("small")
