//! Literals of SQL.

use datafusion::sql::sqlparser::ast::{Expr as Sql, Value};
use proto::expression::literal::LiteralType;
use proto::expression::{self as message};
use spark_connect_proto as proto;

use super::{literal, string, unsupported};
use crate::error::Error;

pub(super) fn value(value: &Value) -> Result<proto::Expression, Error> {
    Ok(match value {
        Value::Number(digits, _) => number(digits)?,
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => string(text),
        Value::Boolean(value) => literal(LiteralType::Boolean(*value)),
        Value::Null => literal(LiteralType::Null(crate::types::message(
            proto::data_type::Kind::Null(Default::default()),
        ))),
        other => return Err(unsupported(other)),
    })
}

/// A number as Spark's parser types it: int, bigint, or decimal; double with an exponent, or as its
/// suffix says.
pub(super) fn number(digits: &str) -> Result<proto::Expression, Error> {
    let wrong = || Error::internal(format!("the number {digits}"));
    let (body, suffix) =
        match digits.find(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')) {
            Some(at) => digits.split_at(at),
            None => (digits, ""),
        };
    let value = match suffix.to_ascii_uppercase().as_str() {
        "L" => LiteralType::Long(body.parse().map_err(|_| wrong())?),
        "S" => LiteralType::Short(body.parse().map_err(|_| wrong())?),
        "Y" => LiteralType::Byte(body.parse().map_err(|_| wrong())?),
        "D" => LiteralType::Double(body.parse().map_err(|_| wrong())?),
        "F" => LiteralType::Float(body.parse().map_err(|_| wrong())?),
        "BD" => decimal(body),
        _ if body.contains(['e', 'E']) => LiteralType::Double(body.parse().map_err(|_| wrong())?),
        _ if body.contains('.') => decimal(body),
        _ => match (body.parse::<i32>(), body.parse::<i64>()) {
            (Ok(int), _) => LiteralType::Integer(int),
            (_, Ok(long)) => LiteralType::Long(long),
            _ => decimal(body),
        },
    };
    Ok(literal(value))
}

pub(super) fn decimal(digits: &str) -> LiteralType {
    LiteralType::Decimal(message::literal::Decimal {
        value: digits.to_owned(),
        precision: None,
        scale: None,
    })
}

/// `INTERVAL '3' DAY`, `INTERVAL 3 DAYS`: the units that `make_interval` and its kin take.
pub(super) fn interval_literal(
    interval: &datafusion::sql::sqlparser::ast::Interval,
    sql: &Sql,
) -> Result<proto::Expression, Error> {
    use datafusion::sql::sqlparser::ast::DateTimeField as Field;

    let count = match interval.value.as_ref() {
        Sql::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            Value::SingleQuotedString(text) => text.trim().parse().ok(),
            _ => None,
        },
        _ => None,
    };
    let count: i64 = count.ok_or_else(|| unsupported(sql))?;
    let micros = |unit: i64| count.checked_mul(unit).map(LiteralType::DayTimeInterval);
    let months = |unit: i64| {
        let months = count
            .checked_mul(unit)
            .and_then(|months| i32::try_from(months).ok());
        months.map(LiteralType::YearMonthInterval)
    };
    const SECOND: i64 = 1_000_000;
    let value = match &interval.leading_field {
        Some(Field::Year | Field::Years) => months(12),
        Some(Field::Month | Field::Months) => months(1),
        Some(Field::Week(_) | Field::Weeks) => micros(7 * 24 * 3600 * SECOND),
        Some(Field::Day | Field::Days) => micros(24 * 3600 * SECOND),
        Some(Field::Hour | Field::Hours) => micros(3600 * SECOND),
        Some(Field::Minute | Field::Minutes) => micros(60 * SECOND),
        Some(Field::Second | Field::Seconds) => micros(SECOND),
        _ => None,
    };
    value.map(literal).ok_or_else(|| unsupported(sql))
}
