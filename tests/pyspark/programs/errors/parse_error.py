"""SQL that does not parse."""

from outcomes import raised


def program(spark):
    yield raised(lambda: spark.sql("SELEC 1").collect())
    yield raised(lambda: spark.sql("SELECT 1 +").collect())
    yield raised(lambda: spark.range(1).selectExpr("id +* 2").collect())
    spark.sql("SELECT * FORM t").collect()
