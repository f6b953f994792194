SELECT count(*) AS n, sum(id1) AS id1, sum(id2) AS id2, sum(id3) AS id3, max(id5) AS id5, max(id6) AS id6, max(r4) AS r4,
       sum(v1) AS v1, sum(v2) AS v2
FROM (
    SELECT l.*, r.id4 AS r4, r.v2 FROM fact AS l JOIN small AS r ON l.id1 = r.id1
) AS answer;
