SELECT count(*) AS n, sum(v3) AS v3, sum(rows) AS all_rows, max(id1) AS id1, max(id2) AS id2, max(id3) AS id3,
       sum(id4) AS id4, sum(id5) AS id5, sum(id6) AS id6
FROM (
    SELECT id1, id2, id3, id4, id5, id6, sum(v3) AS v3, count(*) AS rows FROM x
    GROUP BY id1, id2, id3, id4, id5, id6
) AS answer;
