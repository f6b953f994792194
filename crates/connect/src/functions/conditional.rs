//! Alternatives: `CASE`, and what to do about nulls and NaN.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, Operator, lit};

use super::arguments::{Call, Resolved};
use super::coercion;
use super::native::declared;
use super::operators::{binary, pair};
use crate::error::Error;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let expr = match call.name {
        "when" | "case" => case_when(call)?,
        "if" => {
            call.arity(3, 3)?;
            case_when(call)?
        }
        "coalesce" => {
            call.arity(1, usize::MAX)?;
            coalesce(call)?
        }
        "nvl" | "ifnull" => {
            call.arity(2, 2)?;
            coalesce(call)?
        }
        "nvl2" => {
            call.arity(3, 3)?;
            let common = common(call, &[1, 2])?;
            case(
                call.expr(0)?.is_not_null(),
                call.coerced(1, &common)?,
                call.coerced(2, &common)?,
            )
        }
        "nullif" => {
            call.arity(2, 2)?;
            let (left, right) = pair(call, 0, 1)?;
            null_if(call, binary(left, Operator::Eq, right))?
        }
        "nullifzero" => {
            call.arity(1, 1)?;
            let zero = ScalarValue::new_zero(call.data_type(0)?)?;
            null_if(call, binary(call.expr(0)?, Operator::Eq, lit(zero)))?
        }
        "zeroifnull" => {
            call.arity(1, 1)?;
            let zero = ScalarValue::new_zero(call.data_type(0)?)?;
            call.registered("coalesce", vec![call.expr(0)?, lit(zero)])?
        }
        "nanvl" => {
            call.arity(2, 2)?;
            let float = |index| {
                call.data_type(index)
                    .is_ok_and(|of| *of == DataType::Float32)
            };
            let common = if float(0) && float(1) {
                DataType::Float32
            } else {
                DataType::Float64
            };
            let value = call.coerced(0, &common)?;
            let nan = call.registered("isnan", vec![value.clone()])?;
            case(nan, call.coerced(1, &common)?, value)
        }
        "greatest" | "least" => extreme(call)?,
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

fn case(condition: Expr, then: Expr, otherwise: Expr) -> Expr {
    Expr::Case(Case::new(
        None,
        vec![(Box::new(condition), Box::new(then))],
        Some(Box::new(otherwise)),
    ))
}

fn null_if(call: &Call, condition: Expr) -> Result<Expr, Error> {
    let null = lit(ScalarValue::try_from(&coercion::canonical(
        call.data_type(0)?,
    ))?);
    Ok(case(condition, null, call.expr(0)?))
}

/// The type in which the arguments are alternatives.
fn common(call: &Call, indexes: &[usize]) -> Result<DataType, Error> {
    let types = indexes
        .iter()
        .filter_map(|index| call.arguments.get(*index))
        .map(|a| &a.data_type);
    coercion::common_type_of(types).ok_or_else(|| different(call, indexes))
}

fn different(call: &Call, indexes: &[usize]) -> Error {
    let types: Vec<_> = indexes
        .iter()
        .filter_map(|index| call.arguments.get(*index))
        .map(|argument| format!("\"{}\"", coercion::sql_name(&argument.data_type)))
        .collect();
    Error::analysis(
        "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
        &[
            ("sqlExpr", &format!("\"{}\"", call.display())),
            ("functionName", &format!("`{}`", call.name)),
            ("dataType", &format!("[{}]", types.join(", "))),
        ],
    )
}

/// Conditions and values in turn, and perhaps a value for all other rows.
fn case_when(call: &Call) -> Result<Expr, Error> {
    call.arity(2, usize::MAX)?;
    let branches = call.len() / 2;
    let mut values: Vec<usize> = (0..branches).map(|branch| branch * 2 + 1).collect();
    let otherwise = (call.len() % 2 == 1).then(|| call.len() - 1);
    values.extend(otherwise);
    let common = common(call, &values)?;
    let mut when_then = Vec::with_capacity(branches);
    for branch in 0..branches {
        let condition = call.coerced(branch * 2, &DataType::Boolean)?;
        when_then.push((
            Box::new(condition),
            Box::new(call.coerced(branch * 2 + 1, &common)?),
        ));
    }
    let nullable = values.iter().any(|index| {
        call.arguments
            .get(*index)
            .is_some_and(|value| value.nullable)
    });
    let otherwise = match otherwise {
        Some(index) => Some(Box::new(call.coerced(index, &common)?)),
        None => None,
    };
    let total = otherwise.is_some();
    let case = Expr::Case(Case::new(None, when_then, otherwise));
    // DataFusion knows that the x of `CASE WHEN x > 0 THEN x …` is no null; Spark does not.
    Ok(if total && nullable {
        declared(case, common, true)
    } else {
        case
    })
}

fn all(call: &Call) -> Result<(DataType, Vec<Expr>), Error> {
    let indexes: Vec<usize> = (0..call.len()).collect();
    let common = common(call, &indexes)?;
    let values: Result<Vec<_>, _> = indexes
        .iter()
        .map(|index| call.coerced(*index, &common))
        .collect();
    Ok((common, values?))
}

fn coalesce(call: &Call) -> Result<Expr, Error> {
    let (_, mut values) = all(call)?;
    match values.len() {
        1 => Ok(values.remove(0)),
        _ => call.registered("coalesce", values),
    }
}

/// The greatest or least of the arguments that are not null. NaN is greater than any number.
fn extreme(call: &Call) -> Result<Expr, Error> {
    call.arity(2, usize::MAX)?;
    let (common, values) = all(call)?;
    let nullable = call.arguments.iter().all(|argument| argument.nullable);
    let expr = call.registered(call.name, values)?;
    Ok(declared(expr, common, nullable))
}
