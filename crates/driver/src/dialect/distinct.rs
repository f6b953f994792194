//! `a IS [NOT] DISTINCT FROM b AND c`. sqlparser takes all of `b AND c` for what `a` is compared with; to Spark, as to the
//! standard, AND and OR bind less, and the comparison ends before them. What stands in parentheses is a node of its own and
//! stays as it is.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, UnaryOperator, Value, VisitMut, VisitorMut,
};

/// Gives each `IS [NOT] DISTINCT FROM` of a statement or expression the operand that it has in Spark.
pub fn end_distinct_before_and(parsed: &mut impl VisitMut) {
    // Neither visitor breaks off.
    let mut first = Operands::default();
    let _ = parsed.visit(&mut first);
    if first.are_too_long {
        let _ = parsed.visit(&mut Mending);
    }
}

/// Looks for a comparison that has taken an AND or OR, which most statements have not.
#[derive(Default)]
struct Operands {
    are_too_long: bool,
}

impl VisitorMut for Operands {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) = expr {
            self.are_too_long |= swallows(right) || is_logical(right);
        }
        ControlFlow::Continue(())
    }
}

struct Mending;

impl VisitorMut for Mending {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if swallows(expr) {
            let mut chain = Chain::default();
            chain.take(std::mem::replace(expr, nothing()));
            *expr = chain.tree();
        }
        ControlFlow::Continue(())
    }
}

/// Whether there is a comparison below that has taken an AND or OR, on the way that only AND, OR and NOT are on.
fn swallows(expr: &Expr) -> bool {
    match expr {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) => {
            is_logical(right) || swallows(right)
        }
        Expr::BinaryOp { left, op, right } if binds(op).is_some() => {
            swallows(left) || swallows(right)
        }
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => swallows(expr),
        _ => false,
    }
}

fn is_logical(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op, .. } if binds(op).is_some())
}

/// How strongly a logical operator binds; none for all others, which bind more.
fn binds(op: &BinaryOperator) -> Option<u8> {
    match op {
        BinaryOperator::Or => Some(0),
        BinaryOperator::Xor => Some(1),
        BinaryOperator::And => Some(2),
        _ => None,
    }
}

/// Conditions with the logical operators between them, as they were written.
#[derive(Default)]
struct Chain {
    conditions: Vec<Expr>,
    operators: Vec<BinaryOperator>,
}

impl Chain {
    fn take(&mut self, expr: Expr) {
        match expr {
            Expr::BinaryOp { left, op, right } if binds(&op).is_some() => {
                self.take(*left);
                self.operators.push(op);
                self.take(*right);
            }
            Expr::IsDistinctFrom(left, right) => {
                self.take_first(*right, |right| Expr::IsDistinctFrom(left, right));
            }
            Expr::IsNotDistinctFrom(left, right) => {
                self.take_first(*right, |right| Expr::IsNotDistinctFrom(left, right));
            }
            Expr::UnaryOp { op, expr } if op == UnaryOperator::Not && swallows(&expr) => {
                self.take_first(*expr, |expr| Expr::UnaryOp { op, expr });
            }
            other => self.conditions.push(other),
        }
    }

    /// Takes `expr`, whose first condition is a part of the one that `whole` makes.
    fn take_first(&mut self, expr: Expr, whole: impl FnOnce(Box<Expr>) -> Expr) {
        let place = self.conditions.len();
        self.take(expr);
        let first = std::mem::replace(&mut self.conditions[place], nothing());
        self.conditions[place] = whole(Box::new(first));
    }

    /// The conditions joined as their operators bind, from the left.
    fn tree(self) -> Expr {
        let mut conditions = self.conditions.into_iter();
        let mut done: Vec<Expr> = conditions.next().into_iter().collect();
        let mut open: Vec<BinaryOperator> = Vec::new();
        for (op, condition) in self.operators.into_iter().zip(conditions) {
            while let Some(last) = open.pop_if(|last| binds(last) >= binds(&op)) {
                join(&mut done, last);
            }
            open.push(op);
            done.push(condition);
        }
        while let Some(last) = open.pop() {
            join(&mut done, last);
        }
        done.pop().unwrap_or_else(nothing)
    }
}

/// Joins the last two conditions.
fn join(conditions: &mut Vec<Expr>, op: BinaryOperator) {
    if let (Some(right), Some(left)) = (conditions.pop(), conditions.pop()) {
        conditions.push(Expr::BinaryOp {
            left: Box::new(left),
            op,
            right: Box::new(right),
        });
    }
}

/// What stands for an expression while it is moved.
fn nothing() -> Expr {
    Expr::value(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    /// The expression with parentheses wherever an operator has operands.
    fn grouped(text: &str) -> String {
        let parser = Parser::new(&SparkSqlDialect).try_with_sql(text);
        let mut expr = parser.unwrap().parse_expr().unwrap();
        end_distinct_before_and(&mut expr);
        show(&expr)
    }

    fn show(expr: &Expr) -> String {
        match expr {
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", show(left), show(right)),
            Expr::IsDistinctFrom(left, right) => format!("({} ID {})", show(left), show(right)),
            Expr::IsNotDistinctFrom(left, right) => format!("({} IN {})", show(left), show(right)),
            Expr::UnaryOp { op, expr } => format!("({op} {})", show(expr)),
            Expr::Nested(expr) => format!("[{}]", show(expr)),
            other => other.to_string(),
        }
    }

    #[test]
    fn and_and_or_end_it() {
        for (text, right) in [
            ("a IS DISTINCT FROM b AND c", "((a ID b) AND c)"),
            (
                "p AND a IS NOT DISTINCT FROM b AND q OR r",
                "(((p AND (a IN b)) AND q) OR r)",
            ),
            (
                "p OR a IS NOT DISTINCT FROM b AND q",
                "(p OR ((a IN b) AND q))",
            ),
            (
                "a IS NOT DISTINCT FROM b AND c IS DISTINCT FROM d OR e",
                "(((a IN b) AND (c ID d)) OR e)",
            ),
            ("NOT a IS DISTINCT FROM b AND c", "((NOT (a ID b)) AND c)"),
            (
                "a IS DISTINCT FROM (b AND c) OR d",
                "((a ID [(b AND c)]) OR d)",
            ),
            ("a IS DISTINCT FROM b + 1 = c", "(a ID ((b + 1) = c))"),
            (
                "(a IS DISTINCT FROM b AND c) AND d",
                "([((a ID b) AND c)] AND d)",
            ),
        ] {
            assert_eq!(grouped(text), right, "{text}");
        }
    }
}
