//! Strings that are measured, cut and joined. Bytes are as well.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, lit};

use super::arguments::{Call, text_literal};
use super::native::{Kernel, Row};
use super::{coercion, text};
use crate::error::Error;

pub(super) fn length(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    if coercion::is_binary(call.data_type(0)?) {
        let kernel = Kernel::Int(|row| Ok(Some(row.binary(0)?.len() as i32)));
        return Ok(call.native_named(
            "length of bytes",
            kernel,
            vec![call.expr(0)?],
            DataType::Int32,
            call.nullable(),
        ));
    }
    let kernel = Kernel::Int(|row| {
        let text = row.text(0)?;
        Ok(Some(if text.is_ascii() {
            text.len()
        } else {
            text.chars().count()
        } as i32))
    });
    Ok(call.native(
        kernel,
        vec![call.text(0)?],
        DataType::Int32,
        call.nullable(),
    ))
}

pub(super) fn octets(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 1)?;
    let value = super::cast(
        call.argument(0)?.clone(),
        &DataType::Binary,
        false,
        call.environment,
    );
    let value = match value {
        Ok(value) if !call.data_type(0)?.is_integer() => value,
        _ => super::cast(
            super::Argument {
                expr: call.text(0)?,
                data_type: DataType::Utf8,
                ..call.argument(0)?.clone()
            },
            &DataType::Binary,
            false,
            call.environment,
        )?,
    };
    let kernel = match call.name {
        "octet_length" => Kernel::Int(|row| Ok(Some(row.binary(0)?.len() as i32))),
        _ => Kernel::Int(|row| Ok(Some(row.binary(0)?.len() as i32 * 8))),
    };
    Ok(call.native(kernel, vec![value], DataType::Int32, call.nullable()))
}

/// `trim(characters, text)`, as the client sends it; `btrim(text, characters)`.
pub(super) fn trim(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 2)?;
    let (value, characters) = match (call.len(), call.name) {
        (1, _) => (call.text(0)?, text_literal(" ")),
        (_, "btrim") => (call.text(0)?, call.text(1)?),
        _ => (call.text(1)?, call.text(0)?),
    };
    let kernel: fn(&Row) -> Result<Option<String>> = match call.name {
        "ltrim" => |row| {
            let characters = row.text(1)?;
            Ok(Some(
                row.text(0)?
                    .trim_start_matches(|c| characters.contains(c))
                    .to_owned(),
            ))
        },
        "rtrim" => |row| {
            let characters = row.text(1)?;
            Ok(Some(
                row.text(0)?
                    .trim_end_matches(|c| characters.contains(c))
                    .to_owned(),
            ))
        },
        _ => |row| {
            let characters = row.text(1)?;
            Ok(Some(
                row.text(0)?
                    .trim_matches(|c| characters.contains(c))
                    .to_owned(),
            ))
        },
    };
    Ok(call.native(
        Kernel::Text(kernel),
        vec![value, characters],
        DataType::Utf8,
        call.nullable(),
    ))
}

pub(super) fn substring(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 3)?;
    let length = call.coerced_or(2, &DataType::Int32, lit(i32::MAX))?;
    if coercion::is_binary(call.data_type(0)?) {
        let kernel = Kernel::Binary(|row| {
            let bytes = row.binary(0)?;
            let (from, to) = text::range(bytes.len(), row.int(1)?, row.int(2)?);
            Ok(Some(bytes.get(from..to).unwrap_or_default().to_vec()))
        });
        let arguments = vec![call.expr(0)?, call.int(1)?, length];
        return Ok(call.native_named(
            "substring of bytes",
            kernel,
            arguments,
            DataType::Binary,
            call.nullable(),
        ));
    }
    let kernel = Kernel::Text(|row| {
        Ok(Some(
            text::substring(row.text(0)?, row.int(1)?, row.int(2)?).to_owned(),
        ))
    });
    let arguments = vec![call.text(0)?, call.int(1)?, length];
    Ok(call.native_named(
        "substring",
        kernel,
        arguments,
        DataType::Utf8,
        call.nullable(),
    ))
}

/// Of strings, of bytes or of arrays.
pub(super) fn concat(call: &Call) -> Result<Expr, Error> {
    if call.len() == 0 {
        return Ok(text_literal(""));
    }
    if call
        .arguments
        .iter()
        .any(|argument| coercion::element(&argument.data_type).is_some())
    {
        return super::collection::concat(call);
    }
    let bytes = call
        .arguments
        .iter()
        .all(|argument| coercion::is_binary(&argument.data_type));
    if bytes {
        let kernel = Kernel::Binary(|row| {
            let parts: Result<Vec<_>> = (0..row.len()).map(|index| row.binary(index)).collect();
            Ok(Some(parts?.concat()))
        });
        let arguments = call
            .arguments
            .iter()
            .map(|argument| argument.expr.clone())
            .collect();
        return Ok(call.native_named(
            "concat of bytes",
            kernel,
            arguments,
            DataType::Binary,
            call.nullable(),
        ));
    }
    let kernel = Kernel::Text(|row| {
        let parts: Result<Vec<_>> = (0..row.len()).map(|index| row.text(index)).collect();
        Ok(Some(parts?.concat()))
    });
    let arguments: Result<Vec<_>, _> = (0..call.len()).map(|index| call.text(index)).collect();
    Ok(call.native_named(
        "concat",
        kernel,
        arguments?,
        DataType::Utf8,
        call.nullable(),
    ))
}

/// Nulls are left out, and arrays are taken apart.
pub(super) fn concat_ws(call: &Call) -> Result<Expr, Error> {
    call.arity(1, usize::MAX)?;
    let mut arguments = vec![call.text(0)?];
    for index in 1..call.len() {
        arguments.push(match coercion::element(call.data_type(index)?) {
            Some(_) => call.coerced(index, &coercion::array_of(DataType::Utf8, true))?,
            None => call.text(index)?,
        });
    }
    let nullable = call.argument(0)?.nullable;
    Ok(call.native(
        Kernel::LenientText(text::concat_ws),
        arguments,
        DataType::Utf8,
        nullable,
    ))
}

pub(super) fn levenshtein(call: &Call) -> Result<Expr, Error> {
    call.arity(2, 3)?;
    let distance = call.registered("levenshtein", vec![call.text(0)?, call.text(1)?])?;
    let distance = super::native::declared(distance, DataType::Int32, call.nullable());
    if call.len() == 2 {
        return Ok(distance);
    }
    let kernel = Kernel::Int(|row| {
        let (distance, threshold) = (row.int(0)?, row.int(1)?);
        Ok(Some(if distance <= threshold { distance } else { -1 }))
    });
    Ok(call.native(
        kernel,
        vec![distance, call.int(2)?],
        DataType::Int32,
        call.nullable(),
    ))
}

pub(super) fn elt(call: &Call) -> Result<Expr, Error> {
    call.arity(2, usize::MAX)?;
    let mut arguments = vec![call.int(0)?];
    for index in 1..call.len() {
        arguments.push(call.text(index)?);
    }
    Ok(call.native(
        Kernel::LenientText(text::elt),
        arguments,
        DataType::Utf8,
        true,
    ))
}
