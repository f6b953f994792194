SELECT count(*) AS n, sum(id1) AS id1, sum(id2) AS id2, sum(id3) AS id3, sum(v2) AS v2,
       avg(before) AS before, avg(after) AS after, avg(id1 * before) AS befores
FROM (
    SELECT id1, id2, id3, v2,
        lag(v2) OVER (ORDER BY id3) AS before,
        lead(v2) OVER (ORDER BY id3) AS after
    FROM big
) AS answer;
