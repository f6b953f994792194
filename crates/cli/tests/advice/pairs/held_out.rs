//! Pairs that nothing was adjusted by: drawn by `bench/advice`, from seeds 102 to 104, after what is advised was as it is.

use super::{Pair, pair, tpch};

/// Those that nothing was adjusted by.
pub fn held_out() -> Vec<Pair> {
    vec![
        pair(
            "a table in the order of customers",
            &[("--memory", "72m")],
            &["SELECT * FROM orders ORDER BY o_custkey"],
        ),
        pair(
            "a sort for the executor, with no memory lent",
            &[
                ("--executor-memory", "480m"),
                ("--driver-memory", "450m"),
                ("spark.memory.fraction", "0.1"),
                ("spark.plimsoll.memory.lending", "false"),
            ],
            &[
                "SELECT ps_supplycost, ps_partkey, ps_comment, ps_availqty, ps_suppkey FROM partsupp ORDER BY ps_supplycost DESC",
            ],
        ),
        pair(
            "groups beside a cache that they read",
            &[("--memory", "112m")],
            &[
                "CACHE TABLE partsupp OPTIONS ('storageLevel' 'MEMORY_AND_DISK')",
                "SELECT ps_suppkey, ps_comment, ps_partkey, avg(ps_availqty), avg(ps_supplycost) FROM partsupp GROUP BY ps_suppkey, ps_comment, ps_partkey HAVING count(*) > 1",
            ],
        ),
        pair(
            "the one before within a comment",
            &[("--memory", "64m")],
            &[
                "SELECT o_custkey, o_orderpriority, lag(o_orderpriority) OVER (PARTITION BY o_comment ORDER BY o_custkey) AS w FROM orders",
            ],
        ),
        pair(
            "lines by mode, part and day of receipt",
            &[("--memory", "80m")],
            &[
                "SELECT l_shipmode, l_partkey, l_receiptdate, max(l_shipinstruct) FROM lineitem GROUP BY l_shipmode, l_partkey, l_receiptdate HAVING count(*) > 1",
            ],
        ),
        pair(
            "the sum of all over a cached table",
            &[
                ("spark.memory.storageFraction", "0.7"),
                ("--memory", "64m"),
                ("spark.sql.autoBroadcastJoinThreshold", "-1"),
            ],
            &[
                "CACHE TABLE orders OPTIONS ('storageLevel' 'MEMORY_AND_DISK')",
                "CACHE TABLE part OPTIONS ('storageLevel' 'MEMORY_AND_DISK_SER')",
                "SELECT count(*), max(w) FROM (SELECT o_orderkey, o_custkey, o_orderdate, sum(o_totalprice) OVER () AS w FROM orders)",
            ],
        ),
        pair(
            "parts with themselves in order, with no memory lent",
            &[
                ("--memory", "192m"),
                ("spark.memory.fraction", "0.25"),
                ("spark.plimsoll.memory.lending", "false"),
                ("spark.sql.autoBroadcastJoinThreshold", "-1"),
            ],
            &[
                "SELECT a.ps_suppkey AS c0, a.ps_supplycost AS c1, b.ps_comment AS c2, b.ps_availqty AS c3, b.ps_supplycost AS c4 FROM partsupp a LEFT JOIN partsupp b ON a.ps_partkey = b.ps_partkey ORDER BY c0",
            ],
        ),
        pair(
            "lines and orders, and what has no partner",
            &[("--memory", "64m")],
            &[
                "SELECT count(*), max(a.l_discount), max(a.l_orderkey), max(a.l_quantity), max(b.o_clerk), max(b.o_orderdate), max(b.o_comment) FROM lineitem a FULL JOIN orders b ON a.l_orderkey = b.o_orderkey",
            ],
        ),
        pair(
            "the most so far over all lines",
            &[("--memory", "72m")],
            &[
                "SELECT count(*), max(w) FROM (SELECT l_shipmode, max(l_shipmode) OVER (ORDER BY l_partkey, l_orderkey) AS w FROM lineitem)",
            ],
        ),
        pair(
            "a rank within part and instruction, with no memory lent",
            &[
                ("--memory", "128m"),
                ("spark.memory.fraction", "0.6"),
                ("spark.plimsoll.memory.lending", "false"),
                ("spark.sql.shuffle.partitions", "4"),
            ],
            &[
                "SELECT count(*), max(w) FROM (SELECT l_discount, l_tax, rank() OVER (PARTITION BY l_shipinstruct, l_partkey ORDER BY l_tax) AS w FROM lineitem)",
            ],
        ),
        pair(
            "a sort beside two caches",
            &[("spark.memory.storageFraction", "0.3"), ("--memory", "72m")],
            &[
                "CACHE TABLE partsupp OPTIONS ('storageLevel' 'MEMORY_ONLY')",
                "CACHE TABLE part OPTIONS ('storageLevel' 'MEMORY_ONLY_SER')",
                "SELECT o_comment, o_orderdate, o_orderkey, o_custkey, o_clerk FROM orders ORDER BY o_comment, o_orderdate, o_orderkey DESC",
            ],
        ),
        pair(
            "distinct prices and days",
            &[
                ("--memory", "64m"),
                ("spark.sql.autoBroadcastJoinThreshold", "-1"),
            ],
            &["SELECT count(*) FROM (SELECT DISTINCT l_extendedprice, l_shipdate FROM lineitem)"],
        ),
        pair(
            "a list of prices for each part",
            &[("--memory", "64m")],
            &[
                "SELECT max(cardinality(v)) FROM (SELECT array_agg(l_extendedprice) AS v FROM lineitem GROUP BY l_partkey)",
            ],
        ),
        pair(
            "a cache that does not fit, in memory only",
            &[("spark.memory.storageFraction", "0.9"), ("--memory", "80m")],
            &[
                "CACHE TABLE lineitem OPTIONS ('storageLevel' 'MEMORY_ONLY')",
                "SELECT (SELECT max(l_suppkey) FROM lineitem)",
                "SELECT (SELECT max(l_suppkey) FROM lineitem)",
            ],
        ),
        pair(
            "orders by clerk, customer and priority",
            &[("--memory", "64m"), ("spark.sql.shuffle.partitions", "2")],
            &[
                "SELECT o_clerk, o_custkey, o_orderpriority, avg(o_totalprice), min(o_clerk) FROM orders GROUP BY o_clerk, o_custkey, o_orderpriority",
            ],
        ),
        pair(
            "a window beside a cache that nothing reads",
            &[("--memory", "64m")],
            &[
                "CACHE TABLE partsupp OPTIONS ('storageLevel' 'MEMORY_AND_DISK')",
                "SELECT o_comment, o_orderkey, count(*) OVER (PARTITION BY o_orderdate, o_custkey) AS w FROM orders",
            ],
        ),
        tpch("TPC-H 21", 21, &[("--memory", "64m")]),
        pair(
            "a union without duplicates",
            &[
                ("--memory", "64m"),
                ("spark.sql.autoBroadcastJoinThreshold", "-1"),
            ],
            &[
                "SELECT count(*) FROM (SELECT o_clerk AS v FROM orders UNION SELECT o_comment AS v FROM orders)",
            ],
        ),
        pair(
            "lines that have an order, which is cached",
            &[("--memory", "72m")],
            &[
                "CACHE TABLE partsupp OPTIONS ('storageLevel' 'MEMORY_AND_DISK')",
                "CACHE TABLE orders OPTIONS ('storageLevel' 'MEMORY_AND_DISK')",
                "SELECT count(*), max(a.l_extendedprice), max(a.l_comment), max(a.l_receiptdate) FROM lineitem a LEFT SEMI JOIN orders b ON a.l_orderkey = b.o_orderkey",
            ],
        ),
        pair(
            "a whole table in order, with little room on disk",
            &[
                ("--memory", "64m"),
                ("spark.plimsoll.spill.maxSize", "8m"),
                ("spark.sql.shuffle.partitions", "16"),
                ("spark.sql.autoBroadcastJoinThreshold", "-1"),
            ],
            &["SELECT * FROM lineitem ORDER BY l_orderkey DESC, l_suppkey, l_extendedprice"],
        ),
    ]
}
