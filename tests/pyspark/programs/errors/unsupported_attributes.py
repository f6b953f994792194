"""What there is not on a remote session."""

from outcomes import raised


def program(spark):
    data = spark.range(1)
    # Which exception this is depends on whether the client was installed with Spark or without.
    yield raised(lambda: data.rdd) != "nothing"
    yield raised(lambda: spark.sparkContext)
    yield raised(lambda: data.foo)
    yield raised(lambda: spark._jvm)
