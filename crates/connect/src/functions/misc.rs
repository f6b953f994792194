//! What belongs nowhere else: types, the session, errors, random numbers, identifiers.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Float64Array, Int64Array, StringArray, new_null_array,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, lit};

use super::arguments::{Call, Resolved, text_literal};
use super::coercion::{self, sql_name};
use super::native::{Kernel, Native, raise};
use super::random::Random;
use crate::error::{Error, Kind};

/// What `version()` answers: the Spark that this one follows.
const VERSION: &str = "4.1.4";

pub(super) fn resolve(call: &mut Call) -> Resolved {
    if let Some(to) = cast_to(call)? {
        call.arity(1, 1)?;
        return super::cast(call.argument(0)?.clone(), &to, false, call.environment).map(Some);
    }
    let expr = match call.name {
        "typeof" => {
            call.arity(1, 1)?;
            let name = sql_name(call.data_type(0)?).to_lowercase();
            text_literal(
                &name
                    .replace(": ", ":")
                    .replace(", ", ",")
                    .replace(" not null", ""),
            )
        }
        "version" => text_literal(VERSION),
        "current_catalog" => text_literal("spark_catalog"),
        "current_database" | "current_schema" => text_literal("default"),
        "current_user" | "user" | "session_user" => {
            text_literal(&std::env::var("USER").unwrap_or_else(|_| "root".to_owned()))
        }
        // The scans do not say; an empty name would be a wrong answer.
        "input_file_name" => return Err(Error::unsupported("input_file_name")),
        "input_file_block_start" | "input_file_block_length" => lit(-1_i64),
        "spark_partition_id" => lit(0_i32),
        "collate" | "collation" | "unwrap_udt" => return collation(call).map(Some),
        "raise_error" => {
            call.arity(1, 2)?;
            let kernel = Kernel::Columns(|inputs| {
                let messages = inputs.array(0)?;
                let message = messages
                    .as_string::<i32>()
                    .iter()
                    .next()
                    .map(|text| text.unwrap_or("null"));
                match message {
                    Some(message) => Err(raise(user_error(message))),
                    None => Ok(new_null_array(&DataType::Null, 0)),
                }
            });
            volatile(call, kernel, vec![call.text(0)?], DataType::Null, true)
        }
        "assert_true" => {
            call.arity(1, 2)?;
            let message = format!("'{}' is not true!", call.argument(0)?.name);
            let kernel = Kernel::Columns(|inputs| {
                let (truths, messages) = (inputs.array(0)?, inputs.array(1)?);
                let messages = messages.as_string::<i32>();
                for (truth, message) in truths.as_boolean().iter().zip(messages.iter()) {
                    if truth != Some(true) {
                        return Err(raise(user_error(message.unwrap_or("null"))));
                    }
                }
                Ok(new_null_array(&DataType::Null, inputs.rows))
            });
            let message = call.coerced_or(1, &DataType::Utf8, text_literal(&message))?;
            volatile(
                call,
                kernel,
                vec![call.coerced(0, &DataType::Boolean)?, message],
                DataType::Null,
                true,
            )
        }
        "monotonically_increasing_id" => {
            call.arity(0, 0)?;
            super::identifiers::increasing()
        }
        "uuid" => {
            call.arity(0, 1)?;
            let kernel = Kernel::Columns(|inputs| {
                let ids = (0..inputs.rows).map(|_| Some(uuid::Uuid::new_v4().to_string()));
                Ok(Arc::new(ids.collect::<StringArray>()) as ArrayRef)
            });
            volatile(call, kernel, vec![], DataType::Utf8, false)
        }
        "bitmap_bit_position" | "bitmap_bucket_number" | "bitmap_count" => {
            call.arity(1, 1)?;
            let value = match call.name {
                "bitmap_count" => call.expr(0)?,
                _ => call.coerced(0, &DataType::Int64)?,
            };
            call.registered_as(call.name, vec![value], DataType::Int64, call.nullable())?
        }
        "rand" | "random" | "randn" => random(call)?,
        "uniform" => uniform(call)?,
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// The names of types are functions too.
fn cast_to(call: &Call) -> Result<Option<DataType>, Error> {
    Ok(Some(match call.name {
        "boolean" => DataType::Boolean,
        "tinyint" => DataType::Int8,
        "smallint" => DataType::Int16,
        "int" => DataType::Int32,
        "bigint" => DataType::Int64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "decimal" => DataType::Decimal128(10, 0),
        "string" => DataType::Utf8,
        "binary" => DataType::Binary,
        "date" => DataType::Date32,
        "timestamp" => coercion::timestamp(call.environment.time_zone),
        _ => return Ok(None),
    }))
}

fn collation(call: &Call) -> Result<Expr, Error> {
    match call.name {
        "collation" => Ok(text_literal("SYSTEM.BUILTIN.UTF8_BINARY")),
        "collate" => match call.literal_text(1).map(str::to_uppercase).as_deref() {
            Some("UTF8_BINARY") => call.text(0),
            _ => Err(Error::unsupported("collations other than UTF8_BINARY")),
        },
        _ => call.expr(0),
    }
}

fn volatile(
    call: &Call,
    kernel: Kernel,
    arguments: Vec<Expr>,
    to: DataType,
    nullable: bool,
) -> Expr {
    Native::new(call.name, kernel, arguments.len(), to, nullable)
        .in_session(call.environment)
        .volatile()
        .call(arguments)
}

fn user_error(message: &str) -> Error {
    Error::new(
        Kind::Runtime,
        "USER_RAISED_EXCEPTION",
        &[("errorMessage", message)],
    )
}

fn seed(call: &Call, index: usize) -> Result<i64, Error> {
    match call.arguments.get(index) {
        None => Ok(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), index) as i64),
        Some(_) => match call.literal(index) {
            Some(value) if value.is_null() => Ok(0),
            Some(_) => call
                .literal_int(index)
                .ok_or_else(|| call.unexpected(index, "\"INTEGRAL\"")),
            None => Err(call.unexpected(index, "\"INTEGRAL\"")),
        },
    }
}

/// Spark's numbers for the first partition.
fn random(call: &Call) -> Result<Expr, Error> {
    call.arity(0, 1)?;
    let seed = seed(call, 0)?;
    Ok(super::identifiers::random(seed, call.name == "randn"))
}

/// A number between two, as wide as they are.
fn uniform(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 3)?;
    let (low, high) = (call.data_type(0)?.clone(), call.data_type(1)?.clone());
    let to = coercion::common_type(&low, &high).ok_or_else(|| call.unexpected(0, "\"NUMERIC\""))?;
    let seed = seed(call, 2)?;
    let random = super::identifiers::random(seed, false);
    let (low, high) = (call.double(0)?, call.double(1)?);
    let value = low.clone() + random * (high - low);
    Ok(super::native::declared(
        datafusion::logical_expr::cast(value, to.clone()),
        to,
        false,
    ))
}

/// So many random numbers of a generator.
pub(super) fn numbers(random: &mut Random, rows: usize, normal: bool) -> ArrayRef {
    let one = |_| {
        if normal {
            random.gaussian()
        } else {
            random.double()
        }
    };
    Arc::new((0..rows).map(one).map(Some).collect::<Float64Array>())
}

/// Numbers from `from` on.
pub(super) fn counted(from: i64, rows: usize) -> ArrayRef {
    Arc::new((from..from + rows as i64).map(Some).collect::<Int64Array>())
}
