//! Functions that give values another shape: lists of rows, and the fields of those.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, ListArray, StructArray, make_array, new_empty_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{cast, interleave};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::{Result, internal_datafusion_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ShapeKind {
    /// The elements of an array or the entries of a map, as a list of structs.
    Elements { positions: bool },
    /// The arguments in so many rows, as a list of structs.
    Stacked { rows: usize },
    /// The fields of these names of a JSON object, as a struct.
    JsonTuple,
    /// A field of a struct.
    Field(usize),
}

/// A function of a kind that is bound to its type.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) kind: ShapeKind,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
}

/// A field of a struct, null where the struct is.
pub(super) fn field_of(of: Expr, at: usize, data_type: DataType, nullable: bool) -> Expr {
    let kind = ShapeKind::Field(at);
    Shape {
        kind,
        data_type,
        nullable,
    }
    .call(vec![of])
}

impl Shape {
    pub(super) fn call(self, arguments: Vec<Expr>) -> Expr {
        let signature = Signature::any(arguments.len(), Volatility::Immutable);
        let function = Shaping {
            kind: self.kind,
            data_type: self.data_type,
            nullable: self.nullable,
            signature,
        };
        ScalarUDF::new_from_impl(function).call(arguments)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shaping {
    kind: ShapeKind,
    data_type: DataType,
    nullable: bool,
    signature: Signature,
}

impl ScalarUDFImpl for Shaping {
    fn name(&self) -> &str {
        match self.kind {
            ShapeKind::Elements { positions: false } => "elements",
            ShapeKind::Elements { positions: true } => "elements_with_positions",
            ShapeKind::Stacked { .. } => "stack",
            ShapeKind::JsonTuple => "json_tuple",
            ShapeKind::Field(_) => "field",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(
            self.name(),
            self.data_type.clone(),
            self.nullable,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|arg| arg.to_array(args.number_rows))
            .collect::<Result<_>>()?;
        let Some(first) = arrays.first() else {
            return internal_err!("{} has no arguments", self.name());
        };
        let array = match self.kind {
            ShapeKind::Elements { positions } => elements(first, positions, &self.data_type)?,
            ShapeKind::Stacked { rows } => stacked(&arrays, rows, &self.data_type)?,
            ShapeKind::JsonTuple => json::fields(&arrays, &self.data_type)?,
            ShapeKind::Field(at) => in_type(&field(first, at)?, &self.data_type)?,
        };
        Ok(ColumnarValue::Array(array))
    }
}

fn in_type(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    match array.data_type() == data_type {
        true => Ok(Arc::clone(array)),
        false => Ok(cast(array, data_type)?),
    }
}

/// The item field of a list type, and the fields of its structs.
fn of_list(data_type: &DataType) -> Result<(&FieldRef, &Fields)> {
    if let DataType::List(item) = data_type
        && let DataType::Struct(fields) = item.data_type()
    {
        return Ok((item, fields));
    }
    internal_err!("{data_type} is no list of structs")
}

/// Shares the array's values; only positions are made.
fn elements(array: &ArrayRef, positions: bool, data_type: &DataType) -> Result<ArrayRef> {
    let (item, fields) = of_list(data_type)?;
    let (offsets, mut columns) = match array.data_type() {
        DataType::Map(..) => {
            let map = array.as_map();
            (map.offsets().clone(), map.entries().columns().to_vec())
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            (list.offsets().clone(), vec![Arc::clone(list.values())])
        }
        DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => {
            let list = cast(array, &DataType::List(Arc::clone(inner)))?;
            return elements(&list, positions, data_type);
        }
        other => return internal_err!("{other} has no elements"),
    };
    if positions {
        let count = columns.first().map_or(0, |column| column.len());
        columns.insert(0, Arc::new(positions_in(&offsets, count)));
    }
    let columns = columns
        .iter()
        .zip(fields)
        .map(|(column, field)| in_type(column, field.data_type()))
        .collect::<Result<_>>()?;
    let structs = StructArray::try_new(fields.clone(), columns, None)?;
    let nulls = array.nulls().cloned();
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(item),
        offsets,
        Arc::new(structs),
        nulls,
    )?))
}

/// For each of `count` values its position within its list.
fn positions_in(offsets: &OffsetBuffer<i32>, count: usize) -> Int32Array {
    let mut positions = vec![0; count];
    for bounds in offsets.windows(2) {
        let (start, end) = (bounds[0] as usize, bounds[1] as usize);
        for (position, slot) in (0..).zip(&mut positions[start..end]) {
            *slot = position;
        }
    }
    Int32Array::from(positions)
}

/// The arguments row by row, the last one filled up with nulls.
fn stacked(arguments: &[ArrayRef], rows: usize, data_type: &DataType) -> Result<ArrayRef> {
    let (item, fields) = of_list(data_type)?;
    let count = arguments.first().map_or(0, |argument| argument.len());
    let mut columns = Vec::new();
    for (column, field) in fields.iter().enumerate() {
        let null = datafusion::arrow::array::new_null_array(field.data_type(), count);
        let sources: Vec<ArrayRef> = (0..rows)
            .map(|row| match arguments.get(row * fields.len() + column) {
                Some(argument) => in_type(argument, field.data_type()),
                None => Ok(Arc::clone(&null)),
            })
            .collect::<Result<_>>()?;
        let sources: Vec<&dyn Array> = sources.iter().map(AsRef::as_ref).collect();
        let picked: Vec<(usize, usize)> = (0..count)
            .flat_map(|at| (0..rows).map(move |row| (row, at)))
            .collect();
        columns.push(match picked.is_empty() {
            true => new_empty_array(field.data_type()),
            false => interleave(&sources, &picked)?,
        });
    }
    let structs = StructArray::try_new(fields.clone(), columns, None)?;
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(rows, count));
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(item),
        offsets,
        Arc::new(structs),
        None,
    )?))
}

fn field(array: &ArrayRef, at: usize) -> Result<ArrayRef> {
    let structs = array
        .as_struct_opt()
        .ok_or_else(|| internal_datafusion_err!("{} is no struct", array.data_type()))?;
    let Some(field) = structs.columns().get(at) else {
        return internal_err!("a struct of fewer fields than {at}");
    };
    let outer = structs.nulls().filter(|nulls| nulls.null_count() > 0);
    match outer {
        None => Ok(Arc::clone(field)),
        Some(_) if field.data_type() == &DataType::Null => Ok(Arc::clone(field)),
        Some(outer) => {
            let nulls = NullBuffer::union(Some(outer), field.nulls());
            let data = field.to_data().into_builder().nulls(nulls).build()?;
            Ok(make_array(data))
        }
    }
}

#[cfg(test)]
mod tests;
