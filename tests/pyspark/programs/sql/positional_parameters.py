"""Positional parameters in spark.sql are filled in their order."""


def program(spark):
    spark.createDataFrame([("pear", 3), ("fig", 12), ("plum", 7)], "fruit string, n int").createOrReplaceTempView(
        "stock"
    )
    yield spark.sql("SELECT fruit FROM stock WHERE n BETWEEN ? AND ?", args=[3, 10])
    yield spark.sql("SELECT ? || '-' || ? AS joined", args=["left", "right"])
