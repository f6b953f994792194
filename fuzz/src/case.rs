//! A case: all that a run needs, as data. The same case is the same run, apart from what threads do.

use serde::{Deserialize, Serialize};

use crate::kind::{Kind, SPECIAL, SPECIALS};
use crate::random::mix;
use crate::relation::Relation;

/// Tables, queries on them, and the memory they run in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The seed it was made from.
    pub seed: u64,
    /// Its number among the cases of that seed.
    pub number: u64,
    /// The tables: `t0`, `t1`, …
    pub tables: Vec<Table>,
    /// The queries, which run at the same time in one session.
    pub queries: Vec<Relation>,
    /// What they run in.
    pub environment: Environment,
}

/// What the queries of a case run in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Execution memory, in bytes.
    pub memory: u64,
    /// How the queries are run.
    pub way: Way,
    /// Cancel the first query so many milliseconds after it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<u64>,
}

/// How the queries of a case are run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By a session, which chooses batches and partitions itself.
    Session {
        /// `spark.master = local[threads]`.
        threads: u8,
    },
    /// With the session's planner and memory, and with options of the case's own. What is refused memory
    /// is not planned anew.
    Engine(Options),
    /// With stock DataFusion in a pool of the same size, to tell whose fault it is.
    Stock(Options),
}

/// DataFusion's options, as far as a case sets them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Rows in a batch.
    pub batch_rows: u32,
    /// `target_partitions`.
    pub partitions: u8,
    /// Build sides under so many bytes are not partitioned by hash.
    pub single_partition_threshold: u64,
    /// Whether hash joins are preferred to sort-merge joins.
    pub hash_joins: bool,
    /// Whether build sides filter the scans of probe sides.
    pub dynamic_filters: bool,
    /// Whether filters are evaluated inside Parquet scans.
    pub filters_in_scan: bool,
    /// Whether the sides of joins may be swapped.
    pub swap_sides: bool,
    /// Rows after which an aggregate that makes nearly as many groups of them hands on the others as they are; if not
    /// said, as many as DataFusion takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_rows: Option<u32>,
}

/// A table, made from numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Which of its rows are there: from and before, in order.
    pub rows: Vec<(u32, u32)>,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Where it is.
    pub storage: Storage,
}

/// Where a table is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// In Parquet files.
    Parquet {
        /// How many.
        files: u8,
        /// Rows in a row group.
        row_group: u32,
    },
    /// In memory.
    Memory {
        /// How many partitions.
        partitions: u8,
        /// Rows in a batch.
        batch_rows: u32,
    },
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Tells its values from those of other columns with the same spread.
    pub seed: u64,
    /// Its type.
    pub kind: Kind,
    /// How its values are spread.
    pub spread: Spread,
    /// The first of its ordinals.
    pub first: u64,
    /// Nulls, in a hundred.
    pub nulls: u8,
    /// Special values, in a hundred.
    pub specials: u8,
}

/// How the values of a column are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Each row has its own.
    Unique,
    /// So many, one as often as another.
    Uniform(u32),
    /// So many, of which the first has this share of a hundred: a hot key.
    Hot(u32, u8),
}

impl Spread {
    /// How many values there are in `rows` rows.
    pub fn distinct(self, rows: u64) -> u64 {
        match self {
            Spread::Unique => rows,
            Spread::Uniform(distinct) | Spread::Hot(distinct, _) => rows.min(u64::from(distinct)),
        }
    }

    /// The share of the most frequent value.
    pub fn hottest(self, rows: u64) -> f64 {
        let even = 1.0 / self.distinct(rows).max(1) as f64;
        match self {
            Spread::Hot(_, percent) => even.max(f64::from(percent) / 100.0),
            _ => even,
        }
    }
}

impl Column {
    /// The ordinal of the value in a row; none for a null.
    pub fn ordinal(&self, row: u64) -> Option<u64> {
        let noise = mix(self.seed ^ mix(row));
        let chance = (noise % 100) as u8;
        if chance < self.nulls {
            return None;
        }
        let choice = mix(noise);
        if (mix(choice) % 100) < u64::from(self.specials) {
            return Some(SPECIAL + choice % SPECIALS);
        }
        Some(
            self.first
                + match self.spread {
                    Spread::Unique => row,
                    Spread::Uniform(distinct) => choice % u64::from(distinct.max(1)),
                    Spread::Hot(_, percent) if choice % 100 < u64::from(percent) => 0,
                    Spread::Hot(distinct, _) => mix(choice + 1) % u64::from(distinct.max(1)),
                },
        )
    }
}

impl Table {
    /// How many rows it has.
    pub fn row_count(&self) -> u64 {
        self.rows
            .iter()
            .map(|(from, to)| u64::from(to - from))
            .sum()
    }

    /// The numbers of its rows.
    pub fn row_numbers(&self) -> impl Iterator<Item = u64> {
        self.rows
            .iter()
            .flat_map(|(from, to)| u64::from(*from)..u64::from(*to))
    }

    /// About how many bytes it has.
    pub fn bytes(&self) -> u64 {
        let row: u64 = self.columns.iter().map(|column| column.kind.bytes()).sum();
        self.row_count() * row
    }
}
