//! Operators: arithmetic, comparison, logic, bits.

use datafusion::arrow::array::{ArrayRef, BooleanArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, lit, not};
use std::sync::Arc;

use super::arguments::{Call, Resolved};
use super::native::Kernel;
use super::{Argument, arithmetic, coercion};
use crate::error::Error;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    if let Some(comparison) = comparison(call.name) {
        call.arity(2, 2)?;
        return compare(call, comparison).map(Some);
    }
    let expr = match call.name {
        "!=" | "<>" => {
            call.arity(2, 2)?;
            not(compare(call, Operator::Eq)?)
        }
        "and" | "or" => {
            call.arity(2, 2)?;
            let (left, right) = (
                call.coerced(0, &DataType::Boolean)?,
                call.coerced(1, &DataType::Boolean)?,
            );
            guarded(left, call.name == "and", right)
        }
        "not" | "!" => {
            call.arity(1, 1)?;
            not(call.coerced(0, &DataType::Boolean)?)
        }
        "equal_null" => {
            call.arity(2, 2)?;
            let same = compare(call, Operator::IsNotDistinctFrom)?;
            super::native::declared(same, DataType::Boolean, false)
        }
        "isnull" => {
            call.arity(1, 1)?;
            call.expr(0)?.is_null()
        }
        "isnotnull" => {
            call.arity(1, 1)?;
            call.expr(0)?.is_not_null()
        }
        "isnan" => is_nan(call)?,
        "in" => is_in(call)?,
        "between" => {
            call.arity(3, 3)?;
            let (value, low, high) = (pair(call, 0, 1)?, pair(call, 0, 2)?, Operator::LtEq);
            binary(
                binary(value.0, Operator::GtEq, value.1),
                Operator::And,
                binary(low.0, high, low.1),
            )
        }
        "&" | "|" | "^" => bits(call)?,
        "~" => bit_not(call)?,
        "shiftleft" | "<<" | "shiftright" | ">>" | "shiftrightunsigned" | ">>>" => shift(call)?,
        _ => return arithmetic::resolve(call),
    };
    Ok(Some(expr))
}

/// `AND` or `OR`. Spark looks at the right side only in rows that the left one leaves open, and people rely
/// on it: `b != 0 AND a / b > 1`. DataFusion looks at all rows of a batch; so a right side that may fail is
/// held back with a `CASE`, beside which the left side is a condition of its own still.
fn guarded(left: Expr, and: bool, right: Expr) -> Expr {
    let operator = if and { Operator::And } else { Operator::Or };
    if !may_fail(&right) {
        return binary(left, operator, right);
    }
    let open = match and {
        true => left.clone().is_not_false(),
        false => left.clone().is_not_true(),
    };
    let right = Case::new(
        None,
        vec![(Box::new(open), Box::new(right))],
        Some(Box::new(lit(!and))),
    );
    binary(left, operator, Expr::Case(right))
}

fn may_fail(expr: &Expr) -> bool {
    const FALLIBLE: [&str; 12] = [
        "cast",
        "+",
        "-",
        "*",
        "/",
        "%",
        "pmod",
        "div",
        "element_at",
        "negative",
        "parse",
        "interval",
    ];
    let fails = |expr: &Expr| match expr {
        Expr::ScalarFunction(function) => {
            FALLIBLE.contains(&function.name()) || function.name().starts_with("decimal ")
        }
        _ => false,
    };
    expr.exists(|expr| Ok(fails(expr))).unwrap_or(true)
}

fn comparison(name: &str) -> Option<Operator> {
    Some(match name {
        "==" | "=" => Operator::Eq,
        "<" => Operator::Lt,
        "<=" => Operator::LtEq,
        ">" => Operator::Gt,
        ">=" => Operator::GtEq,
        "<=>" => Operator::IsNotDistinctFrom,
        _ => return None,
    })
}

pub(super) fn binary(left: Expr, operator: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}

fn compare(call: &Call, operator: Operator) -> Result<Expr, Error> {
    let (left, right) = pair(call, 0, 1)?;
    Ok(binary(left, operator, right))
}

/// Two arguments cast to a type in which they can be compared.
pub(super) fn pair(call: &Call, left: usize, right: usize) -> Result<(Expr, Expr), Error> {
    let (left, right) = (call.argument(left)?, call.argument(right)?);
    let Some(common) = coercion::common_type(&left.data_type, &right.data_type) else {
        return Err(differing(call, left, right));
    };
    Ok((
        to_common(call, left, &common)?,
        to_common(call, right, &common)?,
    ))
}

fn to_common(call: &Call, argument: &Argument, common: &DataType) -> Result<Expr, Error> {
    if coercion::same_type(&argument.data_type, common) {
        return Ok(argument.expr.clone());
    }
    super::cast(argument.clone(), common, false, call.environment)
}

/// `DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES`
pub(super) fn differing(call: &Call, left: &Argument, right: &Argument) -> Error {
    Error::analysis(
        "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
        &[
            ("sqlExpr", &format!("\"{}\"", call.display())),
            (
                "left",
                &format!("\"{}\"", coercion::sql_name(&left.data_type)),
            ),
            (
                "right",
                &format!("\"{}\"", coercion::sql_name(&right.data_type)),
            ),
        ],
    )
}

fn is_in(call: &Call) -> Result<Expr, Error> {
    call.arity(1, usize::MAX)?;
    let common =
        coercion::common_type_of(call.arguments.iter().map(|argument| &argument.data_type));
    let Some(common) = common else {
        let types: Vec<_> = call
            .arguments
            .iter()
            .map(|argument| format!("\"{}\"", coercion::sql_name(&argument.data_type)))
            .collect();
        return Err(Error::analysis(
            "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
            &[
                ("sqlExpr", &format!("\"{}\"", call.display())),
                ("functionName", "`in`"),
                ("dataType", &format!("({})", types.join(" or "))),
            ],
        ));
    };
    let mut values = Vec::with_capacity(call.len());
    for argument in &call.arguments {
        values.push(to_common(call, argument, &common)?);
    }
    let value = values.remove(0);
    Ok(match values.is_empty() {
        true => lit(false),
        false => value.in_list(values, false),
    })
}

fn is_nan(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    let kernel = Kernel::Columns(|inputs| {
        let values = datafusion::arrow::compute::cast(&inputs.array(0)?, &DataType::Float64)?;
        let values = datafusion::arrow::array::cast::as_primitive_array::<
            datafusion::arrow::datatypes::Float64Type,
        >(&values)
        .clone();
        let nans: BooleanArray = values
            .iter()
            .map(|value| Some(value.is_some_and(f64::is_nan)))
            .collect();
        Ok(Arc::new(nans) as ArrayRef)
    });
    Ok(call.native(kernel, vec![call.double(0)?], DataType::Boolean, false))
}

fn bits(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 2)?;
    let (left, right) = (call.data_type(0)?, call.data_type(1)?);
    let common = match coercion::common_type(left, right) {
        Some(common) if common.is_integer() => common,
        Some(_) => return Err(call.unexpected(0, "\"INTEGRAL\"")),
        None => return Err(differing(call, call.argument(0)?, call.argument(1)?)),
    };
    let operator = match call.name {
        "&" => Operator::BitwiseAnd,
        "|" => Operator::BitwiseOr,
        _ => Operator::BitwiseXor,
    };
    Ok(binary(
        call.coerced(0, &common)?,
        operator,
        call.coerced(1, &common)?,
    ))
}

fn bit_not(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    let data_type = coercion::canonical(call.data_type(0)?);
    let ones = match data_type {
        DataType::Int8 => lit(-1i8),
        DataType::Int16 => lit(-1i16),
        DataType::Int32 => lit(-1i32),
        DataType::Int64 => lit(-1i64),
        _ => return Err(call.unexpected(0, "\"INTEGRAL\"")),
    };
    Ok(binary(call.expr(0)?, Operator::BitwiseXor, ones))
}

fn shift(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 2)?;
    let long = *call.data_type(0)? == DataType::Int64;
    let value = match long {
        true => call.expr(0)?,
        false => call.int(0)?,
    };
    let arguments = vec![value, call.int(1)?];
    let nullable = call.nullable();
    if long {
        let kernel: fn(&super::native::Row) -> datafusion::common::Result<Option<i64>> = match call
            .name
        {
            "shiftleft" | "<<" => |row| Ok(Some(row.long(0)?.wrapping_shl(row.int(1)? as u32))),
            "shiftright" | ">>" => |row| Ok(Some(row.long(0)?.wrapping_shr(row.int(1)? as u32))),
            _ => |row| {
                Ok(Some(
                    (row.long(0)? as u64).wrapping_shr(row.int(1)? as u32) as i64
                ))
            },
        };
        return Ok(call.native(Kernel::Long(kernel), arguments, DataType::Int64, nullable));
    }
    let kernel: fn(&super::native::Row) -> datafusion::common::Result<Option<i32>> = match call.name
    {
        "shiftleft" | "<<" => |row| Ok(Some(row.int(0)?.wrapping_shl(row.int(1)? as u32))),
        "shiftright" | ">>" => |row| Ok(Some(row.int(0)?.wrapping_shr(row.int(1)? as u32))),
        _ => |row| {
            Ok(Some(
                (row.int(0)? as u32).wrapping_shr(row.int(1)? as u32) as i32
            ))
        },
    };
    Ok(call.native(Kernel::Int(kernel), arguments, DataType::Int32, nullable))
}
