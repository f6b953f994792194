mod write;

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::{Error, SqlError};
use crate::format::FileFormat;
use crate::statement::{Statement, Word, words};

pub(crate) use self::write::Copy;

/// What a statement asks for. DataFusion's planner knows queries; the rest is Spark's own and is
/// parsed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// `SET key = value`.
    Set { key: String, value: String },
    /// `SET key`.
    Show { key: String },
    /// `SET` and `SET -v`.
    ShowAll { verbose: bool },
    /// `RESET` and `RESET key`.
    Reset { key: Option<String> },
    /// `CREATE [OR REPLACE] TEMPORARY VIEW name USING format OPTIONS (…)`.
    ViewOfFiles { view: View, files: Files },
    /// `CREATE [OR REPLACE] TEMPORARY VIEW name AS query`.
    ViewOfQuery { view: View, query: String },
    /// `DROP VIEW [IF EXISTS] name`.
    DropView { name: String, if_exists: bool },
    /// `SHOW TABLES [LIKE pattern]`, and `SHOW VIEWS`.
    ShowTables { pattern: Option<String> },
    /// `DESCRIBE [TABLE] name`.
    Describe { table: String },
    /// `CACHE [LAZY] TABLE name [OPTIONS ('storageLevel' '…')] [[AS] query]`.
    Cache(Cache),
    /// `UNCACHE TABLE [IF EXISTS] name`.
    Uncache { name: String, if_exists: bool },
    /// `CLEAR CACHE`.
    ClearCache,
    /// `SHOW CACHE`.
    ShowCache,
    /// `REFRESH [TABLE] name`.
    RefreshTable { name: String },
    /// `REFRESH path`.
    RefreshPath { path: String },
    /// `INSERT OVERWRITE DIRECTORY` and `COPY … TO`.
    Copy(Copy),
    /// Anything that gives rows: SELECT, WITH, VALUES, EXPLAIN, …
    Query,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) replace: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) format: FileFormat,
    pub(crate) path: String,
    pub(crate) options: BTreeMap<String, String>,
}

/// What is to be cached, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cache {
    pub(crate) name: String,
    pub(crate) is_lazy: bool,
    pub(crate) options: BTreeMap<String, String>,
    /// The query that the name is to stand for, unless there is a table of that name.
    pub(crate) query: Option<String>,
}

impl Command {
    /// Reads a statement.
    ///
    /// # Errors
    /// If it is a kind of statement that is not there, or one of ours that is malformed.
    pub(crate) fn parse(statement: &Statement) -> Result<Self, Error> {
        let words = words(statement.text());
        let mut parser = Parser::new(&words, statement.text());
        let first = parser.peek_word().unwrap_or_default().to_uppercase();
        match first.as_str() {
            "SET" => set(statement.text()),
            "RESET" => Ok(reset(statement.text())),
            "CREATE" => parser.create_view(),
            "DROP" => parser.drop_view(),
            "SHOW" => parser.show(),
            "CACHE" => parser.cache(),
            "UNCACHE" => parser.uncache(),
            "CLEAR" => parser.clear_cache(),
            "REFRESH" => parser.refresh(),
            "DESCRIBE" | "DESC" => parser.describe(),
            "INSERT" => parser.insert().map(Command::Copy),
            "COPY" => parser.copy().map(Command::Copy),
            "EXPLAIN" if parser.explains_a_write() => Err(Error::NotSupported(
                "EXPLAIN takes the query alone: leave out COPY … TO, or INSERT OVERWRITE DIRECTORY"
                    .to_owned(),
            )),
            "SELECT" | "WITH" | "VALUES" | "EXPLAIN" | "FROM" | "TABLE" | "" => Ok(Command::Query),
            other if STATEMENTS.contains(&other) => Err(Error::NotSupported(not_there(other))),
            other => Err(Error::Sql(SqlError::new(
                format!("Expected: a statement, found: {other}. {THERE_ARE}"),
                None,
                statement.text(),
            ))),
        }
    }
}

impl Statement {
    /// Whether it is a query, whose rows could be written somewhere: neither a command nor an EXPLAIN.
    pub fn is_query(&self) -> bool {
        let words = words(self.text());
        let first = Parser::new(&words, self.text()).peek_word();
        let is_explained = first.is_some_and(|word| word.eq_ignore_ascii_case("EXPLAIN"));
        !is_explained && matches!(Command::parse(self), Ok(Command::Query))
    }
}

/// The first words of Spark's other statements.
const STATEMENTS: [&str; 24] = [
    "ADD", "ALTER", "ANALYZE", "BEGIN", "CALL", "COMMENT", "DECLARE", "DELETE", "DFS", "EXECUTE",
    "EXPORT", "GRANT", "IMPORT", "LIST", "LOAD", "LOCK", "MERGE", "MSCK", "REDUCE", "REPAIR",
    "REPLACE", "TRUNCATE", "UPDATE", "USE",
];

const THERE_ARE: &str = "There are SELECT, WITH, VALUES, EXPLAIN, COPY, INSERT OVERWRITE DIRECTORY, CREATE TEMPORARY VIEW, DROP VIEW, CACHE TABLE, UNCACHE TABLE, CLEAR CACHE, SHOW CACHE, REFRESH TABLE, SHOW TABLES, DESCRIBE, SET and RESET";

fn not_there(first_word: &str) -> String {
    format!("{first_word} is not supported. {THERE_ARE}")
}

/// What follows the first word, to the end: a value may hold anything.
fn after_first_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(text.len());
    text[end..].trim()
}

fn set(text: &str) -> Result<Command, Error> {
    let rest = after_first_word(text);
    let key = unquoted(rest.split('=').next().unwrap_or_default());
    if key.contains(char::is_whitespace) || (key.is_empty() && !rest.is_empty()) {
        return Err(Error::NotSupported(format!(
            "'{key}' is not the name of a setting: SET key=value, SET key, SET, or SET -v"
        )));
    }
    Ok(match rest.split_once('=') {
        Some((_, value)) => Command::Set {
            key,
            value: value.trim().to_owned(),
        },
        None if rest.is_empty() => Command::ShowAll { verbose: false },
        None if rest == "-v" => Command::ShowAll { verbose: true },
        None => Command::Show { key },
    })
}

fn reset(text: &str) -> Command {
    let key = unquoted(after_first_word(text));
    Command::Reset {
        key: (!key.is_empty()).then_some(key),
    }
}

fn unquoted(key: &str) -> String {
    key.trim().trim_matches('`').to_owned()
}

/// A recursive-descent parser over the words of one statement.
struct Parser<'a> {
    words: &'a [Word],
    at: usize,
    text: &'a str,
}

impl<'a> Parser<'a> {
    fn new(words: &'a [Word], text: &'a str) -> Self {
        Self { words, at: 0, text }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.words.get(self.at).map(|word| &word.token)
    }

    fn peek_word(&self) -> Option<&'a str> {
        match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    /// Takes the next word if it is this keyword.
    fn takes(&mut self, keyword: &str) -> bool {
        let is_next = self
            .peek_word()
            .is_some_and(|word| word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(is_next);
        is_next
    }

    fn takes_token(&mut self, token: &Token) -> bool {
        let is_next = self.peek() == Some(token);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, keyword: &str) -> Result<(), Error> {
        match self.takes(keyword) {
            true => Ok(()),
            false => Err(self.expected(keyword)),
        }
    }

    fn expect_token(&mut self, token: &Token) -> Result<(), Error> {
        match self.takes_token(token) {
            true => Ok(()),
            false => Err(self.expected(&token.to_string())),
        }
    }

    fn expected(&self, what: &str) -> Error {
        let found = self
            .peek()
            .map_or("the end of the statement".to_owned(), Token::to_string);
        Error::NotSupported(format!("expected {what}, found {found}, in: {}", self.text))
    }

    /// A name; unquoted ones are in lower case, as DataFusion looks them up.
    fn name(&mut self) -> Result<String, Error> {
        let name = match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_some() => word.value.clone(),
            Some(Token::Word(word)) => word.value.to_lowercase(),
            _ => return Err(self.expected("a name")),
        };
        self.at += 1;
        Ok(name)
    }

    fn string(&mut self) -> Result<String, Error> {
        let text = match self.peek() {
            Some(Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) => text.clone(),
            _ => return Err(self.expected("a string in quotes")),
        };
        self.at += 1;
        Ok(text)
    }

    /// The value of an option: a string, a number, or a bare word such as `true`.
    fn value(&mut self) -> Result<String, Error> {
        let value = match self.peek() {
            Some(Token::Minus) => {
                self.at += 1;
                return match self.peek() {
                    Some(Token::Number(number, _)) => {
                        let number = format!("-{number}");
                        self.at += 1;
                        Ok(number)
                    }
                    _ => Err(self.expected("a number")),
                };
            }
            Some(Token::Number(number, _)) => number.clone(),
            Some(Token::Word(word)) => word.value.clone(),
            _ => return self.string(),
        };
        self.at += 1;
        Ok(value)
    }

    fn end(&self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the statement")),
        }
    }

    fn create_view(&mut self) -> Result<Command, Error> {
        self.expect("CREATE")?;
        let replace = self.takes("OR") && self.takes("REPLACE");
        let temporary = self.takes("TEMPORARY") || self.takes("TEMP");
        if !(temporary && self.takes("VIEW")) {
            return Err(Error::NotSupported(
                "only temporary views can be created so far: CREATE [OR REPLACE] TEMPORARY VIEW name AS query, or … USING parquet OPTIONS (path '…')".to_owned(),
            ));
        }
        let view = View {
            name: self.name()?,
            replace,
        };
        if self.takes("USING") {
            return self
                .files()
                .map(|files| Command::ViewOfFiles { view, files });
        }
        self.expect("AS")?;
        Ok(Command::ViewOfQuery {
            view,
            query: self.query_text()?,
        })
    }

    /// The text from the next word to the end.
    fn query_text(&self) -> Result<String, Error> {
        let word = self
            .words
            .get(self.at)
            .ok_or_else(|| self.expected("a query"))?;
        Ok(self.text[word.offset..].to_owned())
    }

    fn files(&mut self) -> Result<Files, Error> {
        let format = self.name()?;
        let format = FileFormat::of_name(&format).ok_or_else(|| {
            Error::NotSupported(format!(
                "USING {format} is not supported: there are parquet, csv and json"
            ))
        })?;
        let mut options = BTreeMap::new();
        if self.takes("OPTIONS") {
            options = self.options()?;
        }
        self.end()?;
        let path = options.remove("path").ok_or_else(|| {
            Error::NotSupported(format!(
                "CREATE TEMPORARY VIEW … USING {} needs OPTIONS (path '…')",
                format.name()
            ))
        })?;
        Ok(Files {
            format,
            path,
            options,
        })
    }

    /// `(key value, key = value, …)`, keys in lower case: Spark's options have no case.
    fn options(&mut self) -> Result<BTreeMap<String, String>, Error> {
        let mut options = BTreeMap::new();
        self.expect_token(&Token::LParen)?;
        loop {
            let key = match self.peek() {
                Some(Token::Word(_)) => self.name()?,
                _ => self.string()?,
            };
            self.takes_token(&Token::Eq);
            options.insert(key.to_lowercase(), self.value()?);
            if !self.takes_token(&Token::Comma) {
                self.expect_token(&Token::RParen)?;
                return Ok(options);
            }
        }
    }

    fn drop_view(&mut self) -> Result<Command, Error> {
        self.expect("DROP")?;
        if !self.takes("VIEW") {
            return Err(Error::NotSupported(
                "only temporary views can be dropped: DROP VIEW [IF EXISTS] name".to_owned(),
            ));
        }
        let if_exists = self.takes("IF") && self.takes("EXISTS");
        let name = self.name()?;
        self.end()?;
        Ok(Command::DropView { name, if_exists })
    }

    fn cache(&mut self) -> Result<Command, Error> {
        self.expect("CACHE")?;
        let is_lazy = self.takes("LAZY");
        self.expect("TABLE")?;
        let name = self.name()?;
        let options = match self.takes("OPTIONS") {
            true => self.options()?,
            false => BTreeMap::new(),
        };
        let has_query = self.takes("AS");
        let query = match self.peek() {
            None if !has_query => None,
            Some(Token::LParen) => Some(self.query_text()?),
            _ if has_query => Some(self.query_text()?),
            _ => {
                let first = self.peek_word().unwrap_or_default().to_uppercase();
                if !["SELECT", "WITH", "VALUES", "FROM", "TABLE"].contains(&first.as_str()) {
                    return Err(self.expected("OPTIONS (…), or AS and a query"));
                }
                Some(self.query_text()?)
            }
        };
        Ok(Command::Cache(Cache {
            name,
            is_lazy,
            options,
            query,
        }))
    }

    fn uncache(&mut self) -> Result<Command, Error> {
        self.expect("UNCACHE")?;
        self.expect("TABLE")?;
        let if_exists = self.takes("IF") && self.takes("EXISTS");
        let name = self.name()?;
        self.end()?;
        Ok(Command::Uncache { name, if_exists })
    }

    fn clear_cache(&mut self) -> Result<Command, Error> {
        self.expect("CLEAR")?;
        self.expect("CACHE")?;
        self.end()?;
        Ok(Command::ClearCache)
    }

    fn refresh(&mut self) -> Result<Command, Error> {
        self.expect("REFRESH")?;
        let command = match self.peek() {
            Some(Token::SingleQuotedString(_) | Token::DoubleQuotedString(_)) => {
                Command::RefreshPath {
                    path: self.string()?,
                }
            }
            _ => {
                self.takes("TABLE");
                Command::RefreshTable { name: self.name()? }
            }
        };
        self.end()?;
        Ok(command)
    }

    fn show(&mut self) -> Result<Command, Error> {
        self.expect("SHOW")?;
        if self.takes("CACHE") {
            self.end()?;
            return Ok(Command::ShowCache);
        }
        if !(self.takes("TABLES") || self.takes("VIEWS")) {
            return Err(Error::NotSupported(
                "of SHOW there are SHOW TABLES [LIKE 'pattern'], SHOW VIEWS and SHOW CACHE"
                    .to_owned(),
            ));
        }
        let has_like = self.takes("LIKE");
        let pattern = match self.peek() {
            None if !has_like => None,
            _ => Some(self.string()?),
        };
        self.end()?;
        Ok(Command::ShowTables { pattern })
    }

    fn describe(&mut self) -> Result<Command, Error> {
        self.at += 1;
        self.takes("TABLE");
        let from = self.at;
        while self.at < self.words.len() {
            match self.peek() {
                Some(Token::Word(_) | Token::Period) => self.at += 1,
                _ => return Err(self.expected("the name of a table")),
            }
        }
        if from == self.at {
            return Err(self.expected("the name of a table"));
        }
        let table = self.words[from..]
            .iter()
            .map(|word| word.token.to_string())
            .collect();
        Ok(Command::Describe { table })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::split;

    fn parse(text: &str) -> Result<Command, Error> {
        Command::parse(split(text)[0].as_ref().unwrap())
    }

    #[test]
    fn the_value_of_set_goes_to_the_end_of_the_statement() {
        assert_eq!(
            parse("set spark.app.name = a = 'b c'").unwrap(),
            Command::Set {
                key: "spark.app.name".into(),
                value: "a = 'b c'".into()
            }
        );
        assert_eq!(parse("SET").unwrap(), Command::ShowAll { verbose: false });
        assert_eq!(parse("SET -v").unwrap(), Command::ShowAll { verbose: true });
        assert_eq!(
            parse("SET `spark.x`").unwrap(),
            Command::Show {
                key: "spark.x".into()
            }
        );
        assert_eq!(parse("RESET").unwrap(), Command::Reset { key: None });
    }

    #[test]
    fn a_view_of_files_has_a_format_a_path_and_options() {
        let command = parse(
            "CREATE OR REPLACE TEMP VIEW People USING CSV OPTIONS (path '/data/p', 'Header' = true, sep ';')",
        );
        let Command::ViewOfFiles { view, files } = command.unwrap() else {
            panic!("a view of files");
        };
        assert_eq!((view.name.as_str(), view.replace), ("people", true));
        assert_eq!(
            (files.format, files.path.as_str()),
            (FileFormat::Csv, "/data/p")
        );
        let options: Vec<_> = files.options.into_iter().collect();
        assert_eq!(
            options,
            [("header".into(), "true".into()), ("sep".into(), ";".into())]
        );
    }

    #[test]
    fn the_query_of_a_view_is_taken_as_it_stands() {
        let text = "CREATE TEMPORARY VIEW v /* as */ AS\n  SELECT 1 AS a, ';' -- end";
        assert_eq!(
            parse(text).unwrap(),
            Command::ViewOfQuery {
                view: View {
                    name: "v".into(),
                    replace: false
                },
                query: "SELECT 1 AS a, ';'".into()
            }
        );
    }

    #[test]
    fn a_table_is_cached_as_it_is_or_as_a_query() {
        let cached = |text: &str| match parse(text).unwrap() {
            Command::Cache(cache) => cache,
            other => panic!("{other:?}"),
        };
        let lazy = cached("cache lazy table T options ('storageLevel' = 'DISK_ONLY')");
        assert_eq!(
            (lazy.name.as_str(), lazy.is_lazy, lazy.query),
            ("t", true, None)
        );
        assert_eq!(lazy.options["storagelevel"], "DISK_ONLY");
        for text in [
            "CACHE TABLE t AS SELECT 1 AS a",
            "CACHE TABLE t SELECT 1 AS a",
        ] {
            assert_eq!(cached(text).query.as_deref(), Some("SELECT 1 AS a"));
        }
        assert_eq!(
            cached("CACHE TABLE t (SELECT 1)").query.as_deref(),
            Some("(SELECT 1)")
        );
        let path = parse("REFRESH '/data/t'").unwrap();
        assert_eq!(
            path,
            Command::RefreshPath {
                path: "/data/t".into()
            }
        );
    }

    #[test]
    fn what_is_not_there_says_what_is() {
        for (text, says) in [
            ("CACHE TABLE t LATER", "OPTIONS"),
            ("CACHE t", "expected TABLE"),
            ("CREATE TABLE t (a INT)", "TEMPORARY VIEW"),
            ("DELETE FROM t", "There are SELECT"),
            (
                "CREATE TEMP VIEW v USING orc OPTIONS (path 'x')",
                "parquet, csv and json",
            ),
            ("CREATE TEMP VIEW v USING csv", "needs OPTIONS"),
            ("SHOW CREATE TABLE t", "SHOW TABLES"),
            ("DROP TABLE t", "DROP VIEW"),
            ("DESCRIBE", "the name of a table"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
