//! Functions that compare the elements of arrays.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;

use super::arguments::{Call, Resolved};
use super::coercion::{array_of, canonical, common_type, element};
use super::collection::{alike, different, of_array};
use super::lists::{Lists, Pick, Picked, comparable, elements};
use super::native::{Inputs, Kernel};
use crate::error::Error;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let nullable = call.nullable();
    let expr = match call.name {
        "array_distinct" => {
            call.arity(1, 1)?;
            of_array(call, 0)?;
            let to = canonical(call.data_type(0)?);
            call.native(Kernel::Columns(distinct), vec![call.expr(0)?], to, nullable)
        }
        "array_union" | "array_intersect" | "array_except" => {
            call.arity(2, 2)?;
            let (to, values) = alike(call, 0)?;
            let kernel = match call.name {
                "array_union" => Kernel::Columns(|inputs| combined(inputs, Set::Union)),
                "array_intersect" => Kernel::Columns(|inputs| combined(inputs, Set::Intersection)),
                _ => Kernel::Columns(|inputs| combined(inputs, Set::Difference)),
            };
            let null = |index: usize| {
                call.data_type(index)
                    .ok()
                    .and_then(element)
                    .is_some_and(|field| field.is_nullable())
            };
            let contains_null = match call.name {
                "array_union" => null(0) || null(1),
                "array_intersect" => null(0) && null(1),
                _ => null(0),
            };
            let to = match element(&to) {
                Some(field) => array_of(field.data_type().clone(), contains_null),
                None => return Err(call.unexpected(0, "\"ARRAY\"")),
            };
            call.native(kernel, values, to, nullable)
        }
        "arrays_overlap" => {
            call.arity(2, 2)?;
            let (_, values) = alike(call, 0)?;
            let contains_null = |index: usize| {
                call.data_type(index)
                    .ok()
                    .and_then(element)
                    .is_some_and(|field| field.is_nullable())
            };
            let nullable = nullable || contains_null(0) || contains_null(1);
            call.native(
                Kernel::Columns(overlap),
                values,
                DataType::Boolean,
                nullable,
            )
        }
        "array_contains" => {
            let (list, value) = searched(call)?;
            let contains_null =
                element(call.data_type(0)?).is_some_and(|field| field.is_nullable());
            let nullable = nullable || contains_null;
            call.native(
                Kernel::Columns(contains),
                vec![list, value],
                DataType::Boolean,
                nullable,
            )
        }
        "array_position" => {
            let (list, value) = searched(call)?;
            call.native(
                Kernel::Columns(position),
                vec![list, value],
                DataType::Int64,
                nullable,
            )
        }
        "array_remove" => {
            let (list, value) = searched(call)?;
            let to = match common_type(&of_array(call, 0)?, call.data_type(1)?) {
                Some(common) => array_of(
                    common,
                    element(call.data_type(0)?).is_some_and(|field| field.is_nullable()),
                ),
                None => return Err(different(call)),
            };
            call.native(Kernel::Columns(remove), vec![list, value], to, nullable)
        }
        "array_max" | "array_min" => {
            call.arity(1, 1)?;
            let to = of_array(call, 0)?;
            let kernel = match call.name {
                "array_max" => Kernel::Columns(|inputs| extreme(inputs, Ordering::Greater)),
                _ => Kernel::Columns(|inputs| extreme(inputs, Ordering::Less)),
            };
            call.native(kernel, vec![call.expr(0)?], to, true)
        }
        "sort_array" | "array_sort" => {
            call.arity(1, 2)?;
            of_array(call, 0)?;
            let ascending =
                call.coerced_or(1, &DataType::Boolean, datafusion::logical_expr::lit(true))?;
            let kernel = match call.name {
                "sort_array" => Kernel::Columns(|inputs| sorted(inputs, false)),
                _ => Kernel::Columns(|inputs| sorted(inputs, true)),
            };
            call.native(
                kernel,
                vec![call.expr(0)?, ascending],
                canonical(call.data_type(0)?),
                nullable,
            )
        }
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// An array and a value to look for in it, in one type.
fn searched(call: &Call) -> Result<(Expr, Expr), Error> {
    call.arity(2, 2)?;
    let common =
        common_type(&of_array(call, 0)?, call.data_type(1)?).ok_or_else(|| different(call))?;
    Ok((
        call.coerced(0, &array_of(common.clone(), true))?,
        call.coerced(1, &common)?,
    ))
}

fn distinct(inputs: &Inputs) -> Result<ArrayRef> {
    let lists = inputs.array(0)?;
    let lists = Lists::new(&lists)?;
    let rows = comparable(&[lists.values()])?;
    let mut picked = Picked::default();
    for row in 0..inputs.rows {
        if lists.is_null(row) {
            picked.null();
            continue;
        }
        let mut seen = HashSet::new();
        picked.row(
            lists
                .range(row)
                .filter(|at| seen.insert(rows[0].row(*at)))
                .map(|at| Some((0, at))),
        );
    }
    picked.finish(&[lists.values().clone()], inputs.return_type)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    Union,
    Intersection,
    Difference,
}

fn combined(inputs: &Inputs, set: Set) -> Result<ArrayRef> {
    let (left, right) = (inputs.array(0)?, inputs.array(1)?);
    let (left, right) = (Lists::new(&left)?, Lists::new(&right)?);
    let rows = comparable(&[left.values(), right.values()])?;
    let mut picked = Picked::default();
    for row in 0..inputs.rows {
        if left.is_null(row) || right.is_null(row) {
            picked.null();
            continue;
        }
        let others: HashSet<_> = right.range(row).map(|at| rows[1].row(at)).collect();
        let mut seen = HashSet::new();
        let own = left.range(row).filter(|at| match set {
            Set::Union => true,
            Set::Intersection => others.contains(&rows[0].row(*at)),
            Set::Difference => !others.contains(&rows[0].row(*at)),
        });
        let mut all: Vec<Option<Pick>> = own
            .filter(|at| seen.insert(rows[0].row(*at)))
            .map(|at| Some((0, at)))
            .collect();
        if set == Set::Union {
            all.extend(
                right
                    .range(row)
                    .filter(|at| seen.insert(rows[1].row(*at)))
                    .map(|at| Some((1, at))),
            );
        }
        picked.row(all);
    }
    picked.finish(
        &[left.values().clone(), right.values().clone()],
        inputs.return_type,
    )
}

/// Null if there is no common element, but a null on a side and neither is empty.
fn overlap(inputs: &Inputs) -> Result<ArrayRef> {
    let (left, right) = (inputs.array(0)?, inputs.array(1)?);
    let (left, right) = (Lists::new(&left)?, Lists::new(&right)?);
    let rows = comparable(&[left.values(), right.values()])?;
    let answers: BooleanArray = (0..inputs.rows)
        .map(|row| {
            if left.is_null(row) || right.is_null(row) {
                return None;
            }
            let present = |list: &Lists, at: &usize| list.values().is_valid(*at);
            let others: HashSet<_> = right
                .range(row)
                .filter(|at| present(&right, at))
                .map(|at| rows[1].row(at))
                .collect();
            if left
                .range(row)
                .any(|at| present(&left, &at) && others.contains(&rows[0].row(at)))
            {
                return Some(true);
            }
            let null = |list: &Lists| list.range(row).any(|at| list.values().is_null(at));
            let empty = left.range(row).is_empty() || right.range(row).is_empty();
            if !empty && (null(&left) || null(&right)) {
                None
            } else {
                Some(false)
            }
        })
        .collect();
    Ok(Arc::new(answers))
}

fn contains(inputs: &Inputs) -> Result<ArrayRef> {
    let (lists, values) = (inputs.array(0)?, inputs.array(1)?);
    let lists = Lists::new(&lists)?;
    let rows = comparable(&[lists.values(), &values])?;
    let answers: BooleanArray = (0..inputs.rows)
        .map(|row| {
            if lists.is_null(row) || values.is_null(row) {
                return None;
            }
            let found = lists
                .range(row)
                .any(|at| lists.values().is_valid(at) && rows[0].row(at) == rows[1].row(row));
            let null = lists.range(row).any(|at| lists.values().is_null(at));
            if !found && null { None } else { Some(found) }
        })
        .collect();
    Ok(Arc::new(answers))
}

fn position(inputs: &Inputs) -> Result<ArrayRef> {
    let (lists, values) = (inputs.array(0)?, inputs.array(1)?);
    let lists = Lists::new(&lists)?;
    let rows = comparable(&[lists.values(), &values])?;
    let answers: Int64Array = (0..inputs.rows)
        .map(|row| {
            if lists.is_null(row) || values.is_null(row) {
                return None;
            }
            let found = lists
                .range(row)
                .position(|at| lists.values().is_valid(at) && rows[0].row(at) == rows[1].row(row));
            Some(found.map_or(0, |index| index as i64 + 1))
        })
        .collect();
    Ok(Arc::new(answers))
}

fn remove(inputs: &Inputs) -> Result<ArrayRef> {
    let (lists, values) = (inputs.array(0)?, inputs.array(1)?);
    let lists = Lists::new(&lists)?;
    let rows = comparable(&[lists.values(), &values])?;
    let mut picked = Picked::default();
    for row in 0..inputs.rows {
        if lists.is_null(row) || values.is_null(row) {
            picked.null();
            continue;
        }
        let kept = lists
            .range(row)
            .filter(|at| lists.values().is_null(*at) || rows[0].row(*at) != rows[1].row(row));
        picked.row(kept.map(|at| Some((0, at))));
    }
    picked.finish(&[lists.values().clone()], inputs.return_type)
}

fn extreme(inputs: &Inputs, wanted: Ordering) -> Result<ArrayRef> {
    let lists = inputs.array(0)?;
    let lists = Lists::new(&lists)?;
    let rows = comparable(&[lists.values()])?;
    let picks: Vec<Option<Pick>> = (0..inputs.rows)
        .map(|row| {
            if lists.is_null(row) {
                return None;
            }
            let present = lists.range(row).filter(|at| lists.values().is_valid(*at));
            let better = |one: usize, other: usize| match rows[0].row(other).cmp(&rows[0].row(one))
            {
                order if order == wanted => other,
                _ => one,
            };
            present.reduce(better).map(|at| (0, at))
        })
        .collect();
    elements(&[lists.values().clone()], &picks, inputs.return_type)
}

/// Nulls come first when ascending and last when descending, or always last.
fn sorted(inputs: &Inputs, nulls_last: bool) -> Result<ArrayRef> {
    let (lists, ascending) = (inputs.array(0)?, inputs.array(1)?);
    let (lists, ascending) = (Lists::new(&lists)?, ascending.as_boolean());
    let rows = comparable(&[lists.values()])?;
    let mut picked = Picked::default();
    for row in 0..inputs.rows {
        if lists.is_null(row) || ascending.is_null(row) {
            picked.null();
            continue;
        }
        let is_null = |at: &usize| lists.values().is_null(*at);
        let (nulls, mut present): (Vec<usize>, Vec<usize>) = lists.range(row).partition(is_null);
        present.sort_by(|one, other| rows[0].row(*one).cmp(&rows[0].row(*other)));
        if !ascending.value(row) {
            present.reverse();
        }
        let all = match nulls_last || !ascending.value(row) {
            true => [present, nulls],
            false => [nulls, present],
        };
        picked.row(all.concat().into_iter().map(|at| Some((0, at))));
    }
    picked.finish(&[lists.values().clone()], inputs.return_type)
}
