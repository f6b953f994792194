"""A subquery that gives one value, alone and correlated."""


def program(spark):
    rows = [("a", 10), ("a", 30), ("b", 5), ("b", 15), ("b", 40)]
    spark.createDataFrame(rows, "team string, points int").createOrReplaceTempView("games")
    yield spark.sql("SELECT team, points FROM games WHERE points > (SELECT avg(points) FROM games)")
    yield spark.sql(
        "SELECT team, points FROM games g WHERE points = (SELECT max(points) FROM games h WHERE h.team = g.team)"
    )
