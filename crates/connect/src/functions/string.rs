//! Strings.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, lit};

use super::arguments::{Call, Resolved, text_literal};
use super::native::{Kernel, Row, fits};
use super::parts_of_text::{concat, concat_ws, elt, length, levenshtein, octets, substring, trim};
use super::{encoding, format, pattern, text};
use crate::error::Error;

pub(super) fn resolve(call: &mut Call) -> Resolved {
    if let Some(kernel) = of_text(call.name) {
        call.arity(1, 1)?;
        let (kernel, to) = kernel;
        let nullable = call.nullable() || matches!(call.name, "luhn_check" | "quote");
        return Ok(Some(call.native(kernel, vec![call.text(0)?], to, nullable)));
    }
    let nullable = call.nullable();
    let expr = match call.name {
        "length" | "len" | "char_length" | "character_length" => length(call)?,
        "octet_length" | "bit_length" => octets(call)?,
        "trim" | "btrim" | "ltrim" | "rtrim" => trim(call)?,
        "substring" | "substr" => substring(call)?,
        "left" | "right" => {
            call.arity(2, 2)?;
            let kernel: fn(&Row) -> Result<Option<String>> = match call.name {
                "left" => |row| {
                    Ok(Some(
                        row.text(0)?
                            .chars()
                            .take(row.int(1)?.max(0) as usize)
                            .collect(),
                    ))
                },
                _ => |row| Ok(Some(text::right(row.text(0)?, row.int(1)?).to_owned())),
            };
            let nullable = nullable || call.name == "right";
            call.native(
                Kernel::Text(kernel),
                vec![call.text(0)?, call.int(1)?],
                DataType::Utf8,
                nullable,
            )
        }
        "concat" | "||" => concat(call)?,
        "concat_ws" => concat_ws(call)?,
        "startswith" | "endswith" | "contains" => {
            call.arity(2, 2)?;
            let name = match call.name {
                "startswith" => "starts_with",
                "endswith" => "ends_with",
                _ => "contains",
            };
            let expr = call.registered(name, vec![call.text(0)?, call.text(1)?])?;
            match nullable {
                true => expr,
                false => super::native::declared(expr, DataType::Boolean, false),
            }
        }
        "instr" => {
            call.arity(2, 2)?;
            let kernel = Kernel::Int(|row| Ok(Some(text::locate(row.text(1)?, row.text(0)?, 1))));
            call.native(
                kernel,
                vec![call.text(0)?, call.text(1)?],
                DataType::Int32,
                nullable,
            )
        }
        "locate" | "position" => {
            call.arity(2, 3)?;
            let kernel =
                Kernel::Int(|row| Ok(Some(text::locate(row.text(0)?, row.text(1)?, row.int(2)?))));
            let start = call.coerced_or(2, &DataType::Int32, lit(1))?;
            call.native(
                kernel,
                vec![call.text(0)?, call.text(1)?, start],
                DataType::Int32,
                nullable,
            )
        }
        "lpad" | "rpad" => {
            call.arity(2, 3)?;
            let kernel = match call.name {
                "lpad" => Kernel::Text(|row| {
                    Ok(Some(text::pad(
                        row.text(0)?,
                        row.int(1)?,
                        row.text(2)?,
                        true,
                    )?))
                }),
                _ => Kernel::Text(|row| {
                    Ok(Some(text::pad(
                        row.text(0)?,
                        row.int(1)?,
                        row.text(2)?,
                        false,
                    )?))
                }),
            };
            let pad = call.coerced_or(2, &DataType::Utf8, text_literal(" "))?;
            call.native(
                kernel,
                vec![call.text(0)?, call.int(1)?, pad],
                DataType::Utf8,
                nullable,
            )
        }
        "repeat" => {
            call.arity(2, 2)?;
            let kernel = Kernel::Text(|row| {
                let (text, count) = (row.text(0)?, row.int(1)?.max(0) as usize);
                fits(count, text.len())?;
                Ok(Some(text.repeat(count)))
            });
            call.native(
                kernel,
                vec![call.text(0)?, call.int(1)?],
                DataType::Utf8,
                nullable,
            )
        }
        "space" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Text(|row| {
                let count = row.int(0)?.max(0) as usize;
                fits(count, 1)?;
                Ok(Some(" ".repeat(count)))
            });
            call.native(kernel, vec![call.int(0)?], DataType::Utf8, nullable)
        }
        "replace" => {
            call.arity(2, 3)?;
            let kernel = Kernel::Text(|row| {
                let (value, search) = (row.text(0)?, row.text(1)?);
                Ok(Some(if search.is_empty() {
                    value.to_owned()
                } else {
                    value.replace(search, row.text(2)?)
                }))
            });
            let with = call.coerced_or(2, &DataType::Utf8, text_literal(""))?;
            call.native(
                kernel,
                vec![call.text(0)?, call.text(1)?, with],
                DataType::Utf8,
                nullable,
            )
        }
        "translate" => texts(call, 3, Kernel::Text(text::translate))?,
        "overlay" => {
            call.arity(3, 4)?;
            let arguments = vec![
                call.text(0)?,
                call.text(1)?,
                call.int(2)?,
                call.coerced_or(3, &DataType::Int32, lit(-1))?,
            ];
            call.native(
                Kernel::Text(text::overlay),
                arguments,
                DataType::Utf8,
                nullable,
            )
        }
        "split_part" => {
            call.arity(3, 3)?;
            let arguments = vec![call.text(0)?, call.text(1)?, call.int(2)?];
            call.native(
                Kernel::Text(text::split_part),
                arguments,
                DataType::Utf8,
                true,
            )
        }
        "substring_index" => {
            call.arity(3, 3)?;
            let arguments = vec![call.text(0)?, call.text(1)?, call.int(2)?];
            call.native(
                Kernel::Text(text::substring_index),
                arguments,
                DataType::Utf8,
                nullable,
            )
        }
        "levenshtein" => levenshtein(call)?,
        "find_in_set" => {
            call.arity(2, 2)?;
            let kernel = Kernel::Int(|row| {
                let (word, set) = (row.text(0)?, row.text(1)?);
                let found = set
                    .split(',')
                    .position(|other| other == word)
                    .filter(|_| !word.contains(','));
                Ok(Some(found.map_or(0, |index| index as i32 + 1)))
            });
            call.native(
                kernel,
                vec![call.text(0)?, call.text(1)?],
                DataType::Int32,
                nullable,
            )
        }
        "char" | "chr" => {
            call.arity(1, 1)?;
            let kernel = Kernel::Text(|row| {
                let code = row.long(0)?;
                let letter = char::from_u32((code & 0xFF) as u32).filter(|_| code >= 0);
                Ok(Some(letter.map(String::from).unwrap_or_default()))
            });
            call.native(
                kernel,
                vec![call.coerced(0, &DataType::Int64)?],
                DataType::Utf8,
                nullable,
            )
        }
        "elt" => elt(call)?,
        "mask" => {
            call.arity(1, 5)?;
            let mut arguments = vec![call.text(0)?];
            for (index, default) in [(1, Some("X")), (2, Some("x")), (3, Some("n")), (4, None)] {
                let default = lit(datafusion::common::ScalarValue::Utf8(
                    default.map(str::to_owned),
                ));
                arguments.push(call.coerced_or(index, &DataType::Utf8, default)?);
            }
            call.native(
                Kernel::LenientText(text::mask),
                arguments,
                DataType::Utf8,
                true,
            )
        }
        _ => {
            for area in [pattern::resolve, encoding::resolve, format::resolve] {
                if let Some(expr) = area(call)? {
                    return Ok(Some(expr));
                }
            }
            return Ok(None);
        }
    };
    Ok(Some(expr))
}

/// Functions of one string.
fn of_text(name: &str) -> Option<(Kernel, DataType)> {
    let of: fn(&Row) -> Result<Option<String>> = match name {
        "upper" | "ucase" => |row| Ok(Some(row.text(0)?.to_uppercase())),
        "lower" | "lcase" => |row| Ok(Some(row.text(0)?.to_lowercase())),
        "initcap" => |row| Ok(Some(text::initcap(row.text(0)?))),
        "soundex" => |row| Ok(Some(text::soundex(row.text(0)?))),
        "quote" => |row| {
            Ok(Some(format!(
                "'{}'",
                row.text(0)?.replace('\\', "\\\\").replace('\'', "\\'")
            )))
        },
        "ascii" => {
            let first: fn(&Row) -> Result<Option<i32>> =
                |row| Ok(Some(row.text(0)?.chars().next().map_or(0, |c| c as i32)));
            return Some((Kernel::Int(first), DataType::Int32));
        }
        "luhn_check" => {
            return Some((
                Kernel::Boolean(|row| Ok(Some(text::luhn(row.text(0)?)))),
                DataType::Boolean,
            ));
        }
        _ => return None,
    };
    Some((Kernel::Text(of), DataType::Utf8))
}

/// A call of so many strings.
fn texts(call: &Call, count: usize, kernel: Kernel) -> Result<Expr, Error> {
    call.arity(count, count)?;
    let arguments: Result<Vec<_>, _> = (0..count).map(|index| call.text(index)).collect();
    Ok(call.native(kernel, arguments?, DataType::Utf8, call.nullable()))
}
