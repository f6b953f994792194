//! Arrays. Maps, structs and JSON have files of their own.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::common::Result;
use datafusion::logical_expr::Expr;

use super::arguments::{Call, Resolved};
use super::coercion::{array_of, canonical, element};
use super::lists::{Lists, Picked};
use super::native::{Inputs, Kernel, raise};
use super::{coercion, editing, json, maps, sequence, sets, structs};
use crate::error::{Error, Kind};

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let expr = match call.name {
        "array" => array(call)?,
        "size" | "cardinality" | "array_size" => size(call)?,
        "array_join" => join(call)?,
        "slice" => {
            call.arity(3, 3)?;
            let to = canonical(call.data_type(0)?);
            of_array(call, 0)?;
            let arguments = vec![call.expr(0)?, call.int(1)?, call.int(2)?];
            call.native(Kernel::Columns(slice), arguments, to, call.nullable())
        }
        "reverse" => reverse(call)?,
        "flatten" => {
            call.arity(1, 1)?;
            let inner = of_array(call, 0)?;
            let nullable = element(call.data_type(0)?).is_some_and(|field| field.is_nullable());
            call.native(
                Kernel::Columns(flatten),
                vec![call.expr(0)?],
                inner,
                nullable || call.nullable(),
            )
        }
        "shuffle" => {
            call.arity(1, 2)?;
            call.registered("shuffle", vec![call.expr(0)?])?
        }
        _ => {
            for area in [
                editing::resolve,
                sets::resolve,
                maps::resolve,
                structs::resolve,
                sequence::resolve,
                json::resolve,
            ] {
                if let Some(expr) = area(call)? {
                    return Ok(Some(expr));
                }
            }
            return Ok(None);
        }
    };
    Ok(Some(expr))
}

/// The type of an array argument's elements.
pub(super) fn of_array(call: &Call, index: usize) -> Result<DataType, Error> {
    match element(call.data_type(index)?) {
        Some(field) => Ok(canonical(field.data_type())),
        None if call.data_type(index)?.is_null() => Ok(DataType::Null),
        None => Err(call.unexpected(index, "\"ARRAY\"")),
    }
}

pub(super) fn array(call: &Call) -> Result<Expr, Error> {
    let Some(common) =
        coercion::common_type_of(call.arguments.iter().map(|argument| &argument.data_type))
    else {
        return Err(different(call));
    };
    let values: Result<Vec<_>, _> = (0..call.len())
        .map(|index| call.coerced(index, &common))
        .collect();
    let kernel = Kernel::Columns(|inputs| {
        let columns = inputs.arrays()?;
        let mut picked = Picked::default();
        for row in 0..inputs.rows {
            picked.row((0..columns.len()).map(|column| Some((column, row))));
        }
        picked.finish(&columns, inputs.return_type)
    });
    Ok(call.native(kernel, values?, array_of(common, call.nullable()), false))
}

/// `DATATYPE_MISMATCH.DATA_DIFF_TYPES`
pub(super) fn different(call: &Call) -> Error {
    let types: Vec<_> = call
        .arguments
        .iter()
        .map(|argument| format!("\"{}\"", coercion::sql_name(&argument.data_type)))
        .collect();
    Error::analysis(
        "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
        &[
            ("sqlExpr", &format!("\"{}\"", call.display())),
            ("functionName", &format!("`{}`", call.name)),
            ("dataType", &format!("({})", types.join(" or "))),
        ],
    )
}

/// The arguments from `first` on, cast to one type of arrays.
pub(super) fn alike(call: &Call, first: usize) -> Result<(DataType, Vec<Expr>), Error> {
    let types = call
        .arguments
        .iter()
        .skip(first)
        .map(|argument| &argument.data_type);
    let common = coercion::common_type_of(types).ok_or_else(|| different(call))?;
    let values: Result<Vec<_>, _> = (first..call.len())
        .map(|index| call.coerced(index, &common))
        .collect();
    Ok((common, values?))
}

/// Arrays one behind the other.
pub(super) fn concat(call: &Call) -> Result<Expr, Error> {
    let (to, values) = alike(call, 0)?;
    let kernel = Kernel::Columns(|inputs| {
        let columns = inputs.arrays()?;
        let lists: Result<Vec<_>> = columns.iter().map(Lists::new).collect();
        let lists = lists?;
        let mut picked = Picked::default();
        for row in 0..inputs.rows {
            if lists.iter().any(|list| list.is_null(row)) {
                picked.null();
                continue;
            }
            let all = lists.iter().enumerate();
            picked.row(
                all.flat_map(|(column, list)| list.range(row).map(move |at| Some((column, at)))),
            );
        }
        let sources: Vec<_> = lists.iter().map(|list| list.values().clone()).collect();
        picked.finish(&sources, inputs.return_type)
    });
    Ok(call.native_named("concat of arrays", kernel, values, to, call.nullable()))
}

fn size(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    let kernel = Kernel::Columns(|inputs| {
        let array = inputs.array(0)?;
        let lengths: Vec<i32> = match array.data_type() {
            DataType::Map(..) => array
                .as_map()
                .value_offsets()
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .collect(),
            _ => Lists::new(&array)?
                .0
                .value_offsets()
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .collect(),
        };
        let sizes = lengths
            .into_iter()
            .enumerate()
            .map(|(row, length)| array.is_valid(row).then_some(length));
        Ok(std::sync::Arc::new(
            sizes.collect::<datafusion::arrow::array::Int32Array>(),
        ))
    });
    if call.name == "array_size" || coercion::map_entry(call.data_type(0)?).is_none() {
        of_array(call, 0)?;
    }
    Ok(call.native(
        kernel,
        vec![call.expr(0)?],
        DataType::Int32,
        call.nullable(),
    ))
}

/// `array_join(array, delimiter[, what stands for null])`
fn join(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 3)?;
    of_array(call, 0)?;
    let texts = call.coerced(0, &array_of(DataType::Utf8, true))?;
    let kernel = Kernel::LenientText(|row| {
        if (0..row.len()).any(|column| row.is_null(column)) {
            return Ok(None);
        }
        let (lists, at) = row.other(0)?;
        let values = lists.as_list::<i32>().value(at);
        let values = values.as_string::<i32>();
        let null = if row.len() == 3 {
            Some(row.text(2)?)
        } else {
            None
        };
        let parts = values.iter().filter_map(|value| value.or(null));
        Ok(Some(parts.collect::<Vec<_>>().join(row.text(1)?)))
    });
    let mut arguments = vec![texts, call.text(1)?];
    if call.len() == 3 {
        arguments.push(call.text(2)?);
    }
    Ok(call.native(kernel, arguments, DataType::Utf8, call.nullable()))
}

fn slice(inputs: &Inputs) -> Result<ArrayRef> {
    let (lists, starts, lengths) = (inputs.array(0)?, inputs.array(1)?, inputs.array(2)?);
    let lists = Lists::new(&lists)?;
    let (starts, lengths) = (
        starts.as_primitive::<Int32Type>(),
        lengths.as_primitive::<Int32Type>(),
    );
    let parameter = |name: &str, value: i32| {
        raise(Error::new(
            Kind::Runtime,
            if name == "start" {
                "INVALID_PARAMETER_VALUE.START"
            } else {
                "INVALID_PARAMETER_VALUE.LENGTH"
            },
            &[
                ("parameter", &format!("`{name}`")),
                ("functionName", "`slice`"),
                ("length", &value.to_string()),
            ],
        ))
    };
    let mut picked = Picked::default();
    for row in 0..inputs.rows {
        if lists.is_null(row) || starts.is_null(row) || lengths.is_null(row) {
            picked.null();
            continue;
        }
        let (range, start, length) = (lists.range(row), starts.value(row), lengths.value(row));
        if start == 0 {
            return Err(parameter("start", start));
        }
        if length < 0 {
            return Err(parameter("length", length));
        }
        let from = match start > 0 {
            true => Some(range.start + start as usize - 1),
            false => range
                .end
                .checked_sub(start.unsigned_abs() as usize)
                .filter(|from| *from >= range.start),
        };
        match from {
            Some(from) => picked.row(
                (from..range.end)
                    .take(length as usize)
                    .map(|at| Some((0, at))),
            ),
            None => picked.row([]),
        }
    }
    picked.finish(&[lists.values().clone()], inputs.return_type)
}

/// Of an array or of a string.
fn reverse(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    let nullable = call.nullable();
    if element(call.data_type(0)?).is_none() {
        let kernel = Kernel::Text(|row| Ok(Some(row.text(0)?.chars().rev().collect())));
        return Ok(call.native(kernel, vec![call.text(0)?], DataType::Utf8, nullable));
    }
    let kernel = Kernel::Columns(|inputs| {
        let lists = inputs.array(0)?;
        let lists = Lists::new(&lists)?;
        let mut picked = Picked::default();
        for row in 0..inputs.rows {
            match lists.is_null(row) {
                true => picked.null(),
                false => picked.row(lists.range(row).rev().map(|at| Some((0, at)))),
            }
        }
        picked.finish(&[lists.values().clone()], inputs.return_type)
    });
    let to = canonical(call.data_type(0)?);
    Ok(call.native_named(
        "reverse of an array",
        kernel,
        vec![call.expr(0)?],
        to,
        nullable,
    ))
}

/// The elements of the elements; null if one of them is.
fn flatten(inputs: &Inputs) -> Result<ArrayRef> {
    let outer = inputs.array(0)?;
    let outer = Lists::new(&outer)?;
    let inner = Lists::new(outer.values())?;
    let mut picked = Picked::default();
    for row in 0..inputs.rows {
        if outer.is_null(row) || outer.range(row).any(|at| inner.is_null(at)) {
            picked.null();
            continue;
        }
        picked.row(
            outer
                .range(row)
                .flat_map(|at| inner.range(at))
                .map(|at| Some((0, at))),
        );
    }
    picked.finish(&[inner.values().clone()], inputs.return_type)
}
