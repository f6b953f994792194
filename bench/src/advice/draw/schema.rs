//! What of TPC-H's tables queries are drawn from.

/// A table, and its columns by what can be done with them.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) numbers: &'static [&'static str],
    pub(super) texts: &'static [&'static str],
    /// Columns with some rows for each value.
    pub(super) groups: &'static [&'static str],
}

impl Table {
    pub(super) fn columns(&self) -> Vec<&'static str> {
        [self.numbers, self.texts, self.groups].concat()
    }
}

pub(super) const LINEITEM: Table = Table {
    name: "lineitem",
    numbers: &["l_extendedprice", "l_quantity", "l_discount", "l_tax"],
    texts: &["l_comment", "l_shipinstruct", "l_shipmode"],
    groups: &[
        "l_orderkey",
        "l_partkey",
        "l_suppkey",
        "l_shipdate",
        "l_receiptdate",
    ],
};

pub(super) const ORDERS: Table = Table {
    name: "orders",
    numbers: &["o_totalprice", "o_orderkey"],
    texts: &["o_comment", "o_clerk", "o_orderpriority"],
    groups: &["o_custkey", "o_orderdate"],
};

pub(super) const PARTSUPP: Table = Table {
    name: "partsupp",
    numbers: &["ps_supplycost", "ps_availqty"],
    texts: &["ps_comment"],
    groups: &["ps_partkey", "ps_suppkey"],
};

pub(super) const PART: Table = Table {
    name: "part",
    numbers: &["p_retailprice", "p_size"],
    texts: &["p_name", "p_comment", "p_type"],
    groups: &["p_partkey", "p_brand", "p_container"],
};

pub(super) const CUSTOMER: Table = Table {
    name: "customer",
    numbers: &["c_acctbal"],
    texts: &["c_comment", "c_address", "c_name"],
    groups: &["c_custkey", "c_nationkey", "c_mktsegment"],
};

/// All of them, those with most rows most often.
pub(super) const TABLES: [&Table; 10] = [
    &LINEITEM, &LINEITEM, &LINEITEM, &LINEITEM, &ORDERS, &ORDERS, &ORDERS, &PARTSUPP, &PART,
    &CUSTOMER,
];

/// How many of these are large.
pub(super) const LARGE: u64 = 8;

/// Two tables, and what joins rows of the one, as `a`, with rows of the other, as `b`.
pub(super) type Edge = (&'static Table, &'static Table, &'static str);

pub(super) const EDGES: [Edge; 11] = [
    (&LINEITEM, &ORDERS, "a.l_orderkey = b.o_orderkey"),
    (&ORDERS, &LINEITEM, "a.o_orderkey = b.l_orderkey"),
    (&LINEITEM, &PART, "a.l_partkey = b.p_partkey"),
    (
        &LINEITEM,
        &PARTSUPP,
        "a.l_partkey = b.ps_partkey AND a.l_suppkey = b.ps_suppkey",
    ),
    (
        &PARTSUPP,
        &LINEITEM,
        "a.ps_partkey = b.l_partkey AND a.ps_suppkey = b.l_suppkey",
    ),
    (&ORDERS, &CUSTOMER, "a.o_custkey = b.c_custkey"),
    (&PARTSUPP, &PART, "a.ps_partkey = b.p_partkey"),
    (
        &LINEITEM,
        &LINEITEM,
        "a.l_orderkey = b.l_orderkey AND a.l_linenumber = b.l_linenumber + 1",
    ),
    (
        &LINEITEM,
        &LINEITEM,
        "a.l_orderkey = b.l_orderkey AND a.l_partkey < b.l_partkey",
    ),
    (
        &ORDERS,
        &ORDERS,
        "a.o_custkey = b.o_custkey AND a.o_orderdate < b.o_orderdate",
    ),
    (&PARTSUPP, &PARTSUPP, "a.ps_partkey = b.ps_partkey"),
];
