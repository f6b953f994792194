"""A setting that nobody set has a default of its own, or one that is given."""


def program(spark):
    yield spark.conf.get("spark.sql.caseSensitive")
    yield spark.conf.get("my.own.setting", "fallback")
    spark.conf.set("my.own.setting", "x y")
    yield spark.conf.get("my.own.setting")
    yield spark.conf.get("no.such.setting", None)
    yield spark.conf.get("no.such.setting")
