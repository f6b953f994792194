//! What is run: a query with its right answer, or a program that embeds the engine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use plimsoll_cage::{Run, Verdict, judge, spelled};

use super::engine::{Engine, Programs};
use crate::answers::{self, Answer};
use crate::hostile::{Input, Size};
use crate::large_joins::LargeJoin;
use crate::{h2o, paths, tpch};

/// What the embedding program's function allocates for each batch, and the rows it is called on.
const BURST_BYTES: u64 = 300_000_000;
const BURST_ROWS: u64 = 1_000_000;

/// The line that the burst is meant for; under it two threads' bursts alone are more.
const BURST_LINE: u64 = 1 << 30;

/// What DuckDB may take for answers that are recorded; what does not fit it spills.
const AMPLE_FOR_ANSWERS: u64 = 8 << 30;

/// Something to run, and what has to come of it.
pub struct Task {
    /// A name for people.
    pub name: String,
    kind: Kind,
    answer: Answer,
    /// The names of the answer's columns, as far as the order of rows depends on them.
    names: Vec<String>,
}

enum Kind {
    /// A query over the tables in a directory.
    Query {
        tables: PathBuf,
        sql: String,
        /// Set for hostile files.
        input: Option<Input>,
        /// The only line that it is for.
        line: Option<u64>,
    },
    /// The program `embedder`.
    Burst,
}

impl Task {
    /// The TPC-H queries of these numbers, with DuckDB's answers, which are recorded when they are not there.
    ///
    /// # Errors
    /// When data or answers cannot be made or read.
    pub fn tpch(scale: tpch::Scale, numbers: &[u8], python: &Path) -> Result<Vec<Self>> {
        let tables = paths::data(scale);
        tpch::ensure(&tables, scale)?;
        let recorded = paths::target()
            .join("tpch")
            .join(format!("answers-{scale}"));
        let missing: Vec<String> = numbers
            .iter()
            .filter(|number| !recorded.join(format!("q{number}.csv")).exists())
            .map(u8::to_string)
            .collect();
        if !missing.is_empty() {
            record(scale, &tables, &recorded, &missing.join(","), python)?;
        }
        let read = |file: &Path| {
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
        };
        let task = |number: &u8| -> Result<Self> {
            let csv = read(&recorded.join(format!("q{number}.csv")))?;
            let names = answers::names(&csv)
                .into_iter()
                .map(str::to_owned)
                .collect();
            let kind = Kind::Query {
                tables: tables.clone(),
                sql: read(&paths::query(*number))?,
                input: None,
                line: None,
            };
            Ok(Self {
                name: format!("q{number}"),
                kind,
                answer: answers::parse(&csv),
                names,
            })
        };
        numbers.iter().map(task).collect()
    }

    /// All that is hard on a limit, in full size. Files are made when they are not there.
    ///
    /// # Errors
    /// When they cannot be.
    pub fn hostile() -> Result<Vec<Self>> {
        let mut tasks = Vec::new();
        for input in Input::ALL {
            let tables = input.ensure(&paths::target().join("hostile"), Size::FULL)?;
            for statement in input.statements(Size::FULL) {
                let kind = Kind::Query {
                    tables: tables.clone(),
                    sql: statement.sql,
                    input: Some(input),
                    line: None,
                };
                tasks.push(Self {
                    name: format!("{}: {}", input.describe(Size::FULL), statement.name),
                    kind,
                    answer: statement.answer,
                    names: Vec::new(),
                });
            }
        }
        let total = BURST_ROWS * (BURST_ROWS - 1) / 2;
        tasks.push(Self {
            name: "a Rust function that allocates 300 MB per batch".into(),
            kind: Kind::Burst,
            answer: vec![vec![BURST_ROWS.to_string(), total.to_string()]],
            names: Vec::new(),
        });
        Ok(tasks)
    }

    /// Joins whose smaller side takes half of each line, all of it, twice as much, and ten times. Tables are made when
    /// they are not there.
    ///
    /// # Errors
    /// When they cannot be.
    pub fn joins(lines: &[u64]) -> Result<Vec<Self>> {
        let mut tasks = Vec::new();
        for &line in lines {
            for (halves, name) in [(1, "0.5 ×"), (2, "1 ×"), (4, "2 ×"), (20, "10 ×")] {
                let join = LargeJoin {
                    bytes: line / 2 * halves,
                };
                let kind = Kind::Query {
                    tables: join.ensure(&paths::target().join("large-joins"))?,
                    sql: LargeJoin::SQL.to_owned(),
                    input: None,
                    line: Some(line),
                };
                tasks.push(Self {
                    name: name.to_owned(),
                    kind,
                    answer: join.answer(),
                    names: Vec::new(),
                });
            }
        }
        Ok(tasks)
    }

    /// The questions of H2O's benchmark, with DuckDB's answers, which are recorded when they are not there; all, or those
    /// whose names begin with one of `prefixes`.
    ///
    /// # Errors
    /// When data or answers cannot be made or read.
    pub fn h2o(prefixes: &[String], programs: &Programs) -> Result<Vec<Self>> {
        let parent = paths::target().join("h2o");
        let tables = h2o::ensure(&parent, h2o::ROWS)?;
        let recorded = parent.join(format!("answers-{}", h2o::ROWS));
        fs::create_dir_all(&recorded)
            .with_context(|| format!("cannot create {}", recorded.display()))?;
        let mut tasks = Vec::new();
        for (name, sql) in h2o::questions()? {
            let is_asked = prefixes.iter().any(|prefix| name.starts_with(prefix));
            if !is_asked && !prefixes.is_empty() {
                continue;
            }
            let csv = answered(programs, &tables, &sql, &recorded.join(&name))?;
            tasks.push(Self {
                name,
                kind: Kind::Query {
                    tables: tables.clone(),
                    sql,
                    input: None,
                    line: None,
                },
                answer: answers::parse(&csv),
                names: Vec::new(),
            });
        }
        ensure!(
            !tasks.is_empty(),
            "no question's name begins with {}",
            prefixes.join(" or ")
        );
        Ok(tasks)
    }

    /// The directory of its files, if it has some.
    pub fn tables(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Query { tables, .. } => Some(tables),
            Kind::Burst => None,
        }
    }

    /// Whether it is for this engine and this line.
    pub fn applies(&self, engine: Engine, line: u64) -> bool {
        match self.kind {
            Kind::Query { line: only, .. } => only.is_none_or(|only| only == line),
            Kind::Burst => engine == Engine::Plimsoll && line >= BURST_LINE,
        }
    }

    /// Whether an error is a failure even if it names the line.
    pub fn must_finish(&self, line: u64) -> bool {
        match self.kind {
            Kind::Query {
                input: Some(input), ..
            } => input.must_finish(Size::FULL, line),
            Kind::Query { line, .. } => line.is_some(),
            Kind::Burst => false,
        }
    }

    /// The command that runs it. A file for the text of the query, and one to spill to, are in `work`.
    ///
    /// # Errors
    /// When the query cannot be written there.
    pub fn command(
        &self,
        programs: &Programs,
        engine: Engine,
        line: u64,
        work: &Path,
    ) -> Result<Command> {
        let spill = work.join("spill");
        match &self.kind {
            Kind::Query { tables, sql, .. } => {
                let file = work.join("query.sql");
                fs::write(&file, sql)
                    .with_context(|| format!("cannot write {}", file.display()))?;
                Ok(engine.command(programs, line, tables, &file, &spill))
            }
            Kind::Burst => {
                let mut command = Command::new(programs.plimsoll.with_file_name("embedder"));
                command
                    .env("SPARK_LOCAL_DIRS", spill)
                    .args(["--memory", &spelled(line)])
                    .args(["--bytes", &BURST_BYTES.to_string()])
                    .args(["--rows", &BURST_ROWS.to_string()]);
                Ok(command)
            }
        }
    }

    /// What a run of it proves.
    pub fn judge(&self, engine: Engine, run: &Run) -> Verdict {
        let check = |csv: &str| {
            let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
            match answers::difference(&answers::parse(csv), &self.answer, &names, self.sql()) {
                None => Ok(()),
                Some(difference) => Err(difference),
            }
        };
        match (engine, &self.kind) {
            (
                Engine::Plimsoll,
                Kind::Query {
                    input: Some(input), ..
                },
            ) => judge(run, check, input.other_errors()),
            (Engine::Plimsoll | Engine::Ample, _) => judge(run, check, &[]),
            // Of the others any error will do: only this engine promises words.
            _ => judge(run, check, &[""]),
        }
    }

    fn sql(&self) -> &str {
        match &self.kind {
            Kind::Query { sql, .. } => sql,
            Kind::Burst => "",
        }
    }
}

/// DuckDB's answer with ample memory as CSV, from the file of this name, which is written when it is not there. A
/// question that has been changed is answered anew.
fn answered(programs: &Programs, tables: &Path, sql: &str, name: &Path) -> Result<String> {
    let (question, answer) = (name.with_extension("sql"), name.with_extension("csv"));
    let is_same = fs::read_to_string(&question).is_ok_and(|asked| asked == sql);
    if let (true, Ok(csv)) = (is_same, fs::read_to_string(&answer)) {
        return Ok(csv);
    }
    eprintln!("recording DuckDB's answer in {}", answer.display());
    let cannot = || format!("cannot write {}", question.display());
    fs::write(&question, sql).with_context(cannot)?;
    let spill = name.with_extension("spill");
    let duckdb = Engine::DuckDb { share: 100 };
    let output = duckdb
        .command(programs, AMPLE_FOR_ANSWERS, tables, &question, &spill)
        .output()
        .context("cannot run DuckDB")?;
    let _ = fs::remove_dir_all(&spill);
    let csv = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        // Without it the answer counts as not there.
        let _ = fs::remove_file(&question);
        bail!("DuckDB: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    fs::write(&answer, &csv).with_context(cannot)?;
    Ok(csv)
}

/// Has DuckDB answer, with all the memory of the machine.
fn record(
    scale: tpch::Scale,
    tables: &Path,
    to: &Path,
    queries: &str,
    python: &Path,
) -> Result<()> {
    eprintln!(
        "recording DuckDB's answers at scale {scale} in {}",
        to.display()
    );
    let verify = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify");
    let status = Command::new(python)
        .arg(verify)
        .args(["--scale", &scale.to_string(), "--queries", queries])
        .args([Path::new("--tables"), tables, Path::new("--record"), to])
        .stdout(io::stderr())
        .status()
        .context("cannot run bench/verify")?;
    ensure!(status.success(), "bench/verify --record failed: {status}");
    Ok(())
}
