//! Faults of stock operators that are known and not mended yet, and what has to fit into memory whatever is spilled. A
//! failure that is one of these is counted apart, so that others stand out. With `--strict joins` those of joins are
//! failures like any other, with `--strict all` all of them. Who replaces an operator takes its faults off this list.

use crate::case::Case;
use crate::finding::queries;
use crate::outcome::{Failure, FailureKind, Refusal, Strict};

struct Known {
    kind: FailureKind,
    /// Words in what was found; of a refusal, in the name of who was refused.
    found: &'static str,
    /// Words in the query, all of them.
    sql: &'static [&'static str],
    fault: &'static str,
    /// Whether it is the fault of a join.
    of_a_join: bool,
}

/// A limit of an operator that can spill, where the query has these words.
const fn limit(found: &'static str, sql: &'static [&'static str], fault: &'static str) -> Known {
    Known {
        kind: FailureKind::Refused,
        found,
        sql,
        fault,
        of_a_join: false,
    }
}

const ONE_GROUP: &str = "one group of an aggregate that holds all its values has to fit";
const ARGUMENTS: &str = "what a window's functions read of a partition has to fit";

const KNOWN: [Known; 8] = [
    limit("HashAggregate", &["array_agg("], ONE_GROUP),
    limit("HashAggregate", &["string_agg("], ONE_GROUP),
    limit("HashAggregate", &["median("], ONE_GROUP),
    limit("HashAggregate", &["(DISTINCT "], ONE_GROUP),
    limit("Window", &[" FOLLOWING"], ARGUMENTS),
    limit("Window", &["ntile("], ARGUMENTS),
    Known {
        kind: FailureKind::Error,
        found: "Unsupported data type in sort merge join comparator",
        sql: &[],
        fault: "SortMergeJoinExec: no keys that are dictionaries, lists or structs",
        of_a_join: true,
    },
    Known {
        kind: FailureKind::Judges,
        found: "",
        sql: &["RIGHT JOIN", "USING ("],
        fault: "stock planner: the common column of USING is the left one's, which an outer join has set to NULL",
        of_a_join: false,
    },
];

/// The known fault that a failure shows, if it is one that is let pass.
pub fn fault(case: &Case, failure: &Failure, strict: Strict) -> Option<&'static str> {
    let is_let_pass = |known: &Known| match strict {
        Strict::None => true,
        Strict::Joins | Strict::Ours => !known.of_a_join,
        Strict::All => false,
    };
    let sql = queries(case);
    let has = |sql: &String, words: &[&str]| words.iter().all(|words| sql.contains(words));
    let is_in = |words: &[&str]| match failure.query {
        Some(number) => sql.get(number).is_some_and(|sql| has(sql, words)),
        None => sql.iter().any(|sql| has(sql, words)),
    };
    let found = match failure.kind {
        FailureKind::Refused => Refusal::of_error(&failure.what).consumer,
        _ => failure.what.clone(),
    };
    KNOWN
        .iter()
        .find(|known| {
            is_let_pass(known)
                && known.kind == failure.kind
                && found.contains(known.found)
                && is_in(known.sql)
        })
        .map(|known| known.fault)
}
