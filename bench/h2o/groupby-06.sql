SELECT count(*) AS n, sum(median_v3) AS median_v3, sum(sd_v3) AS sd_v3, sum(id4 * id5) AS ids
FROM (
    SELECT id4, id5, median(v3) AS median_v3, stddev(v3) AS sd_v3 FROM x GROUP BY id4, id5
) AS answer;
