SELECT count(*) AS n, sum(id1) AS id1, sum(id2) AS id2, sum(id3) AS id3, sum(v2) AS v2,
       avg(w) AS w
FROM (
    SELECT id1, id2, id3, v2,
        sum(v2) OVER () AS w
    FROM big
) AS answer;
