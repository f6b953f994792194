//! Bytes and strings: hashes, Base64, character sets, URLs.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;

use super::Argument;
use super::arguments::{Call, Resolved};
use super::coercion;
use super::native::{Kernel, Row, raise};
use crate::error::{Error, Kind};

pub(super) fn resolve(call: &mut Call) -> Resolved {
    let nullable = call.nullable();
    let expr = match call.name {
        "md5" => {
            call.arity(1, 1)?;
            call.registered_as("md5", vec![bytes(call, 0)?], DataType::Utf8, nullable)?
        }
        "sha" | "sha1" => {
            call.arity(1, 1)?;
            call.registered_as("sha1", vec![bytes(call, 0)?], DataType::Utf8, nullable)?
        }
        "sha2" => {
            call.arity(2, 2)?;
            call.registered_as(
                "sha2",
                vec![bytes(call, 0)?, call.int(1)?],
                DataType::Utf8,
                true,
            )?
        }
        "crc32" => {
            call.arity(1, 1)?;
            call.registered_as("crc32", vec![bytes(call, 0)?], DataType::Int64, nullable)?
        }
        "hash" | "xxhash64" => super::hashing::resolve(call)?,
        "base64" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Text(|row| Ok(Some(base64(row.binary(0)?))));
            call.native(kernel, vec![bytes(call, 0)?], DataType::Utf8, nullable)
        }
        "unbase64" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Binary(|row| Ok(Some(from_base64(row.text(0)?))));
            call.native(kernel, vec![call.text(0)?], DataType::Binary, nullable)
        }
        "encode" => {
            call.arity(2, 2)?;
            let arguments = vec![call.text(0)?, call.text(1)?];
            call.native(Kernel::Binary(encode), arguments, DataType::Binary, true)
        }
        "decode" if call.len() == 2 => {
            let arguments = vec![bytes(call, 0)?, call.text(1)?];
            call.native(Kernel::Text(decode), arguments, DataType::Utf8, true)
        }
        "to_binary" | "try_to_binary" => to_binary(call)?,
        "is_valid_utf8" => {
            call.arity(1, 1)?;
            let kernel =
                Kernel::Boolean(|row| Ok(Some(std::str::from_utf8(row.binary(0)?).is_ok())));
            call.native(kernel, vec![bytes(call, 0)?], DataType::Boolean, nullable)
        }
        "make_valid_utf8" | "validate_utf8" | "try_validate_utf8" => {
            // A string of ours is always valid.
            call.arity(1, 1)?;
            call.text(0)?
        }
        "url_encode" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Text(|row| Ok(Some(url_encode(row.text(0)?))));
            call.native(kernel, vec![call.text(0)?], DataType::Utf8, true)
        }
        "url_decode" | "try_url_decode" => {
            call.arity(1, 1)?;
            let kernel = match call.name {
                "url_decode" => Kernel::Text(|row| {
                    url_decode(row.text(0)?)
                        .map(Some)
                        .ok_or_else(|| raise(not_a_url(row)))
                }),
                _ => Kernel::Text(|row| Ok(url_decode(row.text(0)?))),
            };
            call.native(kernel, vec![call.text(0)?], DataType::Utf8, true)
        }
        "parse_url" | "try_parse_url" => {
            call.arity(2, 3)?;
            let arguments: Result<Vec<_>, _> =
                (0..call.len()).map(|index| call.text(index)).collect();
            call.registered_as(call.name, arguments?, DataType::Utf8, true)?
        }
        _ => return Ok(None),
    };
    Ok(Some(expr))
}

/// The argument as bytes; what is no string and no bytes is a string first.
pub(super) fn bytes(call: &Call, index: usize) -> Result<Expr, Error> {
    let argument = call.argument(index)?;
    if coercion::is_binary(&argument.data_type) {
        return Ok(argument.expr.clone());
    }
    let text = Argument {
        expr: call.text(index)?,
        data_type: DataType::Utf8,
        ..argument.clone()
    };
    super::cast(text, &DataType::Binary, false, call.environment)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = (u32::from(chunk[0]) << 16)
            | (u32::from(chunk.get(1).copied().unwrap_or(0)) << 8)
            | u32::from(chunk.get(2).copied().unwrap_or(0));
        for digit in 0..4 {
            match digit <= chunk.len() {
                true => text.push(DIGITS[(group >> (18 - 6 * digit)) as usize & 63] as char),
                false => text.push('='),
            }
        }
    }
    text
}

/// `to_binary(…, 'base64')`
fn unbase64(row: &Row) -> Result<Option<Vec<u8>>> {
    let text = row.text(0)?;
    let known = |byte: u8| byte.is_ascii_whitespace() || byte == b'=' || DIGITS.contains(&byte);
    match text.bytes().all(known) {
        true => Ok(Some(from_base64(text))),
        false => Err(raise(conversion(text, "BASE64", "to_binary"))),
    }
}

/// Letters that are no digits of Base64 are passed over.
pub(super) fn from_base64(text: &str) -> Vec<u8> {
    let mut bits: u32 = 0;
    let mut count = 0;
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for digit in text
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte))
    {
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

fn conversion(text: &str, format: &str, function: &str) -> Error {
    Error::new(
        Kind::IllegalArgument,
        "CONVERSION_INVALID_INPUT",
        &[
            ("str", &format!("'{text}'")),
            ("fmt", &format!("'{format}'")),
            ("targetType", "\"BINARY\""),
            ("suggestion", &format!("`try_{function}`")),
        ],
    )
}

fn unknown_charset(name: &str, function: &str) -> Error {
    Error::new(
        Kind::IllegalArgument,
        "INVALID_PARAMETER_VALUE.CHARSET",
        &[
            ("functionName", &format!("`{function}`")),
            ("parameter", "`charset`"),
            ("charset", name),
            (
                "charsets",
                "ISO-8859-1, US-ASCII, UTF-16, UTF-16BE, UTF-16LE, UTF-32, UTF-8",
            ),
        ],
    )
}

fn encode(row: &Row) -> Result<Option<Vec<u8>>> {
    let text = row.text(0)?;
    let one = |c: char, most: u32| if (c as u32) <= most { c as u8 } else { b'?' };
    Ok(Some(match row.text(1)?.to_uppercase().as_str() {
        "UTF-8" => text.as_bytes().to_vec(),
        "US-ASCII" => text.chars().map(|c| one(c, 0x7F)).collect(),
        "ISO-8859-1" => text.chars().map(|c| one(c, 0xFF)).collect(),
        "UTF-16BE" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "UTF-16LE" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "UTF-16" => [0xFE, 0xFF]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_be_bytes))
            .collect(),
        "UTF-32" => text
            .chars()
            .flat_map(|c| (c as u32).to_be_bytes())
            .collect(),
        other => return Err(raise(unknown_charset(other, "encode"))),
    }))
}

fn decode(row: &Row) -> Result<Option<String>> {
    let bytes = row.binary(0)?;
    let wide = |big: bool, bytes: &[u8]| {
        let units = bytes.chunks_exact(2).map(|pair| match big {
            true => u16::from_be_bytes([pair[0], pair[1]]),
            false => u16::from_le_bytes([pair[0], pair[1]]),
        });
        char::decode_utf16(units)
            .map(|c| c.unwrap_or('\u{FFFD}'))
            .collect::<String>()
    };
    Ok(Some(match row.text(1)?.to_uppercase().as_str() {
        "UTF-8" => String::from_utf8_lossy(bytes).into_owned(),
        "US-ASCII" => bytes
            .iter()
            .map(|b| if b.is_ascii() { *b as char } else { '\u{FFFD}' })
            .collect(),
        "ISO-8859-1" => bytes.iter().map(|b| *b as char).collect(),
        "UTF-16BE" => wide(true, bytes),
        "UTF-16LE" => wide(false, bytes),
        "UTF-16" => match bytes {
            [0xFF, 0xFE, rest @ ..] => wide(false, rest),
            [0xFE, 0xFF, rest @ ..] => wide(true, rest),
            bytes => wide(true, bytes),
        },
        "UTF-32" => bytes
            .chunks_exact(4)
            .map(|four| {
                char::from_u32(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
                    .unwrap_or('\u{FFFD}')
            })
            .collect(),
        other => return Err(raise(unknown_charset(other, "decode"))),
    }))
}

fn to_binary(call: &Call) -> Result<Expr, Error> {
    call.arity(1, 2)?;
    let format = match call.len() {
        1 => "hex".to_owned(),
        _ => call.literal_text(1).unwrap_or("hex").to_lowercase(),
    };
    let nullable = true;
    let text = vec![call.text(0)?];
    Ok(match format.as_str() {
        "utf-8" | "utf8" => {
            let bytes = datafusion::logical_expr::cast(call.text(0)?, DataType::Binary);
            super::native::declared(bytes, DataType::Binary, nullable)
        }
        "base64" => call.native_named(
            "to_binary of base64",
            Kernel::Binary(unbase64),
            text,
            DataType::Binary,
            nullable,
        ),
        "hex" => {
            let kernel = Kernel::Binary(|row| {
                let text = row.text(0)?;
                let digits: Option<Vec<u8>> = text
                    .chars()
                    .map(|c| c.to_digit(16).map(|d| d as u8))
                    .collect();
                match digits {
                    Some(digits) => {
                        let odd = digits.len() % 2;
                        let padded: Vec<u8> = std::iter::repeat_n(0, odd).chain(digits).collect();
                        Ok(Some(
                            padded
                                .chunks(2)
                                .map(|pair| pair[0] << 4 | pair[1])
                                .collect(),
                        ))
                    }
                    None => Err(raise(conversion(text, "HEX", "to_binary"))),
                }
            });
            call.native(kernel, text, DataType::Binary, nullable)
        }
        other => return Err(Error::unsupported(format!("{}(…, '{other}')", call.name))),
    })
}

/// `application/x-www-form-urlencoded`, as Java's `URLEncoder` has it.
fn url_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                encoded.push(byte as char)
            }
            b' ' => encoded.push('+'),
            other => encoded += &format!("%{other:02X}"),
        }
    }
    encoded
}

fn url_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = (rest.next()? as char).to_digit(16)?;
                let low = (rest.next()? as char).to_digit(16)?;
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn not_a_url(row: &Row) -> Error {
    let text = row.text(0).unwrap_or_default();
    Error::new(Kind::IllegalArgument, "CANNOT_DECODE_URL", &[("url", text)])
}
