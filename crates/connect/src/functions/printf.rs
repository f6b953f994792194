//! `format_string` and `printf`: Java's `Formatter`.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;

use super::arguments::Call;
use super::coercion::canonical;
use super::native::{Kernel, Row, raise};
use crate::error::{Error, Kind};

/// The call, whose arguments come to the kernel as long, double, boolean or string.
pub(super) fn call(call: &Call) -> Result<Expr, Error> {
    let mut arguments = vec![call.text(0)?];
    for argument in call.arguments.iter().skip(1) {
        let from = canonical(&argument.data_type);
        let to = match &from {
            from if from.is_integer() => DataType::Int64,
            from if from.is_floating() => DataType::Float64,
            DataType::Boolean | DataType::Null => from.clone(),
            // A decimal keeps its digits as text, and is a number to `%f`.
            _ => DataType::Utf8,
        };
        arguments.push(super::cast(argument.clone(), &to, false, call.environment)?);
    }
    let nullable = call.argument(0)?.nullable;
    Ok(call.native_named(
        "format_string",
        Kernel::LenientText(format),
        arguments,
        DataType::Utf8,
        nullable,
    ))
}

#[derive(Default)]
struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    comma: bool,
    parentheses: bool,
    width: usize,
    precision: Option<usize>,
}

enum Value<'a> {
    Null,
    Long(i64),
    Double(f64),
    Boolean(bool),
    Text(&'a str),
}

fn value<'a>(row: &Row<'a>, index: usize) -> Result<Value<'a>> {
    if row.is_null(index) {
        return Ok(Value::Null);
    }
    if let Ok(value) = row.long(index) {
        return Ok(Value::Long(value));
    }
    if let Ok(value) = row.double(index) {
        return Ok(Value::Double(value));
    }
    if let Ok(value) = row.boolean(index) {
        return Ok(Value::Boolean(value));
    }
    row.text(index).map(Value::Text)
}

fn format(row: &Row) -> Result<Option<String>> {
    if row.is_null(0) {
        return Ok(None);
    }
    let pattern = row.text(0)?;
    let mut letters = pattern.chars().peekable();
    let mut text = String::new();
    let mut next = 1;
    while let Some(c) = letters.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let mut spec = Spec::default();
        let mut digits = String::new();
        let mut index = None;
        let conversion = loop {
            let Some(c) = letters.next() else {
                return Err(malformed(pattern));
            };
            match c {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                ',' => spec.comma = true,
                '(' => spec.parentheses = true,
                '#' => {}
                '0' if digits.is_empty() => spec.zero = true,
                '0'..='9' => digits.push(c),
                '$' => index = std::mem::take(&mut digits).parse::<usize>().ok(),
                '.' => {
                    let mut precision = String::new();
                    while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                        precision.push(digit);
                    }
                    spec.precision = precision.parse().ok();
                }
                c => break c,
            }
        };
        spec.width = digits.parse().unwrap_or(0);
        match conversion {
            '%' => text += &padded("%".to_owned(), &spec),
            'n' => text.push('\n'),
            conversion => {
                let index = index.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                });
                if index == 0 || index >= row.len() {
                    return Err(malformed(pattern));
                }
                let shown = one(&value(row, index)?, conversion, &spec)
                    .ok_or_else(|| malformed(pattern))?;
                text += &shown;
            }
        }
    }
    Ok(Some(text))
}

fn malformed(pattern: &str) -> datafusion::common::DataFusionError {
    raise(Error::new(
        Kind::IllegalArgument,
        "INVALID_PARAMETER_VALUE.PATTERN",
        &[
            ("parameter", "`strfmt`"),
            ("functionName", "`format_string`"),
            ("value", &format!("'{pattern}'")),
        ],
    ))
}

/// `None` if the conversion does not take such a value.
fn one(value: &Value, conversion: char, spec: &Spec) -> Option<String> {
    let upper = conversion.is_ascii_uppercase();
    let text = match (conversion.to_ascii_lowercase(), value) {
        ('b', Value::Boolean(value)) => padded(value.to_string(), spec),
        ('b', Value::Null) => padded("false".to_owned(), spec),
        ('b', _) => padded("true".to_owned(), spec),
        (_, Value::Null) => padded(
            "null".chars().take(spec.precision.unwrap_or(4)).collect(),
            spec,
        ),
        ('s', value) => {
            let text = match value {
                Value::Long(value) => value.to_string(),
                Value::Double(value) => super::cast::double_text(*value),
                Value::Boolean(value) => value.to_string(),
                Value::Text(text) => (*text).to_owned(),
                Value::Null => return None,
            };
            let kept = spec
                .precision
                .map_or(text.clone(), |most| text.chars().take(most).collect());
            padded(kept, spec)
        }
        ('c', Value::Long(code)) => padded(
            char::from_u32(u32::try_from(*code).ok()?)?.to_string(),
            spec,
        ),
        ('c', Value::Text(text)) => padded((*text).to_owned(), spec),
        ('d', Value::Long(value)) => number(*value < 0, value.unsigned_abs().to_string(), spec),
        ('x', Value::Long(value)) => bits(*value, 16, spec),
        ('o', Value::Long(value)) => bits(*value, 8, spec),
        ('f', value) => {
            let (negative, digits) = fixed(value, spec.precision.unwrap_or(6))?;
            number(negative, digits, spec)
        }
        ('e', Value::Double(value)) => {
            let text = format!("{:.*e}", spec.precision.unwrap_or(6), value.abs());
            let (mantissa, exponent) = text.split_once('e')?;
            let exponent: i32 = exponent.parse().ok()?;
            let sign = if exponent < 0 { '-' } else { '+' };
            number(
                *value < 0.0,
                format!("{mantissa}e{sign}{:02}", exponent.abs()),
                spec,
            )
        }
        _ => return None,
    };
    Some(if upper { text.to_uppercase() } else { text })
}

/// An int's 32 bits where it fits them, or a long's 64.
fn bits(value: i64, base: u32, spec: &Spec) -> String {
    let unsigned = match i32::try_from(value) {
        Ok(value) => u64::from(value as u32),
        Err(_) => value as u64,
    };
    let digits = if base == 16 {
        format!("{unsigned:x}")
    } else {
        format!("{unsigned:o}")
    };
    let zeros = if spec.zero {
        spec.width.saturating_sub(digits.len())
    } else {
        0
    };
    padded(format!("{}{digits}", "0".repeat(zeros)), spec)
}

/// Whether it is negative, and the digits of a number rounded half up.
fn fixed(value: &Value, precision: usize) -> Option<(bool, String)> {
    let text = match value {
        Value::Double(value) if !value.is_finite() => {
            let name = if value.is_nan() { "NaN" } else { "Infinity" };
            return Some((*value < 0.0, name.to_owned()));
        }
        Value::Double(value) => format!("{value}"),
        Value::Text(text) => (*text).to_owned(),
        _ => return None,
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let known = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !known(whole) || !known(fraction) {
        return None;
    }
    let mut all: Vec<u8> = whole
        .bytes()
        .chain(
            fraction
                .bytes()
                .chain(std::iter::repeat(b'0'))
                .take(precision),
        )
        .collect();
    if fraction
        .as_bytes()
        .get(precision)
        .is_some_and(|digit| *digit >= b'5')
    {
        let nines = all.iter().rev().take_while(|digit| **digit == b'9').count();
        let at = all.len() - nines;
        all[at..].fill(b'0');
        match at.checked_sub(1) {
            Some(before) => all[before] += 1,
            None => all.insert(0, b'1'),
        }
    }
    let point = all.len() - precision;
    let whole: String = all[..point].iter().map(|digit| *digit as char).collect();
    let fraction: String = all[point..].iter().map(|digit| *digit as char).collect();
    Some((
        negative,
        if precision == 0 {
            whole
        } else {
            format!("{whole}.{fraction}")
        },
    ))
}

fn number(negative: bool, digits: String, spec: &Spec) -> String {
    let digits = if spec.comma {
        super::format::grouped(&digits)
    } else {
        digits
    };
    let (before, behind) = match (negative, spec.parentheses) {
        (true, true) => ("(", ")"),
        (true, false) => ("-", ""),
        (false, _) if spec.plus => ("+", ""),
        (false, _) if spec.space => (" ", ""),
        (false, _) => ("", ""),
    };
    let length = digits.len() + before.len() + behind.len();
    let zeros = if spec.zero && !spec.left {
        spec.width.saturating_sub(length)
    } else {
        0
    };
    padded(
        format!("{before}{}{digits}{behind}", "0".repeat(zeros)),
        spec,
    )
}

fn padded(text: String, spec: &Spec) -> String {
    let blanks = " ".repeat(spec.width.saturating_sub(text.chars().count()));
    if spec.left {
        text + &blanks
    } else {
        blanks + &text
    }
}
