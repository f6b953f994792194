use std::collections::BTreeMap;
use std::str::FromStr;

use datafusion::arrow::array::timezone::Tz;
use tracing::warn;

use crate::error::Error;

/// The options of a data source. Their keys count in any case, as in Spark's `CaseInsensitiveMap`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Options(BTreeMap<String, String>);

impl Options {
    pub(crate) fn new(options: &BTreeMap<String, String>) -> Self {
        let lower = |(key, value): (&String, &String)| (key.to_lowercase(), value.clone());
        Self(options.iter().map(lower).collect())
    }

    /// The value of an option; `key` is in lower case.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The value of the first of these that is set: options with two names.
    pub(crate) fn either(&self, key: &str, other: &str) -> Option<&str> {
        self.get(key).or_else(|| self.get(other))
    }

    pub(crate) fn text(&self, key: &str, default: &str) -> String {
        self.get(key).unwrap_or(default).to_owned()
    }

    /// # Errors
    /// If the value is neither `true` nor `false`.
    pub(crate) fn boolean(&self, key: &str, default: bool) -> Result<bool, Error> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        value
            .trim()
            .to_lowercase()
            .parse()
            .map_err(|_| Error::Option(format!("the option {key} is true or false, not '{value}'")))
    }

    /// A single character of ASCII; none if the value is empty or the character NUL, which is how Spark
    /// lets one be switched off.
    ///
    /// # Errors
    /// If the value is anything else.
    pub(crate) fn character(&self, key: &str, default: Option<u8>) -> Result<Option<u8>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        match unescaped(value).as_bytes() {
            [] | [0] => Ok(None),
            [byte] if byte.is_ascii() => Ok(Some(*byte)),
            _ => Err(Error::Option(format!(
                "the option {key} is a single ASCII character, not '{value}'"
            ))),
        }
    }

    /// The time zone that text without one is in: the option `timeZone`, or else the session's.
    ///
    /// # Errors
    /// If there is no such time zone.
    pub(crate) fn time_zone(&self, session: &str) -> Result<Tz, Error> {
        let name = self.get("timezone").unwrap_or(session);
        Tz::from_str(name).map_err(|_| Error::Option(format!("there is no time zone '{name}'")))
    }

    /// Fails on each option among `keys` that is set to something else than the value that is as good as
    /// not set.
    ///
    /// # Errors
    /// If there is one.
    pub(crate) fn refuse(&self, keys: &[(&str, &str)]) -> Result<(), Error> {
        for (key, harmless) in keys {
            if let Some(value) = self.get(key)
                && !value.eq_ignore_ascii_case(harmless)
            {
                return Err(Error::NotSupported(format!(
                    "the data source option {key} = '{value}' is not supported"
                )));
            }
        }
        Ok(())
    }

    /// Warns of each option that is none of these: Spark ignores it without a word.
    pub(crate) fn warn_of_others(&self, format: &str, known: &[&[&str]]) {
        for key in self.0.keys() {
            if !known.iter().any(|known| known.contains(&key.as_str())) {
                warn!("the option {key} has no effect on {format} files");
            }
        }
    }
}

/// The text that an option with escapes such as `\t` or `\u0001` stands for.
pub(crate) fn unescaped(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let code = after
            .strip_prefix('u')
            .and_then(|hex| u32::from_str_radix(hex.get(..4)?, 16).ok())
            .and_then(char::from_u32);
        let (character, length) = match (after.chars().next(), code) {
            (_, Some(character)) => (character, 5),
            (Some('t'), _) => ('\t', 1),
            (Some('r'), _) => ('\r', 1),
            (Some('n'), _) => ('\n', 1),
            (Some('b'), _) => ('\u{8}', 1),
            (Some('f'), _) => ('\u{c}', 1),
            (Some('0'), _) => ('\0', 1),
            (Some(quote @ ('"' | '\'' | '\\')), _) => (quote, 1),
            _ => ('\\', 0),
        };
        text.push(character);
        rest = &after[length..];
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(key: &str, value: &str) -> Options {
        Options::new(&BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    #[test]
    fn keys_count_in_any_case() {
        assert!(options("HeadeR", "TRUE").boolean("header", false).unwrap());
        let error = options("header", "maybe").boolean("header", false);
        assert!(error.unwrap_err().to_string().contains("'maybe'"));
    }

    #[test]
    fn a_character_may_be_escaped_or_switched_off() {
        let character = |value| options("sep", value).character("sep", Some(b',')).unwrap();
        assert_eq!(character("\\t"), Some(b'\t'));
        assert_eq!(character("\\u0001"), Some(1));
        assert_eq!(character("\\"), Some(b'\\'));
        assert_eq!(character(""), None);
        assert!(options("quote", "ab").character("quote", None).is_err());
    }
}
