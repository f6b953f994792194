//! `round`, `bround`, `ceil` and `floor`, to any number of digits.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array};
use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, lit};

use super::arguments::Call;
use super::coercion;
use super::native::{Inputs, Kernel, declared};
use crate::error::Error;

#[derive(Clone, Copy)]
enum Rounding {
    HalfUp,
    HalfEven,
    Up,
    Down,
}

pub(super) fn resolve(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 2)?;
    let data_type = match coercion::canonical(call.data_type(0)?) {
        DataType::Utf8 | DataType::Null => DataType::Float64,
        other => other,
    };
    if !coercion::is_numeric(&data_type) {
        return Err(call.unexpected(0, "\"NUMERIC\""));
    }
    let scale = match call.len() {
        1 => 0,
        _ => call
            .literal_int(1)
            .ok_or_else(|| foldable(call))?
            .clamp(-400, 400) as i32,
    };
    let to_whole = matches!(call.name, "ceil" | "ceiling" | "floor");
    if to_whole && call.len() == 1 {
        return whole(call, &data_type);
    }
    // The ends of a range have decimals of their own; integers are decimals to them too.
    let decimal = match to_whole {
        true => Some(decimal_of(&data_type)),
        false => None,
    };
    match decimal.or(match data_type {
        DataType::Decimal128(precision, scale) => Some((precision, scale)),
        _ => None,
    }) {
        Some(from) => decimals(call, from, scale),
        None => numbers(call, data_type, scale),
    }
}

fn foldable(call: &Call) -> Error {
    let name = call
        .arguments
        .get(1)
        .map_or("", |argument| argument.name.as_str());
    Error::analysis(
        "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT",
        &[
            ("sqlExpr", &format!("\"{}\"", call.display())),
            ("inputName", "`scale`"),
            ("inputType", "\"INT\""),
            ("inputExpr", &format!("\"{name}\"")),
        ],
    )
}

fn decimal_of(data_type: &DataType) -> (u8, i8) {
    match data_type {
        DataType::Float32 => (14, 7),
        DataType::Float64 => (30, 15),
        other => coercion::integer_decimal(other).unwrap_or((38, 18)),
    }
}

/// `ceil` and `floor` without digits: a bigint, or a decimal of a decimal.
fn whole(call: &Call, data_type: &DataType) -> Result<Expr, Error> {
    let nullable = true;
    if let DataType::Decimal128(precision, scale) = data_type {
        return decimals(call, (*precision, *scale), 0);
    }
    if data_type.is_integer() {
        return Ok(declared(
            call.coerced(0, &DataType::Int64)?,
            DataType::Int64,
            nullable,
        ));
    }
    let kernel = match call.name {
        "floor" => Kernel::Long(|row| Ok(Some(row.double(0)?.floor() as i64))),
        _ => Kernel::Long(|row| Ok(Some(row.double(0)?.ceil() as i64))),
    };
    Ok(call.native(kernel, vec![call.double(0)?], DataType::Int64, nullable))
}

/// `RoundBase.dataType` and its kin.
fn decimals(call: &Call, (precision, from): (u8, i8), scale: i32) -> Result<Expr, Error> {
    let kept = scale.min(i32::from(from)).max(0);
    let digits = i32::from(precision) - i32::from(from) + 1;
    let needed = match scale {
        scale if scale < 0 => digits.max(-scale + 1),
        _ => digits + kept,
    };
    let to = DataType::Decimal128(needed.min(38) as u8, kept as i8);
    let kernel = Kernel::Columns(match call.name {
        "round" => |inputs| round_decimals(inputs, Rounding::HalfUp),
        "bround" => |inputs| round_decimals(inputs, Rounding::HalfEven),
        "floor" => |inputs| round_decimals(inputs, Rounding::Down),
        _ => |inputs| round_decimals(inputs, Rounding::Up),
    });
    let value = call.coerced(0, &DataType::Decimal128(precision, from))?;
    let name = format!("{} of a decimal", call.name);
    Ok(call.native_named(&name, kernel, vec![value, lit(scale)], to, true))
}

fn round_decimals(inputs: &Inputs, rounding: Rounding) -> Result<ArrayRef> {
    let values = inputs.array(0)?;
    let values = values.as_primitive::<Decimal128Type>();
    let scale = scale_of(inputs)?;
    let DataType::Decimal128(precision, kept) = *inputs.return_type else {
        return Err(DataFusionError::Internal(
            "a decimal rounded to something else".to_owned(),
        ));
    };
    let from = i32::from(values.scale());
    let cut = (from - scale).max(0);
    // A unit beyond 38 digits is more than any value.
    let unit = u32::try_from(cut)
        .ok()
        .and_then(|cut| 10_i128.checked_pow(cut));
    let rounded: Decimal128Array = values
        .iter()
        .map(|value| {
            let value = value?;
            let multiple = match unit {
                Some(unit) => divide(value, unit, rounding),
                None => 0,
            };
            let back = i32::from(kept) - (from - cut);
            multiple.checked_mul(10_i128.checked_pow(u32::try_from(back).ok()?)?)
        })
        .collect();
    Ok(Arc::new(rounded.with_precision_and_scale(precision, kept)?))
}

fn scale_of(inputs: &Inputs) -> Result<i32> {
    use datafusion::arrow::datatypes::Int32Type;
    let scale = inputs.argument(1)?.to_array(1)?;
    Ok(scale.as_primitive::<Int32Type>().value(0))
}

fn divide(value: i128, unit: i128, rounding: Rounding) -> i128 {
    let (floor, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    if rest == 0 {
        return floor;
    }
    let up = match rounding {
        Rounding::Up => true,
        Rounding::Down => false,
        Rounding::HalfUp if rest * 2 == unit => value > 0,
        Rounding::HalfEven if rest * 2 == unit => floor % 2 != 0,
        Rounding::HalfUp | Rounding::HalfEven => rest > unit - rest,
    };
    floor + i128::from(up)
}

fn numbers(call: &Call, data_type: DataType, scale: i32) -> Result<Expr, Error> {
    // Spark's `RoundBase` is nullable whatever it rounds.
    let nullable = true;
    if data_type.is_integer() && scale >= 0 {
        return Ok(declared(call.coerced(0, &data_type)?, data_type, nullable));
    }
    let half_even = call.name == "bround";
    if data_type.is_integer() {
        let kernel = match half_even {
            true => {
                Kernel::Long(|row| Ok(Some(integer(row.long(0)?, row.int(1)?, Rounding::HalfEven))))
            }
            false => {
                Kernel::Long(|row| Ok(Some(integer(row.long(0)?, row.int(1)?, Rounding::HalfUp))))
            }
        };
        let arguments = vec![call.coerced(0, &DataType::Int64)?, lit(scale)];
        let long = call.native_named(
            &format!("{} of integers", call.name),
            kernel,
            arguments,
            DataType::Int64,
            nullable,
        );
        return Ok(datafusion::logical_expr::cast(long, data_type));
    }
    let kernel = match half_even {
        true => Kernel::Double(|row| Ok(Some(double(row.double(0)?, row.int(1)?, true)))),
        false => Kernel::Double(|row| Ok(Some(double(row.double(0)?, row.int(1)?, false)))),
    };
    let value = call.native(
        kernel,
        vec![call.double(0)?, lit(scale)],
        DataType::Float64,
        nullable,
    );
    Ok(match data_type {
        DataType::Float64 => value,
        other => datafusion::logical_expr::cast(value, other),
    })
}

fn integer(value: i64, scale: i32, rounding: Rounding) -> i64 {
    let unit = u32::try_from(-scale)
        .ok()
        .and_then(|digits| 10_i128.checked_pow(digits));
    unit.map_or(0, |unit| {
        (divide(i128::from(value), unit, rounding) * unit) as i64
    })
}

/// Rounds the shortest decimal that is this double, as Java's `BigDecimal(Double.toString)` does.
fn double(value: f64, scale: i32, half_even: bool) -> f64 {
    if !value.is_finite() {
        return value;
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: Vec<u8> = mantissa
        .bytes()
        .filter(u8::is_ascii_digit)
        .map(|digit| digit - b'0')
        .collect();
    // How many digits stay: those down to 10^-scale.
    let kept = exponent + 1 + scale;
    if kept >= digits.len() as i32 {
        return value;
    }
    if kept < 0 {
        return 0.0;
    }
    let kept = kept as usize;
    let next = digits.get(kept).copied().unwrap_or(0);
    let tie = next == 5 && digits[kept + 1..].iter().all(|digit| *digit == 0);
    let odd = kept > 0 && digits.get(kept - 1).is_some_and(|digit| digit % 2 == 1);
    let up = match tie && half_even {
        true => odd,
        false => next >= 5,
    };
    let mut whole: i128 = digits[..kept]
        .iter()
        .fold(0, |whole, digit| whole * 10 + i128::from(*digit));
    whole += i128::from(up);
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{whole}e{}", -scale).parse().unwrap_or(value)
}
