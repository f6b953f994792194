"""createOrReplaceTempView and spark.table; createTempView refuses a name that is taken."""


def program(spark):
    spark.range(3).createOrReplaceTempView("v")
    yield spark.table("v")
    spark.range(1).createOrReplaceTempView("v")
    yield spark.table("v").count()
    spark.range(2).createTempView("v")
