"""show cuts long values at 20 characters, at a given width, or not at all."""

from outcomes import printed


def program(spark):
    data = spark.createDataFrame([("a sentence that goes on and on", 1)], ["text", "n"])
    yield printed(data.show)
    yield printed(data.show, truncate=False)
    yield printed(data.show, truncate=8)
