SELECT count(*) AS n, sum(v1) AS v1, sum(v2) AS v2, sum(v3) AS v3, sum(id6) AS id6
FROM (
    SELECT id6, sum(v1) AS v1, sum(v2) AS v2, sum(v3) AS v3 FROM x GROUP BY id6
) AS answer;
