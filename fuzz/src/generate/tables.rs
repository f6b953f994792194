use super::Scale;
use crate::case::{Column, Spread, Storage, Table};
use crate::kind::{Kind, Layout, Unit};
use crate::random::Random;

/// The tables of a case. All have a column of numbers, one of the first kind of key, and often one of the
/// second; the kinds are the same in all tables, so that they can be joined.
pub(super) fn tables(random: &mut Random, scale: Scale) -> Vec<Table> {
    let keys = [key_kind(random), key_kind(random)];
    let count = random.between(1, 4);
    (0..count).map(|_| table(random, &keys, scale)).collect()
}

/// Three tables of a number, a key and a text: one in which most rows have the same key, one in which none have, and
/// one of some each.
pub(super) fn pressed(random: &mut Random, scale: Scale) -> Vec<Table> {
    let kind = key_kind(random);
    let hot = Spread::Hot(50, *random.pick(&[60, 90, 100]));
    let some = Spread::Uniform((scale.rows / *random.pick(&[3, 10])) as u32);
    let spreads = [hot, Spread::Unique, some];
    let table = |spread: Spread| {
        let rows = random.between(scale.rows / 3, scale.rows);
        let mut key = key(random, kind.clone(), rows);
        key.spread = spread;
        key.first = 0;
        key.nulls = *random.pick(&[0, 0, 5]);
        let text = text(random, &[60, 120, 250]);
        let columns = vec![number_of_row(random), key, payload(random, text, rows)];
        within(scale, columns, rows, storage(random))
    };
    spreads.map(table).into()
}

fn table(random: &mut Random, keys: &[Kind], scale: Scale) -> Table {
    let rows = match random.below(20) {
        0 => 0,
        1 => random.between(1, 40),
        2..=4 => random.between(40, scale.rows / 20),
        5..=11 => random.between(scale.rows / 20, scale.rows / 3),
        _ => random.between(scale.rows / 3, scale.rows),
    };
    let mut columns = vec![number_of_row(random), key(random, keys[0].clone(), rows)];
    if random.percent(70) {
        columns.push(key(random, keys[1].clone(), rows));
    }
    for _ in 0..random.below(6) {
        let kind = match random.percent(25) {
            true => text(random, &[60, 200, 500]),
            false => any_kind(random, 2),
        };
        columns.push(payload(random, kind, rows));
    }
    let storage = storage(random);
    within(scale, columns, rows, storage)
}

/// A table of so many rows, or of fewer where they would be too many bytes.
pub(super) fn within(scale: Scale, columns: Vec<Column>, rows: u64, storage: Storage) -> Table {
    let mut table = Table {
        rows: vec![(0, rows as u32)],
        columns,
        storage,
    };
    let most = table.bytes().max(1);
    if most > scale.bytes {
        table.rows = vec![(
            0,
            (rows as u128 * scale.bytes as u128 / most as u128) as u32,
        )];
    }
    table
}

fn storage(random: &mut Random) -> Storage {
    match random.percent(60) {
        true => in_files(random),
        false => Storage::Memory {
            partitions: random.between(1, 4) as u8,
            batch_rows: *random.pick(&[1, 100, 1000, 8192, 20_000]),
        },
    }
}

pub(super) fn in_files(random: &mut Random) -> Storage {
    Storage::Parquet {
        files: random.between(1, 4) as u8,
        row_group: *random.pick(&[100, 1000, 10_000, 100_000]),
    }
}

pub(super) fn number_of_row(random: &mut Random) -> Column {
    Column {
        seed: random.number(),
        kind: Kind::whole(*random.pick(&[32, 64]), true),
        spread: Spread::Unique,
        first: 0,
        nulls: 0,
        specials: 0,
    }
}

fn key(random: &mut Random, kind: Kind, rows: u64) -> Column {
    let some = |random: &mut Random| random.between(1, rows.max(1)) as u32;
    let spread = match random.below(10) {
        0..=2 => Spread::Unique,
        3..=5 => Spread::Uniform(some(random)),
        6 => Spread::Uniform(random.between(1, 50) as u32),
        _ => Spread::Hot(some(random), *random.pick(&[5, 30, 60, 90, 100])),
    };
    Column {
        seed: random.number(),
        kind,
        spread,
        first: *random.weighted(&[(8, 0), (1, rows / 2), (1, 10)]),
        nulls: *random.weighted(&[(10, 0), (6, 5), (3, 50), (1, 100)]),
        specials: *random.weighted(&[(9, 0), (1, 3)]),
    }
}

fn payload(random: &mut Random, kind: Kind, rows: u64) -> Column {
    let spread = match random.below(3) {
        0 => Spread::Unique,
        1 => Spread::Uniform(random.between(1, rows.max(1)) as u32),
        _ => Spread::Uniform(random.between(1, 100) as u32),
    };
    Column {
        seed: random.number(),
        kind,
        spread,
        first: 0,
        nulls: *random.weighted(&[(5, 0), (4, 10), (1, 100)]),
        specials: *random.weighted(&[(6, 0), (1, 10)]),
    }
}

fn layout(random: &mut Random) -> Layout {
    *random.weighted(&[
        (4, Layout::Plain),
        (1, Layout::Large),
        (3, Layout::View),
        (2, Layout::Dictionary),
    ])
}

fn text(random: &mut Random, widths: &[u16]) -> Kind {
    Kind::Text {
        width: *random.pick(widths),
        layout: layout(random),
    }
}

fn key_kind(random: &mut Random) -> Kind {
    match random.below(12) {
        0..=3 => whole(random),
        4 | 5 => text(random, &[8]),
        6 => text(random, &[40]),
        7 => Kind::Date,
        8 => decimal(random),
        9 => Kind::Float {
            bits: *random.pick(&[32, 64]),
        },
        _ => any_kind(random, 1),
    }
}

/// A kind of key of which each row of a table can have a value of its own.
pub(super) fn key_of_many_values(random: &mut Random) -> Kind {
    loop {
        let kind = key_kind(random);
        let has_few = matches!(
            kind,
            Kind::Boolean | Kind::Whole { bits: ..=16, .. } | Kind::List(_) | Kind::Struct(_)
        );
        if !has_few {
            return kind;
        }
    }
}

fn whole(random: &mut Random) -> Kind {
    Kind::whole(
        *random.weighted(&[(1, 8), (1, 16), (4, 32), (4, 64)]),
        random.percent(75),
    )
}

fn decimal(random: &mut Random) -> Kind {
    let (precision, scale) = *random.pick(&[(11, 2), (18, 4), (38, 10), (50, 5)]);
    Kind::Decimal { precision, scale }
}

/// Any kind; `depth` bounds how deep lists and structs go.
fn any_kind(random: &mut Random, depth: u8) -> Kind {
    let most = if depth > 0 { 13 } else { 11 };
    match random.below(most) {
        0 => Kind::Boolean,
        1 | 2 => whole(random),
        3 => Kind::Float {
            bits: *random.pick(&[32, 64]),
        },
        4 => decimal(random),
        5 => text(random, &[4, 12, 40, 100]),
        6 => Kind::Binary {
            width: *random.pick(&[8, 60]),
        },
        7 => Kind::FixedBinary,
        8 => Kind::Date,
        9 => Kind::Time,
        10 => Kind::Timestamp {
            unit: *random.pick(&[Unit::Millisecond, Unit::Microsecond, Unit::Nanosecond]),
        },
        11 => Kind::List(Box::new(any_kind(random, depth - 1))),
        _ => Kind::Struct(
            (0..random.between(1, 3))
                .map(|_| any_kind(random, depth - 1))
                .collect(),
        ),
    }
}
