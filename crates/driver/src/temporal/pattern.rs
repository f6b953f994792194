mod read;
mod write;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, Utc};
use datafusion::arrow::array::timezone::Tz;

use self::read::{Parts, parse_items};
use self::write::format_items;
use super::{days, local, micros};
use crate::error::Error;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A pattern of dates and times, such as `yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]`: the letters of Java's
/// `DateTimeFormatter` that Spark documents, in English.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Vec<Item>);

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Literal(String),
    Field {
        letter: char,
        count: usize,
    },
    /// In square brackets: written always, and read if it is there.
    Optional(Vec<Item>),
}

impl Pattern {
    /// # Errors
    /// If it has letters that Spark does not know, or that are not read and written here.
    pub(crate) fn new(pattern: &str) -> Result<Self, Error> {
        let mut characters: Vec<char> = pattern.chars().collect();
        characters.reverse();
        let items = items(&mut characters, false).ok_or_else(|| {
            Error::Option(format!("'{pattern}' is not a pattern of dates and times"))
        })?;
        match unsupported(&items) {
            None => Ok(Self(items)),
            Some((letter, count)) => Err(Error::NotSupported(format!(
                "the letters '{}' of the pattern '{pattern}' are not supported",
                letter.to_string().repeat(count)
            ))),
        }
    }

    /// Reads a date in days.
    pub(crate) fn parse_date(&self, text: &str) -> Option<i32> {
        Some(days(self.parse(text)?.date()?))
    }

    /// Reads a timestamp in microseconds; in `zone`, unless the text names another.
    pub(crate) fn parse_timestamp(&self, text: &str, zone: Tz) -> Option<i64> {
        let parts = self.parse(text)?;
        micros(
            parts.date()?.and_time(parts.time()?),
            parts.zone.unwrap_or(zone),
        )
    }

    /// Reads a timestamp without a time zone in microseconds.
    pub(crate) fn parse_timestamp_ntz(&self, text: &str) -> Option<i64> {
        let parts = self.parse(text)?;
        match parts.zone {
            Some(_) => None,
            None => Some(
                parts
                    .date()?
                    .and_time(parts.time()?)
                    .and_utc()
                    .timestamp_micros(),
            ),
        }
    }

    fn parse(&self, text: &str) -> Option<Parts> {
        let mut parts = Parts::default();
        match parse_items(&self.0, text, &mut parts)? {
            "" => Some(parts),
            _ => None,
        }
    }

    /// Writes a date.
    pub(crate) fn format_date(&self, date: NaiveDate, to: &mut String) {
        self.format(&date.and_time(NaiveTime::MIN).and_utc().fixed_offset(), to);
    }

    /// Writes an instant in microseconds as it is in `zone`.
    pub(crate) fn format_timestamp(&self, micros: i64, zone: Tz, to: &mut String) {
        if let Some(local) = local(micros, zone) {
            self.format(&local, to);
        }
    }

    /// Writes a timestamp without a time zone in microseconds.
    pub(crate) fn format_timestamp_ntz(&self, micros: i64, to: &mut String) {
        if let Some(time) = DateTime::<Utc>::from_timestamp_micros(micros) {
            self.format(&time.fixed_offset(), to);
        }
    }

    fn format(&self, time: &DateTime<FixedOffset>, to: &mut String) {
        format_items(&self.0, time, to);
    }
}

/// The items up to the end, or up to the bracket that closes an optional part.
fn items(characters: &mut Vec<char>, optional: bool) -> Option<Vec<Item>> {
    let mut items: Vec<Item> = Vec::new();
    while let Some(character) = characters.pop() {
        match character {
            ']' => return optional.then_some(items),
            '[' => items.push(Item::Optional(self::items(characters, true)?)),
            '\'' => literal(&mut items, &quoted(characters)?),
            letter if letter.is_ascii_alphabetic() => {
                let mut count = 1;
                while characters.last() == Some(&letter) {
                    characters.pop();
                    count += 1;
                }
                items.push(Item::Field { letter, count });
            }
            other => literal(&mut items, &other.to_string()),
        }
    }
    (!optional).then_some(items)
}

fn literal(items: &mut Vec<Item>, text: &str) {
    match items.last_mut() {
        Some(Item::Literal(last)) => last.push_str(text),
        _ => items.push(Item::Literal(text.to_owned())),
    }
}

/// The text up to the closing quote; two quotes are one.
fn quoted(characters: &mut Vec<char>) -> Option<String> {
    let mut text = String::new();
    loop {
        match characters.pop()? {
            '\'' if characters.last() == Some(&'\'') => text.extend(characters.pop()),
            '\'' if text.is_empty() => return Some("'".to_owned()),
            '\'' => return Some(text),
            other => text.push(other),
        }
    }
}

fn unsupported(items: &[Item]) -> Option<(char, usize)> {
    items.iter().find_map(|item| match item {
        Item::Literal(_) => None,
        Item::Optional(items) => unsupported(items),
        Item::Field { letter, count } => {
            let most = match letter {
                'y' => 6,
                'M' | 'L' | 'E' | 'z' => 4,
                'd' | 'H' | 'h' | 'k' | 'K' | 'm' | 's' | 'V' => 2,
                'D' | 'X' | 'x' | 'Z' => 3,
                'S' => 9,
                'a' => 1,
                _ => 0,
            };
            let whole = *letter != 'V' || *count == 2;
            (*count > most || !whole).then_some((*letter, *count))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn read(pattern: &str, text: &str) -> Option<String> {
        let zone = Tz::from_str("UTC").unwrap();
        let micros = Pattern::new(pattern).unwrap().parse_timestamp(text, zone)?;
        Some(local(micros, zone).unwrap().naive_utc().to_string())
    }

    /// The answers are Spark 4.1's, for the option `timestampFormat`.
    #[test]
    fn patterns_read_what_javas_read() {
        for (pattern, text, expected) in [
            ("MMM d, yyyy", "Jan 5, 2024", "2024-01-05 00:00:00"),
            (
                "yyyyMMdd'T'HHmmss",
                "20240102T030405",
                "2024-01-02 03:04:05",
            ),
            (
                "yyyy-MM-dd HH:mm:ss.SSS Z",
                "2024-01-02 03:04:05.12 +0100",
                "2024-01-02 02:04:05.120",
            ),
            ("d/M/yy", "5/1/24", "2024-01-05 00:00:00"),
            (
                "yyyy-MM-dd'T'HH:mm:ssXXX",
                "2024-01-02T03:04:05+05:30",
                "2024-01-01 21:34:05",
            ),
            (
                "yyyy-MM-dd HH:mm z",
                "2024-01-02 03:04 PST",
                "2024-01-02 11:04:00",
            ),
            (
                "yyyy-MM-dd HH:mm VV",
                "2024-01-02 03:04 Europe/Berlin",
                "2024-01-02 02:04:00",
            ),
            ("yyyy-MM-dd[ HH:mm]", "2024-01-02", "2024-01-02 00:00:00"),
            ("HH:mm", "03:04", "1970-01-01 03:04:00"),
            (
                "yyyy-MM-dd hh:mm:ss a",
                "2024-01-02 03:04:05 PM",
                "2024-01-02 15:04:05",
            ),
            ("D yyyy", "32 2024", "2024-02-01 00:00:00"),
            ("yyyy-M-d", "2024-01-02", "2024-01-02 00:00:00"),
        ] {
            assert_eq!(
                read(pattern, text).as_deref(),
                Some(expected),
                "{pattern} {text}"
            );
        }
        for (pattern, text) in [
            ("yyyy-MM-dd", "2024-13-02"),
            ("yyyy-MM-dd", "2024-02-30"),
            ("yyyy-MM-dd", "2024-1-2"),
            ("MM/dd/yyyy", "1/2/2024"),
            ("yyyy-MM-dd", "2024-01-02 x"),
            ("yyyy-MM-dd HH:mm:ss", "2024-01-02 24:00:00"),
        ] {
            assert_eq!(read(pattern, text), None, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_write_what_javas_write() {
        let zone = Tz::from_str("+05:30").unwrap();
        let write = |pattern| {
            let mut text = String::new();
            let pattern = Pattern::new(pattern).unwrap();
            pattern.format_timestamp(1_704_164_645_123_456, zone, &mut text);
            text
        };
        assert_eq!(
            write("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]"),
            "2024-01-02T08:34:05.123+05:30"
        );
        assert_eq!(write("EEE d MMM yy, h:mm a"), "Tue 2 Jan 24, 8:34 AM");
    }

    #[test]
    fn letters_that_are_not_there_are_named() {
        let error = Pattern::new("Y-w").unwrap_err().to_string();
        assert!(error.contains("'Y'"), "{error}");
        assert!(Pattern::new("yyyy-MM-dd[").is_err());
        assert!(Pattern::new("yyyy 'o").is_err());
    }
}
