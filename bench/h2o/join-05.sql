SELECT count(*) AS n, sum(id1) AS id1, sum(id2) AS id2, sum(id3) AS id3, max(id4) AS id4, max(id5) AS id5, max(id6) AS id6,
       sum(r1) AS r1, sum(r2) AS r2, max(r4) AS r4, max(r5) AS r5, max(r6) AS r6, sum(v1) AS v1, sum(v2) AS v2
FROM (
    SELECT l.*, r.id1 AS r1, r.id2 AS r2, r.id4 AS r4, r.id5 AS r5, r.id6 AS r6, r.v2
    FROM fact AS l JOIN big AS r ON l.id3 = r.id3
) AS answer;
