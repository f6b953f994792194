//! The ways in which a case can be made smaller, from the boldest to the smallest. They are numbered; each
//! gives another case, or the same one where it does not apply.

use crate::case::{Case, Column, Options, Storage, Table, Way};
use crate::relation::Relation;

/// How many pieces the rows of a table are cut into, from halves to 64ths and then one by one.
const CUTS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];

/// The case after a step; none after the last.
pub(super) fn step(case: &Case, number: usize) -> Option<Case> {
    all(case).into_iter().nth(number).map(|step| {
        let mut smaller = case.clone();
        step(&mut smaller);
        smaller
    })
}

type Step = Box<dyn Fn(&mut Case)>;

fn all(case: &Case) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for query in 0..case.queries.len() {
        if case.queries.len() > 1 {
            steps.push(Box::new(move |case| drop(case.queries.remove(query))));
        }
    }
    steps.push(Box::new(|case| case.environment.cancel = None));
    for (query, relation) in case.queries.iter().enumerate() {
        for node in 0..relation.size() {
            for change in 0..CHANGES {
                steps.push(Box::new(move |case| {
                    if let Some(relation) = nth(&mut case.queries[query], node) {
                        simplify(relation, change);
                    }
                }));
            }
        }
    }
    for (number, table) in case.tables.iter().enumerate() {
        for pieces in CUTS {
            for piece in 0..pieces {
                steps.push(Box::new(move |case| {
                    cut(&mut case.tables[number], pieces, piece)
                }));
            }
        }
        if table.row_count() <= 64 {
            for row in 0..table.row_count() {
                steps.push(Box::new(move |case| {
                    remove(&mut case.tables[number], row, row + 1)
                }));
            }
        }
        steps.push(Box::new(move |case| {
            case.tables[number].storage = Storage::Memory {
                partitions: 1,
                batch_rows: 8192,
            };
        }));
        for column in (0..table.columns.len()).rev() {
            steps.push(Box::new(move |case| {
                drop_column(&mut case.tables[number], column)
            }));
            for change in COLUMN_CHANGES {
                steps.push(Box::new(move |case| {
                    if let Some(column) = case.tables[number].columns.get_mut(column) {
                        change(column);
                    }
                }));
            }
        }
    }
    // Tables keep their numbers; the last ones can go.
    if case.tables.len() > 1 {
        steps.push(Box::new(|case| drop(case.tables.pop())));
    }
    steps.push(Box::new(|case| match &mut case.environment.way {
        Way::Session { threads } => *threads = 1,
        Way::Engine(options) | Way::Stock(options) => options.partitions = 1,
    }));
    for change in OPTIONS {
        steps.push(Box::new(move |case| {
            if let Way::Engine(options) | Way::Stock(options) = &mut case.environment.way {
                change(options);
            }
        }));
    }
    steps.push(Box::new(|case| {
        // Memory that is round is easier to think about.
        case.environment.memory = (case.environment.memory >> 20).max(1) << 20;
    }));
    steps
}

const OPTIONS: [fn(&mut Options); 5] = [
    |options| options.batch_rows = 8192,
    |options| options.dynamic_filters = false,
    |options| options.filters_in_scan = false,
    |options| options.swap_sides = false,
    |options| options.probe_rows = None,
];

const COLUMN_CHANGES: [fn(&mut Column); 3] = [
    |column| column.nulls = 0,
    |column| column.specials = 0,
    |column| column.first = 0,
];

fn cut(table: &mut Table, pieces: u64, piece: u64) {
    let rows = table.row_count();
    let (from, to) = (rows * piece / pieces, rows * (piece + 1) / pieces);
    remove(table, from, to);
}

/// Takes rows out, counted among those that are there.
fn remove(table: &mut Table, from: u64, to: u64) {
    let mut kept = Vec::new();
    let mut before = 0;
    for (first, end) in &table.rows {
        let (start, stop) = (before, before + u64::from(end - first));
        let at = |place: u64| first + (place.clamp(start, stop) - start) as u32;
        kept.push((*first, at(from)));
        kept.push((at(to), *end));
        before = stop;
    }
    kept.retain(|(first, end)| first < end);
    table.rows = kept;
}

fn drop_column(table: &mut Table, column: usize) {
    if table.columns.len() > 1 && column < table.columns.len() {
        table.columns.remove(column);
    }
}

/// The relation that is the `number`-th of a tree, its root being the first.
fn nth(relation: &mut Relation, number: usize) -> Option<&mut Relation> {
    if number == 0 {
        return Some(relation);
    }
    let mut before = 1;
    for input in relation.inputs_mut() {
        let size = input.size();
        if number < before + size {
            return nth(input, number - before);
        }
        before += size;
    }
    None
}

/// How many changes [`simplify`] knows.
const CHANGES: usize = 12;

fn simplify(relation: &mut Relation, change: usize) {
    let input = relation.inputs().get(change).map(|input| (*input).clone());
    if let Some(input) = input {
        *relation = input;
        return;
    }
    match relation {
        Relation::Table(number) => {
            if change == 2 {
                *number = number.saturating_sub(1);
            }
        }
        Relation::Project(_, columns) | Relation::Distinct(_, columns) => {
            remove_one(columns, change, 1);
        }
        Relation::Filter(..) => {}
        Relation::Join(join) => match change {
            2 => join.residual.clear(),
            3 => drop(join.residual.pop()),
            4 => join.using = false,
            5 => join.on.iter_mut().for_each(|pair| pair.null_safe = false),
            other => remove_one(&mut join.on, other - 6, 0),
        },
        Relation::Test(test) => match change {
            2 => test.residual.clear(),
            3 => test.or = None,
            4 => test.on.iter_mut().for_each(|pair| pair.null_safe = false),
            other => remove_one(&mut test.on, other - 5, 0),
        },
        Relation::Aggregate(aggregate) => match change {
            1 => aggregate.rollup = false,
            2 => aggregate
                .calls
                .iter_mut()
                .for_each(|call| call.distinct = false),
            3..=6 => remove_one(&mut aggregate.calls, change - 3, 0),
            other => remove_one(&mut aggregate.keys, other - 7, 0),
        },
        Relation::Window(window) => match change {
            1 => window.partition = 0,
            2..=5 => remove_one(&mut window.calls, change - 2, 1),
            6 => drop(window.beside.pop()),
            other => remove_one(&mut window.columns, other - 7, 1),
        },
        Relation::Sort(sort) => match change {
            1 => sort.limit = None,
            2 => sort.offset = 0,
            3 => sort
                .columns
                .iter_mut()
                .for_each(|column| column.descending = false),
            4 => sort
                .columns
                .iter_mut()
                .for_each(|column| column.nulls_first = true),
            other => remove_one(&mut sort.columns, other - 5, 1),
        },
        Relation::Set(set) => remove_one(&mut set.on, change - 2, 1),
    }
}

/// Takes one out, if at least `least` are left.
fn remove_one<T>(list: &mut Vec<T>, place: usize, least: usize) {
    if list.len() > least && place < list.len() {
        list.remove(place);
    }
}
