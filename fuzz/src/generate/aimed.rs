//! Cases that are aimed at one thing that a type of hash join does in hardly any memory. Most random cases miss it: a
//! type needs the right side built, a build side needs rows that somebody above asks for, and who holds memory and waits
//! is asked to give it back only by somebody else who begins to need it then.

pub(super) mod operators;
mod query;
mod sides;

use query::Aim;
use sides::Sides;

use super::Scale;
use super::relations::Maker;
use crate::case::{Case, Environment, Options, Table, Way};
use crate::random::{Random, mix};
use crate::relation::JoinKind;

/// Each so many'th case is aimed.
pub(super) const EVERY: u64 = 3;

/// What a case is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Goal {
    /// The type of the join as its operator is to have it: its left side is the one that is built.
    pub(super) join: Type,
    pub(super) situation: Situation,
}

/// A type of hash join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Written(JoinKind),
    LeftMark,
    RightMark,
    NullAwareAnti,
}

/// What the join is to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Situation {
    /// A build side of several times the memory, of which about half has one key: it spills, what went to disk is cut
    /// again, and what is left of that cannot be cut.
    HotBuild,
    /// A build side that fits, or most of which does, and is complete when the probe side begins to need memory.
    IdleBuild,
}

const TYPES: [Type; 11] = [
    Type::Written(JoinKind::Inner),
    Type::Written(JoinKind::Left),
    Type::Written(JoinKind::Right),
    Type::Written(JoinKind::Full),
    Type::Written(JoinKind::LeftSemi),
    Type::Written(JoinKind::RightSemi),
    Type::Written(JoinKind::LeftAnti),
    Type::Written(JoinKind::RightAnti),
    Type::LeftMark,
    Type::RightMark,
    Type::NullAwareAnti,
];

const SITUATIONS: [Situation; 2] = [Situation::HotBuild, Situation::IdleBuild];

impl Goal {
    /// All there are, in the order in which they take turns.
    pub(super) fn all() -> impl Iterator<Item = Goal> {
        let of = |situation| move |join| Goal { join, situation };
        SITUATIONS
            .into_iter()
            .flat_map(move |situation| TYPES.into_iter().map(of(situation)))
    }

    /// What this case of a seed is aimed at, if it is. Goals take turns, and which is the first depends on the seed: so
    /// that a few hundred cases come to each of them, as a random choice would not.
    pub(super) fn of_case(seed: u64, number: u64) -> Option<Goal> {
        let goals = (TYPES.len() * SITUATIONS.len()) as u64;
        let turn = (mix(seed) % goals + number / EVERY) % goals;
        number
            .is_multiple_of(EVERY)
            .then(|| Goal::all().nth(turn as usize))
            .flatten()
    }
}

impl Type {
    /// Whether columns of the build side come out of it. If not, nothing but the keys is built, unless a condition
    /// needs more.
    fn gives_build(self) -> bool {
        match self {
            Type::Written(kind) => kind.gives_left(),
            Type::LeftMark | Type::NullAwareAnti => true,
            Type::RightMark => false,
        }
    }

    /// Whether columns of the probe side come out of it.
    fn gives_probe(self) -> bool {
        match self {
            Type::Written(kind) => kind.gives_right(),
            Type::LeftMark | Type::NullAwareAnti => false,
            Type::RightMark => true,
        }
    }
}

/// The tables, by their numbers.
const BUILD: u16 = 0;
const PROBE: u16 = 1;
const OTHER: u16 = 2;

/// The places of a table's columns: texts are the others.
const NUMBER: u16 = 0;
const KEY: usize = 1;
const FIRST_TEXT: usize = 2;

/// A case with this goal.
pub(super) fn case(goal: Goal, seed: u64, number: u64, random: &mut Random, scale: Scale) -> Case {
    let memory = scale.memory + random.below(scale.memory / 2);
    // What makes the build side large where nothing of it comes out: a long key, or else a condition on its text.
    let is_hot = goal.situation == Situation::HotBuild;
    let has_long_key = is_hot && !goal.join.gives_build() && random.percent(40);
    let sides = Sides::new(random, goal.situation, has_long_key);
    let tables = match goal.situation {
        Situation::HotBuild => sides.hot(goal.join, random, memory, scale),
        Situation::IdleBuild => sides.idle(goal.join, random, memory, scale),
    };
    let mut aim = Aim {
        goal,
        has_residual: goal.join != Type::NullAwareAnti
            && (!goal.join.gives_build() && !has_long_key || random.percent(20)),
        maker: Maker {
            random,
            tables: &tables,
            scale,
        },
    };
    let query = aim.query();
    let environment = environment(goal, random, &tables, memory);
    Case {
        seed,
        number,
        environment,
        tables,
        queries: vec![query],
    }
}

/// The engine with options that leave the sides where they are written: a session would hold small sides back for
/// broadcasts, which do not spill.
fn environment(goal: Goal, random: &mut Random, tables: &[Table], memory: u64) -> Environment {
    let rows = tables.iter().map(Table::row_count).max().unwrap_or(0);
    let partitions = match goal.situation {
        Situation::HotBuild => random.between(1, 4) as u8,
        // Each partition asks for itself, so that whoever asks has little yet when nothing is free any more.
        Situation::IdleBuild => *random.weighted(&[(2, 2), (3, 3), (4, 4)]),
    };
    // A merge of sorted partitions holds a batch of each.
    let most_rows = match (goal.situation, partitions) {
        (Situation::HotBuild, 1) => 1024,
        _ => 256,
    };
    let options = Options {
        batch_rows: (*random.pick(&[64, 128, most_rows])).max((rows / 256) as u32),
        partitions,
        single_partition_threshold: 0,
        hash_joins: true,
        dynamic_filters: random.percent(70),
        filters_in_scan: random.percent(30),
        // No SQL is planned as this one: it comes of a LeftMark whose left side is the larger.
        swap_sides: goal.join == Type::RightMark,
        probe_rows: None,
    };
    Environment {
        memory,
        way: Way::Engine(options),
        cancel: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_goal_has_its_turn_in_any_few_cases_of_a_seed() {
        let turns = Goal::all().count() as u64 * EVERY;
        for (seed, first) in [(1, 0), (2, 100), (u64::MAX, 1000)] {
            let numbers = first..first + 4 * turns;
            let goals: Vec<_> = numbers
                .filter_map(|number| Goal::of_case(seed, number))
                .collect();
            for goal in Goal::all() {
                let times = goals.iter().filter(|other| **other == goal).count();
                assert_eq!(times, 4, "{goal:?} in the cases of {seed} from {first}");
            }
        }
    }

    #[test]
    fn sides_are_as_large_as_the_goal_needs_them() {
        for number in 0..300 {
            let Some(goal) = Goal::of_case(3, number) else {
                continue;
            };
            let case = crate::generate::case(3, number, Scale::FULL);
            let memory = case.environment.memory;
            let [build, probe, ..] = case.tables.as_slice() else {
                panic!("{goal:?} has {} tables", case.tables.len());
            };
            match goal.situation {
                Situation::HotBuild => {
                    assert!(build.bytes() > 2 * memory, "{goal:?}: {}", build.bytes());
                    assert!(build.columns[KEY].spread.hottest(build.row_count()) >= 0.4);
                }
                Situation::IdleBuild => {
                    assert!(build.bytes() < memory, "{goal:?}: {}", build.bytes());
                    assert!(probe.bytes() > 2 * memory, "{goal:?}: {}", probe.bytes());
                }
            }
            // Without it there would be no such join, or one that has nothing to do.
            match goal.join {
                Type::RightMark => {
                    assert!(probe.bytes() > build.bytes(), "{goal:?}");
                    assert!(probe.row_count() > build.row_count(), "{goal:?}");
                    assert_eq!(probe.storage, build.storage);
                }
                Type::NullAwareAnti => assert_eq!(probe.columns[KEY].nulls, 0),
                _ => {}
            }
            let Way::Engine(options) = &case.environment.way else {
                panic!("{goal:?} is left to a session");
            };
            assert_eq!(options.swap_sides, goal.join == Type::RightMark);
        }
    }
}
