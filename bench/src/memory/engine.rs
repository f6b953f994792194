//! The engines: how each is told its memory and given a query.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Error, bail};
use plimsoll_cage::spelled;
use serde::Serialize;

/// What part of the line an engine is told, in percent, by those who know that its limit is not one of the process.
const SHARE: u64 = 80;

/// What Spark adds to a heap for all else that a JVM takes, at least: `spark.executor.memoryOverhead`'s default.
const SPARK_OVERHEAD: u64 = 384 << 20;

/// How many times the line is ample.
const AMPLE: u64 = 24;

/// An engine and what it is told of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Engine {
    /// This one, told the line.
    Plimsoll,
    /// This one, with so much more memory that all fits: what others are measured by.
    Ample,
    /// DataFusion's Python wheel with its fair pool.
    DataFusion {
        /// Percent of the line that it is told.
        share: u64,
    },
    /// The same with sort-merge joins in place of hash joins.
    SortMerge {
        /// Percent of the line that it is told.
        share: u64,
    },
    /// DuckDB's Python wheel.
    DuckDb {
        /// Percent of the line that it is told.
        share: u64,
    },
    /// Sail's Python wheel: its Spark Connect server with PySpark as the client, in one process.
    Sail {
        /// Percent of the line that it is told.
        share: u64,
    },
    /// PySpark's own Spark, in local mode.
    Spark,
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The `plimsoll` binary.
    pub plimsoll: PathBuf,
    /// A Python that has the wheels of the other engines.
    pub python: PathBuf,
    /// The script that runs a query in one of them.
    pub script: PathBuf,
}

impl Engine {
    /// Those that are compared over queries and hostile files.
    pub const ALL: [Engine; 5] = [
        Engine::Plimsoll,
        Engine::DataFusion { share: 100 },
        Engine::DataFusion { share: SHARE },
        Engine::DuckDb { share: 100 },
        Engine::DuckDb { share: SHARE },
    ];

    /// Those that are compared over joins of large tables.
    pub const OVER_JOINS: [Engine; 4] = [
        Engine::Plimsoll,
        Engine::Ample,
        Engine::DuckDb { share: SHARE },
        Engine::SortMerge { share: SHARE },
    ];

    /// Those that are compared over queries, one beside the other.
    pub const PEERS: [Engine; 5] = [
        Engine::Plimsoll,
        Engine::DuckDb { share: SHARE },
        Engine::DataFusion { share: SHARE },
        Engine::Sail { share: SHARE },
        Engine::Spark,
    ];

    /// What the kernel limits its process to, in a comparison within `line`.
    pub fn limit(self, line: u64) -> u64 {
        match self {
            Engine::Ample => line * AMPLE,
            _ => line,
        }
    }

    /// The command that runs the query in `file` over the tables in a directory, prints its rows as CSV, and ends with
    /// its figures as a line of JSON on stderr.
    pub fn command(
        self,
        programs: &Programs,
        line: u64,
        tables: &Path,
        file: &Path,
        spill: &Path,
    ) -> Command {
        let share_of = |share: u64| line / 100 * share;
        let (name, bytes) = match self {
            Engine::Plimsoll | Engine::Ample => {
                let mut command = Command::new(&programs.plimsoll);
                command
                    .env("SPARK_LOCAL_DIRS", spill)
                    .args(["sql", "--memory", &spelled(self.limit(line))])
                    .args(["--output", "csv", "--report", "json", "--tables"])
                    .args([tables, Path::new("-f"), file]);
                return command;
            }
            Engine::DataFusion { share } => ("datafusion", share_of(share)),
            Engine::SortMerge { share } => ("datafusion-smj", share_of(share)),
            Engine::DuckDb { share } => ("duckdb", share_of(share)),
            Engine::Sail { share } => ("sail", share_of(share)),
            Engine::Spark => ("spark", spark_heap(line)),
        };
        let mut command = Command::new(&programs.python);
        command
            .arg(&programs.script)
            .args([name, &bytes.to_string()])
            .args([tables, file, spill]);
        command
    }
}

/// The largest heap that fits into a line together with what Spark adds to it: the larger of [`SPARK_OVERHEAD`] and a tenth
/// of the heap.
fn spark_heap(line: u64) -> u64 {
    line.saturating_sub(SPARK_OVERHEAD).min(line / 11 * 10)
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Engine::Plimsoll => write!(f, "plimsoll"),
            Engine::Ample => write!(f, "plimsoll-ample"),
            Engine::SortMerge { share: 100 } => write!(f, "datafusion-smj"),
            Engine::SortMerge { share } => write!(f, "datafusion-smj:{share}"),
            Engine::DataFusion { share: 100 } => write!(f, "datafusion"),
            Engine::DuckDb { share: 100 } => write!(f, "duckdb"),
            Engine::Sail { share: 100 } => write!(f, "sail"),
            Engine::Spark => write!(f, "spark"),
            Engine::Sail { share } => write!(f, "sail:{share}"),
            Engine::DataFusion { share } => write!(f, "datafusion:{share}"),
            Engine::DuckDb { share } => write!(f, "duckdb:{share}"),
        }
    }
}

impl From<Engine> for String {
    fn from(engine: Engine) -> Self {
        engine.to_string()
    }
}

impl FromStr for Engine {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, share) = text.split_once(':').unwrap_or((text, "100"));
        let share = share.parse().unwrap_or(0);
        match name {
            _ if !(1..=100).contains(&share) => bail!("'{text}': a share is from 1 to 100 percent"),
            "plimsoll" if share == 100 => Ok(Engine::Plimsoll),
            "plimsoll-ample" if share == 100 => Ok(Engine::Ample),
            "datafusion-smj" => Ok(Engine::SortMerge { share }),
            "sail" => Ok(Engine::Sail { share }),
            "spark" if share == 100 => Ok(Engine::Spark),
            "datafusion" => Ok(Engine::DataFusion { share }),
            "duckdb" => Ok(Engine::DuckDb { share }),
            _ => bail!(
                "'{text}' is none of plimsoll, plimsoll-ample, spark, datafusion, datafusion-smj, duckdb, sail, or one of the last four \
                 with a share: duckdb:80"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_read_as_they_are_written() {
        for engine in Engine::ALL
            .into_iter()
            .chain(Engine::OVER_JOINS)
            .chain(Engine::PEERS)
        {
            assert_eq!(engine.to_string().parse::<Engine>().unwrap(), engine);
        }
        for text in [
            "",
            "flink",
            "duckdb:0",
            "duckdb:x",
            "plimsoll:80",
            "spark:80",
        ] {
            assert!(text.parse::<Engine>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_heap_of_spark_and_its_overhead_are_the_line() {
        for line in [1_u64 << 30, 4 << 30, 16 << 30] {
            let heap = spark_heap(line);
            let all = heap + SPARK_OVERHEAD.max(heap / 10);
            assert!(all <= line && line - all < 1 << 20, "{line}: {heap}");
        }
        assert_eq!(spark_heap(512 << 20), 128 << 20);
        assert_eq!(spark_heap(256 << 20), 0);
    }
}
