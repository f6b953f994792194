//! Maps.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, StructArray};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::Expr;

use super::arguments::{Call, Resolved, text_literal};
use super::coercion::{
    array_of, canonical, common_type, common_type_of, element, map_entry, map_of,
};
use super::collection::{alike, different, of_array};
use super::entries::{Entries, Maps};
use super::lists::{Lists, Picked, comparable, elements};
use super::native::{Inputs, Kernel, raise};
use crate::error::{Error, Kind};

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let nullable = call.nullable();
    let expr = match call.name {
        "map" | "create_map" => create(call)?,
        "map_from_arrays" => {
            call.arity(2, 2)?;
            let (key, value) = (of_array(call, 0)?, of_array(call, 1)?);
            let contains_null =
                element(call.data_type(1)?).is_some_and(|field| field.is_nullable());
            let arguments = vec![call.expr(0)?, call.expr(1)?];
            call.native(
                Kernel::Columns(from_arrays),
                arguments,
                map_of(key, value, contains_null),
                nullable,
            )
        }
        "map_from_entries" => {
            call.arity(1, 1)?;
            let entry = of_array(call, 0)?;
            let DataType::Struct(fields) = &entry else {
                return Err(call.unexpected(0, "\"ARRAY\" of pairs"));
            };
            let [key, value] = fields.iter().as_slice() else {
                return Err(call.unexpected(0, "\"ARRAY\" of pairs"));
            };
            let to = map_of(
                key.data_type().clone(),
                value.data_type().clone(),
                value.is_nullable(),
            );
            let nullable =
                nullable || element(call.data_type(0)?).is_some_and(|field| field.is_nullable());
            call.native(
                Kernel::Columns(from_entries),
                vec![call.expr(0)?],
                to,
                nullable,
            )
        }
        "map_keys" | "map_values" | "map_entries" => parts(call)?,
        "map_contains_key" => {
            call.arity(2, 2)?;
            let (map, key) = searched(call)?;
            let kernel = Kernel::Columns(|inputs| {
                let found = find(inputs)?;
                let (maps, keys) = (inputs.array(0)?, inputs.array(1)?);
                let answers: BooleanArray = found
                    .into_iter()
                    .enumerate()
                    .map(|(row, found)| {
                        (maps.is_valid(row) && keys.is_valid(row)).then_some(found.is_some())
                    })
                    .collect();
                Ok(Arc::new(answers) as ArrayRef)
            });
            call.native(kernel, vec![map, key], DataType::Boolean, true)
        }
        "map_concat" => {
            let (to, values) = alike(call, 0)?;
            call.native(Kernel::Columns(concat), values, to, nullable)
        }
        "str_to_map" => {
            call.arity(1, 3)?;
            let arguments = vec![
                call.text(0)?,
                call.coerced_or(1, &DataType::Utf8, text_literal(","))?,
                call.coerced_or(2, &DataType::Utf8, text_literal(":"))?,
            ];
            let to = map_of(DataType::Utf8, DataType::Utf8, true);
            call.native(Kernel::Columns(from_text), arguments, to, nullable)
        }
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// `map(key, value, …)`
fn create(call: &Call) -> Result<Expr, Error> {
    let of = |odd: usize| call.arguments.iter().skip(odd).step_by(2);
    let common = |odd: usize| {
        common_type_of(of(odd).map(|argument| &argument.data_type)).ok_or_else(|| different(call))
    };
    let (key, value) = match call.len() {
        0 => (DataType::Utf8, DataType::Utf8),
        count if count % 2 == 1 => {
            return call
                .arity(count + 1, count + 1)
                .map(|()| call.arguments[0].expr.clone());
        }
        _ => (common(0)?, common(1)?),
    };
    let mut arguments = Vec::with_capacity(call.len());
    for index in 0..call.len() {
        arguments.push(call.coerced(index, if index % 2 == 0 { &key } else { &value })?);
    }
    let contains_null = of(1).any(|argument| argument.nullable);
    let kernel = Kernel::Columns(|inputs| {
        let columns = inputs.arrays()?;
        let (keys, values): (Vec<_>, Vec<_>) = columns
            .chunks(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .unzip();
        let mut entries = Entries::default();
        for row in 0..inputs.rows {
            entries.row((0..keys.len()).map(|column| (Some((column, row)), Some((column, row)))));
        }
        entries.finish(&keys, &values, inputs.return_type)
    });
    Ok(call.native(kernel, arguments, map_of(key, value, contains_null), false))
}

fn from_arrays(inputs: &Inputs) -> Result<ArrayRef> {
    let (keys, values) = (inputs.array(0)?, inputs.array(1)?);
    let (keys, values) = (Lists::new(&keys)?, Lists::new(&values)?);
    let mut entries = Entries::default();
    for row in 0..inputs.rows {
        if keys.is_null(row) || values.is_null(row) {
            entries.null();
            continue;
        }
        if keys.range(row).len() != values.range(row).len() {
            return Err(raise(Error::new(
                Kind::Runtime,
                "MAP_KEY_VALUE_DIFF_SIZES",
                &[],
            )));
        }
        entries.row(
            keys.range(row)
                .zip(values.range(row))
                .map(|(key, value)| (Some((0, key)), Some((0, value)))),
        );
    }
    entries.finish(
        &[keys.values().clone()],
        &[values.values().clone()],
        inputs.return_type,
    )
}

fn from_entries(inputs: &Inputs) -> Result<ArrayRef> {
    let lists = inputs.array(0)?;
    let lists = Lists::new(&lists)?;
    let pairs = lists.values().as_struct();
    let mut entries = Entries::default();
    for row in 0..inputs.rows {
        if lists.is_null(row) || lists.range(row).any(|at| pairs.is_null(at)) {
            entries.null();
            continue;
        }
        entries.row(lists.range(row).map(|at| (Some((0, at)), Some((0, at)))));
    }
    entries.finish(
        &[pairs.column(0).clone()],
        &[pairs.column(1).clone()],
        inputs.return_type,
    )
}

/// The keys, the values, or the pairs of both.
fn parts(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    let Some((key, value)) = map_entry(call.data_type(0)?) else {
        return Err(call.unexpected(0, "\"MAP\""));
    };
    let (to, kernel): (_, fn(&Inputs) -> Result<ArrayRef>) = match call.name {
        "map_keys" => (array_of(key.data_type().clone(), false), |inputs| {
            column(inputs, Some(0))
        }),
        "map_values" => (
            array_of(value.data_type().clone(), value.is_nullable()),
            |inputs| column(inputs, Some(1)),
        ),
        _ => {
            let pair = DataType::Struct(
                vec![
                    datafusion::arrow::datatypes::Field::new("key", key.data_type().clone(), false),
                    datafusion::arrow::datatypes::Field::new(
                        "value",
                        value.data_type().clone(),
                        value.is_nullable(),
                    ),
                ]
                .into(),
            );
            (array_of(pair, false), |inputs| column(inputs, None))
        }
    };
    Ok(call.native(
        Kernel::Columns(kernel),
        vec![call.expr(0)?],
        to,
        call.nullable(),
    ))
}

fn column(inputs: &Inputs, which: Option<usize>) -> Result<ArrayRef> {
    let maps = inputs.array(0)?;
    let maps = Maps::new(&maps)?;
    let source: ArrayRef = match which {
        Some(index) => maps.0.entries().column(index).clone(),
        None => {
            let Some(field) = element(inputs.return_type) else {
                return Err(DataFusionError::Internal("entries are an array".to_owned()));
            };
            let DataType::Struct(fields) = field.data_type() else {
                return Err(DataFusionError::Internal("an entry is a struct".to_owned()));
            };
            Arc::new(StructArray::try_new(
                fields.clone(),
                maps.0.entries().columns().to_vec(),
                None,
            )?)
        }
    };
    let mut picked = Picked::default();
    for row in 0..inputs.rows {
        match maps.0.is_null(row) {
            true => picked.null(),
            false => picked.row(maps.range(row).map(|at| Some((0, at)))),
        }
    }
    picked.finish(&[source], inputs.return_type)
}

/// A map and a key to look for in it, in one type.
fn searched(call: &Call) -> Result<(Expr, Expr), Error> {
    let Some((key, value)) = map_entry(call.data_type(0)?) else {
        return Err(call.unexpected(0, "\"MAP\""));
    };
    let common = common_type(key.data_type(), call.data_type(1)?).ok_or_else(|| different(call))?;
    let map = match canonical(key.data_type()) == common {
        true => call.expr(0)?,
        false => {
            let to = map_of(
                common.clone(),
                value.data_type().clone(),
                value.is_nullable(),
            );
            super::cast(call.argument(0)?.clone(), &to, false, call.environment)?
        }
    };
    Ok((map, call.coerced(1, &common)?))
}

/// Where each row's key is among the map's entries.
fn find(inputs: &Inputs) -> Result<Vec<Option<usize>>> {
    let (maps, keys) = (inputs.array(0)?, inputs.array(1)?);
    let maps = Maps::new(&maps)?;
    let own = datafusion::arrow::compute::cast(maps.0.keys(), keys.data_type())?;
    let rows = comparable(&[&own, &keys])?;
    Ok((0..inputs.rows)
        .map(|row| {
            if maps.0.is_null(row) || keys.is_null(row) {
                return None;
            }
            maps.range(row)
                .find(|at| rows[0].row(*at) == rows[1].row(row))
        })
        .collect())
}

/// `element_at(map, key)`: null for a key that is not there.
pub(super) fn value_at(call: &Call) -> Result<Expr, Error> {
    let (map, key) = searched(call)?;
    let to = map_entry(call.data_type(0)?)
        .map_or(DataType::Null, |(_, value)| canonical(value.data_type()));
    let kernel = Kernel::Columns(|inputs| {
        let found = find(inputs)?;
        let maps = inputs.array(0)?;
        let values =
            datafusion::arrow::compute::cast(Maps::new(&maps)?.0.values(), inputs.return_type)?;
        let picks: Vec<_> = found
            .into_iter()
            .map(|found| found.map(|at| (0, at)))
            .collect();
        elements(&[values], &picks, inputs.return_type)
    });
    Ok(call.native_named("element_at of a map", kernel, vec![map, key], to, true))
}

fn concat(inputs: &Inputs) -> Result<ArrayRef> {
    let columns = inputs.arrays()?;
    let maps: Result<Vec<_>> = columns.iter().map(Maps::new).collect();
    let maps = maps?;
    let mut entries = Entries::default();
    for row in 0..inputs.rows {
        if maps.iter().any(|map| map.0.is_null(row)) {
            entries.null();
            continue;
        }
        let all = maps.iter().enumerate();
        entries.row(all.flat_map(|(column, map)| {
            map.range(row)
                .map(move |at| (Some((column, at)), Some((column, at))))
        }));
    }
    let keys: Vec<_> = maps.iter().map(|map| map.0.keys().clone()).collect();
    let values: Vec<_> = maps.iter().map(|map| map.0.values().clone()).collect();
    entries.finish(&keys, &values, inputs.return_type)
}

/// `str_to_map`: the delimiters are regular expressions in Spark, and are here as well.
fn from_text(inputs: &Inputs) -> Result<ArrayRef> {
    let arrays = inputs.arrays()?;
    let [texts, between, inside] = arrays.as_slice() else {
        return Err(DataFusionError::Internal(
            "str_to_map takes three".to_owned(),
        ));
    };
    let (texts, between, inside) = (
        texts.as_string::<i32>(),
        between.as_string::<i32>(),
        inside.as_string::<i32>(),
    );
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let mut entries = Entries::default();
    for row in 0..inputs.rows {
        if texts.is_null(row) || between.is_null(row) || inside.is_null(row) {
            entries.null();
            continue;
        }
        let from = keys.len();
        for pair in super::pattern::split(texts.value(row), between.value(row), -1)? {
            let mut parts = super::pattern::split(&pair, inside.value(row), 2)?.into_iter();
            keys.push(parts.next());
            values.push(parts.next());
        }
        entries.row((from..keys.len()).map(|at| (Some((0, at)), Some((0, at)))));
    }
    let keys: ArrayRef = Arc::new(StringArray::from(keys));
    let values: ArrayRef = Arc::new(StringArray::from(values));
    entries.finish(&[keys], &[values], inputs.return_type)
}
