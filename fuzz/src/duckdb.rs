//! The second judge: DuckDB, in a Python of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::data::folder;
use crate::stock::Bounds;

const PROGRAM: &str = include_str!("duckdb_judge.py");

/// A Python with DuckDB in it.
pub struct DuckDb {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Serialize)]
struct Request<'a> {
    tables: BTreeMap<String, PathBuf>,
    sql: &'a str,
    to: &'a Path,
    memory: String,
    seconds: f64,
    plainly: bool,
}

/// How DuckDB goes about a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it does by itself.
    Usual,
    /// On one thread, without its optimizer.
    Plain,
}

#[derive(Deserialize)]
struct Reply {
    error: Option<String>,
}

impl DuckDb {
    /// Starts it.
    ///
    /// # Errors
    /// If there is no such Python, or it has no DuckDB.
    pub fn start(python: &Path) -> Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("cannot run {}", python.display()))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (requests, answers) = pipes.context("a child without pipes")?;
        Ok(Self {
            child,
            requests,
            answers: BufReader::new(answers),
        })
    }

    /// The answer to a query on tables that were placed in `directory`, with the columns of `like`; or
    /// why DuckDB has none.
    ///
    /// # Errors
    /// If DuckDB is gone, or its answer cannot be read.
    pub fn answer(
        &mut self,
        sql: &str,
        tables: usize,
        directory: &Path,
        like: &Answer,
        bounds: Bounds,
        manner: Manner,
    ) -> Result<Result<Answer, String>> {
        let to = directory.join("duckdb.parquet");
        let files = |number: usize| folder(directory, number).join("*.parquet");
        let request = Request {
            tables: (0..tables).map(|n| (format!("t{n}"), files(n))).collect(),
            sql,
            to: &to,
            memory: format!("{}B", bounds.memory),
            seconds: bounds.time.as_secs_f64(),
            plainly: manner == Manner::Plain,
        };
        let mut line = serde_json::to_string(&request)?;
        line.push('\n');
        self.requests
            .write_all(line.as_bytes())
            .context("DuckDB is gone")?;
        let mut reply = String::new();
        if self.answers.read_line(&mut reply)? == 0 {
            bail!("DuckDB is gone: is the module duckdb installed there?");
        }
        if let Some(error) = serde_json::from_str::<Reply>(&reply)?.error {
            return Ok(Err(error));
        }
        let mut answer = like.like()?;
        for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(&to)?)?.build()? {
            answer.add(&batch?)?;
        }
        fs::remove_file(&to)?;
        Ok(Ok(answer))
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        // It ends by itself when its stdin does; this is for one that is still at work.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
