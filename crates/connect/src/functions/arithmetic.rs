//! `+ - * / % div` and their kin: Spark's result types, and its errors for overflow and division by zero.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Datum, new_null_array};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, Expr, Operator};

use super::arguments::{Call, Resolved};
use super::native::{Inputs, Kernel, raise};
use super::operators::{binary, differing};
use super::{Argument, coercion, decimal, time_arithmetic};
use crate::error::{Error, Kind};

/// What an operator does, whatever it is called and whether it gives null where it cannot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Modulus,
}

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let (operation, tolerant) = match call.name {
        "+" if call.len() == 1 => return Ok(Some(call.expr(0)?)),
        "-" if call.len() == 1 => return negate(call).map(Some),
        "positive" => {
            call.arity(1, 1)?;
            return Ok(Some(call.expr(0)?));
        }
        "negative" | "negate" => return negate(call).map(Some),
        "div" => return whole_division(call).map(Some),
        "+" => (Operation::Add, false),
        "-" => (Operation::Subtract, false),
        "*" => (Operation::Multiply, false),
        "/" => (Operation::Divide, false),
        "%" | "mod" => (Operation::Remainder, false),
        "pmod" => (Operation::Modulus, false),
        "try_add" => (Operation::Add, true),
        "try_subtract" => (Operation::Subtract, true),
        "try_multiply" => (Operation::Multiply, true),
        "try_divide" => (Operation::Divide, true),
        "try_mod" => (Operation::Remainder, true),
        _ => return Ok(None),
    };
    call.arity(2, 2)?;
    if let Some(expr) = time_arithmetic::arithmetic(call, operation, tolerant)? {
        return Ok(Some(expr));
    }
    numbers(call, operation, tolerant).map(Some)
}

fn numbers(call: &Call, operation: Operation, tolerant: bool) -> Result<Expr, Error> {
    let (left, right) = (call.argument(0)?, call.argument(1)?);
    let common = coercion::common_type(&left.data_type, &right.data_type)
        .ok_or_else(|| differing(call, left, right))?;
    let common = match common {
        DataType::Null | DataType::Utf8 => DataType::Float64,
        common if coercion::is_numeric(&common) => common,
        _ => return Err(call.unexpected(0, "\"NUMERIC\"")),
    };
    if coercion::is_decimal(&common) {
        return decimal::arithmetic(call, operation, tolerant);
    }
    let common = match operation {
        Operation::Divide => DataType::Float64,
        _ => common,
    };
    let left = call.coerced(0, &common)?;
    let right = call.coerced(1, &common)?;
    let floating = common.is_floating();
    Ok(match operation {
        Operation::Add if floating => binary(left, Operator::Plus, right),
        Operation::Subtract if floating => binary(left, Operator::Minus, right),
        Operation::Multiply if floating => binary(left, Operator::Multiply, right),
        // Without ANSI mode integers lose their upper bits, as they do in DataFusion.
        Operation::Add if !tolerant && !call.environment.ansi => {
            binary(left, Operator::Plus, right)
        }
        Operation::Subtract if !tolerant && !call.environment.ansi => {
            binary(left, Operator::Minus, right)
        }
        Operation::Multiply if !tolerant && !call.environment.ansi => {
            binary(left, Operator::Multiply, right)
        }
        _ => {
            let by_zero = !matches!(
                operation,
                Operation::Add | Operation::Subtract | Operation::Multiply
            );
            let nullable = tolerant || by_zero || call.nullable();
            let kernel = kernel(operation, tolerant || !call.environment.ansi);
            let name = if tolerant {
                call.name
            } else {
                symbol(operation)
            };
            call.native_named(name, kernel, vec![left, right], common, nullable)
        }
    })
}

fn symbol(operation: Operation) -> &'static str {
    match operation {
        Operation::Add => "+",
        Operation::Subtract => "-",
        Operation::Multiply => "*",
        Operation::Divide => "/",
        Operation::Remainder => "%",
        Operation::Modulus => "pmod",
    }
}

fn kernel(operation: Operation, tolerant: bool) -> Kernel {
    Kernel::Columns(match (operation, tolerant) {
        (Operation::Add, false) => |inputs| checked(inputs, Operation::Add),
        (Operation::Subtract, false) => |inputs| checked(inputs, Operation::Subtract),
        (Operation::Multiply, false) => |inputs| checked(inputs, Operation::Multiply),
        (Operation::Divide, false) => |inputs| checked(inputs, Operation::Divide),
        (Operation::Remainder, false) => |inputs| checked(inputs, Operation::Remainder),
        (Operation::Modulus, false) => |inputs| checked(inputs, Operation::Modulus),
        (Operation::Add, true) => |inputs| row_by_row(inputs, Operation::Add),
        (Operation::Subtract, true) => |inputs| row_by_row(inputs, Operation::Subtract),
        (Operation::Multiply, true) => |inputs| row_by_row(inputs, Operation::Multiply),
        (Operation::Divide, true) => |inputs| row_by_row(inputs, Operation::Divide),
        (Operation::Remainder, true) => |inputs| row_by_row(inputs, Operation::Remainder),
        (Operation::Modulus, true) => |inputs| row_by_row(inputs, Operation::Modulus),
    })
}

/// The operation on whole arrays, where any failure is the query's.
fn checked(inputs: &Inputs, operation: Operation) -> Result<ArrayRef> {
    let (left, right) = (inputs.argument(0)?, inputs.argument(1)?);
    let answer = match (left, right) {
        (ColumnarValue::Array(left), ColumnarValue::Array(right)) => arrow(operation, left, right),
        (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => {
            arrow(operation, &left.to_scalar()?, right)
        }
        (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => {
            arrow(operation, left, &right.to_scalar()?)
        }
        (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
            arrow(operation, &left.to_array()?, &right.to_array()?)
        }
    };
    answer.map_err(|error| match error {
        ArrowError::DivideByZero => raise(divide_by_zero(operation)),
        ArrowError::ArithmeticOverflow(_) => raise(overflow(inputs.return_type, operation)),
        other => DataFusionError::from(other),
    })
}

/// The operation row by row: null where it fails.
fn row_by_row(inputs: &Inputs, operation: Operation) -> Result<ArrayRef> {
    let (left, right) = (inputs.array(0)?, inputs.array(1)?);
    if let Ok(all) = arrow(operation, &left, &right) {
        return Ok(all);
    }
    let mut rows = Vec::with_capacity(inputs.rows);
    for row in 0..inputs.rows {
        let answer = arrow(operation, &left.slice(row, 1), &right.slice(row, 1));
        rows.push(answer.unwrap_or_else(|_| new_null_array(inputs.return_type, 1)));
    }
    let rows: Vec<_> = rows.iter().map(|row| row.as_ref()).collect();
    Ok(datafusion::arrow::compute::concat(&rows)?)
}

fn arrow(
    operation: Operation,
    left: &dyn Datum,
    right: &dyn Datum,
) -> Result<ArrayRef, ArrowError> {
    let by_zero = matches!(
        operation,
        Operation::Divide | Operation::Remainder | Operation::Modulus
    );
    if by_zero {
        zero_division(left, right)?;
    }
    match operation {
        Operation::Add => numeric::add(left, right),
        Operation::Subtract => numeric::sub(left, right),
        Operation::Multiply => numeric::mul(left, right),
        Operation::Divide => numeric::div(left, right),
        Operation::Remainder => numeric::rem(left, right),
        Operation::Modulus => {
            // ((a % n) + n) % n where the remainder is negative, which cannot overflow this way.
            let remainder = numeric::rem(left, right)?;
            let sum = numeric::add_wrapping(&remainder, right)?;
            let modulus = numeric::rem(&sum, right)?;
            let zero = datafusion::common::ScalarValue::new_zero(remainder.data_type())
                .and_then(|zero| zero.to_scalar())
                .map_err(|error| ArrowError::ComputeError(error.to_string()))?;
            let negative = datafusion::arrow::compute::kernels::cmp::lt(&remainder, &zero)?;
            datafusion::arrow::compute::kernels::zip::zip(&negative, &modulus, &remainder)
        }
    }
}

/// Arrow divides doubles by zero; Spark does not, unless the dividend is null.
fn zero_division(left: &dyn Datum, right: &dyn Datum) -> Result<(), ArrowError> {
    let (dividend, one) = left.get();
    let (divisor, single) = right.get();
    let divisor = match divisor.data_type() {
        DataType::Float64 => divisor.as_primitive::<Float64Type>().clone(),
        DataType::Float32 => {
            let wide = datafusion::arrow::compute::cast(divisor, &DataType::Float64)?;
            wide.as_primitive::<Float64Type>().clone()
        }
        _ => return Ok(()),
    };
    let at = |index: usize, constant: bool| if constant { 0 } else { index };
    let rows = if one { divisor.len() } else { dividend.len() };
    let fails = (0..rows).any(|row| {
        let index = at(row, single);
        let zero = divisor.is_valid(index) && divisor.value(index) == 0.0;
        zero && dividend.is_valid(at(row, one))
    });
    if fails {
        Err(ArrowError::DivideByZero)
    } else {
        Ok(())
    }
}

pub(super) fn divide_by_zero(operation: Operation) -> Error {
    let condition = match operation {
        Operation::Remainder | Operation::Modulus => "REMAINDER_BY_ZERO",
        _ => "DIVIDE_BY_ZERO",
    };
    Error::new(
        Kind::Arithmetic,
        condition,
        &[("config", "\"spark.sql.ansi.enabled\"")],
    )
}

/// `ARITHMETIC_OVERFLOW`, or `BINARY_ARITHMETIC_OVERFLOW` for the types that Java has no exact methods for.
pub(super) fn overflow(data_type: &DataType, operation: Operation) -> Error {
    let tolerant = match operation {
        Operation::Add => " Use 'try_add' to tolerate overflow and return NULL instead.",
        Operation::Subtract => " Use 'try_subtract' to tolerate overflow and return NULL instead.",
        Operation::Multiply => " Use 'try_multiply' to tolerate overflow and return NULL instead.",
        _ => "",
    };
    let message = match data_type {
        DataType::Int64 => "long overflow",
        DataType::Int32 => "integer overflow",
        DataType::Int16 => "short overflow",
        DataType::Int8 => "byte overflow",
        _ => "overflow",
    };
    overflow_with(message, tolerant)
}

pub(super) fn overflow_with(message: &str, alternative: &str) -> Error {
    Error::new(
        Kind::Arithmetic,
        "ARITHMETIC_OVERFLOW",
        &[
            ("message", message),
            ("alternative", alternative),
            ("config", "\"spark.sql.ansi.enabled\""),
        ],
    )
}

fn negate(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    let data_type = match coercion::canonical(call.data_type(0)?) {
        DataType::Utf8 | DataType::Null => DataType::Float64,
        other => other,
    };
    let number = coercion::is_numeric(&data_type) || coercion::is_interval(&data_type);
    if !number {
        return Err(call.unexpected(0, "(\"NUMERIC\" or \"INTERVAL\")"));
    }
    let kernel = Kernel::Columns(|inputs| {
        let values = inputs.array(0)?;
        match inputs.ansi {
            true => numeric::neg(&values).map_err(|error| match error {
                ArrowError::ArithmeticOverflow(_) => {
                    raise(overflow(inputs.return_type, Operation::Divide))
                }
                other => other.into(),
            }),
            false => Ok(numeric::neg_wrapping(&values)?),
        }
    });
    let value = call.coerced(0, &data_type)?;
    Ok(call.native_named("negative", kernel, vec![value], data_type, call.nullable()))
}

/// `div`: a bigint of whole numbers and of decimals alike.
fn whole_division(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 2)?;
    let whole =
        |argument: &Argument| argument.data_type.is_integer() || argument.data_type.is_null();
    if !call.arguments.iter().all(whole) {
        let quotient = decimal::arithmetic(call, Operation::Divide, false)?;
        return Ok(datafusion::logical_expr::cast(quotient, DataType::Int64));
    }
    let arguments = vec![
        call.coerced(0, &DataType::Int64)?,
        call.coerced(1, &DataType::Int64)?,
    ];
    let kernel = kernel(Operation::Divide, !call.environment.ansi);
    Ok(call.native(kernel, arguments, DataType::Int64, true))
}
