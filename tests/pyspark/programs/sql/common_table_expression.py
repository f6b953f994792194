"""WITH names a subquery, and a later one may use an earlier one."""


def program(spark):
    yield spark.sql(
        """
        WITH numbers AS (SELECT id AS n FROM range(1, 6)),
             squares AS (SELECT n, n * n AS square FROM numbers)
        SELECT n, square FROM squares WHERE square > 4
        """
    )
