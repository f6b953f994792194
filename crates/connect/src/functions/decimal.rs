//! Decimal arithmetic: Spark's `DecimalPrecision`, exact, rounded half up to the type of the result.

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, i256};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, Operator};
use std::sync::Arc;

use super::arguments::Call;
use super::arithmetic::{Operation, divide_by_zero};
use super::native::{Inputs, Kernel, raise};
use super::operators::binary;
use super::{Argument, coercion};
use crate::error::{Error, Kind};

const MAX_PRECISION: i32 = 38;

/// The call on decimals; integers become decimals that hold them.
pub(super) fn arithmetic(call: &Call, operation: Operation, tolerant: bool) -> Result<Expr, Error> {
    let (left, right) = (call.argument(0)?, call.argument(1)?);
    let types = (as_decimal(left, right), as_decimal(right, left));
    let (Some((p1, s1)), Some((p2, s2))) = types else {
        return Err(call.unexpected(0, "\"NUMERIC\""));
    };
    let (precision, scale, exact) = result_type(operation, (p1, s1), (p2, s2));
    let arguments = vec![
        call.coerced(0, &DataType::Decimal128(p1, s1))?,
        call.coerced(1, &DataType::Decimal128(p2, s2))?,
    ];
    let operator = match operation {
        Operation::Add => Some(Operator::Plus),
        Operation::Subtract => Some(Operator::Minus),
        Operation::Multiply => Some(Operator::Multiply),
        _ => None,
    };
    // No value is lost, so Arrow's own operation does.
    if let (Some(operator), true) = (operator, exact) {
        let mut arguments = arguments.into_iter();
        if let (Some(left), Some(right)) = (arguments.next(), arguments.next()) {
            return Ok(binary(left, operator, right));
        }
        return Err(Error::internal("an operator without operands"));
    }
    let lossy = tolerant || !call.environment.ansi;
    let kernel = Kernel::Columns(match (operation, lossy) {
        (Operation::Add, true) => |inputs| compute(inputs, Operation::Add, true),
        (Operation::Subtract, true) => |inputs| compute(inputs, Operation::Subtract, true),
        (Operation::Multiply, true) => |inputs| compute(inputs, Operation::Multiply, true),
        (Operation::Divide, true) => |inputs| compute(inputs, Operation::Divide, true),
        (Operation::Remainder, true) => |inputs| compute(inputs, Operation::Remainder, true),
        (Operation::Modulus, true) => |inputs| compute(inputs, Operation::Modulus, true),
        (Operation::Add, false) => |inputs| compute(inputs, Operation::Add, false),
        (Operation::Subtract, false) => |inputs| compute(inputs, Operation::Subtract, false),
        (Operation::Multiply, false) => |inputs| compute(inputs, Operation::Multiply, false),
        (Operation::Divide, false) => |inputs| compute(inputs, Operation::Divide, false),
        (Operation::Remainder, false) => |inputs| compute(inputs, Operation::Remainder, false),
        (Operation::Modulus, false) => |inputs| compute(inputs, Operation::Modulus, false),
    });
    let name = format!(
        "decimal {operation:?}{}",
        if lossy { " or null" } else { "" }
    );
    let by_zero = !matches!(
        operation,
        Operation::Add | Operation::Subtract | Operation::Multiply
    );
    let nullable = lossy || by_zero || call.nullable();
    Ok(call.native_named(
        &name,
        kernel,
        arguments,
        DataType::Decimal128(precision, scale),
        nullable,
    ))
}

/// The argument's decimal type. A literal is as narrow as its value beside a decimal.
fn as_decimal(argument: &Argument, other: &Argument) -> Option<(u8, i8)> {
    if coercion::is_decimal(&other.data_type) {
        return coercion::argument_decimal(argument).or(if argument.data_type.is_null() {
            coercion::integer_decimal(&other.data_type)
        } else {
            None
        });
    }
    coercion::integer_decimal(&argument.data_type)
}

/// Precision and scale of the result, and whether it holds every possible one exactly.
fn result_type(operation: Operation, (p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> (u8, i8, bool) {
    let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
    let (precision, scale) = match operation {
        Operation::Add | Operation::Subtract => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        Operation::Multiply => (p1 + p2 + 1, s1 + s2),
        Operation::Divide => {
            let scale = (s1 + p2 + 1).max(6);
            (p1 - s1 + s2 + scale, scale)
        }
        Operation::Remainder | Operation::Modulus => {
            let scale = s1.max(s2);
            ((p1 - s1).min(p2 - s2) + scale, scale)
        }
    };
    let exact = precision <= MAX_PRECISION;
    let (precision, scale) = adjusted(precision, scale);
    (precision as u8, scale as i8, exact)
}

/// `DecimalType.adjustPrecisionScale`: at least 6 digits, or all there are, stay after the point.
fn adjusted(precision: i32, scale: i32) -> (i32, i32) {
    if precision <= MAX_PRECISION {
        return (precision, scale);
    }
    let digits = precision - scale;
    (MAX_PRECISION, (MAX_PRECISION - digits).max(scale.min(6)))
}

fn compute(inputs: &Inputs, operation: Operation, or_null: bool) -> Result<ArrayRef> {
    let (left, right) = (inputs.array(0)?, inputs.array(1)?);
    let (left, right) = (
        left.as_primitive::<Decimal128Type>(),
        right.as_primitive::<Decimal128Type>(),
    );
    let DataType::Decimal128(precision, scale) = *inputs.return_type else {
        return Err(DataFusionError::Internal(
            "decimal arithmetic without a decimal".to_owned(),
        ));
    };
    let scales = (
        i32::from(left.scale()),
        i32::from(right.scale()),
        i32::from(scale),
    );
    let values: Result<Vec<Option<i128>>> = left
        .iter()
        .zip(right.iter())
        .map(|(left, right)| {
            let (Some(left), Some(right)) = (left, right) else {
                return Ok(None);
            };
            let zero = right == 0
                && !matches!(
                    operation,
                    Operation::Add | Operation::Subtract | Operation::Multiply
                );
            if zero {
                return if or_null {
                    Ok(None)
                } else {
                    Err(raise(divide_by_zero(operation)))
                };
            }
            let value =
                exact(operation, left, right, scales).and_then(|value| within(value, precision));
            match value {
                Some(value) => Ok(Some(value)),
                None if or_null => Ok(None),
                None => Err(raise(out_of_range(inputs.return_type))),
            }
        })
        .collect();
    let array = Decimal128Array::from(values?).with_precision_and_scale(precision, scale)?;
    Ok(Arc::new(array))
}

/// The result at the third scale; `None` if it is beyond 256 bits.
fn exact(
    operation: Operation,
    left: i128,
    right: i128,
    (s1, s2, scale): (i32, i32, i32),
) -> Option<i256> {
    let (a, b) = (i256::from_i128(left), i256::from_i128(right));
    match operation {
        Operation::Multiply => rescale(a.checked_mul(b)?, s1 + s2, scale),
        Operation::Divide => {
            let shift = scale - s1 + s2;
            let (a, b) = if shift >= 0 {
                (a.checked_mul(power(shift)?)?, b)
            } else {
                (a, b.checked_mul(power(-shift)?)?)
            };
            round_half_up(a, b)
        }
        _ => {
            let common = s1.max(s2);
            let (a, b) = (rescale(a, s1, common)?, rescale(b, s2, common)?);
            let value = match operation {
                Operation::Add => a.checked_add(b)?,
                Operation::Subtract => a.checked_sub(b)?,
                Operation::Remainder => a.checked_rem(b)?,
                _ => {
                    let remainder = a.checked_rem(b)?;
                    if remainder < i256::ZERO {
                        remainder.checked_add(b)?.checked_rem(b)?
                    } else {
                        remainder
                    }
                }
            };
            rescale(value, common, scale)
        }
    }
}

fn power(exponent: i32) -> Option<i256> {
    i256::from_i128(10).checked_pow(u32::try_from(exponent).ok()?)
}

fn rescale(value: i256, from: i32, to: i32) -> Option<i256> {
    match to - from {
        0 => Some(value),
        up @ 1.. => value.checked_mul(power(up)?),
        down => round_half_up(value, power(-down)?),
    }
}

fn round_half_up(dividend: i256, divisor: i256) -> Option<i256> {
    let quotient = dividend.checked_div(divisor)?;
    let remainder = dividend.checked_rem(divisor)?;
    let twice = remainder.checked_abs()?.checked_mul(i256::from_i128(2))?;
    if twice < divisor.checked_abs()? {
        return Some(quotient);
    }
    let away = if (dividend < i256::ZERO) == (divisor < i256::ZERO) {
        1
    } else {
        -1
    };
    quotient.checked_add(i256::from_i128(away))
}

fn within(value: i256, precision: u8) -> Option<i128> {
    let value = value.to_i128()?;
    let limit = 10_u128.checked_pow(u32::from(precision))?;
    (value.unsigned_abs() < limit).then_some(value)
}

/// `NUMERIC_VALUE_OUT_OF_RANGE`
fn out_of_range(data_type: &DataType) -> Error {
    let (precision, scale) = match data_type {
        DataType::Decimal128(precision, scale) => (precision.to_string(), scale.to_string()),
        _ => (String::new(), String::new()),
    };
    Error::new(
        Kind::Arithmetic,
        "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
        &[
            ("value", ""),
            ("precision", &precision),
            ("scale", &scale),
            ("config", "\"spark.sql.ansi.enabled\""),
        ],
    )
}
