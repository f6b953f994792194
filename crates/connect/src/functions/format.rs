//! Numbers and other values in a format.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;

use super::arguments::{Call, Resolved};
use super::coercion;
use super::native::{Kernel, Row};
use crate::error::Error;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let expr = match call.name {
        "format_number" => format_number(call)?,
        "format_string" | "printf" => {
            call.arity(1, usize::MAX)?;
            super::printf::call(call)?
        }
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// `#,###,##0.00`, rounded half to even as Java's `DecimalFormat` does.
fn format_number(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 2)?;
    if coercion::is_text(call.data_type(1)?) {
        return Err(Error::unsupported("format_number with a pattern"));
    }
    let decimal = coercion::is_decimal(call.data_type(0)?);
    if !decimal && call.data_type(0)?.is_floating() {
        let kernel = Kernel::Text(|row| {
            let (value, digits) = (row.double(0)?, row.int(1)?);
            if digits < 0 {
                return Ok(None);
            }
            Ok(Some(match value {
                value if value.is_nan() => "NaN".to_owned(),
                value if value.is_infinite() => if value > 0.0 { "∞" } else { "-∞" }.to_owned(),
                value => grouped(&format!("{value:.digits$}", digits = digits as usize)),
            }))
        });
        return Ok(call.native(
            kernel,
            vec![call.double(0)?, call.int(1)?],
            DataType::Utf8,
            true,
        ));
    }
    let arguments = vec![
        super::cast(
            call.argument(0)?.clone(),
            &DataType::Utf8,
            false,
            call.environment,
        )?,
        call.int(1)?,
    ];
    Ok(call.native_named(
        "format_number of a decimal",
        Kernel::Text(of_decimal),
        arguments,
        DataType::Utf8,
        true,
    ))
}

fn of_decimal(row: &Row) -> Result<Option<String>> {
    let (text, digits) = (row.text(0)?, row.int(1)?);
    let Ok(digits) = usize::try_from(digits) else {
        return Ok(None);
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() <= digits {
        let point = if digits > 0 { "." } else { "" };
        return Ok(Some(grouped(&format!(
            "{whole}{point}{fraction:0<digits$}"
        ))));
    }
    let (kept, rest) = fraction.split_at(digits);
    let negative = whole.starts_with('-');
    let mut number: i128 = format!("{}{kept}", whole.trim_start_matches('-'))
        .parse()
        .unwrap_or(0);
    let half = rest.starts_with('5') && rest[1..].bytes().all(|digit| digit == b'0');
    let up = if half {
        number % 2 == 1
    } else {
        rest.as_bytes().first().is_some_and(|digit| *digit >= b'5')
    };
    number += i128::from(up);
    let all = format!("{number:0>width$}", width = digits + 1);
    let (whole, kept) = all.split_at(all.len() - digits);
    let sign = if negative && number != 0 { "-" } else { "" };
    let point = if digits > 0 { "." } else { "" };
    Ok(Some(grouped(&format!("{sign}{whole}{point}{kept}"))))
}

/// With a comma after each thousand.
pub(super) fn grouped(number: &str) -> String {
    let (whole, fraction) = match number.find('.') {
        Some(at) => number.split_at(at),
        None => (number, ""),
    };
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}
