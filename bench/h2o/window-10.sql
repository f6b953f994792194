SELECT count(*) AS n, sum(id1) AS id1, sum(id2) AS id2, sum(id3) AS id3, sum(v2) AS v2,
       avg(moving) AS moving, avg(id1 * moving) AS movings
FROM (
    SELECT id1, id2, id3, v2,
        avg(v2) OVER (PARTITION BY id2 ORDER BY id3 ROWS BETWEEN 100 PRECEDING AND CURRENT ROW) AS moving
    FROM big
) AS answer;
