//! Queries over TPC-H's tables.

use super::dice::Dice;
use super::schema::{EDGES, LARGE, TABLES, Table};
use crate::paths;

/// A query, and what kind it is.
pub(super) fn any(dice: &mut Dice) -> (&'static str, String) {
    match dice.below(100) {
        0..16 => ("sort", sort(dice)),
        16..34 => ("group", group(dice)),
        34..42 => ("distinct", distinct(dice)),
        42..48 => ("count distinct", count_distinct(dice)),
        48..66 => ("join", join(dice)),
        66..76 => ("window", window(dice)),
        76..84 => ("list", list(dice)),
        84..88 => ("union", union(dice)),
        _ => tpch(dice),
    }
}

/// One that reads a column of each of these tables and keeps nothing.
pub(super) fn scan(dice: &mut Dice, tables: &[&str]) -> String {
    let named = tables.iter().filter_map(|name| {
        let table = TABLES.iter().find(|table| table.name == *name)?;
        let column = dice.pick(&table.columns());
        Some(format!("(SELECT max({column}) FROM {name})"))
    });
    let parts: Vec<String> = named.collect();
    format!("SELECT {}", parts.join(", "))
}

fn large(dice: &mut Dice) -> &'static Table {
    TABLES[dice.below(LARGE) as usize]
}

/// `first`, and some other columns of the table.
fn columns(dice: &mut Dice, table: &Table, first: &[&'static str]) -> String {
    let mut all = first.to_vec();
    for column in dice.some(&table.columns(), 4) {
        if !all.contains(&column) {
            all.push(column);
        }
    }
    all.join(", ")
}

fn order(dice: &mut Dice, columns: &[&str]) -> String {
    let one = |column: &&str| match dice.percent(30) {
        true => format!("{column} DESC"),
        false => (*column).to_string(),
    };
    let keys: Vec<String> = columns.iter().map(one).collect();
    keys.join(", ")
}

fn sort(dice: &mut Dice) -> String {
    let table = large(dice);
    let keys = dice.some(&table.columns(), 3);
    let columns = match dice.percent(15) {
        true => "*".to_owned(),
        false => columns(dice, table, &keys),
    };
    let keys = order(dice, &keys);
    let limit = match dice.percent(30) {
        true => format!(" LIMIT {}", 10_000 + dice.below(200_000)),
        false => String::new(),
    };
    format!(
        "SELECT {columns} FROM {} ORDER BY {keys}{limit}",
        table.name
    )
}

fn aggregate(dice: &mut Dice, table: &Table) -> String {
    let number = dice.pick(table.numbers);
    let text = dice.pick(table.texts);
    match dice.below(6) {
        0 => "count(*)".to_owned(),
        1 => format!("sum({number})"),
        2 => format!("avg({number})"),
        3 => format!("max({text})"),
        4 => format!("stddev({number})"),
        _ => format!("min({text})"),
    }
}

fn group(dice: &mut Dice) -> String {
    let table = large(dice);
    let keys = dice.some(&[table.groups, table.texts].concat(), 3);
    let keys = keys.join(", ");
    let mut values: Vec<String> = (0..=dice.below(3))
        .map(|_| aggregate(dice, table))
        .collect();
    values.sort();
    values.dedup();
    let having = match dice.percent(30) {
        true => " HAVING count(*) > 1",
        false => "",
    };
    let values = values.join(", ");
    let name = table.name;
    format!("SELECT {keys}, {values} FROM {name} GROUP BY {keys}{having}")
}

fn distinct(dice: &mut Dice) -> String {
    let table = large(dice);
    let columns = dice.some(&table.columns(), 3).join(", ");
    let name = table.name;
    match dice.percent(50) {
        true => format!("SELECT DISTINCT {columns} FROM {name}"),
        false => format!("SELECT count(*) FROM (SELECT DISTINCT {columns} FROM {name})"),
    }
}

fn count_distinct(dice: &mut Dice) -> String {
    let table = large(dice);
    let column = dice.pick(&[table.texts, table.groups].concat());
    let name = table.name;
    match dice.percent(40) {
        true => format!("SELECT count(DISTINCT {column}) FROM {name}"),
        false => {
            let key = dice.pick(table.groups);
            let other = aggregate(dice, table);
            format!("SELECT {key}, count(DISTINCT {column}), {other} FROM {name} GROUP BY {key}")
        }
    }
}

fn join(dice: &mut Dice) -> String {
    const KINDS: [&str; 9] = [
        "JOIN",
        "JOIN",
        "JOIN",
        "JOIN",
        "LEFT JOIN",
        "RIGHT JOIN",
        "FULL JOIN",
        "LEFT SEMI JOIN",
        "LEFT ANTI JOIN",
    ];
    let (a, b, on) = dice.pick(&EDGES);
    let kind = dice.pick(&KINDS);
    let from = format!("FROM {} a {kind} {} b ON {on}", a.name, b.name);
    let mut all: Vec<String> = dice
        .some(&a.columns(), 3)
        .iter()
        .map(|column| format!("a.{column}"))
        .collect();
    if !kind.contains("SEMI") && !kind.contains("ANTI") {
        let of_b = dice.some(&b.columns(), 3);
        all.extend(of_b.iter().map(|column| format!("b.{column}")));
    }
    match dice.below(3) {
        0 => {
            let most: Vec<String> = all.iter().map(|column| format!("max({column})")).collect();
            format!("SELECT count(*), {} {from}", most.join(", "))
        }
        1 => {
            let key = dice.pick(a.groups);
            let last = &all[all.len() - 1];
            format!("SELECT a.{key}, count(*), max({last}) {from} GROUP BY a.{key}")
        }
        _ => {
            let numbered = all.iter().enumerate();
            let columns: Vec<String> = numbered
                .map(|(place, column)| format!("{column} AS c{place}"))
                .collect();
            let order = match dice.percent(30) {
                true => " ORDER BY c0",
                false => "",
            };
            format!("SELECT {} {from}{order}", columns.join(", "))
        }
    }
}

fn window(dice: &mut Dice) -> String {
    let table = large(dice);
    let number = dice.pick(table.numbers);
    let text = dice.pick(table.texts);
    let function = match dice.below(6) {
        0 => "row_number()".to_owned(),
        1 => "rank()".to_owned(),
        2 => format!("sum({number})"),
        3 => format!("lag({text})"),
        4 => format!("max({text})"),
        _ => "count(*)".to_owned(),
    };
    let mut over = Vec::new();
    if dice.percent(60) {
        let keys = dice.some(&[table.groups, table.texts].concat(), 2);
        over.push(format!("PARTITION BY {}", keys.join(", ")));
    }
    let needs_order = function.starts_with('r') || function.starts_with("lag");
    if needs_order || dice.percent(40) {
        let keys = dice.some(&table.columns(), 2);
        over.push(format!("ORDER BY {}", order(dice, &keys)));
    }
    let columns = columns(dice, table, &[]);
    let over = over.join(" ");
    let name = table.name;
    let inner = format!("SELECT {columns}, {function} OVER ({over}) AS w FROM {name}");
    match dice.percent(50) {
        true => inner,
        false => format!("SELECT count(*), max(w) FROM ({inner})"),
    }
}

fn list(dice: &mut Dice) -> String {
    let table = large(dice);
    let key = dice.pick(table.groups);
    let number = dice.pick(table.numbers);
    let text = dice.pick(table.texts);
    let (function, of) = match dice.below(4) {
        0 => (format!("array_agg({text})"), "cardinality(v)"),
        1 => (format!("string_agg({text}, ',')"), "length(v)"),
        2 => (format!("array_agg({number})"), "cardinality(v)"),
        _ => (format!("median({number})"), "v"),
    };
    let name = table.name;
    let by = match dice.percent(20) {
        true => String::new(),
        false => format!(" GROUP BY {key}"),
    };
    format!("SELECT max({of}) FROM (SELECT {function} AS v FROM {name}{by})")
}

fn union(dice: &mut Dice) -> String {
    let (a, b) = (large(dice), large(dice));
    let (x, y) = (dice.pick(a.texts), dice.pick(b.texts));
    let one = format!("SELECT {x} AS v FROM {}", a.name);
    let other = format!("SELECT {y} AS v FROM {}", b.name);
    match dice.below(3) {
        0 => format!("SELECT count(*) FROM ({one} UNION {other})"),
        1 => format!("{one} UNION ALL {other} ORDER BY v"),
        _ => format!("SELECT v, count(*) FROM ({one} UNION ALL {other}) GROUP BY v"),
    }
}

/// One of TPC-H's own that keep some rows; a sort of a table where they cannot be read.
fn tpch(dice: &mut Dice) -> (&'static str, String) {
    const NUMBERS: [u8; 12] = [2, 3, 5, 7, 8, 9, 10, 13, 16, 18, 20, 21];
    let number = dice.pick(&NUMBERS);
    match std::fs::read_to_string(paths::query(number)) {
        Ok(sql) => ("TPC-H", sql.trim().trim_end_matches(';').to_owned()),
        Err(_) => ("sort", sort(dice)),
    }
}
