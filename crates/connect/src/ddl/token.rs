use crate::error::{Error, Kind};

/// One token, and where it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) shape: Shape,
    /// As written.
    pub(super) text: &'a str,
    pub(super) at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A keyword or an unquoted identifier.
    Word,
    /// An identifier in backticks.
    Quoted,
    Number,
    Text,
    Symbol,
    End,
}

impl Token<'_> {
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.shape == Shape::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.shape == Shape::Symbol && self.text == symbol
    }
}

/// Cuts a text into tokens; the last one is [`Shape::End`].
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = vec![];
    let mut at = skip_blank(text, 0);
    while at < text.len() {
        let (shape, length) = next(&text[at..]);
        tokens.push(Token {
            shape,
            text: &text[at..at + length],
            at,
        });
        at = skip_blank(text, at + length);
    }
    tokens.push(Token {
        shape: Shape::End,
        text: "",
        at: text.len(),
    });
    tokens
}

fn next(rest: &str) -> (Shape, usize) {
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (Some('r' | 'R'), Some(quote @ ('\'' | '"'))) => match text_end(&rest[1..], quote, true) {
            Some(length) => (Shape::Text, length + 1),
            None => (Shape::Symbol, 1),
        },
        (Some(quote @ ('\'' | '"')), _) => match text_end(rest, quote, false) {
            Some(length) => (Shape::Text, length),
            None => (Shape::Symbol, 1),
        },
        (Some('`'), _) => match quoted_end(rest) {
            Some(length) => (Shape::Quoted, length),
            None => (Shape::Symbol, 1),
        },
        (Some('<'), Some('>')) => (Shape::Symbol, 2),
        (Some(c), _) if is_word_part(c) => {
            let length = rest.find(|c| !is_word_part(c)).unwrap_or(rest.len());
            match rest[..length].bytes().all(|b| b.is_ascii_digit()) {
                true => (Shape::Number, length),
                false => (Shape::Word, length),
            }
        }
        (Some(c), _) => (Shape::Symbol, c.len_utf8()),
        (None, _) => (Shape::End, 0),
    }
}

fn is_word_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The length of a string literal with its quotes. A doubled quote stands for one.
fn text_end(rest: &str, quote: char, raw: bool) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && !raw {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote && !raw => chars.next(),
                _ => return Some(at + 1),
            };
        }
    }
    None
}

fn quoted_end(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '`' {
            match chars.peek() {
                Some((_, '`')) => chars.next(),
                _ => return Some(at + 1),
            };
        }
    }
    None
}

/// Past white space and comments.
fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        let comment = if rest[blank..].starts_with("--") {
            rest[blank..].find('\n').unwrap_or(rest.len() - blank)
        } else if rest[blank..].starts_with("/*") {
            rest[blank..].find("*/").map_or(0, |end| end + 2)
        } else {
            0
        };
        if blank + comment == 0 {
            return at;
        }
        at += blank + comment;
    }
}

/// The characters a string literal stands for, as Spark's `unescapeSQLString` reads it.
pub(super) fn unescape(literal: &str) -> String {
    if let Some(raw) = literal.strip_prefix(['r', 'R']) {
        return raw[1..raw.len() - 1].to_owned();
    }
    let quote = if literal.starts_with('"') { '"' } else { '\'' };
    let mut rest = &literal[1..literal.len() - 1];
    let mut text = String::new();
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '\\' {
            rest = escape(rest, &mut text);
        } else {
            text.push(c);
            if c == quote {
                rest = rest.strip_prefix(quote).unwrap_or(rest);
            }
        }
    }
    text
}

/// Adds what the text after a backslash means, and gives what follows.
fn escape<'a>(rest: &'a str, text: &mut String) -> &'a str {
    for (prefix, digits, radix) in [("u", 4, 16), ("U", 8, 16), ("", 3, 8)] {
        if let Some(code) = rest.strip_prefix(prefix)
            && (radix == 16 || code.starts_with(['0', '1']))
            && let Some((code, after)) = code.split_at_checked(digits)
            && code.bytes().all(|byte| byte.is_ascii_hexdigit())
            && let Ok(code) = u32::from_str_radix(code, radix)
            && let Some(c) = char::from_u32(code)
        {
            text.push(c);
            return after;
        }
    }
    let mut chars = rest.chars();
    match chars.next() {
        Some(c @ ('%' | '_')) => text.extend(['\\', c]),
        Some(c) => text.push(plain(c)),
        None => {}
    }
    chars.as_str()
}

fn plain(c: char) -> char {
    match c {
        '0' => '\0',
        'b' => '\u{8}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'Z' => '\u{1A}',
        other => other,
    }
}

/// A ParseException as Spark words it: the message, where, and the text with the place marked.
pub(super) fn failure(
    text: &str,
    at: usize,
    condition: &str,
    parameters: &[(&str, &str)],
) -> Error {
    let mut error = Error::new(Kind::Parse, condition, parameters);
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count();
    let lines: Vec<&str> = text.split('\n').collect();
    let (above, below) = lines.split_at(line.min(lines.len()));
    let mut message = format!(
        "\n{} (line {line}, pos {column})\n\n== SQL ==\n",
        error.message
    );
    for line in above {
        message.push_str(&format!("{line}\n"));
    }
    message.push_str(&format!("{}^^^\n", "-".repeat(column)));
    for line in below {
        message.push_str(&format!("{line}\n"));
    }
    error.message = message;
    error
}
