//! Schemas as Spark writes them: `a int, b array<string>, c decimal(5,2)`.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// The schema of a text; it has to be one.
pub fn schema(ddl: &str) -> Schema {
    let field = |text: &str| {
        let (name, data_type) = match text.trim().strip_prefix('`') {
            Some(quoted) => quoted.split_once("` ").unwrap(),
            None => text.trim().split_once([' ', ':']).unwrap(),
        };
        let nullable = !data_type.ends_with("not null");
        Field::new(
            name,
            type_of(data_type.trim_end_matches("not null").trim()),
            nullable,
        )
    };
    Schema::new(parts(ddl).into_iter().map(field).collect::<Vec<_>>())
}

/// The parts between commas that are not within brackets or quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted) = (0, false);
    text.split(|c| {
        quoted ^= c == '`';
        depth += i32::from(matches!(c, '<' | '(')) - i32::from(matches!(c, '>' | ')'));
        c == ',' && depth == 0 && !quoted
    })
    .collect()
}

fn type_of(name: &str) -> DataType {
    let inner = |prefix: &str| name.strip_prefix(prefix)?.strip_suffix(['>', ')']);
    if let Some(item) = inner("array<") {
        return DataType::List(Arc::new(Field::new("element", type_of(item), true)));
    }
    if let Some(fields) = inner("struct<") {
        return DataType::Struct(schema(fields).fields);
    }
    if let Some(pair) = inner("map<") {
        let pair = parts(pair);
        let pair = vec![
            Field::new("key", type_of(pair[0]), false),
            Field::new("value", type_of(pair[1]), true),
        ];
        return DataType::Map(
            Arc::new(Field::new("entries", DataType::Struct(pair.into()), false)),
            false,
        );
    }
    if let Some((precision, scale)) = inner("decimal(").and_then(|size| size.split_once(',')) {
        return DataType::Decimal128(precision.parse().unwrap(), scale.parse().unwrap());
    }
    match name {
        "boolean" => DataType::Boolean,
        "tinyint" => DataType::Int8,
        "smallint" => DataType::Int16,
        "int" => DataType::Int32,
        "bigint" => DataType::Int64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "string" => DataType::Utf8,
        "binary" => DataType::Binary,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "timestamp_ntz" => DataType::Timestamp(TimeUnit::Microsecond, None),
        other => panic!("there is no type {other}"),
    }
}
