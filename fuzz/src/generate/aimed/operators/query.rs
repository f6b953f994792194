//! Queries that bring an operator to what a case is aimed at.

use super::{AMOUNT, Family, Goal, HELD, Idle, KEY, Loop, NUMBER, OTHER, TEXT};
use crate::case::Table;
use crate::random::Random;
use crate::relation::{
    Aggregate, Call, Frame, Function, Join, JoinKind, Operation, Order, Pair, Relation, Set, Sort,
    SortColumn, Window, WindowCall, WindowFunction,
};

/// Behind them there are more texts where an operator is to be idle.
const FIRST: [u16; 4] = [NUMBER, KEY, TEXT, AMOUNT];
const ALL: [u16; 9] = [NUMBER, KEY, TEXT, AMOUNT, 4, 5, 6, 7, 8];

pub(super) fn of_goal(goal: Goal, random: &mut Random, tables: &[Table]) -> Relation {
    let held = Relation::Table(HELD);
    let rows = tables[usize::from(HELD)].row_count();
    match goal {
        Goal::Sort => sort(random, held, None),
        Goal::TopK => {
            let limit = rows * random.between(50, 70) / 100;
            sort(random, held, Some(limit as u32))
        }
        Goal::Collect(function) => {
            let is_counted = function == Function::Count;
            let calls = match is_counted {
                // Of one set alone DataFusion makes groups.
                true => vec![call(function, TEXT, true), call(function, NUMBER, true)],
                false => vec![call(function, argument_of(function), false)],
            };
            let wide = call(Function::Greatest, TEXT, false);
            summed(held, vec![KEY], [calls, vec![wide]].concat())
        }
        Goal::Distinct => Relation::Distinct(Box::new(held), FIRST.to_vec()),
        Goal::Window(family) => windowed(random, held, family, true),
        Goal::Running(family) => windowed(random, held, family, false),
        Goal::Loop(kind) => {
            let join = looped(random, kind, held, Relation::Table(OTHER));
            in_short(join)
        }
        Goal::Idle(Idle::Sort) => sort(random, beside(held), None),
        Goal::Idle(Idle::Aggregate) => {
            in_short(Relation::Distinct(Box::new(beside(held)), ALL.to_vec()))
        }
        Goal::Idle(Idle::Window) => Relation::Window(Box::new(Window {
            input: beside(held),
            columns: Vec::new(),
            partition: 0,
            beside: ALL.to_vec(),
            calls: vec![window_call(WindowFunction::Sum, AMOUNT, Frame::Whole)],
        })),
        Goal::Idle(Idle::Loop) => {
            let few = sort(random, hungry(), Some(5));
            let kind = *random.pick(&[
                Loop::Cross,
                Loop::Written(JoinKind::Inner),
                Loop::Written(JoinKind::Left),
            ]);
            in_short(looped(random, kind, held, few))
        }
    }
}

/// What takes the memory from an operator that holds something.
fn hungry() -> Relation {
    Relation::Distinct(Box::new(Relation::Table(OTHER)), ALL.to_vec())
}

/// Rows that fit, and behind them others that need memory before they come.
fn beside(held: Relation) -> Relation {
    let same = |column| Pair {
        left: column,
        // Among the columns of its kind that the other side has.
        right: column,
        null_safe: false,
    };
    Relation::Set(Box::new(Set {
        left: held,
        right: hungry(),
        operation: Operation::UnionAll,
        on: ALL.map(same).to_vec(),
    }))
}

fn sort(random: &mut Random, input: Relation, limit: Option<u32>) -> Relation {
    let mut columns = FIRST;
    let swapped = random.below(3) as usize;
    columns.swap(0, swapped);
    let column = |column| SortColumn {
        column,
        descending: random.percent(40),
        nulls_first: random.percent(50),
    };
    Relation::Sort(Box::new(Sort {
        columns: columns.into_iter().map(column).collect(),
        input,
        limit,
        offset: 0,
    }))
}

fn call(function: Function, argument: u16, distinct: bool) -> Call {
    Call {
        function,
        argument,
        distinct,
    }
}

/// The number of the text or a number, among the columns that a function takes.
fn argument_of(function: Function) -> u16 {
    match function {
        Function::Concatenate => 0,
        Function::Median => 2,
        _ => TEXT,
    }
}

fn summed(input: Relation, keys: Vec<u16>, calls: Vec<Call>) -> Relation {
    Relation::Aggregate(Box::new(Aggregate {
        input,
        keys,
        calls,
        rollup: false,
    }))
}

/// One row that depends on all.
fn in_short(input: Relation) -> Relation {
    let calls = (0..12)
        .map(|column| call(Function::Greatest, column, false))
        .chain([call(Function::CountRows, 0, false)]);
    summed(input, Vec::new(), calls.collect())
}

fn window_call(function: WindowFunction, argument: u16, frame: Frame) -> WindowCall {
    WindowCall {
        function,
        argument,
        frame,
    }
}

/// A window with a function of a family and two others, in frames of all kinds; `is_whole` where one of them needs its
/// partition to be complete.
fn windowed(random: &mut Random, input: Relation, family: Family, is_whole: bool) -> Relation {
    use WindowFunction as F;
    let few = random.between(1, 5) as u8;
    let function = match family {
        Family::Ranking => *random.pick(&[F::RowNumber, F::Rank, F::DenseRank]),
        Family::LagLead => *random.pick(&[F::Lag(few), F::Lead(few)]),
        Family::First => F::First,
        Family::Last => F::Last,
        Family::Nth => F::Nth(few),
        Family::Ntile => F::Ntile(few),
        Family::Sums => *random.pick(&[F::Sum, F::Count]),
    };
    let bounded = [
        Frame::Rows(u16::from(few) * 2, u16::from(few)),
        Frame::Groups(few, 1),
        Frame::Range(few * 3, few),
    ];
    let frame = match (is_whole, family) {
        // An aggregate whose frame slides takes all columns of the partition.
        (true, Family::Sums) => Frame::Default,
        _ => *random.pick(&bounded),
    };
    let mut calls = vec![
        window_call(function, 0, frame),
        window_call(F::First, 1, *random.pick(&bounded)),
    ];
    if is_whole && family != Family::Ntile {
        calls.push(window_call(F::Ntile(few), 0, Frame::Default));
    }
    Relation::Window(Box::new(Window {
        input,
        // Ordered by the number, which is different in each row.
        columns: vec![KEY, NUMBER],
        partition: 1,
        beside: vec![TEXT, AMOUNT],
        calls,
    }))
}

fn looped(random: &mut Random, kind: Loop, left: Relation, right: Relation) -> Relation {
    let pair = Pair {
        left: NUMBER,
        right: NUMBER,
        null_safe: false,
    };
    let (kind, residual) = match kind {
        Loop::Cross => (JoinKind::Inner, Vec::new()),
        Loop::Written(kind) => {
            let order = *random.pick(&[Order::Less, Order::LessOrEqual, Order::Greater]);
            (kind, vec![(pair, order)])
        }
    };
    Relation::Join(Box::new(Join {
        left,
        right,
        kind,
        on: Vec::new(),
        residual,
        using: false,
    }))
}
