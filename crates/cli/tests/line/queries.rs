//! Random queries over TPC-H's tables, the same from the same seed.

/// A source of numbers that look random: xorshift64* by Marsaglia and Vigna.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // The state must not be zero, nor be alike for seeds that are.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % bound
    }

    fn choose<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

/// A query whose answer is few rows and the same however it is executed.
pub fn query(random: &mut Random) -> String {
    match random.below(6) {
        0 => grouped(random),
        1 => sorted(random),
        2 => joined(random),
        3 => outer_joined(random),
        4 => distinct(random),
        _ => top(random),
    }
}

const KEYS: [&str; 6] = [
    "l_orderkey",
    "l_partkey",
    "l_suppkey, l_shipdate",
    "l_comment",
    "l_orderkey, l_linenumber",
    "l_shipmode, l_returnflag",
];

/// Some of the rows, by a key that has nothing to do with others.
fn some(random: &mut Random) -> String {
    format!("l_partkey % 10 < {}", 2 + random.below(9))
}

fn grouped(random: &mut Random) -> String {
    let (keys, filter) = (random.choose(&KEYS), some(random));
    format!(
        "SELECT count(*), sum(n), sum(q), max(c) FROM (SELECT {keys}, count(*) AS n, sum(l_quantity) AS q, \
         max(l_comment) AS c FROM lineitem WHERE {filter} GROUP BY {keys})"
    )
}

fn sorted(random: &mut Random) -> String {
    let filter = some(random);
    let key = random.choose(&["l_comment", "l_extendedprice", "l_shipdate", "l_partkey"]);
    format!(
        "SELECT count(*), sum(CASE WHEN before > k THEN 1 ELSE 0 END), max(length(c)) FROM (SELECT {key} AS k, \
         l_comment AS c, lag({key}) OVER (ORDER BY {key}) AS before FROM lineitem WHERE {filter})"
    )
}

fn joined(random: &mut Random) -> String {
    let filter = some(random);
    let column = random.choose(&["o_comment", "o_orderdate", "o_clerk"]);
    format!(
        "SELECT count(*), max({column}), sum(l_quantity) FROM lineitem JOIN orders ON l_orderkey = o_orderkey \
         WHERE {filter} AND o_custkey % {} = 0",
        1 + random.below(3)
    )
}

fn outer_joined(random: &mut Random) -> String {
    let kind = random.choose(&["LEFT", "RIGHT", "FULL", "LEFT SEMI", "LEFT ANTI"]);
    let count = match kind {
        "LEFT SEMI" | "LEFT ANTI" => "count(o_orderkey), max(o_comment)",
        _ => "count(o_orderkey), count(l_orderkey), max(l_comment)",
    };
    format!(
        "SELECT {count} FROM orders {kind} JOIN (SELECT * FROM lineitem WHERE l_quantity < {}) l \
         ON o_orderkey = l_orderkey AND o_orderdate < l_shipdate",
        1 + random.below(50)
    )
}

fn distinct(random: &mut Random) -> String {
    let column = random.choose(&["l_orderkey", "l_comment", "l_extendedprice", "l_partkey"]);
    let by = random.choose(&["l_shipmode", "l_returnflag", "l_linenumber"]);
    format!("SELECT {by}, count(DISTINCT {column}) FROM lineitem GROUP BY {by} ORDER BY {by}")
}

fn top(random: &mut Random) -> String {
    let filter = some(random);
    format!(
        "SELECT l_orderkey, l_linenumber, l_comment FROM lineitem WHERE {filter} \
         ORDER BY l_extendedprice, l_orderkey, l_linenumber LIMIT {}",
        1 + random.below(1000)
    )
}
