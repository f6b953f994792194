SELECT count(*) AS n, sum(id1) AS id1, sum(id2) AS id2, sum(id3) AS id3, max(id6) AS id6, count(r1) AS partners, sum(r1) AS r1,
       max(r4) AS r4, max(r5) AS r5, sum(v1) AS v1, sum(v2) AS v2
FROM (
    SELECT l.*, r.id1 AS r1, r.id4 AS r4, r.id5 AS r5, r.v2 FROM fact AS l LEFT JOIN medium AS r ON l.id2 = r.id2
) AS answer;
