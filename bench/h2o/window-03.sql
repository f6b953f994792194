SELECT count(*) AS n, sum(id1) AS id1, sum(id2) AS id2, sum(id3) AS id3, sum(v2) AS v2,
       avg(by_id1) AS by_id1, avg(by_id2) AS by_id2, avg(by_id3) AS by_id3
FROM (
    SELECT id1, id2, id3, v2,
        sum(v2) OVER (PARTITION BY id1) AS by_id1,
        sum(v2) OVER (PARTITION BY id2) AS by_id2,
        sum(v2) OVER (PARTITION BY id3) AS by_id3
    FROM big
) AS answer;
