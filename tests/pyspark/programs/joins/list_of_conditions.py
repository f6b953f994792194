"""Several conditions as a list, and one that is no equality."""


def program(spark):
    spans = spark.createDataFrame([(1, 0, 10), (2, 10, 20)], ["span", "low", "high"])
    points = spark.createDataFrame([(5,), (10,), (25,)], ["at"])
    yield spans.join(points, [points.at >= spans.low, points.at < spans.high])
    yield points.join(spans, points.at.between(spans.low, spans.high), "left").select("at", "span")
