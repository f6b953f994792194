//! Expressions as SQL text (`F.expr`, `selectExpr`, `filter("age > 21")`), made into the messages that the
//! client would have sent for the same expression built from columns.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType as SqlType, Expr as Sql, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, SelectItem, Subscript, UnaryOperator, Value,
    WindowFrameBound, WindowFrameUnits, WindowType,
};
use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use proto::expression::cast::{CastToType, EvalMode};
use proto::expression::literal::LiteralType;
use proto::expression::sort_order::{NullOrdering, SortDirection};
use proto::expression::window::WindowFrame;
use proto::expression::window::window_frame::{FrameBoundary, FrameType, frame_boundary::Boundary};
use proto::expression::{self as message, ExprType};
use spark_connect_proto as proto;

use crate::error::{Error, Kind};

/// How deep an expression may be nested.
const DEEPEST: usize = 200;

/// Reads one expression, with an alias if there is one.
///
/// # Errors
/// `PARSE_SYNTAX_ERROR`, or what of SQL is not there.
pub(crate) fn parse(text: &str) -> Result<proto::Expression, Error> {
    let syntax = |error: &dyn std::fmt::Display| Error {
        message: format!("[PARSE_SYNTAX_ERROR] {error} in: {text}"),
        ..Error::new(
            Kind::Parse,
            "PARSE_SYNTAX_ERROR",
            &[("error", text), ("hint", "")],
        )
    };
    let dialect = SparkSqlDialect;
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(DEEPEST)
        .try_with_sql(text)
        .map_err(|error| syntax(&error))?;
    let item = parser.parse_select_item().map_err(|error| syntax(&error))?;
    let rest = parser.peek_token();
    if rest.token != datafusion::sql::sqlparser::tokenizer::Token::EOF {
        return Err(syntax(&format!("'{}' was not expected", rest.token)));
    }
    match item {
        SelectItem::UnnamedExpr(expr) => expression(&expr),
        SelectItem::ExprWithAlias { expr, alias } => {
            Ok(of(ExprType::Alias(Box::new(message::Alias {
                expr: Some(Box::new(expression(&expr)?)),
                name: vec![alias.value],
                metadata: None,
            }))))
        }
        SelectItem::ExprWithAliases { expr, aliases } => {
            Ok(of(ExprType::Alias(Box::new(message::Alias {
                expr: Some(Box::new(expression(&expr)?)),
                name: aliases.into_iter().map(|alias| alias.value).collect(),
                metadata: None,
            }))))
        }
        SelectItem::Wildcard(_) => Ok(star(None)),
        SelectItem::QualifiedWildcard(kind, _) => Ok(star(Some(kind.to_string()))),
    }
}

fn of(kind: ExprType) -> proto::Expression {
    proto::Expression {
        common: None,
        expr_type: Some(kind),
    }
}

fn star(target: Option<String>) -> proto::Expression {
    of(ExprType::UnresolvedStar(message::UnresolvedStar {
        unparsed_target: target,
        plan_id: None,
    }))
}

fn call(name: &str, arguments: Vec<proto::Expression>) -> proto::Expression {
    called(name, arguments, false)
}

fn called(name: &str, arguments: Vec<proto::Expression>, is_distinct: bool) -> proto::Expression {
    of(ExprType::UnresolvedFunction(message::UnresolvedFunction {
        function_name: name.to_owned(),
        arguments,
        is_distinct,
        ..Default::default()
    }))
}

fn literal(value: LiteralType) -> proto::Expression {
    of(ExprType::Literal(message::Literal {
        literal_type: Some(value),
        data_type: None,
    }))
}

fn string(text: &str) -> proto::Expression {
    literal(LiteralType::String(text.to_owned()))
}

fn unsupported(sql: &dyn std::fmt::Display) -> Error {
    Error::unsupported(format!("the SQL expression {sql}"))
}

fn attribute(parts: &[Ident]) -> proto::Expression {
    let parts: Vec<String> = parts
        .iter()
        .map(|part| match part.quote_style {
            Some(_) => format!("`{}`", part.value.replace('`', "``")),
            None => part.value.clone(),
        })
        .collect();
    of(ExprType::UnresolvedAttribute(
        message::UnresolvedAttribute {
            unparsed_identifier: parts.join("."),
            ..Default::default()
        },
    ))
}

fn expression(sql: &Sql) -> Result<proto::Expression, Error> {
    Ok(match sql {
        Sql::Identifier(name) => attribute(std::slice::from_ref(name)),
        Sql::CompoundIdentifier(parts) => attribute(parts),
        Sql::CompoundFieldAccess { root, access_chain } => access(root, access_chain)?,
        Sql::Nested(inner) => expression(inner)?,
        Sql::Value(value) => self::value(&value.value)?,
        Sql::TypedString(typed) => typed_string(&typed.data_type, &typed.value.value, sql)?,
        Sql::IsNull(inner) => call("isNull", vec![expression(inner)?]),
        Sql::IsNotNull(inner) => call("isNotNull", vec![expression(inner)?]),
        Sql::IsTrue(inner) => call(
            "<=>",
            vec![expression(inner)?, literal(LiteralType::Boolean(true))],
        ),
        Sql::IsFalse(inner) => call(
            "<=>",
            vec![expression(inner)?, literal(LiteralType::Boolean(false))],
        ),
        Sql::IsNotTrue(inner) => not(call(
            "<=>",
            vec![expression(inner)?, literal(LiteralType::Boolean(true))],
        )),
        Sql::IsNotFalse(inner) => not(call(
            "<=>",
            vec![expression(inner)?, literal(LiteralType::Boolean(false))],
        )),
        Sql::IsDistinctFrom(left, right) => not(call("<=>", both(left, right)?)),
        Sql::IsNotDistinctFrom(left, right) => call("<=>", both(left, right)?),
        Sql::InList {
            expr,
            list,
            negated,
        } => {
            let mut arguments = vec![expression(expr)?];
            for item in list {
                arguments.push(expression(item)?);
            }
            negate(call("in", arguments), *negated)
        }
        Sql::Between {
            expr,
            negated,
            low,
            high,
        } => {
            let from = call(">=", both(expr, low)?);
            let to = call("<=", both(expr, high)?);
            negate(call("and", vec![from, to]), *negated)
        }
        Sql::Like {
            negated,
            expr,
            pattern,
            escape_char: None,
            ..
        } => negate(call("like", both(expr, pattern)?), *negated),
        Sql::ILike {
            negated,
            expr,
            pattern,
            escape_char: None,
            ..
        } => negate(call("ilike", both(expr, pattern)?), *negated),
        Sql::RLike {
            negated,
            expr,
            pattern,
            ..
        } => negate(call("rlike", both(expr, pattern)?), *negated),
        Sql::BinaryOp { left, op, right } => binary(left, op, right, sql)?,
        Sql::UnaryOp { op, expr } => unary(*op, expr, sql)?,
        Sql::Cast {
            kind,
            expr,
            data_type,
            ..
        } => cast(kind, expr, data_type)?,
        Sql::Case {
            operand,
            conditions,
            else_result,
            ..
        } => {
            let mut arguments = Vec::new();
            for when in conditions {
                let condition = expression(&when.condition)?;
                arguments.push(match operand {
                    Some(operand) => call("==", vec![expression(operand)?, condition]),
                    None => condition,
                });
                arguments.push(expression(&when.result)?);
            }
            if let Some(otherwise) = else_result {
                arguments.push(expression(otherwise)?);
            }
            call("when", arguments)
        }
        Sql::Function(function) => self::function(function)?,
        Sql::Extract { field, expr, .. } => call(
            "extract",
            vec![string(&field.to_string()), expression(expr)?],
        ),
        Sql::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            let mut arguments = vec![expression(expr)?];
            for part in [substring_from, substring_for].into_iter().flatten() {
                arguments.push(expression(part)?);
            }
            call("substring", arguments)
        }
        Sql::Trim {
            expr,
            trim_what: None,
            trim_characters: None,
            trim_where,
            ..
        } => {
            let name = match trim_where {
                Some(side) => match side.to_string().as_str() {
                    "LEADING" => "ltrim",
                    "TRAILING" => "rtrim",
                    _ => "trim",
                },
                None => "trim",
            };
            call(name, vec![expression(expr)?])
        }
        Sql::Ceil { expr, .. } => call("ceil", vec![expression(expr)?]),
        Sql::Floor { expr, .. } => call("floor", vec![expression(expr)?]),
        Sql::Position { expr, r#in } => call("position", both(expr, r#in)?),
        Sql::Interval(interval) => interval_literal(interval, sql)?,
        Sql::Lambda(lambda) => {
            let names: Vec<_> = lambda
                .params
                .iter()
                .map(|name| message::UnresolvedNamedLambdaVariable {
                    name_parts: vec![name.to_string()],
                })
                .collect();
            of(ExprType::LambdaFunction(Box::new(
                message::LambdaFunction {
                    function: Some(Box::new(expression(&lambda.body)?)),
                    arguments: names,
                },
            )))
        }
        Sql::Tuple(items) => {
            let arguments = items.iter().map(expression).collect::<Result<_, _>>()?;
            call("struct", arguments)
        }
        Sql::Array(array) => {
            let arguments = array
                .elem
                .iter()
                .map(expression)
                .collect::<Result<_, _>>()?;
            call("array", arguments)
        }
        _ => return Err(unsupported(sql)),
    })
}

fn both(left: &Sql, right: &Sql) -> Result<Vec<proto::Expression>, Error> {
    Ok(vec![expression(left)?, expression(right)?])
}

fn not(expression: proto::Expression) -> proto::Expression {
    call("not", vec![expression])
}

fn negate(expression: proto::Expression, negated: bool) -> proto::Expression {
    match negated {
        true => not(expression),
        false => expression,
    }
}

fn binary(
    left: &Sql,
    op: &BinaryOperator,
    right: &Sql,
    sql: &Sql,
) -> Result<proto::Expression, Error> {
    let name = match op {
        BinaryOperator::Plus => "+",
        BinaryOperator::Minus => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulo => "%",
        BinaryOperator::MyIntegerDivide => "div",
        BinaryOperator::StringConcat => "concat",
        BinaryOperator::Gt => ">",
        BinaryOperator::Lt => "<",
        BinaryOperator::GtEq => ">=",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Eq => "==",
        BinaryOperator::Spaceship => "<=>",
        BinaryOperator::NotEq => return Ok(not(call("==", both(left, right)?))),
        BinaryOperator::And => "and",
        BinaryOperator::Or => "or",
        BinaryOperator::BitwiseOr => "|",
        BinaryOperator::BitwiseAnd => "&",
        BinaryOperator::BitwiseXor => "^",
        _ => return Err(unsupported(sql)),
    };
    Ok(call(name, both(left, right)?))
}

fn unary(op: UnaryOperator, inner: &Sql, sql: &Sql) -> Result<proto::Expression, Error> {
    // A negative number is one literal, so that the least of its type can be written.
    if let (UnaryOperator::Minus, Sql::Value(value)) = (op, inner)
        && let Value::Number(digits, _) = &value.value
    {
        return number(&format!("-{digits}"));
    }
    let argument = vec![expression(inner)?];
    Ok(match op {
        UnaryOperator::Not | UnaryOperator::BangNot => call("not", argument),
        UnaryOperator::Minus => call("negative", argument),
        UnaryOperator::Plus => call("positive", argument),
        UnaryOperator::BitwiseNot => call("~", argument),
        _ => return Err(unsupported(sql)),
    })
}

fn value(value: &Value) -> Result<proto::Expression, Error> {
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
fn number(digits: &str) -> Result<proto::Expression, Error> {
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

fn decimal(digits: &str) -> LiteralType {
    LiteralType::Decimal(message::literal::Decimal {
        value: digits.to_owned(),
        precision: None,
        scale: None,
    })
}

/// `DATE '2024-01-01'` and the like.
fn typed_string(data_type: &SqlType, value: &Value, sql: &Sql) -> Result<proto::Expression, Error> {
    match value {
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Ok(cast_to(
            string(text),
            &data_type.to_string(),
            EvalMode::Unspecified,
        )),
        _ => Err(unsupported(sql)),
    }
}

fn cast(kind: &CastKind, inner: &Sql, data_type: &SqlType) -> Result<proto::Expression, Error> {
    let mode = match kind {
        CastKind::TryCast | CastKind::SafeCast => EvalMode::Try,
        CastKind::Cast | CastKind::DoubleColon => EvalMode::Unspecified,
    };
    Ok(cast_to(expression(inner)?, &data_type.to_string(), mode))
}

fn cast_to(inner: proto::Expression, data_type: &str, mode: EvalMode) -> proto::Expression {
    of(ExprType::Cast(Box::new(message::Cast {
        expr: Some(Box::new(inner)),
        cast_to_type: Some(CastToType::TypeStr(data_type.to_owned())),
        eval_mode: mode.into(),
    })))
}

fn access(root: &Sql, chain: &[AccessExpr]) -> Result<proto::Expression, Error> {
    let mut inner = expression(root)?;
    for step in chain {
        let extraction = match step {
            AccessExpr::Dot(Sql::Identifier(name)) => string(&name.value),
            AccessExpr::Subscript(Subscript::Index { index }) => expression(index)?,
            other => return Err(unsupported(&format!("{other:?}"))),
        };
        inner = of(ExprType::UnresolvedExtractValue(Box::new(
            message::UnresolvedExtractValue {
                child: Some(Box::new(inner)),
                extraction: Some(Box::new(extraction)),
            },
        )));
    }
    Ok(inner)
}

/// `INTERVAL '3' DAY`, `INTERVAL 3 DAYS`: the units that `make_interval` and its kin take.
fn interval_literal(
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

fn function(function: &Function) -> Result<proto::Expression, Error> {
    let name = function.name.to_string().trim_matches('`').to_owned();
    let (arguments, is_distinct) = match &function.args {
        FunctionArguments::None => (Vec::new(), false),
        FunctionArguments::List(list) => {
            if !list.clauses.is_empty() {
                return Err(unsupported(function));
            }
            let arguments = list.args.iter().map(argument).collect::<Result<_, _>>()?;
            (
                arguments,
                list.duplicate_treatment
                    .is_some_and(|it| it.to_string() == "DISTINCT"),
            )
        }
        FunctionArguments::Subquery(_) => return Err(unsupported(function)),
    };
    if function.filter.is_some() || !function.within_group.is_empty() {
        return Err(unsupported(function));
    }
    let inner = called(&name, arguments, is_distinct);
    match &function.over {
        None => Ok(inner),
        Some(WindowType::WindowSpec(spec)) => {
            let partition_spec = spec
                .partition_by
                .iter()
                .map(expression)
                .collect::<Result<_, _>>()?;
            let order_spec = spec.order_by.iter().map(order).collect::<Result<_, _>>()?;
            let frame_spec = spec
                .window_frame
                .as_ref()
                .map(frame)
                .transpose()?
                .map(Box::new);
            Ok(of(ExprType::Window(Box::new(message::Window {
                window_function: Some(Box::new(inner)),
                partition_spec,
                order_spec,
                frame_spec,
            }))))
        }
        Some(WindowType::NamedWindow(_)) => Err(unsupported(function)),
    }
}

fn argument(argument: &FunctionArg) -> Result<proto::Expression, Error> {
    let inner = match argument {
        FunctionArg::Unnamed(inner) => inner,
        FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } => arg,
    };
    match inner {
        FunctionArgExpr::Expr(inner) => expression(inner),
        FunctionArgExpr::Wildcard => Ok(star(None)),
        FunctionArgExpr::QualifiedWildcard(name) => Ok(star(Some(format!("{name}.*")))),
        other => Err(unsupported(other)),
    }
}

fn order(
    order: &datafusion::sql::sqlparser::ast::OrderByExpr,
) -> Result<message::SortOrder, Error> {
    let direction = match order.options.asc {
        Some(false) => SortDirection::Descending,
        _ => SortDirection::Ascending,
    };
    let nulls = match order.options.nulls_first {
        Some(true) => NullOrdering::SortNullsFirst,
        Some(false) => NullOrdering::SortNullsLast,
        None => NullOrdering::SortNullsUnspecified,
    };
    Ok(message::SortOrder {
        child: Some(Box::new(expression(&order.expr)?)),
        direction: direction.into(),
        null_ordering: nulls.into(),
    })
}

fn frame(frame: &datafusion::sql::sqlparser::ast::WindowFrame) -> Result<WindowFrame, Error> {
    let units = match frame.units {
        WindowFrameUnits::Rows => FrameType::Row,
        WindowFrameUnits::Range => FrameType::Range,
        WindowFrameUnits::Groups => return Err(Error::unsupported("window frames of GROUPS")),
    };
    let upper = frame
        .end_bound
        .as_ref()
        .unwrap_or(&WindowFrameBound::CurrentRow);
    Ok(WindowFrame {
        frame_type: units.into(),
        lower: Some(Box::new(bound(&frame.start_bound)?)),
        upper: Some(Box::new(bound(upper)?)),
    })
}

fn bound(bound: &WindowFrameBound) -> Result<FrameBoundary, Error> {
    let boundary = match bound {
        WindowFrameBound::CurrentRow => Boundary::CurrentRow(true),
        WindowFrameBound::Preceding(None) | WindowFrameBound::Following(None) => {
            Boundary::Unbounded(true)
        }
        WindowFrameBound::Preceding(Some(rows)) => Boundary::Value(Box::new(match rows.as_ref() {
            Sql::Value(value) => match &value.value {
                Value::Number(digits, _) => number(&format!("-{digits}"))?,
                other => return Err(unsupported(other)),
            },
            other => return Err(unsupported(other)),
        })),
        WindowFrameBound::Following(Some(rows)) => Boundary::Value(Box::new(expression(rows)?)),
    };
    Ok(FrameBoundary {
        boundary: Some(boundary),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_types_of_sparks_parser() {
        let kind = |text: &str| match parse(text).unwrap().expr_type {
            Some(ExprType::Literal(literal)) => literal.literal_type.unwrap(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(kind("1"), LiteralType::Integer(1));
        assert_eq!(kind("-2147483648"), LiteralType::Integer(i32::MIN));
        assert_eq!(kind("2147483648"), LiteralType::Long(2_147_483_648));
        assert_eq!(kind("1e3"), LiteralType::Double(1000.0));
        assert!(matches!(kind("1.50"), LiteralType::Decimal(decimal) if decimal.value == "1.50"));
    }

    #[test]
    fn what_cannot_be_read_is_a_parse_error() {
        for text in ["a +", "", "a b c", "sum(", "'x"] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind, Kind::Parse, "{text}: {error:?}");
        }
        let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(parse(&deep).unwrap_err().kind, Kind::Parse);
    }

    #[test]
    fn an_alias_names_the_expression() {
        let Some(ExprType::Alias(alias)) = parse("a + 1 AS b").unwrap().expr_type else {
            panic!("an alias");
        };
        assert_eq!(alias.name, ["b"]);
    }
}
