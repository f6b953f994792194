SELECT count(*) AS n, sum(id1) AS id1, sum(id2) AS id2, sum(id3) AS id3, sum(v2) AS v2,
       avg(first) AS first
FROM (
    SELECT id1, id2, id3, v2,
        first_value(v2) OVER (PARTITION BY id2 ORDER BY id3) AS first
    FROM big
) AS answer;
