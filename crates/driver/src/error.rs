use std::fmt;
use std::io;

use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use plimsoll_advisor::Advice;
use plimsoll_conf::fmt_bytes;

use crate::format::FileFormat;
use crate::query::Around;
use crate::results::ResultTooLarge;
use crate::spill::{NO_ROOM, NOT_ALLOWED};
use crate::sql_error::SqlErrorKind;
use crate::statement::Statement;

/// Why a statement, or a session, could not do what it was asked.
///
/// Each message is a paragraph that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The SQL text is wrong: syntax, an unknown table or column, types that do not fit.
    #[error("{0}")]
    Sql(SqlError),
    /// A part of SQL that is not there.
    #[error("{0}")]
    NotSupported(String),
    /// A setting that is unknown, malformed or impossible.
    #[error(transparent)]
    Setting(#[from] plimsoll_conf::ConfError),
    /// Settings that make no memory layout together.
    #[error(transparent)]
    Layout(#[from] plimsoll_conf::LayoutError),
    /// A file or directory that cannot be read as the table it should be.
    #[error("{0}")]
    Table(String),
    /// There is nothing at a path that was to be read: Spark's `PATH_NOT_FOUND`.
    #[error("there is no file or directory at {0}: check the path")]
    PathNotFound(String),
    /// There is something at a path that was to be written to: Spark's `PATH_ALREADY_EXISTS`.
    #[error(
        "there is something at {0} already: write to another path, or say what to do about it: COPY … TO 'path' (OVERWRITE) or (APPEND), --mode overwrite or append, df.write.mode(\"overwrite\")"
    )]
    PathExists(String),
    /// A query reads from what its rows were to take the place of: Spark's `UNSUPPORTED_OVERWRITE.PATH`.
    #[error(
        "cannot overwrite {0}, which the query also reads from: write to another path, and move it when it is there"
    )]
    OverwritesSource(String),
    /// Files of this format, of which there are none, were to tell their columns: Spark's
    /// `UNABLE_TO_INFER_SCHEMA`.
    #[error("there is no {0} file to tell the columns: check the path, or give a schema")]
    NoSchema(FileFormat),
    /// Two columns have one name, whatever the case: Spark's `COLUMN_ALREADY_EXISTS`.
    #[error("the column `{0}` already exists: choose another name for one of the two")]
    ColumnExists(String),
    /// An option of a data source that has no such value.
    #[error("{0}")]
    Option(String),
    /// An operator that cannot spill was refused execution memory.
    #[error("{0}")]
    OutOfExecutionMemory(String),
    /// The directories of `spark.local.dir` cannot be written to, or are full.
    #[error("{0}")]
    Spill(String),
    /// The result is larger than `spark.driver.maxResultSize` lets it be.
    #[error("{0}")]
    ResultTooLarge(ResultTooLarge),
    /// The query ran and failed: a cast that does not hold, a file that broke off.
    #[error("{0}")]
    Execution(String),
    /// The system refused something that the engine cannot do without.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
}

/// A line and column of a script, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The character in the line.
    pub column: u64,
}

/// What is wrong with a SQL text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// What kind of error it is.
    pub kind: SqlErrorKind,
    /// What is wrong.
    pub message: String,
    /// Where, if it is known.
    pub place: Option<Place>,
    /// The line of the script that the place is in.
    pub source_line: Option<String>,
}

impl SqlError {
    /// An error in the syntax of `script`.
    pub(crate) fn new(message: String, place: Option<Place>, script: &str) -> Self {
        let source_line = place
            .and_then(|place| script.lines().nth(place.line as usize - 1))
            .map(str::to_owned);
        Self {
            kind: SqlErrorKind::Syntax,
            message,
            place,
            source_line,
        }
    }

    /// The same as an error of the planner's.
    fn of_kind(mut self, error: &DataFusionError) -> Self {
        self.kind = SqlErrorKind::of(error);
        self
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        let (Some(place), Some(line)) = (self.place, &self.source_line) else {
            return Ok(());
        };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let indent: String = line
            .chars()
            .take(place.column.saturating_sub(1) as usize)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        write!(
            f,
            " (line {}, column {})\n {margin} |\n {number} | {line}\n {margin} | {indent}^",
            place.line, place.column
        )
    }
}

impl Error {
    /// The error of a table or view that is not there.
    pub(crate) fn unknown_table(name: &str) -> Self {
        Error::Sql(SqlError {
            kind: SqlErrorKind::UnknownTable {
                name: vec![name.to_owned()],
            },
            message: format!("there is no view {name}; SHOW TABLES lists what there is"),
            place: None,
            source_line: None,
        })
    }

    /// The error of `statement`, with its place in `script`, which it is a part of.
    pub(crate) fn planning(error: DataFusionError, statement: &Statement, script: &str) -> Self {
        let place_in_script = |line, column| statement.place_in_script(line, column);
        if let DataFusionError::SQL(parser, _) = error.find_root() {
            let (message, place) = split_place(&parser_message(parser));
            let place = place.or_else(|| message.ends_with("found: EOF").then(|| statement.end()));
            let place = place.map(|(line, column)| place_in_script(line, column));
            return Error::Sql(SqlError::new(message, place, script));
        }
        if let Some(diagnostic) = error.diagnostic() {
            let place = diagnostic
                .span
                .map(|span| place_in_script(span.start.line, span.start.column));
            let helps = diagnostic.helps.iter().map(|help| help.message.as_str());
            let notes = diagnostic.notes.iter().map(|note| note.message.as_str());
            let message = std::iter::once(plain(&error).as_str())
                .chain(notes)
                .chain(helps)
                .collect::<Vec<_>>()
                .join("; ");
            return Error::Sql(SqlError::new(message, place, script).of_kind(&error));
        }
        match error.find_root() {
            DataFusionError::NotImplemented(what) => Error::NotSupported(format!(
                "this is not supported: {what}. The guide lists what is (docs/sql.md)"
            )),
            _ => Error::Sql(SqlError::new(plain(&error), None, script).of_kind(&error)),
        }
    }

    /// The error of a plan that nobody wrote as SQL.
    pub(crate) fn planning_of(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::NotImplemented(what) => {
                Error::NotSupported(format!("this is not supported: {what}"))
            }
            _ => Error::Sql(SqlError::new(plain(&error), None, "").of_kind(&error)),
        }
    }

    /// The error of a query that was running. `advise` says what would help against what was lacking.
    pub(crate) fn execution(
        error: DataFusionError,
        around: &Around,
        advise: impl FnOnce(Lacking) -> Vec<Advice>,
    ) -> Self {
        if let Some(no_room) = no_room_to_spill(&error) {
            let is_set = no_room.contains(NOT_ALLOWED);
            let advice = advise(Lacking::Disk { is_set });
            return Error::Spill(no_room + &what_would_help(&advice));
        }
        match error.find_root() {
            DataFusionError::ResourcesExhausted(what) => Error::OutOfExecutionMemory(format!(
                "not enough execution memory within the line of {}: {what}.{}",
                fmt_bytes(around.line),
                match advise(Lacking::Memory) {
                    advice if advice.is_empty() =>
                        " Give the engine more: --memory, or spark.executor.memory".to_owned(),
                    advice => what_would_help(&advice),
                }
            )),
            root => match disk_is_full(root) {
                true => Error::Spill(format!(
                    "{NO_ROOM} in {}: free some, or name a larger disk with spark.local.dir ({}){}",
                    around.spill_directories,
                    plain(&error),
                    what_would_help(&advise(Lacking::Disk { is_set: false }))
                )),
                false => Error::Execution(plain(&error)),
            },
        }
    }
}

/// What a query lacked that failed.
pub(crate) enum Lacking {
    Memory,
    /// Room for what it spilled, be it that a setting allows no more.
    Disk {
        is_set: bool,
    },
}

/// Advice at the end of an error: a line each.
fn what_would_help(advice: &[Advice]) -> String {
    if advice.is_empty() {
        return String::new();
    }
    let lines = advice.iter().map(|advice| format!("\n  {advice}"));
    format!("\nWhat would help:{}", lines.collect::<String>())
}

/// The words of a spill file that had no room. Operators wrap them into errors of their own.
fn no_room_to_spill(error: &DataFusionError) -> Option<String> {
    let message = plain(error);
    let start = message.find(NO_ROOM)?;
    message[start..].lines().next().map(str::to_owned)
}

/// Whether the system said that a disk or a quota is used up. Operators pass that on as an I/O
/// error, or wrapped into an Arrow error whose text is all that is left of it.
fn disk_is_full(error: &DataFusionError) -> bool {
    let kind = match error {
        DataFusionError::IoError(error) => Some(error.kind()),
        _ => None,
    };
    matches!(
        kind,
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    ) || error.to_string().contains("No space left on device")
}

/// The message alone, without the kind of error, and without the backtrace that DataFusion appends.
fn plain(error: &DataFusionError) -> String {
    let message = match error.find_root() {
        DataFusionError::External(error) => error.to_string(),
        root => root.message().into_owned(),
    };
    let end = message.find("\n\nbacktrace:").unwrap_or(message.len());
    let message = message[..end].trim_end().trim_end_matches('.');
    // Tables go by their own name: there is one catalog, with one schema of tables.
    message.replace("spark_catalog.default.", "")
}

fn parser_message(error: &ParserError) -> String {
    match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.clone(),
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply".to_owned(),
    }
}

/// Takes the place off the end of the parser's message, where it stands as text only.
fn split_place(message: &str) -> (String, Option<(u64, u64)>) {
    let parse = || {
        let (message, place) = message.rsplit_once(" at Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        let place = (line.parse().ok()?, column.trim().parse().ok()?);
        Some((message.to_owned(), Some(place)))
    };
    parse().unwrap_or_else(|| (message.to_owned(), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_at_its_place() {
        let script = "SELECT 1;\n\tSELECT FORM t";
        let place = Place {
            line: 2,
            column: 14,
        };
        let error = SqlError::new("found t".into(), Some(place), script);
        assert_eq!(
            error.to_string(),
            "found t (line 2, column 14)\n   |\n 2 | \tSELECT FORM t\n   | \t            ^"
        );
    }

    #[test]
    fn the_parsers_place_is_taken_off_its_message() {
        assert_eq!(
            split_place("Expected: ), found: EOF at Line: 3, Column: 14"),
            ("Expected: ), found: EOF".to_owned(), Some((3, 14)))
        );
        assert_eq!(split_place("no place"), ("no place".to_owned(), None));
    }
}
