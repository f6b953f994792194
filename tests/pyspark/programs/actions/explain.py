"""explain prints a plan, in each of its forms."""

from outcomes import printed


def program(spark):
    data = spark.range(10).filter("id > 3").groupBy().count()
    yield len(printed(data.explain)) > 0
    yield len(printed(data.explain, True)) > 0
    for mode in ("simple", "extended", "formatted"):
        yield len(printed(data.explain, mode=mode)) > 0
