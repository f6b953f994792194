SELECT count(*) AS n, sum(v3) AS v3, sum(id6) AS id6
FROM (
    SELECT id6, v3 FROM (
        SELECT id6, v3, row_number() OVER (PARTITION BY id6 ORDER BY v3 DESC) AS place FROM x WHERE v3 IS NOT NULL
    ) AS ordered WHERE place <= 2
) AS answer;
