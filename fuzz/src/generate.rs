//! Makes cases out of numbers.

mod aimed;
mod relations;
mod tables;

use crate::case::{Case, Environment, Options, Table, Way};
use crate::random::Random;

/// How large cases are.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// The most rows of a table.
    pub rows: u64,
    /// The most bytes of a table.
    pub bytes: u64,
    /// The most rows that any part of a query may come to, by estimate.
    pub work: f64,
    /// The least execution memory, in bytes.
    pub memory: u64,
}

impl Scale {
    /// Cases that optimized code runs in a second or so.
    pub const FULL: Scale = Scale {
        rows: 60_000,
        bytes: 16 << 20,
        work: 400_000.0,
        memory: 2 << 20,
    };

    /// Cases that code which is not optimized runs in a second or so.
    pub const SMALL: Scale = Scale {
        rows: 3_000,
        bytes: 1 << 20,
        work: 15_000.0,
        memory: 512 << 10,
    };
}

/// The case of this number of a seed.
pub fn case(seed: u64, number: u64, scale: Scale) -> Case {
    let mut random = Random::of_case(seed, number);
    let random = &mut random;
    if let Some(goal) = aimed::Goal::of_case(seed, number) {
        return aimed::case(goal, seed, number, random, scale);
    }
    if let Some(goal) = aimed::operators::Goal::of_case(seed, number) {
        return aimed::operators::case(goal, seed, number, random, scale);
    }
    if random.percent(PRESSED) {
        return pressed(seed, number, random, scale);
    }
    let tables = tables::tables(random, scale);
    let count = *random.weighted(&[(6, 1), (2, 2), (1, 3), (1, 4)]);
    let queries = (0..count)
        .map(|_| relations::query(random, &tables, scale))
        .collect();
    Case {
        seed,
        number,
        environment: environment(random, &tables, scale),
        tables,
        queries,
    }
}

/// The share of the cases without an aim that are made to be short of memory, in percent: with those that are aimed, a
/// little over half of all.
const PRESSED: u64 = 25;

/// Joins of large sides, one with a key that most of its rows have, in hardly any memory: what a random case comes to
/// once in a thousand, and only for some types of joins.
fn pressed(seed: u64, number: u64, random: &mut Random, scale: Scale) -> Case {
    let tables = tables::pressed(random, scale);
    let queries = vec![relations::pressed(random, &tables, scale)];
    let mut environment = environment(random, &tables, scale);
    environment.memory = scale.memory * *random.pick(&[1, 1, 2]) + random.below(scale.memory);
    Case {
        seed,
        number,
        environment,
        tables,
        queries,
    }
}

fn environment(random: &mut Random, tables: &[Table], scale: Scale) -> Environment {
    let times = *random.weighted(&[(5, 1), (4, 2), (3, 4), (2, 8), (1, 32), (1, 128)]);
    let partitions = random.between(1, 4) as u8;
    let rows = tables.iter().map(Table::row_count).max().unwrap_or(0);
    let way = match random.percent(50) {
        true => Way::Session {
            threads: partitions,
        },
        false => Way::Engine(Options {
            // An aggregate takes a time that grows with the square of the number of its batches.
            batch_rows: (*random.pick(&[1, 7, 64, 512, 1024, 4096, 8192])).max((rows / 256) as u32),
            partitions,
            single_partition_threshold: *random.pick(&[0, 64 << 10, 1 << 20, 1 << 30]),
            // A session plans no sort-merge joins.
            hash_joins: true,
            dynamic_filters: random.percent(70),
            filters_in_scan: random.percent(30),
            swap_sides: random.percent(70),
            probe_rows: None,
        }),
    };
    Environment {
        memory: scale.memory * times + random.below(scale.memory),
        way,
        cancel: random.percent(8).then(|| random.between(1, 60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, write};

    #[test]
    fn a_case_is_the_same_whenever_it_is_made_and_survives_being_written_down() {
        for number in 0..200 {
            let made = case(7, number, Scale::FULL);
            assert_eq!(made, case(7, number, Scale::FULL));
            let text = serde_json::to_string(&made).unwrap();
            assert_eq!(made, serde_json::from_str(&text).unwrap());
        }
    }

    #[test]
    fn no_part_of_a_query_is_estimated_to_be_endless() {
        for number in 0..200 {
            let made = case(8, number, Scale::SMALL);
            // A table that is to exceed memory has more rows than others of its scale, and may be crossed with a dozen.
            let held = made.tables.iter().map(Table::row_count).max();
            let most = 4.0 * Scale::SMALL.work + 12.0 * held.unwrap_or(0) as f64;
            for query in &made.queries {
                let written = write(query, &made.tables, Dialect::DataFusion);
                assert!(
                    written.most_rows <= most,
                    "{number}: {} rows, {}",
                    written.most_rows,
                    written.sql
                );
            }
        }
    }
}
