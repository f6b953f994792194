//! Where the rows of a command go: what `--output` and `--mode` say.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error, ValueEnum};
use plimsoll_driver::{FileFormat, SaveMode, Statement, WriteRequest};

use crate::args::{IoArgs, Mode, Output};
use crate::failure::Failure;

/// The formats that files are written in.
const FILES: [FileFormat; 3] = [FileFormat::Parquet, FileFormat::Csv, FileFormat::Json];

/// What `--output` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Rows are printed so.
    Print(Output),
    /// Rows go to files.
    Write { format: FileFormat, path: String },
}

/// Reads [`Choice`]s: `csv` and `csv:PATH`.
#[derive(Debug, Clone)]
pub struct ChoiceParser;

impl TypedValueParser for ChoiceParser {
    type Value = Choice;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Choice, Error> {
        let text = StringValueParser::new().parse_ref(command, argument, value)?;
        choice(&text).map_err(|words| {
            Error::raw(ErrorKind::InvalidValue, format!("{words}\n")).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let printed = Output::value_variants().iter();
        let printed = printed.filter_map(ValueEnum::to_possible_value);
        let written = FILES.map(|format| {
            PossibleValue::new(match format {
                FileFormat::Parquet => "parquet:PATH",
                FileFormat::Csv => "csv:PATH",
                _ => "json:PATH",
            })
            .help(format!(
                "{format} files in the directory PATH, or one file if PATH is a file's name"
            ))
        });
        Some(Box::new(printed.chain(written)))
    }
}

fn choice(text: &str) -> Result<Choice, String> {
    let Some((name, path)) = text.split_once(':') else {
        return match (Output::from_str(text, true), FileFormat::of_name(text)) {
            (Ok(output), _) => Ok(Choice::Print(output)),
            (Err(_), Some(format)) if FILES.contains(&format) => Err(format!(
                "--output {text} needs a place to write to: --output {text}:PATH"
            )),
            _ => Err(format!(
                "--output {text} is not there: there are table, csv, tsv and json, and for files parquet:PATH, csv:PATH and json:PATH"
            )),
        };
    };
    let format = FileFormat::of_name(name).filter(|format| FILES.contains(format));
    match format {
        Some(_) if path.is_empty() => Err(format!("--output {text} names no path")),
        Some(format) => Ok(Choice::Write {
            format,
            path: at_home(path, env::var("HOME").ok()),
        }),
        None => Err(format!(
            "--output {text}: files are written as parquet:PATH, csv:PATH or json:PATH"
        )),
    }
}

/// The path that a shell makes of one that begins with `~/`, which it leaves as it is after `csv:`.
fn at_home(path: &str, home: Option<String>) -> String {
    match (path.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => format!("{home}/{below}"),
        _ => path.to_owned(),
    }
}

/// Where the rows of a command go.
#[derive(Debug, Clone)]
pub struct Destination {
    /// How rows are printed that are.
    pub print: Output,
    /// Where the rows of a query are written instead.
    pub write: Option<WriteRequest>,
}

impl Destination {
    /// # Errors
    /// If what was asked for cannot be.
    pub fn new(args: &IoArgs) -> Result<Self, Failure> {
        let print = match io::stdout().is_terminal() {
            true => Output::Table,
            false => Output::Tsv,
        };
        let mode = args.mode.map(|mode| match mode {
            Mode::Error => SaveMode::ErrorIfExists,
            Mode::Append => SaveMode::Append,
            Mode::Overwrite => SaveMode::Overwrite,
            Mode::Ignore => SaveMode::Ignore,
        });
        match &args.output {
            Some(Choice::Write { format, path }) => {
                let mode = mode.unwrap_or_default();
                let (format, options) = (Some(*format), Default::default());
                let request = WriteRequest::copy_to(path, format, mode, Vec::new(), options)?;
                Ok(Self {
                    print,
                    write: Some(request),
                })
            }
            _ if mode.is_some() => Err(Failure::Error(
                "--mode says what is done about files that are there: it goes with --output parquet:PATH, csv:PATH or json:PATH"
                    .to_owned(),
            )),
            Some(Choice::Print(output)) => Ok(Self::printed(*output)),
            None => Ok(Self::printed(print)),
        }
    }

    fn printed(print: Output) -> Self {
        Self { print, write: None }
    }

    /// Sees to it that one query of a script has the rows that are to be written: a second one would add to
    /// them, or replace them, or go nowhere.
    ///
    /// # Errors
    /// If there is none, or there are several.
    pub fn fits(&self, script: &[Statement]) -> Result<(), Failure> {
        let Some(request) = &self.write else {
            return Ok(());
        };
        let path = &request.path;
        match script
            .iter()
            .filter(|statement| statement.is_query())
            .count()
        {
            1 => Ok(()),
            0 => Err(Failure::Error(format!(
                "there is no query whose rows could be written to {path}"
            ))),
            queries => Err(Failure::Error(format!(
                "there are {queries} queries, and the rows of one can be written to {path}: COPY (query) TO 'path' writes those of each to a place of its own"
            ))),
        }
    }

    /// Where the rows of this statement are written, if they are.
    pub fn of(&self, statement: &Statement) -> Option<&WriteRequest> {
        self.write.as_ref().filter(|_| statement.is_query())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_at_home_is_found_there() {
        let home = Some("/home/me".to_owned());
        assert_eq!(at_home("~/x.csv", home.clone()), "/home/me/x.csv");
        for path in ["~x.csv", "x/~/y.csv", "/x.csv"] {
            assert_eq!(at_home(path, home.clone()), path);
        }
    }

    #[test]
    fn a_format_with_a_path_is_for_files_and_one_without_for_stdout() {
        assert_eq!(choice("CSV"), Ok(Choice::Print(Output::Csv)));
        let written = choice("parquet:/a:b").unwrap();
        let expected = Choice::Write {
            format: FileFormat::Parquet,
            path: "/a:b".to_owned(),
        };
        assert_eq!(written, expected);
        for (text, says) in [
            ("parquet", "parquet:PATH"),
            ("json:", "names no path"),
            ("table:x", "parquet:PATH, csv:PATH"),
            ("xml", "there are table"),
        ] {
            let words = choice(text).unwrap_err();
            assert!(words.contains(says), "{text}: {words}");
        }
    }
}
