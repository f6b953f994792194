SELECT count(*) AS n, sum(id2) AS id2, sum(v2) AS v2
FROM (
    SELECT id2, v2 FROM (
        SELECT id2, v2, row_number() OVER (PARTITION BY id2 ORDER BY v2 DESC) AS place FROM big
    ) AS ordered WHERE place <= 2
) AS answer;
