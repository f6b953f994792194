use spark_connect_proto::{self as proto, data_type as message, data_type::Kind};

use super::kinds::{array, collated, decimal, interval, map, simple, structure, unit};
use super::token::{Shape, Token, failure, tokens, unescape};
use crate::error::Error;
use crate::types::message as named;

/// How deep types may nest. Arrow's own reader goes no deeper; a hostile text must not reach the
/// end of the stack.
const DEEPEST: usize = 60;

/// A type alone.
pub(super) fn data_type(text: &str) -> Result<proto::DataType, Error> {
    Parser::new(text).whole(|parser| parser.data_type(0))
}

/// The columns of a table, as a struct.
pub(super) fn table_schema(text: &str) -> Result<proto::DataType, Error> {
    Parser::new(text).whole(|parser| {
        let mut fields = vec![parser.field(0, false)?];
        while parser.take_symbol(",") {
            fields.push(parser.field(0, false)?);
        }
        Ok(named(structure(fields)))
    })
}

/// Why a text is not accepted.
enum Refusal {
    /// The token at this index does not belong there.
    Syntax(usize),
    Raised(Box<Error>),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Raised(Box::new(error))
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let tokens = tokens(text);
        Self {
            text,
            tokens,
            next: 0,
        }
    }

    fn whole(
        mut self,
        parse: impl FnOnce(&mut Self) -> Result<proto::DataType, Refusal>,
    ) -> Result<proto::DataType, Error> {
        if self.peek().shape == Shape::End {
            return Err(failure(self.text, 0, "PARSE_EMPTY_STATEMENT", &[]));
        }
        let parsed = parse(&mut self).and_then(|parsed| match self.peek().shape {
            Shape::End => Ok(parsed),
            _ => Err(Refusal::Syntax(self.next)),
        });
        parsed.map_err(|refusal| match refusal {
            Refusal::Raised(error) => *error,
            Refusal::Syntax(index) => self.syntax_error(index),
        })
    }

    fn syntax_error(&self, index: usize) -> Error {
        let token = self.tokens[index.min(self.tokens.len() - 1)];
        let near = match token.shape {
            Shape::End => "end of input".to_owned(),
            _ => format!("'{}'", token.text),
        };
        let parameters = [("error", near.as_str()), ("hint", "")];
        failure(self.text, token.at, "PARSE_SYNTAX_ERROR", &parameters)
    }

    fn peek(&self) -> Token<'a> {
        self.tokens[self.next]
    }

    /// The end stays where it is, so that there always is a next token.
    fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        if token.shape != Shape::End {
            self.next += 1;
        }
        token
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_word(word);
        self.next += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek().is_symbol(symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, found: bool) -> Result<(), Refusal> {
        if found {
            Ok(())
        } else {
            Err(Refusal::Syntax(self.next))
        }
    }

    fn raise(&self, at: usize, condition: &str, parameters: &[(&str, &str)]) -> Refusal {
        failure(self.text, at, condition, parameters).into()
    }

    /// `name [:] type [NOT NULL] [COMMENT 'text']`; the colon only within a struct.
    fn field(&mut self, depth: usize, colon: bool) -> Result<message::StructField, Refusal> {
        let name = self.name()?;
        if colon {
            self.take_symbol(":");
        }
        let data_type = self.data_type(depth)?;
        let nullable = !self.take_word("not");
        if !nullable {
            let found = self.take_word("null");
            self.expect(found)?;
        }
        let metadata = match self.take_word("comment") {
            true => Some(serde_json::json!({ "comment": self.literal()? }).to_string()),
            false => None,
        };
        Ok(message::StructField {
            name,
            data_type: Some(data_type),
            nullable,
            metadata,
        })
    }

    fn name(&mut self) -> Result<String, Refusal> {
        let token = self.peek();
        match token.shape {
            Shape::Quoted => {
                self.take();
                Ok(token.text[1..token.text.len() - 1].replace("``", "`"))
            }
            Shape::Word => {
                self.take();
                self.check_identifier(token)?;
                Ok(token.text.to_owned())
            }
            _ => Err(Refusal::Syntax(self.next)),
        }
    }

    /// Names with a hyphen or with letters beyond ASCII want backticks, and Spark says so.
    fn check_identifier(&self, token: Token<'a>) -> Result<(), Refusal> {
        let mut end = token.at + token.text.len();
        let mut index = self.next;
        while self.tokens[index].is_symbol("-")
            && self.tokens[index].at == end
            && self.tokens[index + 1].shape == Shape::Word
        {
            end = self.tokens[index + 1].at + self.tokens[index + 1].text.len();
            index += 2;
        }
        let identifier = &self.text[token.at..end];
        if index > self.next || !identifier.is_ascii() {
            return Err(self.raise(token.at, "INVALID_IDENTIFIER", &[("ident", identifier)]));
        }
        Ok(())
    }

    /// One string literal, or several side by side.
    fn literal(&mut self) -> Result<String, Refusal> {
        let found = self.peek().shape == Shape::Text;
        self.expect(found)?;
        let mut text = String::new();
        while self.peek().shape == Shape::Text {
            text.push_str(&unescape(self.take().text));
        }
        Ok(text)
    }

    fn data_type(&mut self, depth: usize) -> Result<proto::DataType, Refusal> {
        let token = self.peek();
        if depth > DEEPEST {
            return Err(self.raise(token.at, "FAILED_TO_PARSE_TOO_COMPLEX", &[]));
        }
        if !matches!(token.shape, Shape::Word | Shape::Quoted) {
            return Err(Refusal::Syntax(self.next));
        }
        self.take();
        let word = token.text.trim_matches('`').to_ascii_lowercase();
        let kind = match word.as_str() {
            _ if token.shape == Shape::Quoted => self.primitive(&word, token)?,
            "array" | "map" | "struct" => return self.nested(&word, token, depth),
            "interval" => self.interval()?,
            "string" if self.take_word("collate") => collated(self.name()?),
            _ => self.primitive(&word, token)?,
        };
        Ok(named(kind))
    }

    /// A syntax error inside the angle brackets is put down to the opening one, as ANTLR does, which
    /// then took the word for a type of its own.
    fn nested(
        &mut self,
        word: &str,
        token: Token<'a>,
        depth: usize,
    ) -> Result<proto::DataType, Refusal> {
        let open = self.next;
        if word == "struct" && self.take_symbol("<>") {
            return Ok(named(structure(vec![])));
        }
        if !self.take_symbol("<") {
            return match self.peek().is_symbol("<>") {
                true => Err(Refusal::Syntax(open)),
                false => Err(self.incomplete(word, token)),
            };
        }
        let inside = match word {
            "array" => self.array(depth),
            "map" => self.map(depth),
            _ => self.structure(depth),
        };
        inside.map_err(|refusal| match refusal {
            Refusal::Syntax(_) => Refusal::Syntax(open),
            raised => raised,
        })
    }

    fn incomplete(&self, word: &str, token: Token<'a>) -> Refusal {
        let condition = format!("INCOMPLETE_TYPE_DEFINITION.{}", word.to_uppercase());
        let parameters: &[_] = match word {
            "array" => &[("elementType", "<INT>")],
            _ => &[],
        };
        self.raise(token.at, &condition, parameters)
    }

    fn array(&mut self, depth: usize) -> Result<proto::DataType, Refusal> {
        let element = self.data_type(depth + 1)?;
        self.close()?;
        Ok(named(array(element, true)))
    }

    fn map(&mut self, depth: usize) -> Result<proto::DataType, Refusal> {
        let key = self.data_type(depth + 1)?;
        let comma = self.take_symbol(",");
        self.expect(comma)?;
        let value = self.data_type(depth + 1)?;
        self.close()?;
        Ok(named(map(key, value, true)))
    }

    fn structure(&mut self, depth: usize) -> Result<proto::DataType, Refusal> {
        let mut fields = vec![];
        if !self.take_symbol(">") {
            fields.push(self.field(depth + 1, true)?);
            while self.take_symbol(",") {
                fields.push(self.field(depth + 1, true)?);
            }
            self.close()?;
        }
        Ok(named(structure(fields)))
    }

    fn close(&mut self) -> Result<(), Refusal> {
        let found = self.take_symbol(">");
        self.expect(found)
    }

    /// `INTERVAL`, or with the units it is of.
    fn interval(&mut self) -> Result<Kind, Refusal> {
        let Some((years, start)) = unit(self.peek().text) else {
            return Ok(Kind::CalendarInterval(message::CalendarInterval::default()));
        };
        self.take();
        let mut end = start;
        if self.peek().is_word("to") {
            let to = self.next;
            self.take();
            end = match unit(self.take().text) {
                Some((same, end)) if same == years && end > start => end,
                _ => return Err(Refusal::Syntax(to)),
            };
        }
        Ok(interval(years, start, end))
    }

    fn primitive(&mut self, word: &str, token: Token<'a>) -> Result<Kind, Refusal> {
        let parameters = self.parameters()?;
        if token.shape == Shape::Word
            && let Some(kind) = simple(word, &parameters)
        {
            if matches!(word, "timestamp" | "time") && self.take_word("without") {
                let zone = self.take_word("time") && self.take_word("zone");
                self.expect(zone)?;
                return Ok(match word {
                    "time" => kind,
                    _ => Kind::TimestampNtz(message::TimestampNtz::default()),
                });
            }
            return Ok(kind);
        }
        match (word, parameters.as_slice()) {
            ("decimal" | "dec" | "numeric", [precision]) => Ok(decimal(*precision, 0)?),
            ("decimal" | "dec" | "numeric", [precision, scale]) => Ok(decimal(*precision, *scale)?),
            ("char" | "character" | "varchar", []) => {
                let name = format!("\"{}\"", word.to_uppercase());
                Err(self.raise(token.at, "DATATYPE_MISSING_SIZE", &[("type", &name)]))
            }
            ("time", [precision]) => Err(Error::analysis(
                "UNSUPPORTED_TIME_PRECISION",
                &[("precision", &precision.to_string())],
            )
            .into()),
            _ => Err(self.unknown(word, &parameters, token)),
        }
    }

    fn unknown(&self, word: &str, parameters: &[i32], token: Token<'a>) -> Refusal {
        let parameters: Vec<String> = parameters.iter().map(ToString::to_string).collect();
        let name = match parameters.is_empty() {
            true => format!("\"{}\"", word.to_uppercase()),
            false => format!("\"{}({})\"", word.to_uppercase(), parameters.join(",")),
        };
        self.raise(token.at, "UNSUPPORTED_DATATYPE", &[("typeName", &name)])
    }

    /// `(10, 2)`, if there are any.
    fn parameters(&mut self) -> Result<Vec<i32>, Refusal> {
        let mut numbers = vec![];
        if self.take_symbol("(") {
            loop {
                let token = self.peek();
                let number = token.text.parse().ok();
                let number = number.filter(|_| token.shape == Shape::Number);
                numbers.push(number.ok_or(Refusal::Syntax(self.next))?);
                self.take();
                if !self.take_symbol(",") {
                    break;
                }
            }
            let found = self.take_symbol(")");
            self.expect(found)?;
        }
        Ok(numbers)
    }
}
