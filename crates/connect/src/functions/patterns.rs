//! Patterns of dates and times: Spark's `DateTimeFormatterHelper`, in English.

use super::calendar::{Civil, MICROS_PER_DAY, MICROS_PER_SECOND, Zone, weekday};
use crate::error::{Error, Kind};

pub(super) const MONTHS: [&str; 12] = [
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
pub(super) const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A pattern, read.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Field(char, usize),
    Literal(char),
    Optional(Vec<Part>),
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, Error> {
        let letters: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        let parts = parts(&letters, &mut at, pattern)?;
        Ok(Self(parts))
    }

    /// An instant's wall clock in this pattern.
    pub(super) fn format(&self, local: i64, offset: i64, zone: &str) -> Result<String, Error> {
        let moment = Moment {
            day: Civil::of(local.div_euclid(MICROS_PER_DAY) as i32),
            micros: local.rem_euclid(MICROS_PER_DAY),
            offset,
            zone,
        };
        let mut text = String::new();
        moment.write(&self.0, &mut text)?;
        Ok(text)
    }

    /// The wall clock that a text shows, and its zone if it tells one. `None` if the text is another.
    pub(super) fn parse(&self, text: &str) -> Option<(i64, Option<Zone>)> {
        let mut reader = Reader {
            rest: text,
            ..Reader::default()
        };
        reader.read(&self.0)?;
        reader.rest.is_empty().then_some(())?;
        reader.finish()
    }
}

fn parts(letters: &[char], at: &mut usize, pattern: &str) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::new();
    while let Some(&c) = letters.get(*at) {
        *at += 1;
        match c {
            '\'' => {
                if letters.get(*at) == Some(&'\'') {
                    parts.push(Part::Literal('\''));
                    *at += 1;
                    continue;
                }
                while let Some(&c) = letters.get(*at) {
                    *at += 1;
                    match (c, letters.get(*at)) {
                        ('\'', Some('\'')) => {
                            parts.push(Part::Literal('\''));
                            *at += 1;
                        }
                        ('\'', _) => break,
                        (c, _) => parts.push(Part::Literal(c)),
                    }
                }
            }
            '[' => parts.push(Part::Optional(self::parts(letters, at, pattern)?)),
            ']' => return Ok(parts),
            c if c.is_ascii_alphabetic() => {
                let mut count = 1;
                while letters.get(*at) == Some(&c) {
                    count += 1;
                    *at += 1;
                }
                if !"GyuQqMLdDEFahHkKmsSVzOXxZ".contains(c) {
                    return Err(unrecognized(pattern));
                }
                parts.push(Part::Field(c, count));
            }
            c => parts.push(Part::Literal(c)),
        }
    }
    Ok(parts)
}

fn unrecognized(pattern: &str) -> Error {
    Error::new(
        Kind::Runtime,
        "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION",
        &[
            ("pattern", &format!("'{pattern}'")),
            ("config", "\"spark.sql.legacy.timeParserPolicy\""),
            ("docroot", "https://spark.apache.org/docs/latest"),
        ],
    )
}

struct Moment<'a> {
    day: Civil,
    micros: i64,
    offset: i64,
    zone: &'a str,
}

impl Moment<'_> {
    fn write(&self, parts: &[Part], text: &mut String) -> Result<(), Error> {
        for part in parts {
            match part {
                Part::Literal(c) => text.push(*c),
                Part::Optional(parts) => self.write(parts, text)?,
                Part::Field(letter, count) => *text += &self.field(*letter, *count)?,
            }
        }
        Ok(())
    }

    fn field(&self, letter: char, count: usize) -> Result<String, Error> {
        let seconds = self.micros / MICROS_PER_SECOND;
        let hour = seconds / 3600;
        let padded = |value: i64| format!("{value:0count$}");
        let named = |names: &[&str], index: i32| {
            let name = names.get(index as usize).copied().unwrap_or_default();
            if count == 4 {
                name.to_owned()
            } else {
                name.chars().take(3).collect()
            }
        };
        Ok(match letter {
            'y' | 'u' if count == 2 => format!("{:02}", self.day.year.rem_euclid(100)),
            'y' | 'u' => padded(i64::from(self.day.year)),
            'M' | 'L' if count >= 3 => named(&MONTHS, self.day.month - 1),
            'M' | 'L' => padded(i64::from(self.day.month)),
            'd' => padded(i64::from(self.day.day)),
            'D' => padded(i64::from(self.day.day_of_year())),
            'Q' | 'q' if count == 3 => format!("Q{}", self.day.quarter()),
            'Q' | 'q' if count == 4 => {
                let nth = ["1st", "2nd", "3rd", "4th"];
                format!("{} quarter", nth[(self.day.quarter() - 1) as usize])
            }
            'Q' | 'q' => padded(i64::from(self.day.quarter())),
            'E' => named(&DAYS, weekday(self.day.days())),
            'F' => padded(i64::from((self.day.day - 1) % 7 + 1)),
            'a' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'h' => padded((hour + 11) % 12 + 1),
            'K' => padded(hour % 12),
            'k' => padded(if hour == 0 { 24 } else { hour }),
            'H' => padded(hour),
            'm' => padded(seconds / 60 % 60),
            's' => padded(seconds % 60),
            'S' => format!("{:06}000", self.micros % MICROS_PER_SECOND)
                .chars()
                .take(count)
                .collect(),
            'G' => if self.day.year > 0 { "AD" } else { "BC" }.to_owned(),
            'V' => self.zone.to_owned(),
            'z' => super::calendar::abbreviation(self.zone, self.offset),
            'O' => localized(self.offset, count == 4),
            'X' if self.offset == 0 => "Z".to_owned(),
            'X' | 'x' => offset(self.offset, count),
            _ if count == 5 && self.offset == 0 => "Z".to_owned(),
            _ if count == 4 => localized(self.offset, true),
            _ => offset(self.offset, if count == 5 { 5 } else { 2 }),
        })
    }
}

/// `+HH`, `+HHmm`, `+HH:mm`, and with seconds where there are any.
fn offset(seconds: i64, count: usize) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    match count {
        1 if minutes == 0 => format!("{sign}{hours:02}"),
        1 | 2 | 4 => format!("{sign}{hours:02}{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}"),
    }
}

fn localized(seconds: i64, full: bool) -> String {
    if seconds == 0 {
        return "GMT".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    match (full, minutes) {
        (true, _) => format!("GMT{sign}{hours:02}:{minutes:02}"),
        (false, 0) => format!("GMT{sign}{hours}"),
        (false, _) => format!("GMT{sign}{hours}:{minutes:02}"),
    }
}

/// What was read of a text so far.
#[derive(Default, Clone)]
struct Reader<'a> {
    rest: &'a str,
    year: Option<i32>,
    month: Option<i32>,
    day: Option<i32>,
    day_of_year: Option<i32>,
    hour: Option<i64>,
    half: Option<i64>,
    minute: i64,
    second: i64,
    fraction: i64,
    zone: Option<Zone>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, parts: &[Part]) -> Option<()> {
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Literal(c) => self.rest = self.rest.strip_prefix(*c)?,
                Part::Optional(parts) => {
                    let mut attempt = self.clone();
                    if attempt.read(parts).is_some() {
                        *self = attempt;
                    }
                }
                Part::Field(letter, count) => {
                    let adjacent = matches!(parts.get(index + 1), Some(Part::Field(next, _)) if "yuMdDHhkKmsS".contains(*next));
                    self.field(*letter, *count, adjacent)?;
                }
            }
        }
        Some(())
    }

    fn field(&mut self, letter: char, count: usize, adjacent: bool) -> Option<()> {
        match letter {
            'y' | 'u' if count == 2 => self.year = Some(2000 + self.number(2, 2)? as i32),
            'y' | 'u' => {
                let most = if adjacent { count } else { 10 };
                self.year = Some(self.number(count, most)? as i32);
            }
            'M' | 'L' if count >= 3 => {
                self.month = Some(self.name(&MONTHS, count == 4)? as i32 + 1)
            }
            'M' | 'L' => self.month = Some(self.number(count, 2)? as i32),
            'd' => self.day = Some(self.number(count, 2)? as i32),
            'D' => self.day_of_year = Some(self.number(count, 3)? as i32),
            'E' => {
                self.name(&DAYS, count == 4)?;
            }
            'a' => {
                let half = self.name(&["AM", "PM"], true)?;
                self.half = Some(half as i64);
            }
            'H' => self.hour = Some(self.number(count, 2).filter(|hour| *hour < 24)?),
            'k' => self.hour = Some(self.number(count, 2)? % 24),
            'h' => {
                self.hour = Some(
                    self.number(count, 2)
                        .filter(|hour| (1..=12).contains(hour))?
                        % 12,
                )
            }
            'K' => self.hour = Some(self.number(count, 2).filter(|hour| *hour < 12)?),
            'm' => self.minute = self.number(count, 2).filter(|minute| *minute < 60)?,
            's' => self.second = self.number(count, 2).filter(|second| *second < 60)?,
            'S' => {
                let before = self.rest;
                self.number(count, count)?;
                let digits = &before[..before.len() - self.rest.len()];
                self.fraction = format!("{digits:0<6}").get(..6)?.parse().ok()?;
            }
            'V' | 'z' | 'O' | 'X' | 'x' | 'Z' => {
                let end = self
                    .rest
                    .find(|c: char| {
                        !(c.is_alphanumeric() || matches!(c, '/' | '_' | ':' | '+' | '-'))
                    })
                    .unwrap_or(self.rest.len());
                let (zone, rest) = self.rest.split_at(end);
                self.zone = Some(Zone::parse(&with_colon(zone)).ok()?);
                self.rest = rest;
            }
            'G' => {
                self.name(&["BC", "AD"], true)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let most = most.max(least);
        let digits = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        if digits < least {
            return None;
        }
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        number.parse().ok()
    }

    fn name(&mut self, names: &[&str], full: bool) -> Option<usize> {
        for (index, name) in names.iter().enumerate() {
            let name = if full { name } else { name.get(..3)? };
            let head = self.rest.get(..name.len()).unwrap_or_default();
            if head.eq_ignore_ascii_case(name) {
                self.rest = &self.rest[name.len()..];
                return Some(index);
            }
        }
        None
    }

    fn finish(self) -> Option<(i64, Option<Zone>)> {
        let year = self.year.unwrap_or(1970);
        let day = match self.day_of_year {
            Some(day) => Civil::new(year, 1, 1)?.days() + day - 1,
            None => Civil::new(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?.days(),
        };
        let hour = self.hour.unwrap_or(0) + 12 * self.half.unwrap_or(0);
        if hour > 23 {
            return None;
        }
        let seconds = hour * 3600 + self.minute * 60 + self.second;
        let micros = i64::from(day) * MICROS_PER_DAY + seconds * MICROS_PER_SECOND + self.fraction;
        Some((micros, self.zone))
    }
}

/// `+0100` as `+01:00`.
fn with_colon(zone: &str) -> String {
    match zone.strip_prefix(['+', '-']) {
        Some(digits) if digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{}{}:{}", &zone[..1], &digits[..2], &digits[2..])
        }
        _ => zone.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_reads_what_it_wrote() {
        for pattern in [
            "yyyy-MM-dd HH:mm:ss.SSS",
            "dd/MMM/yyyy h:mm:ss.SSSSSS a",
            "yyyyMMddHHmmssSSS",
        ] {
            let pattern = Pattern::new(pattern).unwrap();
            let local = 1_700_000_000_123_000;
            let text = pattern.format(local, 0, "UTC").unwrap();
            assert_eq!(pattern.parse(&text).unwrap().0, local, "{text}");
        }
    }
}
