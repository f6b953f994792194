use std::borrow::Cow;

use super::Dialect;

/// The values of one CSV record: what univocity's `CsvParser` makes of it as Spark sets it up.
///
/// A quote within a quoted value that is not escaped makes the value one that is not quoted:
/// `"a"b,c` are `"a"b` and `c` (univocity's `STOP_AT_DELIMITER`).
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    text: Vec<u8>,
    ends: Vec<(usize, bool)>,
}

/// A reading of one record.
struct Reading<'a> {
    input: &'a [u8],
    dialect: &'a Dialect,
    /// Whether the end of a line ends the record.
    lines: bool,
    at: usize,
}

impl Reading<'_> {
    fn byte(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn at_separator(&self) -> bool {
        self.input[self.at..].starts_with(&self.dialect.separator)
    }

    fn at_newline(&self) -> bool {
        self.lines && matches!(self.byte(), Some(b'\n' | b'\r'))
    }

    fn at_value_end(&self) -> bool {
        self.at_separator() || self.at_newline()
    }

    fn at_blank(&self) -> bool {
        self.byte().is_some_and(|byte| byte <= b' ') && !self.at_value_end()
    }
}

impl Tokens {
    /// Reads the record at the beginning of `input`, and gives its length with the end of its line. With
    /// `lines` a record may go on over lines within quotes; without, the input is a record.
    /// None if it is not seen where the record ends, and the input is not `complete`.
    pub(crate) fn read(
        &mut self,
        input: &[u8],
        dialect: &Dialect,
        lines: bool,
        complete: bool,
    ) -> Option<usize> {
        self.text.clear();
        self.ends.clear();
        let mut reading = Reading {
            input,
            dialect,
            lines,
            at: 0,
        };
        if lines && is_comment(input, dialect) {
            let line = input.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            reading.at = line.unwrap_or(input.len());
        } else {
            self.value(&mut reading);
            while reading.at_separator() {
                reading.at += dialect.separator.len();
                self.value(&mut reading);
            }
        }
        let next = &input[reading.at..];
        match next {
            [] => complete.then_some(input.len()),
            [b'\r'] if !complete => None,
            [b'\r', b'\n', ..] => Some(reading.at + 2),
            _ => Some(reading.at + 1),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The value at a place, and whether it was quoted.
    pub(crate) fn get(&self, at: usize) -> Option<(Cow<'_, str>, bool)> {
        let (end, quoted) = *self.ends.get(at)?;
        let start = match at {
            0 => 0,
            at => self.ends[at - 1].0,
        };
        Some((String::from_utf8_lossy(&self.text[start..end]), quoted))
    }

    /// Reads one value up to what ends it.
    fn value(&mut self, reading: &mut Reading) {
        while reading.dialect.ignore_leading && reading.at_blank() {
            reading.at += 1;
        }
        let start = self.text.len();
        let quoted = reading.byte().is_some() && reading.byte() == reading.dialect.quote;
        match quoted {
            true => self.quoted(reading, start),
            false => self.plain(reading, start),
        }
        self.ends.push((self.text.len(), quoted));
    }

    /// The rest of a value that is not quoted, which begins at `start`.
    fn plain(&mut self, reading: &mut Reading, start: usize) {
        let from = reading.at;
        while reading.at < reading.input.len() && !reading.at_value_end() {
            reading.at += 1;
        }
        self.text
            .extend_from_slice(&reading.input[from..reading.at]);
        while reading.dialect.ignore_trailing
            && self.text.len() > start
            && self.text.last().is_some_and(|&byte| byte <= b' ')
        {
            self.text.pop();
        }
    }

    fn quoted(&mut self, reading: &mut Reading, start: usize) {
        let Dialect {
            quote,
            escape,
            escape_escape,
            ..
        } = *reading.dialect;
        reading.at += 1;
        let mut previous = None;
        while let Some(byte) = reading.byte() {
            let after_quote = previous.is_some() && previous == quote;
            let after_escape = previous.is_some() && previous == escape;
            let this = Some(byte);
            if after_quote && (byte <= b' ' || reading.at_value_end()) {
                return self.after_quotes(reading, start);
            }
            previous = this;
            if this != quote && this != escape {
                if after_quote {
                    return self.not_quoted_after_all(reading, start);
                }
                if after_escape {
                    self.text.extend(escape);
                }
                self.text.push(byte);
            } else if after_escape && (this == quote || escape_escape == escape) {
                self.text.push(byte);
                previous = None;
            } else if after_escape {
                self.text.extend(escape);
            } else if after_quote {
                self.text.extend(quote);
            }
            reading.at += 1;
        }
    }

    /// Passes over the white space behind a closing quote.
    fn after_quotes(&mut self, reading: &mut Reading, start: usize) {
        let from = reading.at;
        while reading.at_blank() {
            reading.at += 1;
        }
        if reading.byte().is_some() && !reading.at_value_end() {
            reading.at = from;
            self.not_quoted_after_all(reading, start);
        }
    }

    /// There is more behind the closing quote: the quotes belong to the value.
    fn not_quoted_after_all(&mut self, reading: &mut Reading, start: usize) {
        let quote = reading.dialect.quote;
        self.text.splice(start..start, quote);
        self.text.extend(quote);
        self.plain(reading, start);
    }
}

/// Whether a line is a comment.
pub(crate) fn is_comment(line: &[u8], dialect: &Dialect) -> bool {
    dialect.comment.is_some() && line.first().copied() == dialect.comment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, dialect: &Dialect) -> Vec<String> {
        let mut tokens = Tokens::default();
        tokens.read(line.as_bytes(), dialect, false, true);
        (0..tokens.len())
            .map(|at| tokens.get(at).unwrap().0.into_owned())
            .collect()
    }

    /// The values are those that Spark 4.1 reads from the same lines.
    #[test]
    fn quotes_are_read_as_univocity_reads_them() {
        let dialect = Dialect::default();
        for (line, expected) in [
            (r#""x,y","p""q""#, &["x,y", r#""p""q""#][..]),
            (r#""x\"y",p\"q"#, &["x\"y", "p\\\"q"]),
            (r#""abc"def,g"h"i"#, &[r#""abc"def"#, r#"g"h"i"#]),
            (r#""un,closed"#, &["un,closed"]),
            (r#""a"b,c""#, &[r#""a"b"#, "c\""]),
            (r#"  "x" , y  "#, &["  \"x\" ", " y  "]),
            (r#""p\\q",x\\y"#, &["p\\q", "x\\\\y"]),
            (r#""a\b",c\d"#, &["a\\b", "c\\d"]),
            (r#""x" ,"y"  ,z"#, &["x", "y", "z"]),
            (r#""y" z,"w"#, &[r#""y" z"#, "w"]),
            (r#"""a"",b"#, &[r#"""a"""#, "b"]),
            (r#""a"",b",c"#, &["a\"", "b\"", "c"]),
            (r#""a,b" "c,d",e"#, &[r#""a,b" "c"#, "d\"", "e"]),
            (r#""x"y"z",1"#, &[r#""x"y"z""#, "1"]),
            (r#""x""",1"#, &["x\"\"", "1"]),
            (r#""""x""",1"#, &[r#""""x""""#, "1"]),
            ("a,", &["a", ""]),
            ("", &[""]),
        ] {
            assert_eq!(read(line, &dialect), expected, "{line}");
        }
    }

    #[test]
    fn other_dialects_are_read_as_univocity_reads_them() {
        let doubled = Dialect {
            escape: Some(b'"'),
            escape_escape: None,
            ..Dialect::default()
        };
        assert_eq!(read(r#""p""q",2"#, &doubled), ["p\"q", "2"]);
        assert_eq!(read(r#""x""",1"#, &doubled), ["x\"", "1"]);
        assert_eq!(read(r#""x"",1,2"#, &doubled), ["x\",1,2"]);
        let caret = Dialect {
            escape: Some(b'^'),
            escape_escape: Some(b'^'),
            ..Dialect::default()
        };
        assert_eq!(read(r#""x^"y","^^z^q""#, &caret), ["x\"y", "^z^q"]);
        let trimming = Dialect {
            ignore_leading: true,
            ignore_trailing: true,
            ..Dialect::default()
        };
        assert_eq!(
            read(r#"  "x"  , "y" z , "" "#, &trimming),
            ["x", r#""y" z"#, ""]
        );
        let long = Dialect {
            separator: b"||".to_vec(),
            ..Dialect::default()
        };
        assert_eq!(read("a|b||\"c||d\"", &long), ["a|b", "c||d"]);
    }

    #[test]
    fn quoted_values_go_on_over_lines() {
        let mut tokens = Tokens::default();
        let dialect = Dialect::default();
        let text = b"\"1\n2\"y,3\r\nnext";
        assert_eq!(tokens.read(text, &dialect, true, false), Some(10));
        assert_eq!(tokens.get(0).unwrap().0, "\"1\n2\"y");
        assert_eq!(tokens.read(b"\"open\n", &dialect, true, false), None);
        assert_eq!(tokens.read(b"\"open\nend", &dialect, true, true), Some(9));
    }
}
