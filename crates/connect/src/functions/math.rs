//! Numbers.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, lit};

use super::arguments::{Call, Resolved};
use super::arithmetic::{Operation, overflow, overflow_with};
use super::native::{Kernel, Row, raise};
use super::{coercion, rounding};
use crate::error::Error;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    if let Some(function) = of_double(call.name) {
        call.arity(1, 1)?;
        let arguments = vec![call.double(0)?];
        return Ok(Some(call.native(
            Kernel::Double(function),
            arguments,
            DataType::Float64,
            true,
        )));
    }
    if let Some(function) = logarithm(call.name) {
        call.arity(1, 1)?;
        let arguments = vec![call.double(0)?];
        return Ok(Some(call.native(
            Kernel::Double(function),
            arguments,
            DataType::Float64,
            true,
        )));
    }
    if let Some(function) = of_two_doubles(call.name) {
        call.arity(2, 2)?;
        let arguments = vec![call.double(0)?, call.double(1)?];
        return Ok(Some(call.native(
            Kernel::Double(function),
            arguments,
            DataType::Float64,
            call.nullable(),
        )));
    }
    let expr = match call.name {
        "e" => constant(call, std::f64::consts::E)?,
        "pi" => constant(call, std::f64::consts::PI)?,
        "log" => log(call)?,
        "abs" => abs(call)?,
        "signum" | "sign" => sign(call)?,
        "round" | "bround" | "ceil" | "ceiling" | "floor" => rounding::resolve(call)?,
        "factorial" => {
            call.arity(1, 1)?;
            call.native(
                Kernel::Long(factorial),
                vec![call.int(0)?],
                DataType::Int64,
                true,
            )
        }
        "bin" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Text(|row| Ok(Some(format!("{:b}", row.long(0)?))));
            call.native(
                kernel,
                vec![call.coerced(0, &DataType::Int64)?],
                DataType::Utf8,
                call.nullable(),
            )
        }
        "hex" => hex(call)?,
        "unhex" => {
            call.arity(1, 1)?;
            call.native(
                Kernel::Binary(unhex),
                vec![call.text(0)?],
                DataType::Binary,
                true,
            )
        }
        "conv" => {
            call.arity(3, 3)?;
            let arguments = vec![call.text(0)?, call.int(1)?, call.int(2)?];
            call.native(Kernel::Text(conv), arguments, DataType::Utf8, true)
        }
        "width_bucket" => {
            call.arity(4, 4)?;
            let arguments = vec![
                call.double(0)?,
                call.double(1)?,
                call.double(2)?,
                call.coerced(3, &DataType::Int64)?,
            ];
            call.native(Kernel::Long(width_bucket), arguments, DataType::Int64, true)
        }
        "bit_count" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Int(|row| Ok(Some(row.long(0)?.count_ones() as i32)));
            let value = super::cast(
                call.argument(0)?.clone(),
                &DataType::Int64,
                false,
                call.environment,
            )?;
            call.native(kernel, vec![value], DataType::Int32, call.nullable())
        }
        "bit_get" | "getbit" => {
            call.arity(2, 2)?;
            let kernel =
                Kernel::Int(|row| Ok(Some((row.long(0)? >> (row.int(1)? & 63)) as i32 & 1)));
            let bit = call.native(
                kernel,
                vec![call.coerced(0, &DataType::Int64)?, call.int(1)?],
                DataType::Int32,
                call.nullable(),
            );
            datafusion::logical_expr::cast(bit, DataType::Int8)
        }
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

type OfRow = fn(&Row) -> Result<Option<f64>>;

fn of_double(name: &str) -> Option<OfRow> {
    Some(match name {
        "sqrt" => |row| Ok(Some(row.double(0)?.sqrt())),
        "cbrt" => |row| Ok(Some(row.double(0)?.cbrt())),
        "exp" => |row| Ok(Some(row.double(0)?.exp())),
        "expm1" => |row| Ok(Some(row.double(0)?.exp_m1())),
        "sin" => |row| Ok(Some(row.double(0)?.sin())),
        "cos" => |row| Ok(Some(row.double(0)?.cos())),
        "tan" => |row| Ok(Some(row.double(0)?.tan())),
        "cot" => |row| Ok(Some(1.0 / row.double(0)?.tan())),
        "sec" => |row| Ok(Some(1.0 / row.double(0)?.cos())),
        "csc" => |row| Ok(Some(1.0 / row.double(0)?.sin())),
        "asin" => |row| Ok(Some(row.double(0)?.asin())),
        "acos" => |row| Ok(Some(row.double(0)?.acos())),
        "atan" => |row| Ok(Some(row.double(0)?.atan())),
        "sinh" => |row| Ok(Some(row.double(0)?.sinh())),
        "cosh" => |row| Ok(Some(row.double(0)?.cosh())),
        "tanh" => |row| Ok(Some(row.double(0)?.tanh())),
        "asinh" => |row| Ok(Some(row.double(0)?.asinh())),
        "acosh" => |row| Ok(Some(row.double(0)?.acosh())),
        "atanh" => |row| Ok(Some(row.double(0)?.atanh())),
        "degrees" => |row| Ok(Some(row.double(0)?.to_degrees())),
        "radians" => |row| Ok(Some(row.double(0)?.to_radians())),
        "rint" => |row| Ok(Some(row.double(0)?.round_ties_even())),
        _ => return None,
    })
}

/// Functions that are null where they have no value.
fn logarithm(name: &str) -> Option<OfRow> {
    Some(match name {
        "ln" => |row| Ok(above(row.double(0)?, 0.0)?.map(f64::ln)),
        "log10" => |row| Ok(above(row.double(0)?, 0.0)?.map(f64::log10)),
        "log2" => |row| Ok(above(row.double(0)?, 0.0)?.map(f64::log2)),
        "log1p" => |row| Ok(above(row.double(0)?, -1.0)?.map(f64::ln_1p)),
        _ => return None,
    })
}

fn above(value: f64, bound: f64) -> Result<Option<f64>> {
    Ok((value > bound || value.is_nan()).then_some(value))
}

fn of_two_doubles(name: &str) -> Option<OfRow> {
    Some(match name {
        "pow" | "power" => |row| Ok(Some(row.double(0)?.powf(row.double(1)?))),
        "hypot" => |row| Ok(Some(row.double(0)?.hypot(row.double(1)?))),
        "atan2" => |row| Ok(Some((row.double(0)? + 0.0).atan2(row.double(1)? + 0.0))),
        _ => return None,
    })
}

fn constant(call: &Call, value: f64) -> Result<Expr, Error> {
    call.arity(0, 0)?;
    Ok(lit(value))
}

fn log(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 2)?;
    if call.len() == 1 {
        let kernel = Kernel::Double(|row| Ok(above(row.double(0)?, 0.0)?.map(f64::ln)));
        return Ok(call.native_named("ln", kernel, vec![call.double(0)?], DataType::Float64, true));
    }
    let kernel = Kernel::Double(|row| {
        let (base, value) = (row.double(0)?, row.double(1)?);
        Ok((base > 0.0 && value > 0.0).then(|| value.ln() / base.ln()))
    });
    Ok(call.native(
        kernel,
        vec![call.double(0)?, call.double(1)?],
        DataType::Float64,
        true,
    ))
}

/// A number's type, or double for a string.
fn number(call: &Call) -> Result<DataType, Error> {
    call.arity(1, 1)?;
    match coercion::canonical(call.data_type(0)?) {
        DataType::Utf8 | DataType::Null => Ok(DataType::Float64),
        number if coercion::is_numeric(&number) => Ok(number),
        _ => Err(call.unexpected(0, "\"NUMERIC\"")),
    }
}

fn abs(call: &Call) -> Result<Expr, Error> {
    let number = number(call)?;
    let kernel = Kernel::Columns(|inputs| {
        use datafusion::arrow::compute::kernels::{cmp, numeric, zip};
        use datafusion::arrow::error::ArrowError;
        let values = inputs.array(0)?;
        let zero = datafusion::common::ScalarValue::new_zero(values.data_type())?.to_scalar()?;
        let negative = cmp::lt(&values, &zero)?;
        let only = zip::zip(&negative, &values, &zero)?;
        let negated = match inputs.ansi {
            true => numeric::neg(&only).map_err(|error| match error {
                ArrowError::ArithmeticOverflow(_) => {
                    raise(overflow(inputs.return_type, Operation::Divide))
                }
                other => other.into(),
            })?,
            false => numeric::neg_wrapping(&only)?,
        };
        Ok(zip::zip(&negative, &negated, &values)?)
    });
    let value = call.coerced(0, &number)?;
    Ok(call.native(kernel, vec![value], number, call.nullable()))
}

fn sign(call: &Call) -> Result<Expr, Error> {
    number(call)?;
    let kernel = Kernel::Double(|row| {
        let value = row.double(0)?;
        Ok(Some(if value == 0.0 || value.is_nan() {
            value
        } else {
            value.signum()
        }))
    });
    Ok(call.native(kernel, vec![call.double(0)?], DataType::Float64, true))
}

fn factorial(row: &Row) -> Result<Option<i64>> {
    let n = row.int(0)?;
    Ok((0..=20).contains(&n).then(|| (1..=i64::from(n)).product()))
}

fn hex(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    let nullable = call.nullable();
    let data_type = coercion::canonical(call.data_type(0)?);
    Ok(match data_type {
        DataType::Binary => {
            let kernel = Kernel::Text(|row| Ok(Some(upper_hex(row.binary(0)?))));
            call.native_named(
                "hex of bytes",
                kernel,
                vec![call.coerced(0, &DataType::Binary)?],
                DataType::Utf8,
                nullable,
            )
        }
        DataType::Utf8 => {
            let kernel = Kernel::Text(|row| Ok(Some(upper_hex(row.text(0)?.as_bytes()))));
            call.native_named(
                "hex of text",
                kernel,
                vec![call.text(0)?],
                DataType::Utf8,
                nullable,
            )
        }
        _ => {
            let kernel = Kernel::Text(|row| Ok(Some(format!("{:X}", row.long(0)?))));
            call.native(
                kernel,
                vec![call.coerced(0, &DataType::Int64)?],
                DataType::Utf8,
                nullable,
            )
        }
    })
}

pub(super) fn upper_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn unhex(row: &Row) -> Result<Option<Vec<u8>>> {
    let mut digits = row.text(0)?.to_owned();
    if digits.len() % 2 == 1 {
        digits.insert(0, '0');
    }
    let nibbles: Option<Vec<u8>> = digits
        .chars()
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect();
    Ok(nibbles.map(|nibbles| {
        nibbles
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    }))
}

/// A number in another base: Spark's `NumberConverter`, in which numbers have 64 bits.
fn conv(row: &Row) -> Result<Option<String>> {
    let (text, from, to) = (row.text(0)?.trim_matches(' '), row.int(1)?, row.int(2)?);
    if !(2..=36).contains(&from) || !(2..=36).contains(&to.abs()) || text.is_empty() {
        return Ok(None);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut value: u64 = 0;
    let mut overflows = false;
    for digit in digits.chars().map_while(|c| c.to_digit(from as u32)) {
        let next = value
            .checked_mul(from as u64)
            .and_then(|value| value.checked_add(u64::from(digit)));
        overflows |= next.is_none();
        value = next.unwrap_or(u64::MAX);
    }
    if overflows && row.ansi() {
        return Err(raise(overflow_with("Overflow in function conv()", "")));
    }
    let mut negative = negative;
    if negative && to > 0 {
        value = if overflows {
            u64::MAX
        } else {
            value.wrapping_neg()
        };
        negative = false;
    } else if to < 0 && !negative && (value as i64) < 0 {
        value = value.wrapping_neg();
        negative = true;
    }
    let text = radix(value, u64::from(to.unsigned_abs()));
    Ok(Some(if negative && value != 0 {
        format!("-{text}")
    } else {
        text
    }))
}

fn radix(mut value: u64, base: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = char::from_digit((value % base) as u32, base as u32).unwrap_or('0');
        digits.push(digit.to_ascii_uppercase());
        value /= base;
        if value == 0 {
            return digits.iter().rev().collect();
        }
    }
}

fn width_bucket(row: &Row) -> Result<Option<i64>> {
    let (value, min, max, buckets) = (row.double(0)?, row.double(1)?, row.double(2)?, row.long(3)?);
    let invalid = buckets <= 0
        || buckets == i64::MAX
        || value.is_nan()
        || min == max
        || !min.is_finite()
        || !max.is_finite();
    if invalid {
        return Ok(None);
    }
    let (low, high) = (min.min(max), min.max(max));
    let bucket = match value {
        value if value < low => 0,
        value if value >= high && min < max => buckets + 1,
        value if value > high => buckets + 1,
        value if min < max => (buckets as f64 * (value - low) / (high - low)) as i64 + 1,
        value if value == low => buckets + 1,
        value => (buckets as f64 * (high - value) / (high - low)) as i64 + 1,
    };
    // With descending bounds both ends change places.
    Ok(Some(match (min > max, bucket) {
        (true, 0) => buckets + 1,
        (true, bucket) if value > high && bucket == buckets + 1 => 0,
        (_, bucket) => bucket,
    }))
}
