//! What a hunt has to come to.

use super::seen::Event;

/// Something that an operator has to do at least once.
pub(super) struct Wanted {
    pub(super) operator: &'static str,
    /// A trait that it has to have, if any will not do.
    pub(super) of: &'static str,
    /// What it has to do; to be there at all, if nothing.
    pub(super) event: Option<Event>,
}

/// The types of joins that SQL writes, and what becomes of its tests.
const HASH_JOINS: [&str; 11] = [
    "Inner",
    "Left",
    "Right",
    "Full",
    "LeftSemi",
    "RightSemi",
    "LeftAnti",
    "RightAnti",
    "LeftMark",
    "RightMark",
    "null-aware anti",
];

/// A semi or anti join without keys that reports on its left side is turned around while it is planned.
const LOOP_JOINS: [&str; 7] = [
    "cross", "Inner", "Left", "Right", "Full", "LeftSemi", "LeftAnti",
];

/// What holds rows for a function while memory is short, in groups and in windows.
const GROUPED: [&str; 4] = ["array_agg", "median", "string_agg", "DISTINCT"];
const FRAMES: [&str; 3] = ["ROWS", "RANGE", "GROUPS"];
const WINDOWED: [&str; 5] = [
    "ranking",
    "lag, lead",
    "first_value",
    "last_value",
    "nth_value",
];

/// All that is wanted.
pub(super) fn wanted() -> Vec<Wanted> {
    use Event as E;
    let mut all = Vec::new();
    let mut want = |operator, traits: &[&'static str], events: &[E]| {
        for &of in traits {
            all.extend(events.iter().map(|event| Wanted {
                operator,
                of,
                event: Some(*event),
            }));
            if events.is_empty() {
                all.push(Wanted {
                    operator,
                    of,
                    event: None,
                });
            }
        }
    };
    let of_joins = [E::Spilled, E::Recursed, E::HotKey, E::Reclaimed];
    want("HybridHashJoinExec", &HASH_JOINS, &of_joins);
    let of_loops = [E::Spilled, E::HotKey];
    want("BlockNestedLoopJoinExec", &LOOP_JOINS, &of_loops);
    want("BlockNestedLoopJoinExec", &[""], &[E::Reclaimed]);
    let of_sorts = [E::Spilled, E::MergedTwice, E::Reclaimed];
    want("ExternalSortExec", &[""], &of_sorts);
    want("ExternalSortExec", &["with a limit"], &[E::Spilled]);
    want("HybridHashAggregateExec", &["partial"], &[E::SteppedAside]);
    let of_groups = [E::Spilled, E::Recursed, E::Reclaimed];
    want("HybridHashAggregateExec", &["final"], &of_groups);
    want("HybridHashAggregateExec", &GROUPED, &[E::Spilled]);
    let of_windows = [E::Spilled, E::Reclaimed];
    want("ExternalWindowExec", &[""], &of_windows);
    want("ExternalWindowExec", &["ntile"], &[E::Spilled]);
    for functions in [&FRAMES[..], &WINDOWED[..]] {
        want("ExternalWindowExec", functions, &[E::Spilled]);
        // It holds what its frames need and has no other way.
        want("BoundedWindowAggExec", functions, &[]);
    }
    all
}
