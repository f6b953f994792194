SELECT count(*) AS n, sum(v1) AS v1, sum(length(id1)) AS id1
FROM (
    SELECT id1, sum(v1) AS v1 FROM x GROUP BY id1
) AS answer;
