//! Structs, and arrays of them.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StructArray, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::Expr;

use super::Argument;
use super::arguments::{Call, Resolved};
use super::coercion::{array_of, canonical, element};
use super::collection::of_array;
use super::lists::{Lists, Pick, Picked, elements};
use super::native::{Inputs, Kernel};
use crate::error::Error;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let expr = match call.name {
        "struct" => {
            let named = call
                .arguments
                .iter()
                .enumerate()
                .map(|(index, argument)| (name(index, argument), argument));
            of_fields(call, named.collect())
        }
        "named_struct" => named_struct(call)?,
        "arrays_zip" => zip(call)?,
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// A column's own name, or its number from 1.
fn name(index: usize, argument: &Argument) -> String {
    match &argument.expr {
        Expr::Alias(alias) => alias.name.clone(),
        _ if is_named(&argument.expr) => argument
            .name
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned(),
        _ => format!("col{}", index + 1),
    }
}

fn is_named(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) | Expr::LambdaVariable(_) => true,
        Expr::ScalarFunction(function) => function.name() == "get_field",
        _ => false,
    }
}

fn of_fields(call: &Call, fields: Vec<(String, &Argument)>) -> Expr {
    let (mut types, mut values) = (Vec::new(), Vec::new());
    for (name, argument) in fields {
        types.push(Field::new(
            name,
            canonical(&argument.data_type),
            argument.nullable,
        ));
        values.push(argument.expr.clone());
    }
    let kernel = Kernel::Columns(|inputs| {
        let DataType::Struct(fields) = inputs.return_type else {
            return Err(DataFusionError::Internal("a struct".to_owned()));
        };
        let mut columns = Vec::with_capacity(fields.len());
        for (column, field) in inputs.arrays()?.iter().zip(fields) {
            columns.push(datafusion::arrow::compute::cast(column, field.data_type())?);
        }
        Ok(Arc::new(StructArray::try_new_with_length(
            fields.clone(),
            columns,
            None,
            inputs.rows,
        )?))
    });
    call.native_named(
        "named_struct",
        kernel,
        values,
        DataType::Struct(types.into()),
        false,
    )
}

fn named_struct(call: &Call) -> Result<Expr, Error> {
    if call.len() == 0 || call.len() % 2 == 1 {
        return Err(Error::analysis(
            "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            &[
                ("functionName", "`named_struct`"),
                ("expectedNum", "2n (n > 0)"),
                ("actualNum", &call.len().to_string()),
                ("docroot", "https://spark.apache.org/docs/latest"),
            ],
        ));
    }
    let mut fields = Vec::new();
    for index in (0..call.len()).step_by(2) {
        let Some(name) = call.literal_text(index) else {
            return Err(Error::analysis(
                "DATATYPE_MISMATCH.CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING",
                &[
                    ("sqlExpr", &format!("\"{}\"", call.display())),
                    ("inputExprs", "[]"),
                ],
            ));
        };
        fields.push((name.to_owned(), call.argument(index + 1)?));
    }
    Ok(of_fields(call, fields))
}

/// `arrays_zip`: as long as the longest; the shorter ones end with nulls.
fn zip(call: &Call) -> Result<Expr, Error> {
    call.arity(1, usize::MAX)?;
    let mut fields = Vec::new();
    for (index, argument) in call.arguments.iter().enumerate() {
        let inner = of_array(call, index)?;
        let name = match is_named(&argument.expr) || matches!(argument.expr, Expr::Alias(_)) {
            true => name(index, argument),
            false => index.to_string(),
        };
        fields.push(Field::new(name, inner, true));
    }
    let to = array_of(DataType::Struct(fields.into()), false);
    let values = call
        .arguments
        .iter()
        .map(|argument| argument.expr.clone())
        .collect();
    Ok(call.native(Kernel::Columns(zipped), values, to, call.nullable()))
}

fn zipped(inputs: &Inputs) -> Result<ArrayRef> {
    let columns = inputs.arrays()?;
    let lists: Result<Vec<_>> = columns.iter().map(Lists::new).collect();
    let lists = lists?;
    let Some(DataType::Struct(fields)) = element(inputs.return_type).map(|field| field.data_type())
    else {
        return Err(DataFusionError::Internal(
            "zipped arrays are structs".to_owned(),
        ));
    };
    let mut picks: Vec<Vec<Option<Pick>>> = vec![Vec::new(); lists.len()];
    let mut picked = Picked::default();
    let mut total = 0;
    for row in 0..inputs.rows {
        if lists.iter().any(|list| list.is_null(row)) {
            picked.null();
            continue;
        }
        let longest = lists
            .iter()
            .map(|list| list.range(row).len())
            .max()
            .unwrap_or(0);
        for (list, picks) in lists.iter().zip(&mut picks) {
            let range = list.range(row);
            picks.extend(
                (0..longest).map(|index| (index < range.len()).then_some((0, range.start + index))),
            );
        }
        picked.row((total..total + longest).map(|at| Some((0, at))));
        total += longest;
    }
    let mut parts = Vec::with_capacity(lists.len());
    for ((list, picks), field) in lists.iter().zip(&picks).zip(fields) {
        parts.push(elements(
            &[list.values().clone()],
            picks,
            field.data_type(),
        )?);
    }
    let structs: ArrayRef = match total {
        0 => new_null_array(&DataType::Struct(fields.clone()), 0),
        _ => Arc::new(StructArray::try_new(fields.clone(), parts, None)?),
    };
    picked.finish(&[structs], inputs.return_type)
}
