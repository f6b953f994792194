//! Expressions as SQL text (`F.expr`, `selectExpr`, `filter("age > 21")`), made into the messages that the
//! client would have sent for the same expression built from columns.

mod calls;
mod literals;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType as SqlType, Expr as Sql, Ident, SelectItem,
    Subscript, UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use plimsoll_driver::end_distinct_before_and;
use proto::expression::cast::{CastToType, EvalMode};
use proto::expression::literal::LiteralType;
use proto::expression::{self as message, ExprType};
use spark_connect_proto as proto;

use crate::error::{Error, Kind};

/// How deep an expression may be nested.
const DEEPEST: usize = 200;

/// How many operators an expression may have: a chain of them is as deep as it is long.
const MOST_OPERATORS: usize = 1000;

/// About how many operators there are in a text.
fn operators(text: &str) -> usize {
    let signs = text
        .matches([
            '+', '-', '*', '/', '%', '=', '<', '>', '|', '&', '^', '!', '~', '[',
        ])
        .count();
    let is_word = |word: &&str| {
        ["and", "or", "not", "is", "div"]
            .iter()
            .any(|operator| word.eq_ignore_ascii_case(operator))
    };
    signs + text.split_whitespace().filter(is_word).count()
}

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
    if operators(text) > MOST_OPERATORS {
        return Err(Error::new(Kind::Parse, "FAILED_TO_PARSE_TOO_COMPLEX", &[]));
    }
    let dialect = SparkSqlDialect;
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(DEEPEST)
        .try_with_sql(text)
        .map_err(|error| syntax(&error))?;
    let mut item = parser.parse_select_item().map_err(|error| syntax(&error))?;
    end_distinct_before_and(&mut item);
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
        Sql::Value(value) => literals::value(&value.value)?,
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
        Sql::Function(function) => calls::function(function)?,
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
        Sql::Interval(interval) => literals::interval_literal(interval, sql)?,
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
        return literals::number(&format!("-{digits}"));
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
