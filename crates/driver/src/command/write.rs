//! The statements that write files: Spark's `INSERT OVERWRITE DIRECTORY`, and `COPY … TO` with the options of
//! DataFusion and of DuckDB.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::Parser;
use crate::error::{Error, SqlError};
use crate::format::FileFormat;
use crate::write::{SaveMode, Target, WriteRequest};

/// A query whose rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    /// Its text.
    pub(crate) query: String,
    pub(crate) request: WriteRequest,
}

/// What the clauses of a COPY say so far.
#[derive(Default)]
struct Clauses {
    format: Option<FileFormat>,
    partition_by: Vec<String>,
    mode: Option<SaveMode>,
    options: BTreeMap<String, String>,
}

const INSERT: &str = "of INSERT there is INSERT OVERWRITE DIRECTORY 'path' USING parquet SELECT …: there are no tables to insert into; \
                      COPY (query) TO 'path' (APPEND) adds files to a directory";

impl Parser<'_> {
    /// `INSERT OVERWRITE [LOCAL] DIRECTORY ['path'] USING format [OPTIONS (…)] query`, and Hive's
    /// `INSERT OVERWRITE [LOCAL] DIRECTORY 'path' STORED AS format query`.
    pub(super) fn insert(&mut self) -> Result<Copy, Error> {
        self.expect("INSERT")?;
        let overwrites = self.takes("OVERWRITE");
        // All files are local.
        self.takes("LOCAL");
        if !(overwrites && self.takes("DIRECTORY")) {
            return Err(Error::NotSupported(INSERT.to_owned()));
        }
        let path = match self.peek() {
            Some(Token::SingleQuotedString(_) | Token::DoubleQuotedString(_)) => {
                Some(self.string()?)
            }
            _ => None,
        };
        let format = self.directory_format()?;
        let mut options = match self.takes("OPTIONS") {
            true => self.options()?,
            false => BTreeMap::new(),
        };
        let path = match (path, options.remove("path")) {
            (Some(path), None) | (None, Some(path)) => path,
            _ => {
                // Spark's words.
                let words =
                    "Directory path and 'path' in OPTIONS should be specified one, but not both";
                let error = SqlError::new(words.to_owned(), None, self.text);
                return Err(Error::Sql(error));
            }
        };
        self.takes("AS");
        Ok(Copy {
            query: self.query_text()?,
            request: WriteRequest {
                format,
                path,
                target: Target::Directory,
                mode: SaveMode::Overwrite,
                partition_by: Vec::new(),
                options,
            },
        })
    }

    fn directory_format(&mut self) -> Result<FileFormat, Error> {
        if self.takes("ROW") {
            return Err(Error::NotSupported(
                "ROW FORMAT is Hive's; say USING csv OPTIONS (sep '…') for text with separators"
                    .to_owned(),
            ));
        }
        if self.takes("USING") {
            return self.format("USING");
        }
        if self.takes("STORED") {
            self.expect("AS")?;
            return self.format("STORED AS");
        }
        Err(self.expected("USING and a format: parquet, csv, json or text"))
    }

    /// The name of a format, after these words.
    fn format(&mut self, after: &str) -> Result<FileFormat, Error> {
        let name = match self.peek() {
            Some(Token::SingleQuotedString(_) | Token::DoubleQuotedString(_)) => self.string()?,
            _ => self.name()?,
        };
        // Hive's name for it.
        let known = match name.to_lowercase().as_str() {
            "jsonfile" => Some(FileFormat::Json),
            known => FileFormat::of_name(known),
        };
        known.ok_or_else(|| {
            Error::NotSupported(format!(
                "{after} {name} is not supported: there are parquet, csv, json and text"
            ))
        })
    }

    /// Whether this is an `EXPLAIN` of a statement that writes.
    pub(super) fn explains_a_write(&mut self) -> bool {
        self.takes("EXPLAIN");
        let modes = [
            "ANALYZE",
            "VERBOSE",
            "EXTENDED",
            "FORMATTED",
            "CODEGEN",
            "COST",
        ];
        while modes.iter().any(|mode| self.takes(mode)) {}
        let first = self.peek_word().unwrap_or_default();
        ["COPY", "INSERT"]
            .iter()
            .any(|word| first.eq_ignore_ascii_case(word))
    }

    /// `COPY {table | (query)} TO 'path'`, with what follows of DataFusion's clauses and DuckDB's list.
    pub(super) fn copy(&mut self) -> Result<Copy, Error> {
        self.expect("COPY")?;
        let query = match self.peek() {
            Some(Token::LParen) => self.query_in_brackets()?,
            _ => format!("SELECT * FROM {}", self.table()?),
        };
        if self.takes("FROM") {
            return Err(Error::NotSupported(
                "COPY … FROM is not there: files are read where they are, SELECT * FROM csv.`path`"
                    .to_owned(),
            ));
        }
        self.expect("TO")?;
        let path = self.string()?;
        let mut clauses = Clauses::default();
        while self.peek().is_some() {
            self.clause(&mut clauses)?;
        }
        let Clauses {
            format,
            partition_by,
            mode,
            options,
        } = clauses;
        let mode = mode.unwrap_or_default();
        Ok(Copy {
            query,
            request: WriteRequest::copy_to(&path, format, mode, partition_by, options)?,
        })
    }

    /// The text between a bracket and the one that closes it.
    fn query_in_brackets(&mut self) -> Result<String, Error> {
        self.expect_token(&Token::LParen)?;
        let text = self.text;
        let start = self.words.get(self.at).map(|word| word.offset);
        let mut depth = 1;
        while let Some(word) = self.words.get(self.at) {
            match word.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(text[start.unwrap_or(word.offset)..word.offset].to_owned());
            }
        }
        Err(self.expected("a closing bracket"))
    }

    /// The name of a table as it is written, dots and quotes included.
    fn table(&mut self) -> Result<String, Error> {
        let mut name = String::new();
        loop {
            match self.peek() {
                Some(token @ Token::Word(_)) => name.push_str(&token.to_string()),
                _ => return Err(self.expected("a table, or a query in brackets")),
            }
            self.at += 1;
            if !self.takes_token(&Token::Period) {
                return Ok(name);
            }
            name.push('.');
        }
    }

    fn clause(&mut self, clauses: &mut Clauses) -> Result<(), Error> {
        if self.takes("STORED") {
            self.expect("AS")?;
            clauses.format = Some(self.format("STORED AS")?);
        } else if self.takes("PARTITIONED") {
            self.expect("BY")?;
            clauses.partition_by = self.columns()?;
        } else if self.takes("OPTIONS") {
            self.expect_token(&Token::LParen)?;
            self.list(clauses)?;
        } else {
            self.takes("WITH");
            self.expect_token(&Token::LParen)?;
            self.list(clauses)?;
        }
        Ok(())
    }

    /// `(a, b)`, or one column without brackets.
    fn columns(&mut self) -> Result<Vec<String>, Error> {
        if !self.takes_token(&Token::LParen) {
            return Ok(vec![self.value()?]);
        }
        let mut columns = Vec::new();
        loop {
            columns.push(self.value()?);
            if !self.takes_token(&Token::Comma) {
                self.expect_token(&Token::RParen)?;
                return Ok(columns);
            }
        }
    }

    /// DuckDB's list of options, after its bracket: `FORMAT parquet, HEADER, PARTITION_BY (a, b), OVERWRITE)`. The same
    /// may be said after `OPTIONS`.
    fn list(&mut self, clauses: &mut Clauses) -> Result<(), Error> {
        loop {
            let key = match self.peek() {
                Some(Token::Word(_)) => self.name()?.to_lowercase(),
                _ => self.string()?.to_lowercase(),
            };
            self.takes_token(&Token::Eq);
            match key.as_str() {
                "format" => clauses.format = Some(self.format("FORMAT")?),
                "partition_by" => clauses.partition_by = self.columns()?,
                _ => {
                    let value = match self.peek() {
                        // An option that says all by being there.
                        None | Some(Token::Comma | Token::RParen) => "true".to_owned(),
                        _ => self.value()?,
                    };
                    clauses.option(&key, value)?;
                }
            }
            if !self.takes_token(&Token::Comma) {
                return self.expect_token(&Token::RParen);
            }
        }
    }
}

impl Clauses {
    /// An option under DuckDB's name, DataFusion's or Spark's, in lower case.
    fn option(&mut self, key: &str, value: String) -> Result<(), Error> {
        let key = key.strip_prefix("format.").unwrap_or(key);
        let mode = match key {
            "overwrite" => Some(SaveMode::Overwrite),
            "append" => Some(SaveMode::Append),
            "ignore" => Some(SaveMode::Ignore),
            _ => None,
        };
        let Some(mode) = mode else {
            let key = match key {
                "has_header" => "header",
                "delim" | "delimiter" => "sep",
                "null" | "nullstr" | "null_value" => "nullvalue",
                "dateformat" | "date_format" => "dateformat",
                "timestampformat" | "timestamp_format" => "timestampformat",
                key => key,
            };
            self.options.insert(key.to_owned(), value);
            return Ok(());
        };
        match (value.to_lowercase().as_str(), self.mode) {
            ("false" | "0", _) => Ok(()),
            ("true" | "1", None) => {
                self.mode = Some(mode);
                Ok(())
            }
            ("true" | "1", Some(_)) => Err(Error::Option(
                "of OVERWRITE, APPEND and IGNORE there can be one".to_owned(),
            )),
            _ => Err(Error::Option(format!(
                "the option {key} is true or false, not '{value}'"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Command;
    use super::*;
    use crate::statement::split;

    fn parse(text: &str) -> Result<Copy, Error> {
        match Command::parse(split(text)[0].as_ref().unwrap())? {
            Command::Copy(copy) => Ok(copy),
            other => panic!("{other:?}"),
        }
    }

    fn options(copy: &Copy) -> Vec<(&str, &str)> {
        let options = copy.request.options.iter();
        options
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }

    #[test]
    fn a_directory_is_overwritten_as_spark_says_it_and_as_hive_does() {
        for text in [
            "INSERT OVERWRITE DIRECTORY '/x' USING PARQUET OPTIONS (Compression 'zstd') SELECT 1 AS a",
            "insert overwrite local directory using parquet options ('path' '/x', compression = zstd) SELECT 1 AS a",
        ] {
            let copy = parse(text).unwrap();
            assert_eq!(copy.query, "SELECT 1 AS a");
            assert_eq!(copy.request.path, "/x");
            assert_eq!(copy.request.mode, SaveMode::Overwrite);
            assert_eq!(options(&copy), [("compression", "zstd")]);
        }
        let hive = parse("INSERT OVERWRITE DIRECTORY '/x.json' STORED AS JSONFILE FROM t SELECT a");
        let request = hive.unwrap().request;
        assert_eq!(
            (request.format, request.target),
            (FileFormat::Json, Target::Directory)
        );
    }

    #[test]
    fn copy_takes_the_options_of_both_families() {
        let ours = parse(
            "COPY (SELECT ')' AS a, (1) AS b FROM t) TO '/x' (FORMAT csv, DELIMITER ';', HEADER false, PARTITION_BY (b, \"C\"), OVERWRITE)",
        )
        .unwrap();
        assert_eq!(ours.query, "SELECT ')' AS a, (1) AS b FROM t");
        assert_eq!(ours.request.partition_by, ["b", "C"]);
        assert_eq!(ours.request.mode, SaveMode::Overwrite);
        assert_eq!(options(&ours), [("header", "false"), ("sep", ";")]);
        let theirs = parse(
            "COPY a.`B c` TO '/x' STORED AS csv PARTITIONED BY (b) OPTIONS ('format.has_header' 'false', 'format.delimiter' ';')",
        )
        .unwrap();
        assert_eq!(theirs.query, "SELECT * FROM a.`B c`");
        assert_eq!(theirs.request.partition_by, ["b"]);
        assert_eq!(theirs.request.mode, SaveMode::ErrorIfExists);
        assert_eq!(options(&theirs), options(&ours));
        let all = parse(
            "COPY t TO '/x' OPTIONS (format 'csv', partition_by (b, c), maxRecordsPerFile -1, APPEND)",
        );
        let all = all.unwrap().request;
        assert_eq!((all.format, all.mode), (FileFormat::Csv, SaveMode::Append));
        assert_eq!(all.partition_by, ["b", "c"]);
        assert_eq!(all.options["maxrecordsperfile"], "-1");
    }

    #[test]
    fn what_cannot_be_written_so_says_what_can() {
        for (text, says) in [
            ("INSERT INTO t VALUES (1)", "COPY (query) TO"),
            ("INSERT OVERWRITE t SELECT 1", "INSERT OVERWRITE DIRECTORY"),
            ("INSERT OVERWRITE DIRECTORY '/x' SELECT 1", "USING"),
            (
                "INSERT OVERWRITE DIRECTORY '/x' ROW FORMAT DELIMITED SELECT 1",
                "USING csv",
            ),
            (
                "INSERT OVERWRITE DIRECTORY USING csv SELECT 1",
                "but not both",
            ),
            (
                "INSERT OVERWRITE DIRECTORY '/x' USING csv OPTIONS (path '/y') SELECT 1",
                "but not both",
            ),
            (
                "INSERT OVERWRITE DIRECTORY '/x' USING orc SELECT 1",
                "parquet, csv, json",
            ),
            ("INSERT OVERWRITE DIRECTORY '/x' USING csv", "a query"),
            ("COPY t FROM 'x.csv'", "csv.`path`"),
            ("COPY t TO x", "a string in quotes"),
            ("COPY (SELECT 1 TO 'x.csv'", "a closing bracket"),
            ("COPY t TO 'x.csv' (OVERWRITE, APPEND)", "can be one"),
            ("COPY t TO 'x.csv' (FORMAT xlsx)", "parquet, csv, json"),
            ("COPY t TO 'x'", "tells no format"),
            ("EXPLAIN COPY t TO 'x.csv'", "EXPLAIN takes the query alone"),
            (
                "EXPLAIN ANALYZE INSERT OVERWRITE DIRECTORY '/x' USING csv SELECT 1",
                "EXPLAIN takes the query alone",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
