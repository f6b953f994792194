SELECT count(*) AS n, sum(v1) AS v1, max(id1) AS id1, min(id2) AS id2
FROM (
    SELECT id1, id2, sum(v1) AS v1 FROM x GROUP BY id1, id2
) AS answer;
