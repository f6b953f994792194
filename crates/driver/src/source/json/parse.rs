use std::borrow::Cow;

use super::Leniency;

/// As deep as Jackson reads values within values.
const DEEPEST: usize = 1000;

/// A JSON value, with the text that it was read from where that may be asked for.
#[derive(Debug, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Boolean(bool),
    /// A number, or `NaN` and the like.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>, &'a str),
    Object(Vec<(Cow<'a, str>, Json<'a>)>, &'a str),
}

/// Reads the value at the beginning of a text. As Jackson does, it does not look at what comes behind.
/// None if there is no value, or a malformed one.
pub(super) fn parse(text: &str, leniency: Leniency) -> Option<Json<'_>> {
    let mut parser = Parser {
        text,
        at: 0,
        leniency,
    };
    parser.value(0)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    leniency: Leniency,
}

impl<'a> Parser<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes over white space, and comments if they are allowed.
    fn skip_blanks(&mut self) -> Option<()> {
        loop {
            match self.byte() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(b'/') if self.leniency.comments => {
                    let length = match self.rest() {
                        rest if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
                        rest if rest.starts_with("/*") => rest.find("*/")? + 2,
                        _ => return None,
                    };
                    self.at += length;
                }
                _ => return Some(()),
            }
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.byte() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        self.skip_blanks()?;
        let start = self.at;
        match self.byte()? {
            _ if depth > DEEPEST => None,
            b'{' => {
                let fields = self.object(depth)?;
                Some(Json::Object(fields, &self.text[start..self.at]))
            }
            b'[' => {
                let items = self.array(depth)?;
                Some(Json::Array(items, &self.text[start..self.at]))
            }
            b'"' => self.string(b'"').map(Json::String),
            b'\'' if self.leniency.single_quotes => self.string(b'\'').map(Json::String),
            _ => self.word(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Vec<Json<'a>>> {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_blanks()?;
        if self.takes(b']') {
            return Some(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_blanks()?;
            if self.takes(b']') {
                return Some(items);
            }
            self.takes(b',').then_some(())?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Vec<(Cow<'a, str>, Json<'a>)>> {
        let mut fields = Vec::new();
        self.at += 1;
        self.skip_blanks()?;
        if self.takes(b'}') {
            return Some(fields);
        }
        loop {
            self.skip_blanks()?;
            let name = self.name()?;
            self.skip_blanks()?;
            self.takes(b':').then_some(())?;
            fields.push((name, self.value(depth + 1)?));
            self.skip_blanks()?;
            if self.takes(b'}') {
                return Some(fields);
            }
            self.takes(b',').then_some(())?;
        }
    }

    fn name(&mut self) -> Option<Cow<'a, str>> {
        match self.byte()? {
            b'"' => self.string(b'"'),
            b'\'' if self.leniency.single_quotes => self.string(b'\''),
            _ if self.leniency.unquoted_names => {
                let is_part = |c: char| c.is_alphanumeric() || "_$-#@*+".contains(c);
                let rest = self.rest();
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                self.at += length;
                (length > 0).then(|| Cow::Borrowed(&rest[..length]))
            }
            _ => None,
        }
    }

    fn string(&mut self, quote: u8) -> Option<Cow<'a, str>> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let special = |byte: &u8| *byte == quote || *byte == b'\\' || *byte < b' ';
            let length = rest.as_bytes().iter().position(special)?;
            let (plain, byte) = (&rest[..length], rest.as_bytes()[length]);
            self.at += length + 1;
            if byte == quote {
                return Some(match text.is_empty() {
                    true => Cow::Borrowed(plain),
                    false => Cow::Owned(text + plain),
                });
            }
            text.push_str(plain);
            match byte {
                b'\\' => text.push(self.escape()?),
                control if self.leniency.control_characters => text.push(control.into()),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let character = self.rest().chars().next()?;
        self.at += character.len_utf8();
        Some(match character {
            '"' | '\\' | '/' => character,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(),
            '\'' if self.leniency.single_quotes => '\'',
            other if self.leniency.escaping_any => other,
            _ => return None,
        })
    }

    /// The character of `uXXXX`, or of two such that are a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_first = self.at;
        if self.rest().starts_with("\\u") {
            self.at += 2;
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.at = after_first;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4)?;
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.at += 4;
        u32::from_str_radix(digits, 16).ok().filter(|_| all_digits)
    }

    /// A number, `true`, `false`, `null`, or a number that is none.
    fn word(&mut self) -> Option<Json<'a>> {
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let word = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        self.at += word.len();
        match word {
            "null" => Some(Json::Null),
            "true" => Some(Json::Boolean(true)),
            "false" => Some(Json::Boolean(false)),
            _ if is_non_numeric(word) => self
                .leniency
                .non_numeric_numbers
                .then_some(Json::Number(word)),
            _ => is_number(word, self.leniency.leading_zeros).then_some(Json::Number(word)),
        }
    }
}

fn is_non_numeric(word: &str) -> bool {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    word == "NaN" || unsigned == "INF" || unsigned == "Infinity"
}

/// Whether a word is `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`.
fn is_number(word: &str, leading_zeros: bool) -> bool {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            exponent.strip_prefix(['+', '-']).unwrap_or(exponent),
        ),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let zeros = whole.len() > 1 && whole.starts_with('0') && !leading_zeros;
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    [whole, fraction, exponent].into_iter().all(are_digits) && !zeros
}

#[cfg(test)]
mod tests {
    use super::*;

    const AS_SPARK: Leniency = Leniency {
        comments: false,
        unquoted_names: false,
        single_quotes: true,
        leading_zeros: false,
        non_numeric_numbers: true,
        escaping_any: false,
        control_characters: false,
    };

    #[test]
    fn values_are_read_with_their_text() {
        let text = r#"{"a":[1, -2.5e3],'b':"x\/y\ud83d\ude00\t"} trailing"#;
        let Some(Json::Object(fields, raw)) = parse(text, AS_SPARK) else {
            panic!("an object");
        };
        assert_eq!(raw, text.strip_suffix(" trailing").unwrap());
        let numbers = vec![Json::Number("1"), Json::Number("-2.5e3")];
        assert_eq!(fields[0].1, Json::Array(numbers, "[1, -2.5e3]"));
        assert_eq!(fields[1].1, Json::String("x/y😀\t".into()));
    }

    #[test]
    fn what_is_malformed_is_none() {
        for text in [
            "",
            "{",
            "{\"a\":}",
            "{a:1}",
            "1.",
            ".5",
            "-",
            "+1",
            "1e",
            "01",
            "tru",
            "[1,]",
            "[1 2]",
            "\"x\\qy\"",
            "\"tab\there\"",
            "\"open",
            "{\"a\":1,}",
            "/* c */ 1",
            "'a\"",
        ] {
            assert_eq!(parse(text, AS_SPARK), None, "{text}");
        }
        assert_eq!(parse(&"[".repeat(100_000), AS_SPARK), None);
        for number in ["NaN", "-INF", "+Infinity", "-0", "1E+5"] {
            assert_eq!(parse(number, AS_SPARK), Some(Json::Number(number)));
        }
    }

    #[test]
    fn leniency_lets_more_pass() {
        let all = Leniency {
            comments: true,
            unquoted_names: true,
            leading_zeros: true,
            escaping_any: true,
            control_characters: true,
            ..AS_SPARK
        };
        for text in [
            "{a:1}",
            "01",
            "\"x\\qy\"",
            "\"tab\there\"",
            "/* c */ 1 // x",
        ] {
            assert!(parse(text, all).is_some(), "{text}");
        }
    }
}
