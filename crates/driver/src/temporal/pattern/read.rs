use chrono::{NaiveDate, NaiveTime};
use datafusion::arrow::array::timezone::Tz;

use super::{DAYS, Item, MONTHS};
use crate::temporal::{digits, zone_of};

/// What was read so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: Option<u32>,
    half_day_hour: Option<u32>,
    afternoon: Option<bool>,
    minute: Option<u32>,
    second: Option<u32>,
    nanos: Option<u32>,
    pub(super) zone: Option<Tz>,
}

impl Parts {
    /// The date; what is missing is as on 1970-01-01.
    pub(super) fn date(&self) -> Option<NaiveDate> {
        let year = self.year.unwrap_or(1970);
        match self.day_of_year {
            Some(day) => NaiveDate::from_yo_opt(year, day),
            None => NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1)),
        }
    }

    pub(super) fn time(&self) -> Option<NaiveTime> {
        let half = self.half_day_hour.map(|hour| match self.afternoon {
            Some(true) => hour % 12 + 12,
            _ => hour % 12,
        });
        NaiveTime::from_hms_nano_opt(
            self.hour.or(half).unwrap_or(0),
            self.minute.unwrap_or(0),
            self.second.unwrap_or(0),
            self.nanos.unwrap_or(0),
        )
    }
}

/// Reads these items at the beginning of a text, and gives what is behind them.
pub(super) fn parse_items<'a>(
    items: &[Item],
    mut text: &'a str,
    parts: &mut Parts,
) -> Option<&'a str> {
    for (at, item) in items.iter().enumerate() {
        text = match item {
            Item::Literal(literal) => without_prefix(text, literal)?,
            Item::Field { letter, count } => {
                let next = items.get(at + 1);
                let adjacent = matches!(next, Some(Item::Field { letter, .. }) if !"aEzVXxZ".contains(*letter));
                field(*letter, *count, adjacent, text, parts)?
            }
            Item::Optional(items) => {
                let mut with = parts.clone();
                match parse_items(items, text, &mut with) {
                    Some(rest) => {
                        *parts = with;
                        rest
                    }
                    None => text,
                }
            }
        };
    }
    Some(text)
}

/// Reads one field, and gives the text behind it. A number next to another has as many digits as the
/// pattern has letters.
fn field<'a>(
    letter: char,
    count: usize,
    adjacent: bool,
    text: &'a str,
    parts: &mut Parts,
) -> Option<&'a str> {
    let number = |least: usize, most: usize| {
        let most = if adjacent { count.max(least) } else { most };
        let length = digits(text).min(most);
        let value: u32 = text[..length].parse().ok()?;
        (length >= least).then_some((value, &text[length..]))
    };
    let two_digits = || number(count, 2);
    let (value, rest) = match (letter, count) {
        ('y', 2) => number(2, 2)?,
        ('y', _) => number(count, 9)?,
        ('D', _) => number(count, 3)?,
        ('S', _) => {
            let length = digits(text).min(count);
            let nanos = format!("{:0<9}", &text[..length]);
            (length > 0).then_some((nanos.parse().ok()?, &text[length..]))?
        }
        ('M' | 'L', 3) => name(&MONTHS, Some(3), text)?,
        ('M' | 'L', 4) => name(&MONTHS, None, text)?,
        ('E', 1..=3) => name(&DAYS, Some(3), text)?,
        ('E', _) => name(&DAYS, None, text)?,
        ('a', _) => name(&["AM", "PM"], None, text)?,
        ('V' | 'z' | 'X' | 'x' | 'Z', _) => return zone(letter, text, parts),
        _ => two_digits()?,
    };
    match letter {
        'y' if count == 2 => parts.year = Some(2000 + i32::try_from(value).ok()?),
        'y' => parts.year = Some(i32::try_from(value).ok()?),
        'M' | 'L' => parts.month = Some(value),
        'd' => parts.day = Some(value),
        'D' => parts.day_of_year = Some(value),
        'H' => parts.hour = Some(value),
        'k' => parts.hour = Some(value % 24),
        'h' if !(1..=12).contains(&value) => return None,
        'K' if value > 11 => return None,
        'h' | 'K' => parts.half_day_hour = Some(value),
        'm' => parts.minute = Some(value),
        's' => parts.second = Some(value),
        'S' => parts.nanos = Some(value),
        'a' => parts.afternoon = Some(value == 2),
        _ => {}
    }
    Some(rest)
}

/// The text behind a prefix, which counts in any case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Which of these names stands at the beginning, counted from 1.
fn name<'a>(names: &[&str], length: Option<usize>, text: &'a str) -> Option<(u32, &'a str)> {
    names.iter().zip(1..).find_map(|(name, number)| {
        let name = length.map_or(*name, |length| &name[..length]);
        Some((number, without_prefix(text, name)?))
    })
}

fn zone<'a>(letter: char, text: &'a str, parts: &mut Parts) -> Option<&'a str> {
    let is_part = |c: char| match letter {
        'V' | 'z' => c.is_ascii_alphanumeric() || "/_+-:".contains(c),
        'X' => c.is_ascii_digit() || "+-:Z".contains(c),
        _ => c.is_ascii_digit() || "+-:".contains(c),
    };
    let length = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(length);
    let long = match name {
        "PST" | "PDT" => "America/Los_Angeles",
        "MST" | "MDT" => "America/Denver",
        "CST" | "CDT" => "America/Chicago",
        "EST" | "EDT" => "America/New_York",
        name => name,
    };
    parts.zone = Some((!name.is_empty()).then(|| zone_of(long)).flatten()?);
    Some(rest)
}
