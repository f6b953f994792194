//! Spark's language of schemas: `a INT NOT NULL COMMENT 'x', b ARRAY<STRING>`, and its JSON.
//!
//! Texts are parsed to the client's messages, which can tell `varchar(3)` from `string`, and from
//! there to the engine's types. The grammar and the errors are those of Spark's `DataTypeParser`.

mod json;
mod kinds;
mod parser;
mod token;

use datafusion::arrow::datatypes::{DataType, Schema};
use spark_connect_proto as proto;

use crate::error::Error;
use crate::types::{self, quote_if_needed, sql_string};

/// `parseDataType`: a single type, such as `decimal(10,2)`.
pub(crate) fn parse_type(text: &str) -> Result<DataType, Error> {
    types::to_arrow(&parser::data_type(text)?)
}

/// `parseTableSchema`: `a INT NOT NULL COMMENT 'x', b STRING`.
#[cfg(test)]
pub(crate) fn parse_schema(text: &str) -> Result<Schema, Error> {
    types::schema_to_arrow(&parser::table_schema(text)?)
}

/// `parseDatatypeString` of SparkConnectPlanner: a table schema, else a type, else the fields of a
/// struct (`a: int`); the first reading's error if it is none of them.
pub(crate) fn parse_datatype_text(text: &str) -> Result<proto::DataType, Error> {
    parser::table_schema(text).or_else(|error| {
        parser::data_type(text)
            .or_else(|_| parser::data_type(&format!("struct<{}>", text.trim())))
            .map_err(|_| error)
    })
}

/// The schema a client gives as text, be it JSON or DDL; a bare type is a field named `value`.
pub(crate) fn parse_schema_text(text: &str) -> Result<Schema, Error> {
    let data_type = if text.trim_start().starts_with(['{', '"', '[']) {
        json::data_type(text)?
    } else {
        parse_datatype_text(text)?
    };
    types::schema_to_arrow(&data_type)
}

/// `StructType.toDDL`.
pub(crate) fn to_ddl(schema: &Schema) -> String {
    let fields = schema.fields().iter().map(|field| {
        let name = quote_if_needed(field.name());
        let data_type = sql_string(field.data_type());
        format!("{name} {data_type}{}", types::constraints(field))
    });
    fields.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
