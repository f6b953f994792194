SELECT count(*) AS n, sum(r2) AS r2, max(id2) AS id2, sum(id4) AS id4
FROM (
    SELECT id2, id4, power(corr(v1, v2), 2) AS r2 FROM x GROUP BY id2, id4
) AS answer;
