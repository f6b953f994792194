//! Aggregates whose groups fit and whose groups do not.

use std::sync::Arc;

use plimsoll_exec::{HybridHashAggregateExec, HybridHashAggregates};

use crate::session::{self, Outcome, context};

/// Functions whose states are of one size, or nearly.
const SMALL: [&str; 7] = [
    "count(*), count(v), sum(v), avg(v), min(v), max(v)",
    "min(t), max(t), count(t)",
    "sum(v) FILTER (WHERE v % 3 = 0), count(*) FILTER (WHERE t IS NULL)",
    "count(DISTINCT v % 7), sum(DISTINCT v % 5), bit_xor(v)",
    "round(stddev(v), 2), round(1 / (1 + var_pop(v)), 9)",
    "first_value(t ORDER BY v), last_value(t ORDER BY v), nth_value(v, 1 ORDER BY v), nth_value(v, 2 ORDER BY v DESC)",
    "bit_and(v), bit_or(v), bool_or(v % 2 = 0), max(struct(v, t)), avg(CAST(v AS DECIMAL(20, 3)))",
];

/// Functions whose states have all values of a group in them.
const GROWING: [&str; 6] = [
    "count(DISTINCT t), count(DISTINCT v)",
    "array_sort(array_agg(v))",
    "array_agg(v ORDER BY v DESC), array_agg(v ORDER BY v)",
    "string_agg(t, ',' ORDER BY v DESC)",
    "median(v), percentile_cont(0.25) WITHIN GROUP (ORDER BY v)",
    "array_sort(array_agg(DISTINCT v % 50)), approx_distinct(v)",
];

/// What rows are grouped by: numbers, texts, several, NULLs.
const KEYS: [&str; 4] = [
    "k",
    "name",
    "k, name",
    "CASE WHEN k % 60 = 0 THEN NULL ELSE k END",
];

/// Lists, few groups, and sets of groups, one of which has all rows.
const OTHERS: [&str; 4] = [
    "[k % 2500]",
    "k % 40",
    "ROLLUP (k % 5, k % 900)",
    "GROUPING SETS ((k % 700), (name), ())",
];

const ROWS: usize = 12_000;

fn query(functions: &str, groups: &str) -> String {
    let rows = format!(
        "SELECT value AS v, value * 7919 % 3001 AS k, 'name ' || (value * 7919 % 2003) AS name, \
         CASE WHEN value % 11 = 0 THEN NULL ELSE repeat('x', 1 + CAST(value % 40 AS INT)) || value END AS t \
         FROM range({ROWS})"
    );
    format!("SELECT {functions} FROM ({rows}) GROUP BY {groups}")
}

async fn outcome(memory: Option<u64>, partitions: usize, is_ours: bool, query: &str) -> Outcome {
    let rules: Vec<session::Rule> = match is_ours {
        true => vec![Arc::new(HybridHashAggregates::new(200))],
        false => Vec::new(),
    };
    let context = context(memory, partitions, rules);
    session::outcome::<HybridHashAggregateExec>(&context, query, "spills").await
}

/// In memory, in little memory of two threads, which have each a part of the groups, and of one, which has the rows.
const MEMORIES: [(Option<u64>, usize); 3] = [(None, 2), (Some(2 << 20), 2), (Some(2 << 20), 1)];

/// How many of the cases went to disk; each has been found right.
async fn assert_as_stock(
    functions: &str,
    groups: &str,
    memories: &[(Option<u64>, usize)],
) -> usize {
    let query = query(functions, groups);
    let stock = outcome(None, 2, false, &query).await;
    let mut spilled = 0;
    for (memory, partitions) in memories {
        let ours = outcome(*memory, *partitions, true, &query).await;
        let case = format!("{functions} by {groups} in {memory:?}, {partitions} threads");
        assert!(ours.operators > 0, "{case}");
        assert_eq!(ours.answer, stock.answer, "{case}");
        assert!(memory.is_some() || ours.metric == 0, "{case}");
        spilled += usize::from(ours.metric > 0);
    }
    spilled
}

#[tokio::test]
async fn aggregates_answer_as_datafusion_does_whether_groups_fit_or_not() {
    let mut spilled = 0;
    for (number, functions) in SMALL.iter().chain(&GROWING).enumerate() {
        spilled += assert_as_stock(functions, KEYS[0], &MEMORIES).await;
        for (place, groups) in KEYS[1..].iter().enumerate() {
            let memory = [MEMORIES[1 + (number + place) % 2]];
            spilled += assert_as_stock(functions, groups, &memory).await;
        }
    }
    assert!(spilled > 30, "{spilled} cases spilled");
}

#[tokio::test]
async fn lists_few_groups_and_sets_of_groups_are_aggregated_as_datafusion_does() {
    for (number, functions) in SMALL.iter().enumerate() {
        for (place, groups) in OTHERS.iter().enumerate() {
            let memory = [MEMORIES[1 + (number + place) % 2]];
            assert_as_stock(functions, groups, &memory).await;
        }
    }
}

#[tokio::test]
async fn groups_of_nothing_are_as_they_should_be() {
    let functions = "count(*), sum(v), sum(DISTINCT v), array_agg(v ORDER BY v), count(DISTINCT t), nth_value(v, 2 ORDER BY v)";
    let dictionary = "arrow_cast(name, 'Dictionary(Int32, Utf8)')";
    for groups in ["k", dictionary, "ROLLUP (k)", "GROUPING SETS ((), (k), ())"] {
        // More threads than groups, and no row for most or all of them.
        for (rows, partitions) in [(0, 1), (0, 3), (2, 5)] {
            let query = query(functions, groups).replace("range(12000)", &format!("range({rows})"));
            let stock = outcome(None, 1, false, &query).await;
            let ours = outcome(Some(1 << 20), partitions, true, &query).await;
            assert!(ours.operators > 0);
            assert_eq!(
                ours.answer, stock.answer,
                "{groups} of {rows} in {partitions}"
            );
        }
    }
}

#[tokio::test]
async fn dictionaries_are_grouped_and_let_go() {
    let query = "SELECT d, v, count(*) AS n, array_agg(d) AS ds FROM (SELECT value % 9000 AS v, \
                 arrow_cast('a name ' || (value % 700), 'Dictionary(Int32, Utf8)') AS d FROM range(18000)) GROUP BY d, v";
    let stock = outcome(None, 2, false, query).await;
    let ours = outcome(Some(3 << 20), 2, true, query).await;
    assert!((1..40).contains(&ours.metric), "{} spills", ours.metric);
    assert_eq!(ours.answer, stock.answer);
}

#[tokio::test]
async fn many_groups_are_cut_again_and_again() {
    let query = "SELECT k, count(*) AS n, max(t) AS t FROM (SELECT value % 40000 AS k, 'a text of some length ' || value AS t \
                 FROM range(80000)) GROUP BY k";
    let stock = outcome(None, 2, false, query).await;
    let ours = outcome(Some(1 << 20), 2, true, query).await;
    assert_eq!(ours.rows, 40_000);
    assert!(ours.metric > 4, "{} spills", ours.metric);
    assert_eq!(ours.answer, stock.answer);
}
