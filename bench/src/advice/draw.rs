//! Pairs of queries and settings, drawn at random.

mod dice;
mod query;
mod schema;

use super::run::Run;
use dice::Dice;

/// A query and the settings that it runs with.
#[derive(Debug, Clone)]
pub struct Pair {
    /// What kind of query, and of settings, it is.
    pub name: String,
    /// The two.
    pub run: Run,
}

/// The pair of a seed with this number. The same in every version in which nothing is changed here.
pub fn pair(seed: u64, number: u64) -> Pair {
    let mut dice = Dice::new(seed, number);
    let (kind, mut statement) = query::any(&mut dice);
    let mut name = kind.to_owned();
    let mut options = Vec::new();
    let mut statements = Vec::new();
    if dice.percent(18) {
        name.push_str(", cached");
        let read = cached(&mut dice, &mut statements);
        // What is read again and again, or a query that has little to do with what is cached.
        if dice.percent(60) {
            statements.push(read.clone());
            statement = read;
        }
        if dice.percent(40) {
            let fraction = dice.pick(&["0.1", "0.3", "0.7", "0.9"]);
            options.push(set("spark.memory.storageFraction", fraction));
        }
    }
    let has_cache = !statements.is_empty();
    statements.push(statement);
    let more = match dice.below(100) {
        0..10 if !has_cache => no_room_on_disk(&mut dice),
        10..22 => nothing_lent(&mut dice),
        22..30 => for_the_executor(&mut dice),
        _ => vec![set("--memory", dice.pick(&LINES))],
    };
    options.extend(more);
    if dice.percent(15) {
        let partitions = dice.pick(&["2", "4", "16"]);
        options.push(set("spark.sql.shuffle.partitions", partitions));
    }
    if dice.percent(30) {
        options.push(set("spark.sql.autoBroadcastJoinThreshold", "-1"));
    }
    let run = Run {
        options,
        statements,
        ..Run::default()
    };
    Pair { name, run }
}

/// Lines in which much of what is drawn does not fit; a small one more often.
const LINES: [&str; 10] = [
    "64m", "64m", "64m", "72m", "80m", "96m", "112m", "128m", "160m", "192m",
];

fn set(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn no_room_on_disk(dice: &mut Dice) -> Vec<(String, String)> {
    let size = dice.pick(&["1m", "2m", "4m", "8m", "12m"]);
    vec![
        set("--memory", dice.pick(&LINES[..6])),
        set("spark.plimsoll.spill.maxSize", size),
    ]
}

fn nothing_lent(dice: &mut Dice) -> Vec<(String, String)> {
    let line = dice.pick(&["96m", "128m", "192m", "256m", "320m", "512m"]);
    let fraction = dice.pick(&["0.1", "0.15", "0.25", "0.4", "0.6"]);
    vec![
        set("--memory", line),
        set("spark.memory.fraction", fraction),
        set("spark.plimsoll.memory.lending", "false"),
    ]
}

fn for_the_executor(dice: &mut Dice) -> Vec<(String, String)> {
    let executor = dice.pick(&["450m", "480m", "560m"]);
    let fraction = dice.pick(&["0.1", "0.15", "0.25"]);
    vec![
        set("--executor-memory", executor),
        set("--driver-memory", "450m"),
        set("spark.memory.fraction", fraction),
        set("spark.plimsoll.memory.lending", "false"),
    ]
}

/// Caches a table or two, and gives a query that reads them.
fn cached(dice: &mut Dice, statements: &mut Vec<String>) -> String {
    const LEVELS: [&str; 5] = [
        "MEMORY_ONLY",
        "MEMORY_AND_DISK",
        "MEMORY_AND_DISK",
        "MEMORY_ONLY_SER",
        "MEMORY_AND_DISK_SER",
    ];
    let table = dice.pick(&["lineitem", "orders", "partsupp", "orders"]);
    let other = dice.pick(&["customer", "part", "partsupp", "orders"]);
    let mut tables = vec![table];
    if dice.percent(40) && other != table {
        tables.push(other);
    }
    for table in &tables {
        let level = dice.pick(&LEVELS);
        statements.push(format!(
            "CACHE TABLE {table} OPTIONS ('storageLevel' '{level}')"
        ));
    }
    let read: Vec<&str> = match dice.percent(30) {
        // The second is never read.
        true => vec![tables[0]],
        false => tables,
    };
    query::scan(dice, &read)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::pair;

    #[test]
    fn a_seed_has_its_pairs_and_they_are_of_many_kinds() {
        assert_eq!(pair(7, 3).run, pair(7, 3).run);
        let pairs: Vec<_> = (0..400).map(|number| pair(1, number)).collect();
        let texts: HashSet<_> = pairs.iter().map(|pair| &pair.run.statements).collect();
        assert!(texts.len() > 300, "{}", texts.len());
        let kinds: HashSet<_> = pairs.iter().map(|pair| &pair.name).collect();
        assert!(kinds.len() >= 12, "{kinds:?}");
    }
}
