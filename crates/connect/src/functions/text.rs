//! What functions of strings do, in characters and not in bytes: Spark's `UTF8String`.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::common::Result;

use super::native::{Row, fits, raise};
use crate::error::{Error, Kind};

/// `UTF8String.substringSQL` on a length: where it starts and where it ends.
pub(super) fn range(length: usize, position: i32, count: i32) -> (usize, usize) {
    let length = length as i64;
    let start = match position {
        position if position > 0 => i64::from(position) - 1,
        position if position < 0 => length + i64::from(position),
        _ => 0,
    };
    let end = start.saturating_add(i64::from(count));
    let clamp = |index: i64| index.clamp(0, length) as usize;
    (clamp(start), clamp(end).max(clamp(start)))
}

pub(super) fn substring(text: &str, position: i32, count: i32) -> &str {
    if text.is_ascii() {
        let (from, to) = range(text.len(), position, count);
        return text.get(from..to).unwrap_or_default();
    }
    let (from, to) = range(text.chars().count(), position, count);
    let at = |index: usize| {
        text.char_indices()
            .nth(index)
            .map_or(text.len(), |(at, _)| at)
    };
    text.get(at(from)..at(to)).unwrap_or_default()
}

pub(super) fn right(text: &str, count: i32) -> &str {
    if count <= 0 {
        return "";
    }
    let skipped = text.chars().count().saturating_sub(count as usize);
    let at = text
        .char_indices()
        .nth(skipped)
        .map_or(text.len(), |(at, _)| at);
    &text[at..]
}

/// The position of a part from 1, at `start` or behind it; 0 if there is none.
pub(super) fn locate(part: &str, text: &str, start: i32) -> i32 {
    if start < 1 {
        return 0;
    }
    if part.is_empty() {
        return 1;
    }
    let Some((from, _)) = text.char_indices().nth(start as usize - 1) else {
        return 0;
    };
    match text[from..].find(part) {
        Some(at) => text[..from + at].chars().count() as i32 + 1,
        None => 0,
    }
}

pub(super) fn pad(text: &str, length: i32, pad: &str, left: bool) -> Result<String> {
    let (length, count) = (length.max(0) as usize, text.chars().count());
    if length <= count || pad.is_empty() {
        return Ok(text.chars().take(length).collect());
    }
    fits(length, 1)?;
    let padding: String = pad.chars().cycle().take(length - count).collect();
    Ok(match left {
        true => padding + text,
        false => text.to_owned() + &padding,
    })
}

pub(super) fn translate(row: &Row) -> Result<Option<String>> {
    let from: Vec<char> = row.text(1)?.chars().collect();
    let to: Vec<char> = row.text(2)?.chars().collect();
    let one = |c: char| match from.iter().position(|other| *other == c) {
        Some(index) => to.get(index).copied(),
        None => Some(c),
    };
    Ok(Some(row.text(0)?.chars().filter_map(one).collect()))
}

pub(super) fn overlay(row: &Row) -> Result<Option<String>> {
    let (text, with, position, length) = (row.text(0)?, row.text(1)?, row.int(2)?, row.int(3)?);
    let length = if length < 0 {
        with.chars().count() as i32
    } else {
        length
    };
    let head = substring(text, 1, position.saturating_sub(1));
    let tail = substring(text, position.saturating_add(length), i32::MAX);
    Ok(Some(format!("{head}{with}{tail}")))
}

pub(super) fn split_part(row: &Row) -> Result<Option<String>> {
    let (text, delimiter, part) = (row.text(0)?, row.text(1)?, row.int(2)?);
    if part == 0 {
        return Err(raise(Error::new(
            Kind::Runtime,
            "INVALID_INDEX_OF_ZERO",
            &[],
        )));
    }
    let parts: Vec<&str> = match delimiter {
        "" => vec![text],
        delimiter => text.split(delimiter).collect(),
    };
    let index = match part {
        part if part > 0 => part as usize - 1,
        part => match parts.len().checked_sub(part.unsigned_abs() as usize) {
            Some(index) => index,
            None => return Ok(Some(String::new())),
        },
    };
    Ok(Some(
        parts.get(index).copied().unwrap_or_default().to_owned(),
    ))
}

pub(super) fn substring_index(row: &Row) -> Result<Option<String>> {
    let (text, delimiter, count) = (row.text(0)?, row.text(1)?, row.int(2)?);
    if delimiter.is_empty() || count == 0 {
        return Ok(Some(String::new()));
    }
    let nth = count.unsigned_abs() as usize - 1;
    Ok(Some(match count > 0 {
        true => text
            .match_indices(delimiter)
            .nth(nth)
            .map_or(text, |(at, _)| &text[..at])
            .to_owned(),
        false => {
            let found = text.rmatch_indices(delimiter).nth(nth);
            found
                .map_or(text, |(at, _)| &text[at + delimiter.len()..])
                .to_owned()
        }
    }))
}

/// Words begin behind a blank only.
pub(super) fn initcap(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        match begins {
            true => result.extend(c.to_uppercase()),
            false => result.extend(c.to_lowercase()),
        }
        begins = c == ' ';
    }
    result
}

pub(super) fn soundex(text: &str) -> String {
    const CODES: &[u8; 26] = b"01230127022455012623010202";
    let code = |c: char| match c.to_ascii_uppercase() {
        c @ 'A'..='Z' => Some(CODES[c as usize - 'A' as usize]),
        _ => None,
    };
    let Some(first) = text.chars().next().filter(char::is_ascii_alphabetic) else {
        return text.to_owned();
    };
    let mut result = first.to_ascii_uppercase().to_string();
    let mut last = code(first).unwrap_or(b'0');
    for c in text.chars().skip(1) {
        let Some(code) = code(c) else {
            last = b'0';
            continue;
        };
        // H and W do not part letters of one code.
        if matches!(c.to_ascii_uppercase(), 'H' | 'W') {
            continue;
        }
        if code != b'0' && code != last {
            result.push(code as char);
            if result.len() == 4 {
                break;
            }
        }
        last = code;
    }
    format!("{result:0<4}")
}

pub(super) fn luhn(text: &str) -> bool {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = text
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let digit = u32::from(digit - b'0');
            match index % 2 {
                0 => digit,
                _ => digit * 2 / 10 + digit * 2 % 10,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

pub(super) fn mask(row: &Row) -> Result<Option<String>> {
    if row.is_null(0) {
        return Ok(None);
    }
    let mut with = [None; 4];
    for (index, with) in with.iter_mut().enumerate() {
        *with = if row.is_null(index + 1) {
            None
        } else {
            row.text(index + 1)?.chars().next()
        };
    }
    let one = |c: char| {
        let with = match c {
            c if c.is_uppercase() => with[0],
            c if c.is_lowercase() => with[1],
            c if c.is_ascii_digit() => with[2],
            _ => with[3],
        };
        with.unwrap_or(c)
    };
    Ok(Some(row.text(0)?.chars().map(one).collect()))
}

pub(super) fn concat_ws(row: &Row) -> Result<Option<String>> {
    if row.is_null(0) {
        return Ok(None);
    }
    let mut parts = Vec::new();
    for column in 1..row.len() {
        if row.is_null(column) {
            continue;
        }
        match row.text(column) {
            Ok(text) => parts.push(text.to_owned()),
            Err(_) => {
                let (lists, index) = row.other(column)?;
                let values = lists.as_list::<i32>().value(index);
                let values = values.as_string::<i32>();
                parts.extend(
                    (0..values.len())
                        .filter(|at| values.is_valid(*at))
                        .map(|at| values.value(at).to_owned()),
                );
            }
        }
    }
    Ok(Some(parts.join(row.text(0)?)))
}

pub(super) fn elt(row: &Row) -> Result<Option<String>> {
    if row.is_null(0) {
        return Ok(None);
    }
    let index = row.int(0)?;
    let inside = index >= 1 && (index as usize) < row.len();
    if !inside {
        let error = Error::new(
            Kind::ArrayIndex,
            "INVALID_ARRAY_INDEX",
            &[
                ("indexValue", &index.to_string()),
                ("arraySize", &(row.len() - 1).to_string()),
                ("ansiConfig", "\"spark.sql.ansi.enabled\""),
            ],
        );
        return if row.ansi() {
            Err(raise(error))
        } else {
            Ok(None)
        };
    }
    let index = index as usize;
    Ok(if row.is_null(index) {
        None
    } else {
        Some(row.text(index)?.to_owned())
    })
}
