//! Cases that are aimed at one thing that a sort, an aggregate, a window or a join without keys does in hardly any
//! memory: at each path of each of them that a hunt has to come to.

mod query;

use super::sides::long_text;
use crate::case::{Case, Column, Environment, Options, Spread, Storage, Table, Way};
use crate::generate::{Scale, tables};
use crate::kind::{Kind, Layout};
use crate::random::{Random, mix};
use crate::relation::{Function, JoinKind};

/// Each so many'th case is aimed at one of these: the one after a case that is aimed at a hash join, every other time.
const EVERY: u64 = 6;
const AFTER: u64 = 1;

/// What a case is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::generate) enum Goal {
    /// A sort of more rows than fit, in more runs than are merged at once.
    Sort,
    /// Of so many rows only the first, which do not fit either.
    TopK,
    /// Groups that do not fit, of which this function holds rows.
    Collect(Function),
    /// As many groups as rows.
    Distinct,
    /// A partition of a window that does not fit, with this among its functions.
    Window(Family),
    /// A window whose frames end before the partition does.
    Running(Family),
    /// A join without keys, whose build side does not fit.
    Loop(Loop),
    /// An operator that holds what fits when another one begins to need memory.
    Idle(Idle),
}

/// Functions of windows that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::generate) enum Family {
    Ranking,
    LagLead,
    First,
    Last,
    Nth,
    Ntile,
    Sums,
}

/// A join without keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::generate) enum Loop {
    Cross,
    Written(JoinKind),
}

/// Who is to give memory back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::generate) enum Idle {
    Sort,
    Aggregate,
    Window,
    Loop,
}

const FAMILIES: [Family; 7] = [
    Family::Ranking,
    Family::LagLead,
    Family::First,
    Family::Last,
    Family::Nth,
    Family::Ntile,
    Family::Sums,
];

const LOOPS: [Loop; 7] = [
    Loop::Cross,
    Loop::Written(JoinKind::Inner),
    Loop::Written(JoinKind::Left),
    Loop::Written(JoinKind::Right),
    Loop::Written(JoinKind::Full),
    Loop::Written(JoinKind::LeftSemi),
    Loop::Written(JoinKind::LeftAnti),
];

impl Goal {
    /// All there are, in the order in which they take turns.
    pub(super) fn all() -> Vec<Goal> {
        use Function as F;
        let collecting = [F::Collect, F::Concatenate, F::Median, F::Count];
        let idle = [Idle::Sort, Idle::Aggregate, Idle::Window, Idle::Loop];
        let running = FAMILIES
            .into_iter()
            .filter(|family| *family != Family::Ntile);
        [Goal::Sort, Goal::TopK, Goal::Distinct]
            .into_iter()
            .chain(idle.map(Goal::Idle))
            .chain(collecting.map(Goal::Collect))
            .chain(FAMILIES.map(Goal::Window))
            .chain(LOOPS.map(Goal::Loop))
            .chain(running.map(Goal::Running))
            .collect()
    }

    /// What this case of a seed is aimed at, if it is.
    pub(in crate::generate) fn of_case(seed: u64, number: u64) -> Option<Goal> {
        let goals = Self::all();
        let count = goals.len() as u64;
        let turn = (mix(seed) % count + number / EVERY) % count;
        (number % EVERY == AFTER).then(|| goals[turn as usize])
    }
}

/// The tables, by their numbers: what the operator holds, and what is joined to it or needs memory besides.
const HELD: u16 = 0;
const OTHER: u16 = 1;

/// The least memory, in bytes: of what a merge takes at least there is some in each partition of a sort, besides what is
/// above it.
const LEAST: u64 = 3 << 19;

/// The places of a table's columns; behind them are more texts.
const NUMBER: u16 = 0;
const KEY: u16 = 1;
const TEXT: u16 = 2;
const AMOUNT: u16 = 3;

/// A case with this goal.
pub(in crate::generate) fn case(
    goal: Goal,
    seed: u64,
    number: u64,
    random: &mut Random,
    scale: Scale,
) -> Case {
    let memory = scale.memory.max(LEAST) + random.below(scale.memory / 2);
    let tables = tables_of(goal, random, memory);
    let query = query::of_goal(goal, random, &tables);
    let environment = environment(goal, random, &tables, memory);
    Case {
        seed,
        number,
        environment,
        tables,
        queries: vec![query],
    }
}

fn tables_of(goal: Goal, random: &mut Random, memory: u64) -> Vec<Table> {
    let bytes = match goal {
        // Groups take more than what they are made of.
        Goal::Idle(Idle::Aggregate) => memory * random.between(45, 55) / 100,
        // What is free then is less than an equal share for those that come to need memory.
        Goal::Idle(Idle::Loop) => memory * random.between(35, 55) / 100,
        Goal::Idle(_) => memory * random.between(72, 78) / 100,
        Goal::Running(_) => memory * random.between(10, 40) / 10,
        _ => memory * random.between(40, 55) / 10,
    };
    // What windows take of each row while the rest is on disk has to fit.
    let width = match goal {
        Goal::Window(_) => 900,
        Goal::Loop(_) => 300,
        // The judge takes very much for the first of many rows.
        Goal::TopK => 500,
        Goal::Idle(_) => 24,
        _ => *random.pick(&[60, 120, 250]),
    };
    // While a table is made its largest column is there twice: one of many leaves little free afterwards.
    let texts = match goal {
        Goal::Idle(_) => 6,
        _ => 1,
    };
    let text = long_text(random, width);
    let row = text.bytes() * texts + 16;
    let rows = bytes / row;
    let keys = match goal {
        Goal::Collect(_) => Spread::Uniform((rows / 3).max(1) as u32),
        Goal::Window(_) | Goal::Running(_) => match random.percent(50) {
            true => Spread::Hot(6, 70),
            false => Spread::Uniform(1),
        },
        _ => Spread::Unique,
    };
    let mut held = table(random, &text, texts, keys, rows);
    if let Goal::Idle(_) = goal {
        // It is there at once, in one place, and takes no more than its rows.
        held.storage = Storage::Memory {
            partitions: 1,
            batch_rows: 1000,
        };
        for column in &mut held.columns {
            if let Kind::Text { layout, .. } = &mut column.kind {
                *layout = Layout::Plain;
            }
        }
    }
    let other = match goal {
        Goal::Idle(_) => {
            let rows = memory * random.between(30, 45) / 10 / row;
            Table {
                rows: vec![(0, rows as u32)],
                columns: held.columns.clone(),
                storage: tables::in_files(random),
            }
        }
        Goal::Loop(_) => {
            let rows = random.between(3, 12);
            table(random, &text, texts, Spread::Unique, rows)
        }
        _ => return vec![held],
    };
    vec![held, other]
}

/// A table of a number that is different in each row, a key, a text, an amount, and the other texts.
fn table(random: &mut Random, text: &Kind, texts: u64, keys: Spread, rows: u64) -> Table {
    let column = |random: &mut Random, kind, spread, nulls| Column {
        seed: random.number(),
        kind,
        spread,
        first: 0,
        nulls,
        specials: 0,
    };
    let key = Kind::whole(*random.pick(&[32, 64]), true);
    let mut columns = vec![
        tables::number_of_row(random),
        column(random, key, keys, 0),
        column(random, text.clone(), Spread::Unique, 0),
        column(random, Kind::whole(32, true), Spread::Uniform(1000), 5),
    ];
    for _ in 1..texts {
        columns.push(column(random, text.clone(), Spread::Unique, 0));
    }
    let storage = match random.percent(50) {
        true => tables::in_files(random),
        // A merge holds a batch of each part.
        false => Storage::Memory {
            partitions: random.between(1, 2) as u8,
            batch_rows: *random.pick(&[100, 1000, 8192]),
        },
    };
    Table {
        rows: vec![(0, rows as u32)],
        columns,
        storage,
    }
}

fn environment(goal: Goal, random: &mut Random, tables: &[Table], memory: u64) -> Environment {
    let rows = tables.iter().map(Table::row_count).max().unwrap_or(0);
    let partitions = match goal {
        Goal::Idle(_) => 2,
        // Each has a sort that is being merged while it holds a partition.
        Goal::Window(_) | Goal::Running(_) => *random.pick(&[1, 2, 2]),
        // One has no groups before the rows of a group are brought together.
        Goal::Distinct => random.between(2, 3) as u8,
        _ => random.between(1, 3) as u8,
    };
    let options = Options {
        batch_rows: (*random.pick(&[64, 256])).max((rows / 256) as u32),
        partitions,
        single_partition_threshold: 0,
        hash_joins: true,
        dynamic_filters: random.percent(70),
        filters_in_scan: random.percent(30),
        swap_sides: false,
        probe_rows: matches!(goal, Goal::Distinct).then_some(500),
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
    fn each_goal_has_its_turn_beside_those_of_hash_joins() {
        let turns = Goal::all().len() as u64 * EVERY;
        for seed in [1, u64::MAX] {
            let goals: Vec<_> = (0..turns)
                .filter_map(|number| Goal::of_case(seed, number))
                .collect();
            for goal in Goal::all() {
                assert!(goals.contains(&goal), "{goal:?}");
            }
            for number in (0..turns).filter(|number| Goal::of_case(seed, *number).is_some()) {
                assert!(super::super::Goal::of_case(seed, number).is_none());
            }
        }
    }

    #[test]
    fn tables_are_as_large_as_the_goal_needs_them() {
        for number in 0..300 {
            let Some(goal) = Goal::of_case(3, number) else {
                continue;
            };
            let case = crate::generate::case(3, number, Scale::SMALL);
            let (memory, held) = (case.environment.memory, case.tables[0].bytes());
            match goal {
                Goal::Running(_) => {}
                Goal::Idle(_) => {
                    assert!(held < memory, "{goal:?}: {held}");
                    assert!(case.tables[1].bytes() > 2 * memory, "{goal:?}");
                }
                _ => assert!(held > 3 * memory, "{goal:?}: {held}"),
            }
        }
    }
}
