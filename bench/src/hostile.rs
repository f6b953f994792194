//! Files that are hard on a memory limit: made once, the same everywhere, with statements whose answers are known.
//!
//! Nobody recorded the answers: each follows from how the file is made, by a formula beside the one that makes it. A
//! file is as large as its [`Size`] says: full for the benchmark, a share of that for tests whose line is as much smaller.

mod columns;
pub(crate) mod random;
mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};

use crate::answers::Answer;
use crate::progress::Progress;

/// Goes into the path of the files, so that files of another making are not taken for these.
const MAKING: u32 = 2;

/// How large the inputs are: a whole or a share of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The full size is divided by this; at least 1.
    divisor: u64,
}

impl Size {
    /// 10 million rows, 2 GB of strings, values of 200 MB.
    pub const FULL: Size = Size { divisor: 1 };

    /// One part in `divisor` of it.
    pub const fn part(divisor: u64) -> Self {
        Self {
            divisor: if divisor == 0 { 1 } else { divisor },
        }
    }

    fn of(self, full: u64) -> u64 {
        (full / self.divisor).max(1)
    }
}

/// A hostile file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Parquet whose 10 million rows are a single row group.
    OneRowGroup,
    /// Parquet with 2 GB of strings, each different, in a column.
    LongStrings,
    /// JSON with a line of 200 MB.
    JsonLine,
    /// CSV with a field of 200 MB.
    CsvField,
    /// Parquet with 5,000 columns.
    ManyColumns,
    /// JSON with objects in objects, 500 deep in one line and 100,000 in the next.
    DeepNesting,
    /// Parquet whose column is a dictionary of 5 million long values.
    LargeDictionary,
}

/// A statement over an input, with what it has to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// What it does to the input, in a word or two.
    pub name: &'static str,
    /// Its text. The table's name is `t`.
    pub sql: String,
    /// The rows that are right.
    pub answer: Answer,
}

impl Statement {
    fn new(name: &'static str, sql: impl Into<String>, row: &[u64]) -> Self {
        Self {
            name,
            sql: sql.into(),
            answer: vec![row.iter().map(u64::to_string).collect()],
        }
    }
}

impl Input {
    /// All of them.
    pub const ALL: [Input; 7] = [
        Input::OneRowGroup,
        Input::LongStrings,
        Input::JsonLine,
        Input::CsvField,
        Input::ManyColumns,
        Input::DeepNesting,
        Input::LargeDictionary,
    ];

    /// A name for paths and tables.
    pub fn name(self) -> &'static str {
        match self {
            Input::OneRowGroup => "one-row-group",
            Input::LongStrings => "long-strings",
            Input::JsonLine => "json-line",
            Input::CsvField => "csv-field",
            Input::ManyColumns => "many-columns",
            Input::DeepNesting => "deep-nesting",
            Input::LargeDictionary => "large-dictionary",
        }
    }

    /// What is in the file at this size, for a person.
    pub fn describe(self, size: Size) -> String {
        match self {
            Input::OneRowGroup => format!("one row group of {} rows", columns::group_rows(size)),
            Input::LongStrings => format!(
                "{} MB of strings in one column",
                columns::string_bytes(size) / 1_000_000
            ),
            Input::JsonLine => format!(
                "one JSON line of {} MB",
                text::value_bytes(size) / 1_000_000
            ),
            Input::CsvField => format!(
                "one CSV field of {} MB",
                text::value_bytes(size) / 1_000_000
            ),
            Input::ManyColumns => format!("{} columns", columns::many(size)),
            Input::DeepNesting => format!("JSON nested {} deep", text::depth(size)),
            Input::LargeDictionary => {
                format!("a dictionary of {} long values", columns::entries(size))
            }
        }
    }

    /// The bytes of the largest piece that no reader can cut: a value, or a page that has to be there whole.
    pub fn largest_piece(self, size: Size) -> u64 {
        match self {
            Input::OneRowGroup | Input::LongStrings => 1 << 20,
            Input::JsonLine | Input::CsvField => text::value_bytes(size),
            // A dictionary, a page and a reader's buffers for each column at a time.
            Input::ManyColumns => columns::many(size) * (32 << 10),
            Input::DeepNesting => text::depth(size) * 64,
            Input::LargeDictionary => columns::dictionary_bytes(size),
        }
    }

    /// Whether an engine that is given `line` bytes has no excuse: its largest piece fits four times over, and the rest
    /// can be read and spilled piece by piece. Otherwise it may refuse, with an error that says why.
    pub fn must_finish(self, size: Size, line: u64) -> bool {
        self != Input::DeepNesting && self.largest_piece(size).saturating_mul(4) <= line
    }

    /// Words of errors that are right for this input whatever the line.
    pub fn other_errors(self) -> &'static [&'static str] {
        match self {
            // Depth is a matter of stacks and not of the line: to say that it is too much is an answer.
            Input::DeepNesting => &["nest", "recursion", "deep", "depth"],
            _ => &[],
        }
    }

    /// Statements over this input, with their answers.
    pub fn statements(self, size: Size) -> Vec<Statement> {
        match self {
            Input::OneRowGroup => columns::one_row_group_statements(size),
            Input::LongStrings => columns::long_strings_statements(size),
            Input::LargeDictionary => columns::dictionary_statements(size),
            Input::ManyColumns => columns::many_columns_statements(size),
            Input::JsonLine | Input::CsvField => text::long_value_statements(size),
            Input::DeepNesting => text::deep_statements(size),
        }
    }

    /// Makes sure that the input exists below `parent`, and returns its directory, for `--tables`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn ensure(self, parent: &Path, size: Size) -> Result<PathBuf> {
        let directory = parent
            .join(format!("making-{MAKING}-part-{}", size.divisor))
            .join(self.name());
        let extension = match self {
            Input::JsonLine | Input::DeepNesting => "json",
            Input::CsvField => "csv",
            _ => "parquet",
        };
        let file = directory.join(format!("t.{extension}"));
        if file.exists() {
            return Ok(directory);
        }
        let cannot = || format!("cannot write {}", file.display());
        fs::create_dir_all(&directory).with_context(cannot)?;
        let progress = Progress::new(1, "{msg} {elapsed}");
        progress.say(&format!("making {}: {}", self.name(), self.describe(size)));
        // Beside the directory and not in it: whatever is in it is a table.
        let partial = directory.with_extension(format!("partial-{}", process::id()));
        let written = self.write(&partial, size);
        if written.is_err() {
            // What is left of it is of no use; that it cannot be removed either adds nothing.
            let _ = fs::remove_file(&partial);
        }
        written.with_context(cannot)?;
        fs::rename(&partial, &file).with_context(cannot)?;
        Ok(directory)
    }

    fn write(self, file: &Path, size: Size) -> Result<()> {
        match self {
            Input::OneRowGroup => columns::write_one_row_group(file, size),
            Input::LongStrings => columns::write_long_strings(file, size),
            Input::LargeDictionary => columns::write_dictionary(file, size),
            Input::ManyColumns => columns::write_many_columns(file, size),
            Input::JsonLine => text::write_json_line(file, size),
            Input::CsvField => text::write_csv_field(file, size),
            Input::DeepNesting => text::write_deep(file, size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_the_same_each_time_and_nothing_else_is_left() {
        const TINY: Size = Size::part(2000);
        let parent = tempfile::tempdir().unwrap();
        for input in Input::ALL {
            let directory = input.ensure(parent.path(), TINY).unwrap();
            let file = fs::read_dir(&directory).unwrap().next().unwrap().unwrap();
            let first = fs::read(file.path()).unwrap();
            fs::remove_file(file.path()).unwrap();
            input.ensure(parent.path(), TINY).unwrap();
            assert!(first == fs::read(file.path()).unwrap(), "{input:?}");
            let beside = fs::read_dir(directory.parent().unwrap()).unwrap();
            assert!(
                beside
                    .flatten()
                    .all(|entry| !entry.file_name().to_string_lossy().contains("partial"))
            );
        }
    }

    #[test]
    fn what_can_be_cut_must_finish_and_what_cannot_may_be_refused() {
        let must = |input: Input, mib: u64| input.must_finish(Size::FULL, mib << 20);
        assert!(must(Input::OneRowGroup, 256) && must(Input::LongStrings, 256));
        assert!(!must(Input::JsonLine, 512) && must(Input::JsonLine, 1024));
        assert!(!must(Input::LargeDictionary, 1024));
    }
}
