//! Pairs that what is advised was adjusted by: `PLIMSOLL_ADVICE_PAIRS=adjusted` runs them.

use super::{Pair, pair, tpch};

/// Those that what is advised was adjusted by.
pub fn adjusted_by() -> Vec<Pair> {
    const LINE: &[(&str, &str)] = &[("--memory", "64m")];
    let wide = "SELECT id AS k, repeat(CAST(id AS STRING), 30) AS s FROM range(400000)";
    let join =
        format!("SELECT max(length(a.s || b.s)) FROM ({wide}) a JOIN ({wide}) b ON a.k = b.k");
    let skewed = "SELECT count(*), max(length(s)) FROM \
        (SELECT CASE WHEN id % 5 < 2 THEN 7 ELSE id END AS k, repeat('x', 100) || id AS s FROM range(400000)) a \
        JOIN (SELECT id AS k, repeat('y', 50) || id AS t FROM range(20) UNION ALL SELECT id * 3, 'z' FROM range(500000)) b ON a.k = b.k";
    vec![
        pair(
            "a sort of wide rows",
            &[("--memory", "64m")],
            &["SELECT count(s) FROM (SELECT repeat(CAST(id * 7919 % 999983 AS STRING), 20) AS s, id FROM range(400000) ORDER BY s, id LIMIT 399999)"],
        ),
        pair(
            "a sort of narrow rows",
            &[("--memory", "96m")],
            &["SELECT id, id * 7919 % 999983 AS k FROM range(4000000) ORDER BY k"],
        ),
        pair(
            "an aggregate of many groups",
            &[("--memory", "64m")],
            &["SELECT max(n) FROM (SELECT id % 700000 AS k, count(*) AS n, sum(id) AS s FROM range(2000000) GROUP BY id % 700000)"],
        ),
        pair("a join of wide rows", &[("--memory", "64m")], &[&join]),
        pair(
            "a join of wide rows, set for executor and driver",
            &[("--executor-memory", "450m"), ("--driver-memory", "450m"), ("spark.memory.fraction", "0.2"), ("spark.plimsoll.memory.lending", "false")],
            &[&join],
        ),
        pair("a join with one key that has most", &[("--memory", "64m")], &[skewed]),
        pair(
            "a window over all rows",
            &[("--memory", "64m")],
            &["SELECT max(n), max(length(s)) FROM (SELECT count(*) OVER () AS n, s FROM (SELECT repeat('x', 200) || id AS s FROM range(300000)))"],
        ),
        pair(
            "few partitions for a large join",
            &[("--memory", "64m"), ("spark.sql.shuffle.partitions", "2")],
            &["SELECT max(a.k + b.v) FROM (SELECT id AS k, id * 3 AS v, id * 5 AS w, sha2(CAST(id AS STRING), 256) AS s FROM range(1500000)) a \
                JOIN (SELECT id AS k, id * 3 AS v, id * 5 AS w, sha2(CAST(id AS STRING), 256) AS s FROM range(1500000)) b ON a.k = b.k AND a.s = b.s"],
        )
        .made("spark.sql.shuffle.partitions="),
        pair(
            "a list of all values",
            &[("--memory", "64m")],
            &["SELECT cardinality(array_agg(l_orderkey)) FROM lineitem CROSS JOIN range(20)"],
        ),
        pair(
            "a list of all values of a file",
            &[("--memory", "64m")],
            &["SELECT cardinality(array_agg(l_comment || l_comment)) FROM lineitem"],
        ),
        pair(
            "a cache beside a join",
            &[("--memory", "128m")],
            &[
                "CACHE TABLE lineitem OPTIONS ('storageLevel' 'MEMORY_AND_DISK')",
                "SELECT count(*), sum(l_quantity) FROM lineitem",
                "SELECT count(*), sum(l_extendedprice) FROM lineitem",
            ],
        ),
        pair(
            "an idle cache beside a join",
            &[("--memory", "160m"), ("spark.memory.storageFraction", "0.8"), ("spark.plimsoll.memory.lending", "false")],
            &["CACHE TABLE orders", &join],
        ),
        tpch("q18", 18, &[("--memory", "64m")]),
        tpch("q9", 9, &[("--memory", "64m")]),
        tpch("q13", 13, &[("--memory", "64m")]),
        tpch("q21", 21, &[("--memory", "72m")]),
        tpch("TPC-H 21 in the least line", 21, LINE),
        pair(
            "a table in the order of its texts",
            LINE,
            &["SELECT l_comment, l_orderkey FROM lineitem ORDER BY l_comment"],
        ),
        pair(
            "a table in the order of three columns",
            &[("--memory", "80m")],
            &[
                "SELECT l_shipdate, l_extendedprice, l_partkey, l_suppkey FROM lineitem ORDER BY l_shipdate DESC, l_extendedprice, l_partkey",
            ],
        ),
        pair(
            "the first of a long order",
            LINE,
            &["SELECT * FROM lineitem ORDER BY l_extendedprice LIMIT 150000"],
        ),
        pair(
            "orders by clerk, day and comment",
            LINE,
            &[
                "SELECT max(n) FROM (SELECT o_clerk, o_orderdate, o_comment, count(*) AS n, max(o_totalprice) AS p FROM orders GROUP BY o_clerk, o_orderdate, o_comment)",
            ],
        ),
        pair(
            "lines by part and supplier",
            LINE,
            &[
                "SELECT sum(q) FROM (SELECT l_orderkey, l_partkey, sum(l_quantity) AS q, avg(l_tax) AS t FROM lineitem GROUP BY l_orderkey, l_partkey)",
            ],
        ),
        pair(
            "distinct texts",
            LINE,
            &["SELECT count(*) FROM (SELECT DISTINCT l_comment FROM lineitem)"],
        ),
        pair(
            "orders with their lines",
            LINE,
            &[
                "SELECT max(length(o_comment) + length(l_comment)) FROM lineitem a JOIN orders ON l_orderkey = o_orderkey \
                JOIN partsupp ON ps_partkey = l_partkey AND ps_suppkey = l_suppkey WHERE length(ps_comment) > 20",
            ],
        ),
        pair(
            "a table with itself",
            LINE,
            &[
                "SELECT count(*), max(a.l_comment || b.l_comment) FROM lineitem a JOIN lineitem b ON a.l_orderkey = b.l_orderkey AND a.l_linenumber = b.l_linenumber + 1",
            ],
        ),
        pair(
            "what has no partner",
            LINE,
            &[
                "SELECT count(*), max(o_comment) FROM orders FULL JOIN (SELECT l_orderkey + 1 AS k, l_comment FROM lineitem WHERE l_linenumber < 3) ON o_orderkey = k",
            ],
        ),
        pair(
            "a share of the sum of all",
            LINE,
            &[
                "SELECT max(l_extendedprice / s) FROM (SELECT l_comment, l_extendedprice, sum(l_extendedprice) OVER () AS s FROM lineitem)",
            ],
        ),
        pair(
            "a rank within a supplier",
            LINE,
            &[
                "SELECT max(r) FROM (SELECT rank() OVER (PARTITION BY l_suppkey ORDER BY l_extendedprice DESC, l_comment) AS r FROM lineitem)",
            ],
        ),
        pair(
            "one key that half of the rows have",
            LINE,
            &["SELECT count(*), max(length(s)), max(length(t)) FROM \
                (SELECT CASE WHEN id % 2 = 0 THEN 3 ELSE id END AS k, repeat('ab', 60) || id AS s FROM range(300000)) a \
                JOIN (SELECT id * 5 + 1 AS k, repeat('c', 40) || id AS t FROM range(400000) UNION ALL SELECT 3, 'z' FROM range(10)) b ON a.k = b.k"],
        ),
        pair(
            "all texts as a list",
            LINE,
            &[
                "SELECT cardinality(array_agg(o_comment)) FROM orders CROSS JOIN (SELECT * FROM nation WHERE n_nationkey < 25)",
            ],
        ),
        pair(
            "set for the executor, with no memory lent",
            &[
                ("--executor-memory", "480m"),
                ("--driver-memory", "450m"),
                ("spark.memory.fraction", "0.15"),
                ("spark.plimsoll.memory.lending", "false"),
            ],
            &["SELECT l_comment, l_orderkey FROM lineitem ORDER BY l_comment"],
        )
        .made("--executor-memory "),
        pair(
            "no memory lent",
            &[
                ("--memory", "320m"),
                ("spark.memory.fraction", "0.15"),
                ("spark.plimsoll.memory.lending", "false"),
            ],
            &["SELECT count(*) FROM (SELECT DISTINCT l_comment FROM lineitem)"],
        ),
        pair(
            "two caches that do not fit",
            &[("--memory", "80m")],
            &[
                "CACHE TABLE partsupp OPTIONS ('storageLevel' 'MEMORY_AND_DISK')",
                "CACHE TABLE orders OPTIONS ('storageLevel' 'MEMORY_AND_DISK')",
                "SELECT count(*), max(o_comment) FROM orders",
                "SELECT count(*), max(ps_comment) FROM partsupp",
            ],
        ),
        pair(
            "a cache that does not fit, serialized",
            LINE,
            &[
                "CACHE TABLE orders OPTIONS ('storageLevel' 'MEMORY_AND_DISK')",
                "SELECT count(*), sum(o_totalprice) FROM orders",
                "SELECT max(o_comment) FROM orders",
            ],
        )
        .made("cache "),
        pair(
            "a cache that nothing reads",
            &[
                ("--memory", "450m"),
                ("spark.memory.storageFraction", "0.9"),
                ("spark.plimsoll.memory.lending", "false"),
            ],
            &[
                "CACHE TABLE lineitem",
                "SELECT o_comment, o_orderkey FROM orders ORDER BY o_comment",
            ],
        ),
        pair(
            "no room on disk",
            &[("--memory", "64m"), ("spark.plimsoll.spill.maxSize", "2m")],
            &["SELECT l_comment, l_orderkey FROM lineitem ORDER BY l_comment"],
        )
        .made("spark.plimsoll.spill.maxSize="),
    ]
}
