//! What each generator makes of its arguments: a list of structs, and the columns of those.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use plimsoll_driver::spark_type;

use super::shape::{Shape, ShapeKind};
use crate::error::Error;
use crate::expression::Generator;
use crate::functions::{self, Argument};
use crate::plan::Planner;
use crate::types;

/// The rows of a generator.
pub(super) struct Rows {
    /// A list of structs, or a struct where there is one row for each.
    pub(super) expr: Expr,
    pub(super) is_list: bool,
    /// Whether nothing gives a row of nulls: `explode_outer`.
    pub(super) outer: bool,
    pub(super) fields: Vec<FieldRef>,
}

impl Rows {
    pub(super) fn new(planner: &Planner, generator: &Generator) -> Result<Self, Error> {
        let function = generator.function.as_str();
        let (kind, outer) = match function.strip_suffix("_outer") {
            Some(kind) => (kind, true),
            None => (function, false),
        };
        let rows = match kind {
            "explode" => elements(generator, false),
            "posexplode" => elements(generator, true),
            "inline" => structs(generator),
            "stack" => stacked(planner, generator),
            "json_tuple" => json_tuple(generator),
            _ => Err(Error::unsupported(format!("the function {function}"))),
        }?;
        Ok(Self { outer, ..rows })
    }

    fn of_list(expr: Expr, fields: Vec<FieldRef>) -> Self {
        Self {
            expr,
            is_list: true,
            outer: false,
            fields,
        }
    }
}

/// The elements of an array, or the keys and values of a map.
fn elements(generator: &Generator, positions: bool) -> Result<Rows, Error> {
    let collection = only(generator)?;
    let mut fields: Vec<FieldRef> = Vec::new();
    if positions {
        fields.push(Arc::new(Field::new("pos", DataType::Int32, false)));
    }
    match spark_type(&collection.data_type) {
        DataType::List(item) => {
            let col = Field::new("col", item.data_type().clone(), item.is_nullable());
            fields.push(Arc::new(col));
        }
        DataType::Map(entries, _) => {
            let (key, value) = types::key_and_value(&entries)
                .ok_or_else(|| Error::internal("a map without keys and values"))?;
            fields.push(Arc::new(
                key.as_ref().clone().with_name("key").with_nullable(false),
            ));
            fields.push(Arc::new(value.as_ref().clone().with_name("value")));
        }
        _ => return Err(unexpected(generator, collection, "(\"ARRAY\" or \"MAP\")")),
    }
    let shape = Shape {
        kind: ShapeKind::Elements { positions },
        data_type: list_of_structs(&fields),
        nullable: collection.nullable,
    };
    Ok(Rows::of_list(
        shape.call(vec![collection.expr.clone()]),
        fields,
    ))
}

/// The structs of an array.
fn structs(generator: &Generator) -> Result<Rows, Error> {
    let array = only(generator)?;
    let data_type = spark_type(&array.data_type);
    let DataType::List(item) = &data_type else {
        return Err(unexpected(generator, array, "\"ARRAY<STRUCT>\""));
    };
    let DataType::Struct(fields) = item.data_type() else {
        return Err(unexpected(generator, array, "\"ARRAY<STRUCT>\""));
    };
    let fields = fields.iter().map(|field| {
        let nullable = field.is_nullable() || item.is_nullable();
        Arc::new(field.as_ref().clone().with_nullable(nullable))
    });
    let fields = fields.collect();
    let expr = match array.data_type == data_type {
        true => array.expr.clone(),
        false => functions::declared(array.expr.clone(), data_type, array.nullable),
    };
    Ok(Rows::of_list(expr, fields))
}

/// `stack(n, …)`: the arguments in n rows.
fn stacked(planner: &Planner, generator: &Generator) -> Result<Rows, Error> {
    let [count, values @ ..] = generator.arguments.as_slice() else {
        return Err(wrong_count(generator, "> 1"));
    };
    if values.is_empty() {
        return Err(wrong_count(generator, "> 1"));
    }
    let rows = row_count(generator, count)?;
    let width = values.len().div_ceil(rows);
    let mut columns = Vec::new();
    for column in 0..width {
        columns.push(column_type(generator, values, column, width)?);
    }
    let mut arguments = Vec::new();
    for (at, value) in values.iter().enumerate() {
        arguments.push(planner.cast(value.clone(), &columns[at % width])?);
    }
    let fields: Vec<FieldRef> = columns
        .into_iter()
        .enumerate()
        .map(|(at, data_type)| Arc::new(Field::new(format!("col{at}"), data_type, true)))
        .collect();
    let shape = Shape {
        kind: ShapeKind::Stacked { rows },
        data_type: list_of_structs(&fields),
        nullable: false,
    };
    Ok(Rows::of_list(shape.call(arguments), fields))
}

fn row_count(generator: &Generator, count: &Argument) -> Result<usize, Error> {
    let Expr::Literal(value, _) = &count.expr else {
        return Err(Error::analysis(
            "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT",
            &[
                ("sqlExpr", &quoted_call(generator)),
                ("inputName", "`n`"),
                ("inputType", "\"INT\""),
                ("inputExpr", &format!("\"{}\"", count.name)),
            ],
        ));
    };
    match value.cast_to(&DataType::Int32) {
        Ok(ScalarValue::Int32(Some(rows))) if rows > 0 => Ok(rows.unsigned_abs() as usize),
        _ => Err(Error::analysis(
            "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
            &[
                ("sqlExpr", &quoted_call(generator)),
                ("exprName", "`n`"),
                ("valueRange", "(0, 2147483647]"),
                ("currentValue", &count.name),
            ],
        )),
    }
}

/// The type that the values of a column of `stack` have in common: null fits any.
fn column_type(
    generator: &Generator,
    values: &[Argument],
    column: usize,
    width: usize,
) -> Result<DataType, Error> {
    let mut common: Option<(usize, DataType)> = None;
    for (at, value) in values.iter().enumerate().skip(column).step_by(width) {
        let data_type = spark_type(&value.data_type);
        match &common {
            _ if data_type == DataType::Null => {}
            None => common = Some((at, data_type)),
            Some((_, common)) if agree(common, &data_type) => {}
            Some((first, common)) => {
                return Err(Error::analysis(
                    "DATATYPE_MISMATCH.STACK_COLUMN_DIFF_TYPES",
                    &[
                        ("sqlExpr", &quoted_call(generator)),
                        ("columnIndex", &column.to_string()),
                        ("leftParamIndex", &(first + 1).to_string()),
                        ("leftType", &format!("\"{}\"", types::sql_string(common))),
                        ("rightParamIndex", &(at + 1).to_string()),
                        (
                            "rightType",
                            &format!("\"{}\"", types::sql_string(&data_type)),
                        ),
                    ],
                ));
            }
        }
    }
    Ok(common.map_or(DataType::Null, |(_, data_type)| data_type))
}

/// The same but for the names and nullability of what is inside.
fn agree(a: &DataType, b: &DataType) -> bool {
    a == b || a.equals_datatype(b)
}

/// `json_tuple(json, name, …)`: one row of the fields of a JSON object.
fn json_tuple(generator: &Generator) -> Result<Rows, Error> {
    if generator.arguments.len() < 2 {
        return Err(wrong_count(generator, "> 1"));
    }
    let mut is_text = generator.arguments.iter().map(|argument| {
        matches!(
            spark_type(&argument.data_type),
            DataType::Utf8 | DataType::Null
        )
    });
    if !is_text.all(|is_text| is_text) {
        return Err(Error::analysis(
            "DATATYPE_MISMATCH.NON_STRING_TYPE",
            &[
                ("sqlExpr", &quoted_call(generator)),
                ("funcName", "`json_tuple`"),
            ],
        ));
    }
    let names = 0..generator.arguments.len() - 1;
    let fields: Vec<FieldRef> = names
        .map(|at| Arc::new(Field::new(format!("c{at}"), DataType::Utf8, true)))
        .collect();
    let shape = Shape {
        kind: ShapeKind::JsonTuple,
        data_type: DataType::Struct(fields.iter().cloned().collect()),
        nullable: false,
    };
    let arguments = generator
        .arguments
        .iter()
        .map(|argument| argument.expr.clone())
        .collect();
    Ok(Rows {
        is_list: false,
        ..Rows::of_list(shape.call(arguments), fields)
    })
}

/// What Unnest takes: any part of it may be null as far as the list goes.
fn list_of_structs(fields: &[FieldRef]) -> DataType {
    let fields: Fields = fields
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    types::list_of(DataType::Struct(fields), true)
}

fn only(generator: &Generator) -> Result<&Argument, Error> {
    match generator.arguments.as_slice() {
        [argument] => Ok(argument),
        _ => Err(wrong_count(generator, "1")),
    }
}

fn wrong_count(generator: &Generator, expected: &str) -> Error {
    Error::analysis(
        "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
        &[
            ("functionName", &format!("`{}`", generator.function)),
            ("expectedNum", expected),
            ("actualNum", &generator.arguments.len().to_string()),
            ("docroot", "https://spark.apache.org/docs/latest"),
        ],
    )
}

fn unexpected(generator: &Generator, argument: &Argument, required: &str) -> Error {
    Error::analysis(
        "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        &[
            ("sqlExpr", &quoted_call(generator)),
            ("paramIndex", "first"),
            ("requiredType", required),
            ("inputSql", &format!("\"{}\"", argument.name)),
            (
                "inputType",
                &format!("\"{}\"", types::sql_string(&argument.data_type)),
            ),
        ],
    )
}

/// The call as Spark shows it in messages. `inline_outer` goes by the name of `inline`.
fn quoted_call(generator: &Generator) -> String {
    let name = generator.function.trim_end_matches("_outer");
    let call = functions::display_name(name, &generator.arguments, false);
    format!("\"{call}\"")
}
