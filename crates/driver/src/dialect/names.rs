use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, Query, SelectItem, SetExpr, Statement, UnaryOperator, Value, VisitMut, VisitorMut,
};

/// Names the columns that the statement leaves unnamed as Spark names them: `count(1)`, `(a + 1)`.
pub(super) fn name_columns(statement: &mut Statement) {
    let ControlFlow::Continue(()) = statement.visit(&mut Namer);
}

struct Namer;

impl VisitorMut for Namer {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        let is_ordered = query.order_by.is_some();
        in_body(&mut query.body, is_ordered);
        ControlFlow::Continue(())
    }
}

fn in_body(body: &mut SetExpr, is_ordered: bool) {
    match body {
        // The sort keys of SELECT DISTINCT have to be found in its list as they are written.
        SetExpr::Select(select)
            if is_ordered && matches!(select.distinct, Some(Distinct::Distinct)) => {}
        SetExpr::Select(select) => in_list(&mut select.projection),
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left, is_ordered);
            in_body(right, is_ordered);
        }
        _ => {}
    }
}

fn in_list(items: &mut [SelectItem]) {
    let mut taken: HashMap<String, usize> = HashMap::new();
    for item in items.iter() {
        let name = match item {
            SelectItem::UnnamedExpr(expr) => name(expr),
            SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
            _ => continue,
        };
        *taken.entry(name.to_lowercase()).or_default() += 1;
    }
    for item in items {
        let SelectItem::UnnamedExpr(expr) = item else {
            continue;
        };
        let is_column = matches!(
            expr,
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. }
        );
        let name = name(expr);
        // Two columns of one name DataFusion refuses; by its own names they may differ.
        if is_column || taken.get(&name.to_lowercase()) != Some(&1) {
            continue;
        }
        let expr = std::mem::replace(expr, Expr::Value(Value::Null.into()));
        *item = SelectItem::ExprWithAlias {
            expr,
            alias: Ident::with_quote('`', name),
        };
    }
}

/// An expression as Spark writes it in a column's name (`toPrettySQL`).
fn name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(part) => part.value.clone(),
        Expr::CompoundIdentifier(parts) => parts
            .last()
            .map_or_else(String::new, |part| part.value.clone()),
        Expr::Nested(inner) => name(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
            Value::Null => "NULL".to_owned(),
            other => other.to_string(),
        },
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::MyIntegerDivide => format!("({} div {})", name(left), name(right)),
            BinaryOperator::StringConcat => format!("concat({}, {})", name(left), name(right)),
            BinaryOperator::NotEq => format!("(NOT ({} = {}))", name(left), name(right)),
            op => format!("({} {op} {})", name(left), name(right)),
        },
        Expr::UnaryOp { op, expr } => match op {
            UnaryOperator::Not => format!("(NOT {})", name(expr)),
            UnaryOperator::Minus if matches!(**expr, Expr::Value(_)) => format!("-{}", name(expr)),
            UnaryOperator::Minus => format!("(- {})", name(expr)),
            UnaryOperator::Plus => format!("(+ {})", name(expr)),
            op => format!("{op}{}", name(expr)),
        },
        Expr::IsNull(inner) => format!("({} IS NULL)", name(inner)),
        Expr::IsNotNull(inner) => format!("({} IS NOT NULL)", name(inner)),
        Expr::Like {
            negated: false,
            expr,
            pattern,
            ..
        } => {
            format!("{} LIKE {}", name(expr), name(pattern))
        }
        Expr::InList {
            expr,
            list,
            negated,
        } => {
            let list: Vec<String> = list.iter().map(name).collect();
            let within = format!("({} IN ({}))", name(expr), list.join(", "));
            negate(within, *negated)
        }
        Expr::Between {
            expr,
            negated,
            low,
            high,
        } => {
            let between = format!(
                "(({0} >= {1}) AND ({0} <= {2}))",
                name(expr),
                name(low),
                name(high)
            );
            negate(between, *negated)
        }
        Expr::Cast {
            expr, data_type, ..
        } => format!("CAST({} AS {data_type})", name(expr)),
        Expr::Case {
            operand,
            conditions,
            else_result,
            ..
        } => {
            let mut text = "CASE".to_owned();
            for when in conditions {
                let condition = match operand {
                    Some(operand) => format!("({} = {})", name(operand), name(&when.condition)),
                    None => name(&when.condition),
                };
                text.push_str(&format!(" WHEN {condition} THEN {}", name(&when.result)));
            }
            if let Some(otherwise) = else_result {
                text.push_str(&format!(" ELSE {}", name(otherwise)));
            }
            text + " END"
        }
        Expr::Function(call) if call.over.is_none() && call.filter.is_none() => function(call),
        Expr::Subquery(_) => "scalarsubquery()".to_owned(),
        other => other.to_string(),
    }
}

fn negate(text: String, negated: bool) -> String {
    match negated {
        true => format!("(NOT {text})"),
        false => text,
    }
}

fn function(call: &Function) -> String {
    let called = call.name.to_string().trim_matches('`').to_lowercase();
    let FunctionArguments::List(list) = &call.args else {
        return format!("{called}()");
    };
    let distinct = list
        .duplicate_treatment
        .map_or(String::new(), |word| format!("{word} "));
    let arguments: Vec<String> = list.args.iter().map(argument).collect();
    format!("{called}({distinct}{})", arguments.join(", "))
}

fn argument(argument: &FunctionArg) -> String {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => name(expr),
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => "1".to_owned(),
        other => other.to_string(),
    }
}
