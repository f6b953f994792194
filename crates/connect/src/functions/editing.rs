//! One element of an array: read, put in, left out.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::common::Result;
use datafusion::logical_expr::Expr;

use super::arguments::{Call, Resolved};
use super::coercion::{array_of, canonical, common_type, element, map_entry};
use super::collection::{different, of_array};
use super::lists::{Lists, Picked, elements};
use super::maps;
use super::native::{Inputs, Kernel, fits, raise};
use crate::error::{Error, Kind};

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let expr = match call.name {
        "element_at" | "try_element_at" => element_at(call)?,
        "get" => {
            call.arity(2, 2)?;
            let to = of_array(call, 0)?;
            let kernel = Kernel::Columns(|inputs| at(inputs, Place::FromZero));
            call.native(kernel, vec![call.expr(0)?, call.int(1)?], to, true)
        }
        // `array[index]`, which has no name.
        "[]" => {
            call.arity(2, 2)?;
            let to = of_array(call, 0)?;
            let kernel = match call.environment.ansi {
                true => Kernel::Columns(|inputs| at(inputs, Place::Indexed)),
                false => Kernel::Columns(|inputs| at(inputs, Place::FromZero)),
            };
            call.native(kernel, vec![call.expr(0)?, call.int(1)?], to, true)
        }
        "array_append" | "array_prepend" => with_element(call)?,
        "array_insert" => insert(call)?,
        "array_compact" => {
            call.arity(1, 1)?;
            let to = array_of(of_array(call, 0)?, false);
            call.native(
                Kernel::Columns(compact),
                vec![call.expr(0)?],
                to,
                call.nullable(),
            )
        }
        "array_repeat" => {
            call.arity(2, 2)?;
            let to = array_of(canonical(call.data_type(0)?), call.argument(0)?.nullable);
            let nullable = call.argument(1)?.nullable;
            call.native(
                Kernel::Columns(repeat),
                vec![call.expr(0)?, call.int(1)?],
                to,
                nullable,
            )
        }
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// From 1, or from the end; an index beyond the array is an error.
    FromOne,
    /// As `FromOne`, but null beyond the array.
    Tried,
    /// From 0; null outside the array.
    FromZero,
    /// From 0, and an error where there is no such place.
    Indexed,
}

fn element_at(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 2)?;
    if map_entry(call.data_type(0)?).is_some() {
        return maps::value_at(call);
    }
    let to = of_array(call, 0)?;
    let kernel = match call.name == "element_at" && call.environment.ansi {
        true => Kernel::Columns(|inputs| at(inputs, Place::FromOne)),
        false => Kernel::Columns(|inputs| at(inputs, Place::Tried)),
    };
    let contains_null = element(call.data_type(0)?).is_none_or(|field| field.is_nullable());
    let nullable =
        call.name != "element_at" || !call.environment.ansi || contains_null || call.nullable();
    Ok(call.native(kernel, vec![call.expr(0)?, call.int(1)?], to, nullable))
}

fn at(inputs: &Inputs, rule: Place) -> Result<ArrayRef> {
    let (lists, indexes) = (inputs.array(0)?, inputs.array(1)?);
    let (lists, indexes) = (Lists::new(&lists)?, indexes.as_primitive::<Int32Type>());
    let mut picks = Vec::with_capacity(inputs.rows);
    for row in 0..inputs.rows {
        if lists.is_null(row) || indexes.is_null(row) {
            picks.push(None);
            continue;
        }
        let (range, index) = (lists.range(row), indexes.value(row));
        let found = match index {
            index if matches!(rule, Place::FromZero | Place::Indexed) => {
                usize::try_from(index).ok().map(|index| range.start + index)
            }
            0 => {
                return Err(raise(Error::new(
                    Kind::Runtime,
                    "INVALID_INDEX_OF_ZERO",
                    &[],
                )));
            }
            index if index > 0 => Some(range.start + index as usize - 1),
            index => range.end.checked_sub(index.unsigned_abs() as usize),
        };
        let found = found.filter(|found| range.contains(found));
        let condition = match rule {
            Place::FromOne => Some("INVALID_ARRAY_INDEX_IN_ELEMENT_AT"),
            Place::Indexed => Some("INVALID_ARRAY_INDEX"),
            _ => None,
        };
        if let (None, Some(condition)) = (found, condition) {
            return Err(raise(Error::new(
                Kind::ArrayIndex,
                condition,
                &[
                    ("indexValue", &index.to_string()),
                    ("arraySize", &range.len().to_string()),
                    ("ansiConfig", "\"spark.sql.ansi.enabled\""),
                ],
            )));
        }
        picks.push(found.map(|found| (0, found)));
    }
    elements(&[lists.values().clone()], &picks, inputs.return_type)
}

/// The array and the element in types that go together.
fn with_value(call: &Call, index: usize) -> Result<(DataType, Expr, Expr), Error> {
    let (inner, value) = (of_array(call, 0)?, call.data_type(index)?);
    let common = common_type(&inner, value).ok_or_else(|| different(call))?;
    let contains_null = element(call.data_type(0)?).is_some_and(|field| field.is_nullable())
        || call.argument(index)?.nullable;
    let to = array_of(common.clone(), contains_null);
    Ok((
        to.clone(),
        call.coerced(0, &to)?,
        call.coerced(index, &common)?,
    ))
}

fn with_element(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 2)?;
    let (to, list, value) = with_value(call, 1)?;
    let kernel = match call.name {
        "array_append" => Kernel::Columns(|inputs| extended(inputs, false)),
        _ => Kernel::Columns(|inputs| extended(inputs, true)),
    };
    let nullable = call.argument(0)?.nullable;
    Ok(call.native(kernel, vec![list, value], to, nullable))
}

fn extended(inputs: &Inputs, in_front: bool) -> Result<ArrayRef> {
    let (lists, values) = (inputs.array(0)?, inputs.array(1)?);
    let lists = Lists::new(&lists)?;
    let mut picked = Picked::default();
    for row in 0..inputs.rows {
        if lists.is_null(row) {
            picked.null();
            continue;
        }
        let own = lists.range(row).map(|at| Some((0, at)));
        let new = std::iter::once(Some((1, row)));
        match in_front {
            true => picked.row(new.chain(own)),
            false => picked.row(own.chain(new)),
        }
    }
    picked.finish(&[lists.values().clone(), values], inputs.return_type)
}

fn insert(call: &Call) -> Result<Expr, Error> {
    call.arity(3, 3)?;
    let (to, list, value) = with_value(call, 2)?;
    // A place beyond the end is filled up with nulls.
    let to = match element(&to) {
        Some(field) => array_of(field.data_type().clone(), true),
        None => to,
    };
    let nullable = call.argument(0)?.nullable || call.argument(1)?.nullable;
    let list = datafusion::logical_expr::cast(list, to.clone());
    Ok(call.native(
        Kernel::Columns(inserted),
        vec![list, call.int(1)?, value],
        to,
        nullable,
    ))
}

fn inserted(inputs: &Inputs) -> Result<ArrayRef> {
    let (lists, positions, values) = (inputs.array(0)?, inputs.array(1)?, inputs.array(2)?);
    let (lists, positions) = (Lists::new(&lists)?, positions.as_primitive::<Int32Type>());
    let mut picked = Picked::default();
    for row in 0..inputs.rows {
        if lists.is_null(row) || positions.is_null(row) {
            picked.null();
            continue;
        }
        let mut all: Vec<_> = lists.range(row).map(|at| Some((0, at))).collect();
        let new = Some((1, row));
        match positions.value(row) {
            0 => {
                return Err(raise(Error::new(
                    Kind::Runtime,
                    "INVALID_INDEX_OF_ZERO",
                    &[],
                )));
            }
            position if position > 0 => {
                let index = position as usize - 1;
                while all.len() < index {
                    all.push(None);
                }
                all.insert(index, new);
            }
            position => {
                let from_end = position.unsigned_abs() as usize - 1;
                while all.len() < from_end {
                    all.insert(0, None);
                }
                all.insert(all.len() - from_end, new);
            }
        }
        picked.row(all);
    }
    picked.finish(&[lists.values().clone(), values], inputs.return_type)
}

fn compact(inputs: &Inputs) -> Result<ArrayRef> {
    without_nulls(&inputs.array(0)?, inputs.return_type, false)
}

/// The arrays without their nulls; an empty one for no array at all if that is asked for.
pub(super) fn without_nulls(array: &ArrayRef, to: &DataType, never_null: bool) -> Result<ArrayRef> {
    let lists = Lists::new(array)?;
    let mut picked = Picked::default();
    for row in 0..array.len() {
        match lists.is_null(row) {
            true if never_null => picked.row([]),
            true => picked.null(),
            false => {
                let values = lists.values();
                picked.row(
                    lists
                        .range(row)
                        .filter(|at| values.is_valid(*at))
                        .map(|at| Some((0, at))),
                );
            }
        }
    }
    picked.finish(&[lists.values().clone()], to)
}

fn repeat(inputs: &Inputs) -> Result<ArrayRef> {
    let (values, counts) = (inputs.array(0)?, inputs.array(1)?);
    let counts = counts.as_primitive::<Int32Type>();
    let mut picked = Picked::default();
    let mut total = 0;
    for row in 0..inputs.rows {
        match counts.is_null(row) {
            true => picked.null(),
            false => {
                let count = counts.value(row).max(0) as usize;
                total += count;
                fits(total, size_of::<u64>())?;
                picked.row(std::iter::repeat_n(Some((0, row)), count));
            }
        }
    }
    picked.finish(&[values], inputs.return_type)
}
