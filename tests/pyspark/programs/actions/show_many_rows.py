"""show prints twenty rows and says that there are more."""

from outcomes import printed


def program(spark):
    yield printed(spark.range(25).show)
    yield printed(spark.range(25).show, 3)
    yield printed(spark.range(0).show)
