"""A global temporary view lives in the schema global_temp."""


def program(spark):
    spark.range(2).createOrReplaceGlobalTempView("shared_numbers")
    yield spark.table("global_temp.shared_numbers")
    yield spark.sql("SELECT sum(id) AS total FROM global_temp.shared_numbers")
    yield spark.catalog.dropGlobalTempView("shared_numbers")
