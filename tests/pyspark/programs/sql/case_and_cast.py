"""CASE in both forms, CAST and the :: operator."""


def program(spark):
    yield spark.sql(
        """
        SELECT id,
               CASE WHEN id < 2 THEN 'low' WHEN id < 4 THEN 'middle' ELSE 'high' END AS level,
               CASE id WHEN 0 THEN 'zero' END AS zero,
               CAST(id AS string) AS text,
               '12'::int AS dozen
        FROM range(5)
        """
    )
