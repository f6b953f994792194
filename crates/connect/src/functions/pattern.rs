//! Patterns: `LIKE`, and regular expressions, which are Rust's here and Java's in Spark. They agree but for
//! look-around and back-references, which are refused.

use std::cell::RefCell;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, lit};
use regex::Regex;

use super::arguments::{Call, Resolved, text_literal};
use super::coercion;
use super::native::{Inputs, Kernel, Row, raise};
use crate::error::{Error, Kind};

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let nullable = call.nullable();
    let texts = |call: &Call, count: usize| {
        (0..count)
            .map(|index| call.text(index))
            .collect::<Result<Vec<_>, Error>>()
    };
    let expr = match call.name {
        "like" | "ilike" => {
            call.arity(2, 3)?;
            like(call)?
        }
        "rlike" | "regexp" | "regexp_like" => {
            call.arity(2, 2)?;
            let kernel =
                Kernel::Boolean(|row| Ok(Some(regex(row.text(1)?)?.is_match(row.text(0)?))));
            call.native(kernel, texts(call, 2)?, DataType::Boolean, nullable)
        }
        "regexp_replace" => {
            call.arity(3, 4)?;
            let mut arguments = texts(call, 3)?;
            arguments.push(call.coerced_or(3, &DataType::Int32, lit(1))?);
            call.native(Kernel::Text(replace), arguments, DataType::Utf8, nullable)
        }
        "regexp_extract" => {
            call.arity(2, 3)?;
            let mut arguments = texts(call, 2)?;
            arguments.push(call.coerced_or(2, &DataType::Int32, lit(1))?);
            call.native(Kernel::Text(extract), arguments, DataType::Utf8, nullable)
        }
        "regexp_extract_all" => {
            call.arity(2, 3)?;
            let mut arguments = texts(call, 2)?;
            arguments.push(call.coerced_or(2, &DataType::Int32, lit(1))?);
            list(
                call,
                arguments,
                Kernel::Columns(|inputs| lists(inputs, extract_all)),
            )
        }
        "regexp_count" => {
            call.arity(2, 2)?;
            let kernel = Kernel::Int(|row| {
                Ok(Some(
                    regex(row.text(1)?)?.find_iter(row.text(0)?).count() as i32
                ))
            });
            call.native(kernel, texts(call, 2)?, DataType::Int32, nullable)
        }
        "regexp_substr" => {
            call.arity(2, 2)?;
            let kernel = Kernel::Text(|row| {
                Ok(regex(row.text(1)?)?
                    .find(row.text(0)?)
                    .map(|found| found.as_str().to_owned()))
            });
            call.native(kernel, texts(call, 2)?, DataType::Utf8, true)
        }
        "regexp_instr" => {
            call.arity(2, 3)?;
            let kernel = Kernel::Int(|row| {
                let text = row.text(0)?;
                let found = regex(row.text(1)?)?.find(text);
                Ok(Some(found.map_or(0, |found| {
                    text[..found.start()].chars().count() as i32 + 1
                })))
            });
            call.native(kernel, texts(call, 2)?, DataType::Int32, nullable)
        }
        "split" => {
            call.arity(2, 3)?;
            let mut arguments = texts(call, 2)?;
            arguments.push(call.coerced_or(2, &DataType::Int32, lit(-1))?);
            list(
                call,
                arguments,
                Kernel::Columns(|inputs| lists(inputs, split)),
            )
        }
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// The compiled pattern; the last few are kept, for most calls have the same one in every row.
fn regex(pattern: &str) -> Result<Regex> {
    thread_local! {
        static COMPILED: RefCell<Vec<(String, Regex)>> = const { RefCell::new(Vec::new()) };
    }
    COMPILED.with_borrow_mut(|compiled| {
        if let Some((_, regex)) = compiled.iter().find(|(other, _)| other == pattern) {
            return Ok(regex.clone());
        }
        let regex = Regex::new(pattern).map_err(|_| raise(invalid(pattern)))?;
        if compiled.len() == 8 {
            compiled.remove(0);
        }
        compiled.push((pattern.to_owned(), regex.clone()));
        Ok(regex)
    })
}

fn invalid(pattern: &str) -> Error {
    Error::new(
        Kind::Runtime,
        "INVALID_PARAMETER_VALUE.PATTERN",
        &[
            ("parameter", "`regexp`"),
            ("functionName", "`rlike`"),
            ("value", &format!("'{pattern}'")),
        ],
    )
}

/// DataFusion's `LIKE` where the pattern is a literal it reads alike; ours for others.
fn like(call: &Call) -> Result<Expr, Error> {
    let escape = call.literal_text(2).and_then(|text| text.chars().next());
    let plain = matches!(call.literal_text(1), Some(pattern) if !pattern.contains('\\'));
    if plain && call.len() == 2 {
        let like = match call.name {
            "like" => call.text(0)?.like(call.text(1)?),
            _ => call.text(0)?.ilike(call.text(1)?),
        };
        return Ok(like);
    }
    let kernel = match call.name {
        "like" => Kernel::Boolean(|row| matches_like(row, false)),
        _ => Kernel::Boolean(|row| matches_like(row, true)),
    };
    let escape = text_literal(&escape.unwrap_or('\\').to_string());
    Ok(call.native(
        kernel,
        vec![call.text(0)?, call.text(1)?, escape],
        DataType::Boolean,
        call.nullable(),
    ))
}

fn escape_at_end(pattern: &str) -> Error {
    let pattern = format!("'{pattern}'");
    Error::new(
        Kind::Analysis,
        "INVALID_FORMAT.ESC_AT_THE_END",
        &[("format", &pattern)],
    )
}

fn matches_like(row: &Row, ignore_case: bool) -> Result<Option<bool>> {
    let escape = row.text(2)?.chars().next().unwrap_or('\\');
    let mut pattern = if ignore_case { "(?is)^" } else { "(?s)^" }.to_owned();
    let mut letters = row.text(1)?.chars();
    while let Some(c) = letters.next() {
        match c {
            c if c == escape => {
                let Some(next) = letters.next() else {
                    return Err(raise(escape_at_end(row.text(1)?)));
                };
                pattern += &regex::escape(&next.to_string());
            }
            '%' => pattern += ".*",
            '_' => pattern.push('.'),
            c => pattern += &regex::escape(&c.to_string()),
        }
    }
    pattern.push('$');
    Ok(Some(regex(&pattern)?.is_match(row.text(0)?)))
}

fn replace(row: &Row) -> Result<Option<String>> {
    let (text, position) = (row.text(0)?, row.int(3)?.max(1) as usize - 1);
    let Some(from) = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .nth(position)
    else {
        return Ok(Some(text.to_owned()));
    };
    let (head, tail) = text.split_at(from);
    let with = replacement(row.text(2)?);
    Ok(Some(format!(
        "{head}{}",
        regex(row.text(1)?)?.replace_all(tail, with.as_str())
    )))
}

/// Java's replacement in Rust's syntax: `$1` ends where its digits do, and `\` takes the next letter as it is.
fn replacement(java: &str) -> String {
    let mut rust = String::with_capacity(java.len());
    let mut letters = java.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '\\' => match letters.next() {
                Some('$') => rust += "$$",
                Some(next) => rust.push(next),
                None => {}
            },
            '$' if letters.peek().is_some_and(char::is_ascii_digit) => {
                let group = letters.next().unwrap_or('0');
                rust += &format!("${{{group}}}");
            }
            '$' if letters.peek() == Some(&'{') => rust.push('$'),
            '$' => rust += "$$",
            c => rust.push(c),
        }
    }
    rust
}

fn group(regex: &Regex, index: i32, function: &str) -> Result<usize> {
    let count = regex.captures_len() - 1;
    usize::try_from(index)
        .ok()
        .filter(|index| *index <= count)
        .ok_or_else(|| {
            raise(Error::new(
                Kind::Runtime,
                "INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX",
                &[
                    ("parameter", "`idx`"),
                    ("functionName", &format!("`{function}`")),
                    ("groupCount", &count.to_string()),
                    ("groupIndex", &index.to_string()),
                ],
            ))
        })
}

fn extract(row: &Row) -> Result<Option<String>> {
    let regex = regex(row.text(1)?)?;
    let group = group(&regex, row.int(2)?, "regexp_extract")?;
    let found = regex
        .captures(row.text(0)?)
        .and_then(|found| found.get(group));
    Ok(Some(
        found
            .map(|found| found.as_str().to_owned())
            .unwrap_or_default(),
    ))
}

type Parts = fn(&str, &str, i32) -> Result<Vec<String>>;

fn extract_all(text: &str, pattern: &str, index: i32) -> Result<Vec<String>> {
    let regex = regex(pattern)?;
    let group = group(&regex, index, "regexp_extract_all")?;
    let parts = regex.captures_iter(text).map(|found| {
        found
            .get(group)
            .map_or("", |found| found.as_str())
            .to_owned()
    });
    Ok(parts.collect())
}

/// Java's `String.split`, with Spark's limits: as many parts as there are if it is not positive.
pub(super) fn split(text: &str, pattern: &str, limit: i32) -> Result<Vec<String>> {
    if pattern.is_empty() {
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let limit = if limit > 0 {
            limit as usize
        } else {
            usize::MAX
        };
        return Ok(match letters.len() {
            0 => vec![String::new()],
            count if count > limit => {
                let (heads, rest) = letters.split_at(limit - 1);
                heads.iter().cloned().chain([rest.concat()]).collect()
            }
            _ => letters,
        });
    }
    let regex = regex(pattern)?;
    let mut parts = Vec::new();
    let mut from = 0;
    for found in regex.find_iter(text) {
        if limit > 0 && parts.len() + 1 == limit as usize {
            break;
        }
        // Nothing found at the beginning parts nothing.
        if found.end() == 0 {
            continue;
        }
        parts.push(text[from..found.start()].to_owned());
        from = found.end();
    }
    parts.push(text[from..].to_owned());
    Ok(parts)
}

/// A call that makes an array of strings of a string, a pattern and a number.
fn list(call: &Call, arguments: Vec<Expr>, kernel: Kernel) -> Expr {
    let contains_null = call.name != "split";
    call.native(
        kernel,
        arguments,
        coercion::array_of(DataType::Utf8, contains_null),
        call.nullable(),
    )
}

fn lists(inputs: &Inputs, parts: Parts) -> Result<ArrayRef> {
    use datafusion::arrow::array::{Array, AsArray};
    use datafusion::arrow::datatypes::Int32Type;
    let arrays = inputs.arrays()?;
    let [texts, patterns, numbers] = arrays.as_slice() else {
        return Err(DataFusionError::Internal(
            "a pattern's arguments".to_owned(),
        ));
    };
    let (texts, patterns) = (texts.as_string::<i32>(), patterns.as_string::<i32>());
    let numbers = numbers.as_primitive::<Int32Type>();
    let contains_null =
        coercion::element(inputs.return_type).is_some_and(|field| field.is_nullable());
    let field = Arc::new(Field::new("element", DataType::Utf8, contains_null));
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(field);
    for row in 0..texts.len() {
        if texts.is_null(row) || patterns.is_null(row) || numbers.is_null(row) {
            builder.append_null();
            continue;
        }
        for part in parts(texts.value(row), patterns.value(row), numbers.value(row))? {
            builder.values().append_value(part);
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}
