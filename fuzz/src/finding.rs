//! Failures as they are told and kept: with their SQL, and as files that are run again.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::case::{Case, Environment, Storage, Way};
use crate::outcome::Failure;
use crate::sql::{Dialect, write};

/// A case that failed once, as it is kept in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was wrong.
    pub why: String,
    /// Its queries, to be read: they follow from the case.
    #[serde(default)]
    pub sql: Vec<String>,
    /// The case.
    pub case: Case,
}

impl Finding {
    /// A failure of a case.
    pub fn new(case: &Case, failure: &Failure) -> Self {
        Self {
            why: format!("{}: {}", failure.kind, failure.what),
            sql: queries(case),
            case: case.clone(),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// If the file is not there, or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no case", path.display()))
    }

    /// Writes it into a directory and says where.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, directory: &Path) -> Result<PathBuf> {
        let name = format!("seed-{}-case-{}.json", self.case.seed, self.case.number);
        let path = directory.join(name);
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// The queries of a case as SQL.
pub fn queries(case: &Case) -> Vec<String> {
    let sql = |query| write(query, &case.tables, Dialect::DataFusion).sql;
    case.queries.iter().map(sql).collect()
}

/// A case in words.
pub fn describe(case: &Case) -> String {
    let mut text = String::new();
    for (number, table) in case.tables.iter().enumerate() {
        let place = match table.storage {
            Storage::Parquet { files, row_group } => {
                format!("{files} Parquet files, row groups of {row_group}")
            }
            Storage::Memory {
                partitions,
                batch_rows,
            } => {
                format!("in memory, {partitions} partitions, batches of {batch_rows}")
            }
        };
        let _ = writeln!(text, "t{number}: {} rows, {place}", table.row_count());
        for (name, column) in table.columns.iter().enumerate() {
            let _ = writeln!(
                text,
                "  c{name} {}, {:?} from {}, {} % null, {} % special",
                column.kind.data_type(),
                column.spread,
                column.first,
                column.nulls,
                column.specials
            );
        }
    }
    let _ = writeln!(text, "{}", surroundings(&case.environment));
    for sql in queries(case) {
        let _ = writeln!(text, "{sql};");
    }
    text
}

fn surroundings(environment: &Environment) -> String {
    let way = match &environment.way {
        Way::Session { threads } => format!("a session with {threads} threads"),
        Way::Engine(options) => format!("the session's planner with {options:?}"),
        Way::Stock(options) => format!("stock DataFusion with {options:?}"),
    };
    let cancel = match environment.cancel {
        Some(after) => format!(", the first query cancelled after {after} ms"),
        None => String::new(),
    };
    format!(
        "{} bytes of execution memory, {way}{cancel}",
        environment.memory
    )
}
