use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{
    Location, Token, TokenWithSpan, Tokenizer, TokenizerError,
};

use crate::error::{Error, Place, SqlError};

/// One SQL statement of a script, without its semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    text: String,
    /// Where the text begins in the script it came from; lines and columns count from 1.
    start: Place,
}

impl Statement {
    /// The statement's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place just after the text, as the parser counts it.
    pub(crate) fn end(&self) -> (u64, u64) {
        let last = self.text.rsplit('\n').next().unwrap_or_default();
        let lines = self.text.matches('\n').count() as u64;
        (lines + 1, last.chars().count() as u64 + 1)
    }

    /// A place inside the text, as the parser counts it, as a place in the script.
    pub(crate) fn place_in_script(&self, line: u64, column: u64) -> Place {
        if line <= 1 {
            Place {
                line: self.start.line,
                column: self.start.column + column.saturating_sub(1),
            }
        } else {
            Place {
                line: self.start.line + line - 1,
                column,
            }
        }
    }
}

/// Cuts a script into statements at its semicolons, heeding strings, quoted names and comments.
///
/// Statements before the place where the script cannot be read (a string that is never closed) come
/// first, so that a caller who runs them in order does what the script says up to there.
pub fn split(script: &str) -> Vec<Result<Statement, Error>> {
    let (tokens, error) = tokenize(script);
    let lines = LineIndex::new(script);
    let mut statements = Vec::new();
    let mut current: Option<Piece> = None;
    for token in &tokens {
        match token.token {
            Token::SemiColon => {
                statements.extend(current.take().map(|piece| Ok(piece.cut(script))))
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => {
                let end = lines.offset(token.span.end);
                let piece = current.get_or_insert_with(|| Piece {
                    from: lines.offset(token.span.start),
                    to: end,
                    start: token.span.start,
                });
                piece.to = end;
            }
        }
    }
    match error {
        Some(error) => statements.push(Err(unreadable(script, &error))),
        None => statements.extend(current.map(|piece| Ok(piece.cut(script)))),
    }
    statements
}

/// Whether what a person has typed so far can be run: each statement in it has ended with a
/// semicolon, and no string or comment is open.
pub fn is_complete(script: &str) -> bool {
    let (tokens, error) = tokenize(script);
    let last = tokens
        .iter()
        .rev()
        .find(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    error.is_none() && last.is_none_or(|token| token.token == Token::SemiColon)
}

/// A word or sign of a statement, and where in its text it begins, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) token: Token,
    pub(crate) offset: usize,
}

/// The words and signs of one statement, without white space and comments.
pub(crate) fn words(statement: &str) -> Vec<Word> {
    let lines = LineIndex::new(statement);
    let (tokens, _) = tokenize(statement);
    tokens
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .map(|token| Word {
            offset: lines.offset(token.span.start),
            token: token.token,
        })
        .collect()
}

fn tokenize(script: &str) -> (Vec<TokenWithSpan>, Option<TokenizerError>) {
    let mut tokens = Vec::new();
    let error = Tokenizer::new(&SparkSqlDialect, script)
        .tokenize_with_location_into_buf(&mut tokens)
        .err();
    (tokens, error)
}

fn unreadable(script: &str, error: &TokenizerError) -> Error {
    let place = Place {
        line: error.location.line,
        column: error.location.column,
    };
    Error::Sql(SqlError::new(error.message.clone(), Some(place), script))
}

/// A stretch of the script, in bytes.
struct Piece {
    from: usize,
    to: usize,
    start: Location,
}

impl Piece {
    fn cut(&self, script: &str) -> Statement {
        Statement {
            text: script[self.from..self.to].to_owned(),
            start: Place {
                line: self.start.line,
                column: self.start.column,
            },
        }
    }
}

/// Byte offsets of the lines of a text: the tokenizer counts lines and characters.
struct LineIndex<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    fn new(text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after_newlines).collect(),
        }
    }

    fn offset(&self, location: Location) -> usize {
        let line = (location.line as usize).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(self.text.len());
        let column = (location.column as usize).saturating_sub(1);
        self.text[start..]
            .char_indices()
            .nth(column)
            .map_or(self.text.len(), |(at, _)| start + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<String> {
        split(script)
            .into_iter()
            .map(|statement| statement.unwrap().text)
            .collect()
    }

    #[test]
    fn semicolons_in_strings_names_and_comments_do_not_end_a_statement() {
        let script = "SELECT ';', `a;b` -- not here;\n FROM t /* nor; here */ WHERE x = 'it''s;';\n\nSELECT 2";
        assert_eq!(
            texts(script),
            [
                "SELECT ';', `a;b` -- not here;\n FROM t /* nor; here */ WHERE x = 'it''s;'",
                "SELECT 2"
            ]
        );
    }

    #[test]
    fn empty_statements_and_comments_alone_are_none() {
        assert!(texts(" ;; -- nothing\n ; /* at all */").is_empty());
    }

    #[test]
    fn a_statement_is_cut_at_characters_not_bytes() {
        assert_eq!(
            texts("SELECT 'žluťoučký';SELECT 'ü'"),
            ["SELECT 'žluťoučký'", "SELECT 'ü'"]
        );
    }

    #[test]
    fn statements_before_an_unclosed_string_are_kept() {
        let mut statements = split("SELECT 1;\nSELECT 'open");
        let error = statements.pop().unwrap().unwrap_err();
        assert_eq!(statements.len(), 1);
        assert!(error.to_string().contains("line 2, column 8"), "{error}");
    }

    #[test]
    fn a_place_in_a_statement_is_found_in_its_script() {
        let statements = split("SELECT 1;\n  SELECT\n a");
        let second = statements[1].as_ref().unwrap();
        assert_eq!(second.place_in_script(1, 1), Place { line: 2, column: 3 });
        assert_eq!(second.place_in_script(2, 2), Place { line: 3, column: 2 });
    }

    #[test]
    fn typing_is_complete_after_a_semicolon_outside_of_quotes() {
        assert!(is_complete("SELECT 1;"));
        assert!(is_complete("  "));
        assert!(is_complete("SELECT 1; -- done"));
        assert!(!is_complete("SELECT 1"));
        assert!(!is_complete("SELECT ';"));
        assert!(!is_complete("SELECT 1; SELECT"));
    }
}
