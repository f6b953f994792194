SELECT count(*) AS n, sum(id1) AS id1, sum(id2) AS id2, sum(id3) AS id3, sum(v2) AS v2,
       avg(near) AS near, avg(id1 * near) AS nears
FROM (
    SELECT id1, id2, id3, v2,
        sum(v2) OVER (PARTITION BY id2 ORDER BY v2 RANGE BETWEEN 3 PRECEDING AND CURRENT ROW) AS near
    FROM big
) AS answer;
