//! `hash` (32-bit Murmur3) and `xxhash64`, both with Spark's seed of 42.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::Expr;

use super::arguments::Call;
use super::coercion::canonical;
use super::native::Kernel;
use crate::error::Error;

const SEED: i32 = 42;

pub(super) fn resolve(call: &Call) -> Result<Expr, Error> {
    call.arity(1, usize::MAX)?;
    let arguments: Result<Vec<_>, Error> = call
        .arguments
        .iter()
        .map(|argument| {
            let to = canonical(&argument.data_type);
            super::cast(argument.clone(), &to, false, call.environment)
        })
        .collect();
    if call.name == "xxhash64" {
        return call.registered_as("xxhash64", arguments?, DataType::Int64, false);
    }
    let kernel = Kernel::Columns(|inputs| {
        let columns = inputs.arrays()?;
        let mut hashes = Vec::with_capacity(inputs.rows);
        for row in 0..inputs.rows {
            let mut seed = SEED;
            for column in &columns {
                seed = murmur(column, row, seed)?;
            }
            hashes.push(seed);
        }
        Ok(Arc::new(Int32Array::from(hashes)))
    });
    Ok(call.native(kernel, arguments?, DataType::Int32, false))
}

/// The hash of a value, which is the seed for the next one. A null leaves the seed as it is.
fn murmur(column: &ArrayRef, row: usize, seed: i32) -> Result<i32> {
    if column.is_null(row) {
        return Ok(seed);
    }
    Ok(match column.data_type() {
        DataType::Null => seed,
        DataType::Boolean => of_int(i32::from(column.as_boolean().value(row)), seed),
        DataType::Int8 => of_int(
            i32::from(column.as_primitive::<Int8Type>().value(row)),
            seed,
        ),
        DataType::Int16 => of_int(
            i32::from(column.as_primitive::<Int16Type>().value(row)),
            seed,
        ),
        DataType::Int32 => of_int(column.as_primitive::<Int32Type>().value(row), seed),
        DataType::Date32 => of_int(column.as_primitive::<Date32Type>().value(row), seed),
        DataType::Int64 => of_long(column.as_primitive::<Int64Type>().value(row), seed),
        DataType::Timestamp(..) => of_long(
            column.as_primitive::<TimestampMicrosecondType>().value(row),
            seed,
        ),
        DataType::Float32 => {
            let value = column.as_primitive::<Float32Type>().value(row);
            of_int(
                if value == 0.0 {
                    0
                } else {
                    value.to_bits() as i32
                },
                seed,
            )
        }
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            of_long(
                if value == 0.0 {
                    0
                } else {
                    value.to_bits() as i64
                },
                seed,
            )
        }
        DataType::Decimal128(precision, _) => {
            let value = column.as_primitive::<Decimal128Type>().value(row);
            match *precision {
                0..=18 => of_long(value as i64, seed),
                _ => of_bytes(minimal(&value.to_be_bytes()), seed),
            }
        }
        DataType::Utf8 => of_bytes(column.as_string::<i32>().value(row).as_bytes(), seed),
        DataType::Binary => of_bytes(column.as_binary::<i32>().value(row), seed),
        DataType::List(_) => {
            let values = column.as_list::<i32>().value(row);
            (0..values.len()).try_fold(seed, |seed, at| murmur(&values, at, seed))?
        }
        DataType::Struct(_) => column
            .as_struct()
            .columns()
            .iter()
            .try_fold(seed, |seed, field| murmur(field, row, seed))?,
        other => {
            return Err(DataFusionError::NotImplemented(format!(
                "the hash of {other}"
            )));
        }
    })
}

/// A big-endian number as Java's `BigInteger.toByteArray` writes it.
fn minimal(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let [first, second, ..] = bytes {
        let redundant =
            (*first == 0 && second & 0x80 == 0) || (*first == 0xFF && second & 0x80 != 0);
        if !redundant {
            break;
        }
        bytes = &bytes[1..];
    }
    bytes
}

fn of_int(value: i32, seed: i32) -> i32 {
    finish(mix(seed, mixed(value)), 4)
}

fn of_long(value: i64, seed: i32) -> i32 {
    let hash = mix(seed, mixed(value as i32));
    finish(mix(hash, mixed((value >> 32) as i32)), 8)
}

/// Whole words at first, then each byte that is left as a word of its own.
fn of_bytes(bytes: &[u8], seed: i32) -> i32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let hash = words.iter().fold(seed, |hash, word| {
        mix(hash, mixed(i32::from_le_bytes(*word)))
    });
    let hash = rest
        .iter()
        .fold(hash, |hash, byte| mix(hash, mixed(i32::from(*byte as i8))));
    finish(hash, bytes.len() as i32)
}

fn mixed(word: i32) -> i32 {
    word.wrapping_mul(0xcc9e_2d51_u32 as i32)
        .rotate_left(15)
        .wrapping_mul(0x1b87_3593)
}

fn mix(hash: i32, word: i32) -> i32 {
    (hash ^ word)
        .rotate_left(13)
        .wrapping_mul(5)
        .wrapping_add(0xe654_6b64_u32 as i32)
}

fn finish(hash: i32, length: i32) -> i32 {
    let mut hash = (hash ^ length) as u32;
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)) as i32
}
