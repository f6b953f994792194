//! The prompt: history, completion, statements over several lines.

use std::borrow::Cow;
use std::env;
use std::path::PathBuf;
use std::time::Instant;

use plimsoll_conf::property::properties;
use plimsoll_driver::{Session, is_complete, split};
use rustyline::completion::{Completer, Pair};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Context, Editor, Helper};

use crate::args::Output;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::script::run_statement;
use crate::tell::tell;

const WORDS: [&str; 62] = [
    "AND",
    "AS",
    "ASC",
    "AVG",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COUNT",
    "CREATE",
    "CROSS",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXISTS",
    "EXPLAIN",
    "ANALYZE",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IF",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MAX",
    "MIN",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OPTIONS",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "REPLACE",
    "RESET",
    "RIGHT",
    "SELECT",
    "SET",
    "SHOW",
    "SUM",
    "TABLES",
    "TEMPORARY",
    "THEN",
    "UNION",
    "USING",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHERE",
];

/// Runs the prompt until its input ends, or `quit` or `exit` is typed.
pub fn run(engine: &mut Engine, output: Output) -> Result<(), Failure> {
    let mut editor = editor()?;
    let history = history_file();
    if let Some(file) = &history {
        // No history yet is no error.
        let _ = editor.load_history(file);
    }
    tell(format_args!(
        "Plimsoll {}. Statements end with a semicolon; Ctrl-C cancels one, Ctrl-D or quit leaves.",
        env!("CARGO_PKG_VERSION")
    ));
    let outcome = converse(engine, &mut editor, output);
    if let Some(file) = &history
        && let Err(error) = editor.save_history(file)
    {
        tracing::warn!("the history is not saved to {}: {error}", file.display());
    }
    outcome
}

fn converse(
    engine: &mut Engine,
    editor: &mut Editor<Assistant, FileHistory>,
    output: Output,
) -> Result<(), Failure> {
    loop {
        if let Some(assistant) = editor.helper_mut() {
            assistant.learn(engine.session());
        }
        let typed = match editor.readline("plimsoll> ") {
            Ok(typed) => typed,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(Failure::Error(format!("the prompt failed: {error}"))),
        };
        let command = typed.trim().trim_end_matches(';').trim();
        if command.is_empty() {
            continue;
        }
        // The history goes on without this line at worst.
        let _ = editor.add_history_entry(typed.trim());
        match command.to_lowercase().as_str() {
            "quit" | "exit" => return Ok(()),
            "help" => tell(HELP),
            _ => answer(engine, &typed, output)?,
        }
    }
}

const HELP: &str = "\
SHOW TABLES;           what there is to query
DESCRIBE name;         its columns
SET;  SET -v;          settings that were set; all settings
SET key=value;         changes one, memory included, while the session runs
EXPLAIN ANALYZE query; where time and memory went
quit                   leaves";

/// Runs what was typed; errors are told and the prompt goes on.
fn answer(engine: &mut Engine, typed: &str, output: Output) -> Result<(), Failure> {
    for statement in split(typed) {
        let started = Instant::now();
        let outcome = statement
            .map_err(Failure::from)
            .and_then(|statement| run_statement(engine, statement, typed, output, None));
        match outcome {
            Ok(Some(rows)) => tell(format_args!(
                "{rows} row{} in {:.2} s",
                if rows == 1 { "" } else { "s" },
                started.elapsed().as_secs_f64()
            )),
            Ok(None) | Err(Failure::ReaderGone) => {}
            Err(Failure::Interrupted(Interrupt::Interrupted)) => {
                tell("cancelled");
                return engine.renew_workers();
            }
            Err(Failure::Error(message)) => {
                tell(format_args!("error: {message}"));
                return Ok(());
            }
            Err(terminated) => return Err(terminated),
        }
    }
    Ok(())
}

fn editor() -> Result<Editor<Assistant, FileHistory>, Failure> {
    let mut editor = Editor::new()
        .map_err(|error| Failure::Error(format!("the prompt cannot be started: {error}")))?;
    editor.set_completion_type(CompletionType::List);
    editor.set_auto_add_history(false);
    editor.set_helper(Some(Assistant::default()));
    Ok(editor)
}

/// `$XDG_STATE_HOME/plimsoll_history`, in its usual place when that is not set.
fn history_file() -> Option<PathBuf> {
    let directory = match env::var_os("XDG_STATE_HOME") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(env::var_os("HOME")?).join(".local/state"),
    };
    std::fs::create_dir_all(&directory).ok()?;
    Some(directory.join("plimsoll_history"))
}

/// What rustyline asks while a person types.
#[derive(Default)]
struct Assistant {
    tables: Vec<String>,
}

impl Assistant {
    fn learn(&mut self, session: &Session) {
        self.tables = session.table_names().unwrap_or_default();
    }

    /// What a word that is being typed may become.
    fn candidates(&self, word: &str) -> Vec<String> {
        let lower = word.to_lowercase();
        let tables = self.tables.iter().filter(|table| table.starts_with(&lower));
        let mut candidates: Vec<String> = tables.cloned().collect();
        let keys = properties().map(|property| property.key);
        candidates.extend(
            keys.filter(|key| key.starts_with(word) && word.contains('.'))
                .map(str::to_owned),
        );
        let upper = word.to_uppercase();
        let is_lower = word == lower;
        candidates.extend(
            WORDS
                .iter()
                .filter(|known| known.starts_with(&upper))
                .map(|known| match is_lower {
                    true => known.to_lowercase(),
                    false => (*known).to_owned(),
                }),
        );
        candidates
    }
}

impl Helper for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..position];
        let start = typed
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
            .map_or(0, |at| {
                at + typed[at..].chars().next().map_or(1, char::len_utf8)
            });
        let word = &typed[start..];
        if word.is_empty() {
            return Ok((start, Vec::new()));
        }
        let candidates = self.candidates(word).into_iter().map(|text| Pair {
            display: text.clone(),
            replacement: text,
        });
        Ok((start, candidates.collect()))
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let typed = context.input().trim();
        let is_word = ["quit", "exit", "help"].contains(&typed.to_lowercase().as_str());
        Ok(match is_word || is_complete(typed) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        _default: bool,
    ) -> Cow<'b, str> {
        Cow::Borrowed(prompt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tables_and_settings_are_completed() {
        let assistant = Assistant {
            tables: vec!["lineitem".to_owned()],
        };
        assert_eq!(assistant.candidates("lin"), ["lineitem"]);
        assert_eq!(assistant.candidates("sel"), ["select"]);
        assert_eq!(assistant.candidates("SEL"), ["SELECT"]);
        let settings = assistant.candidates("spark.memory.st");
        assert_eq!(settings, ["spark.memory.storageFraction"]);
    }
}
