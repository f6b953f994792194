//! The parameters of `spark.sql(text, args)`: `:name` and `?` become the values they stand for.

use std::collections::HashMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use spark_connect_proto as proto;
use spark_connect_proto::expression::ExprType;

use crate::error::{Error, Kind};
use crate::expression::{kind, scalar};
use crate::plan::Planner;
use crate::text;

/// The text with its parameters put in, as literals.
///
/// # Errors
/// If one has no value, or its value is no literal.
pub(crate) fn bind(planner: &Planner, sql: &proto::Sql) -> Result<String, Error> {
    let (named, mut positional) = arguments(planner, sql)?;
    if named.is_empty() && positional.is_empty() && !sql.query.contains([':', '?']) {
        return Ok(sql.query.clone());
    }
    let Ok(tokens) = Tokenizer::new(&SparkSqlDialect, &sql.query).tokenize() else {
        // The parser has better words for what is wrong.
        return Ok(sql.query.clone());
    };
    positional.reverse();
    let mut bound = String::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Placeholder(mark) if mark == "?" => {
                let value = positional.pop().ok_or_else(|| unbound("?"))?;
                bound.push_str(&value);
            }
            Token::Placeholder(mark) => {
                let name = mark.trim_start_matches([':', '$', '@']);
                bound.push_str(named.get(name).ok_or_else(|| unbound(name))?);
            }
            // `a::int` is one token; a single colon before a word is a parameter.
            Token::Colon => match tokens.peek() {
                Some(Token::Word(word)) if named.contains_key(&word.value) => {
                    bound.push_str(&named[&word.value]);
                    tokens.next();
                }
                Some(Token::Word(word))
                    if !bound.ends_with([')', ']']) && !ends_in_name(&bound) =>
                {
                    return Err(unbound(&word.value));
                }
                _ => bound.push(':'),
            },
            other => bound.push_str(&other.to_string()),
        }
    }
    Ok(bound)
}

fn ends_in_name(text: &str) -> bool {
    text.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '`')
}

fn unbound(name: &str) -> Error {
    Error::analysis("UNBOUND_SQL_PARAMETER", &[("name", name)])
}

type Named = HashMap<String, String>;

#[allow(deprecated)] // 3.4 clients send bare literals.
fn arguments(planner: &Planner, sql: &proto::Sql) -> Result<(Named, Vec<String>), Error> {
    let zone = planner.time_zone();
    let mut named = HashMap::new();
    for (name, literal) in &sql.args {
        named.insert(name.clone(), as_sql(&scalar(literal, zone)?, zone)?);
    }
    for (name, expression) in &sql.named_arguments {
        named.insert(name.clone(), literal_as_sql(expression, zone)?);
    }
    let mut positional = Vec::new();
    for literal in &sql.pos_args {
        positional.push(as_sql(&scalar(literal, zone)?, zone)?);
    }
    for expression in &sql.pos_arguments {
        positional.push(literal_as_sql(expression, zone)?);
    }
    Ok((named, positional))
}

fn literal_as_sql(expression: &proto::Expression, zone: &str) -> Result<String, Error> {
    match kind(expression)? {
        ExprType::Literal(literal) => as_sql(&scalar(literal, zone)?, zone),
        ExprType::UnresolvedFunction(call) => {
            let arguments: Vec<String> = call
                .arguments
                .iter()
                .map(|argument| literal_as_sql(argument, zone))
                .collect::<Result<_, _>>()?;
            Ok(format!("{}({})", call.function_name, arguments.join(", ")))
        }
        _ => Err(Error::unsupported("SQL parameters that are not literals")),
    }
}

/// A value as a literal of SQL.
fn as_sql(value: &ScalarValue, zone: &str) -> Result<String, Error> {
    if value.is_null() {
        return Ok("NULL".to_owned());
    }
    let shown = text::cell(&value.to_array()?, 0, zone)?;
    Ok(match value.data_type() {
        DataType::Utf8 => format!("'{}'", shown.replace('\\', "\\\\").replace('\'', "''")),
        DataType::Boolean | DataType::Int32 | DataType::Decimal128(..) => shown,
        DataType::Date32 => format!("DATE '{shown}'"),
        DataType::Timestamp(_, Some(_)) => format!("TIMESTAMP '{shown}'"),
        DataType::Int8 => format!("CAST({shown} AS TINYINT)"),
        DataType::Int16 => format!("CAST({shown} AS SMALLINT)"),
        DataType::Int64 => format!("CAST({shown} AS BIGINT)"),
        DataType::Float32 => format!("CAST('{shown}' AS FLOAT)"),
        DataType::Float64 => format!("CAST('{shown}' AS DOUBLE)"),
        DataType::List(_) => {
            let ScalarValue::List(list) = value else {
                return Err(Error::internal("a list that is none"));
            };
            let values = list.value(0);
            let mut items = Vec::with_capacity(values.len());
            for row in 0..values.len() {
                items.push(as_sql(&ScalarValue::try_from_array(&values, row)?, zone)?);
            }
            format!("array({})", items.join(", "))
        }
        other => {
            return Err(Error::new(
                Kind::UnsupportedOperation,
                "UNSUPPORTED_FEATURE.PARAMETER_TYPE",
                &[("type", &crate::types::simple_string(&other))],
            ));
        }
    })
}

use datafusion::arrow::array::Array;
