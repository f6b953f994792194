"""Joins written in SQL: ON, USING, LEFT and CROSS."""


def program(spark):
    spark.sql("CREATE TEMP VIEW dept AS SELECT * FROM VALUES (1, 'art'), (2, 'law') AS d(dept, title)")
    spark.sql("CREATE TEMP VIEW emp AS SELECT * FROM VALUES ('Ann', 1), ('Ben', 3), ('Cem', 1) AS e(name, dept)")
    yield spark.sql("SELECT e.name, d.title FROM emp e JOIN dept d ON e.dept = d.dept")
    yield spark.sql("SELECT * FROM emp LEFT JOIN dept USING (dept)")
    yield spark.sql("SELECT name, title FROM emp CROSS JOIN dept")
