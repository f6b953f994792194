use std::fmt::Write;

use chrono::{DateTime, Datelike, FixedOffset, Timelike};

use super::{DAYS, Item, MONTHS};

/// Appends a time as these items have it.
pub(super) fn format_items(items: &[Item], time: &DateTime<FixedOffset>, to: &mut String) {
    for item in items {
        match item {
            Item::Literal(literal) => to.push_str(literal),
            Item::Optional(items) => format_items(items, time, to),
            Item::Field { letter, count } => format_field(*letter, *count, time, to),
        }
    }
}

fn format_field(letter: char, count: usize, time: &DateTime<FixedOffset>, to: &mut String) {
    let month = MONTHS[time.month0() as usize];
    let weekday = DAYS[time.weekday().num_days_from_monday() as usize];
    let number = match (letter, count) {
        ('y', 2) => time.year().rem_euclid(100) as u32,
        ('y', _) => {
            let sign = match time.year() {
                year if year < 0 => "-",
                year if year > 9999 && count >= 4 => "+",
                _ => "",
            };
            to.push_str(sign);
            time.year().unsigned_abs()
        }
        ('M' | 'L', 1 | 2) => time.month(),
        ('M' | 'L', 3) => return to.push_str(&month[..3]),
        ('M' | 'L', _) => return to.push_str(month),
        ('E', 1..=3) => return to.push_str(&weekday[..3]),
        ('E', _) => return to.push_str(weekday),
        ('a', _) => return to.push_str(if time.hour() < 12 { "AM" } else { "PM" }),
        ('S', _) => {
            let nanos = format!("{:09}", time.nanosecond() % 1_000_000_000);
            return to.push_str(&nanos[..count]);
        }
        ('d', _) => time.day(),
        ('D', _) => time.ordinal(),
        ('H', _) => time.hour(),
        ('k', _) => (time.hour() + 23) % 24 + 1,
        ('h', _) => time.hour12().1,
        ('K', _) => time.hour() % 12,
        ('m', _) => time.minute(),
        ('s', _) => time.second(),
        _ => return format_zone(letter, count, time.offset().local_minus_utc(), to),
    };
    // Writing into a string cannot fail.
    let _ = write!(to, "{number:0count$}");
}

fn format_zone(letter: char, count: usize, seconds: i32, to: &mut String) {
    if seconds == 0 && matches!(letter, 'X' | 'V' | 'z') {
        return to.push_str(if letter == 'z' { "UTC" } else { "Z" });
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    let _ = match (letter, count) {
        ('X' | 'x', 1) if minutes == 0 => write!(to, "{sign}{hours:02}"),
        ('X' | 'x', 1 | 2) | ('Z', _) => write!(to, "{sign}{hours:02}{minutes:02}"),
        _ => write!(to, "{sign}{hours:02}:{minutes:02}"),
    };
}
