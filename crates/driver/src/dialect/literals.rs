use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions_nested::expr_fn::array_element;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr, RawWindowExpr,
};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, cast, lit, when};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType as SqlType, Expr as Sql, Query, SelectItem, SetExpr, Statement,
    UnaryOperator, Value, VisitMut, VisitorMut,
};

/// In an operation with an INT or something narrower, a whole number is an INT, as Spark's parser types it.
#[derive(Debug)]
pub(crate) struct NarrowLiterals;

impl ExprPlanner for NarrowLiterals {
    fn plan_binary_op(
        &self,
        mut expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_number = |side: &Expr| matches!(side, Expr::Literal(ScalarValue::Int64(Some(_)), _));
        if is_number(&expr.left) && is_number(&expr.right) {
            narrowed(&mut expr.left);
        }
        if is_narrow(&expr.left, schema)? {
            narrowed(&mut expr.right);
        } else if is_narrow(&expr.right, schema)? {
            narrowed(&mut expr.left);
        }
        Ok(PlannerResult::Original(expr))
    }

    /// Spark counts the elements of an array from 0.
    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr {
            field_access: GetFieldAccess::ListIndex { key },
            expr,
        } = access
        else {
            return Ok(PlannerResult::Original(access));
        };
        if !matches!(
            expr.get_type(schema)?,
            DataType::List(_) | DataType::LargeList(_)
        ) {
            let field_access = GetFieldAccess::ListIndex { key };
            return Ok(PlannerResult::Original(RawFieldAccessExpr {
                field_access,
                expr,
            }));
        }
        let index = cast(*key, DataType::Int64);
        // DataFusion counts from 1, and from the end below 0, where Spark has nothing.
        let element = array_element(expr, index.clone() + lit(1_i64));
        let planned = when(index.gt_eq(lit(0_i64)), element).end()?;
        Ok(PlannerResult::Planned(planned))
    }

    /// Spark's ranks are INT.
    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let name = expr.func_def.name().to_lowercase();
        if !["row_number", "rank", "dense_rank", "ntile"].contains(&name.as_str()) {
            return Ok(PlannerResult::Original(expr));
        }
        let function = Expr::from(WindowFunction {
            fun: expr.func_def,
            params: WindowFunctionParams {
                args: expr.args,
                partition_by: expr.partition_by,
                order_by: expr.order_by,
                window_frame: expr.window_frame,
                filter: expr.filter,
                null_treatment: expr.null_treatment,
                distinct: expr.distinct,
            },
        });
        Ok(PlannerResult::Planned(cast(function, DataType::Int32)))
    }
}

fn is_narrow(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    Ok(matches!(
        expr.get_type(schema)?,
        DataType::Int8 | DataType::Int16 | DataType::Int32
    ))
}

fn narrowed(expr: &mut Expr) {
    if let Expr::Literal(ScalarValue::Int64(Some(value)), _) = expr
        && let Ok(value) = i32::try_from(*value)
    {
        *expr = Expr::Literal(ScalarValue::Int32(Some(value)), None);
    }
}

/// Makes whole numbers that are a column by themselves INT: those of select lists, VALUES and CASE.
/// Elsewhere their type does not show, and functions may want to see the number itself.
pub(super) fn narrow(statement: &mut Statement) {
    let ControlFlow::Continue(()) = statement.visit(&mut Narrow);
}

struct Narrow;

impl VisitorMut for Narrow {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        in_body(&mut query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Sql) -> ControlFlow<Self::Break> {
        if let Sql::Case {
            conditions,
            else_result,
            ..
        } = expr
        {
            for when in conditions {
                as_int(&mut when.result);
            }
            if let Some(otherwise) = else_result {
                as_int(otherwise);
            }
        }
        ControlFlow::Continue(())
    }
}

fn in_body(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for item in &mut select.projection {
                match item {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                        as_int(expr)
                    }
                    _ => {}
                }
            }
        }
        SetExpr::Values(values) => {
            for row in &mut values.rows {
                row.content.iter_mut().for_each(as_int);
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            in_body(left);
            in_body(right);
        }
        _ => {}
    }
}

fn as_int(expr: &mut Sql) {
    let number = match &*expr {
        Sql::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => expr,
        other => other,
    };
    let Sql::Value(value) = number else {
        return;
    };
    if matches!(&value.value, Value::Number(digits, false) if digits.parse::<i32>().is_ok()) {
        let inner = std::mem::replace(expr, Sql::Value(Value::Null.into()));
        *expr = Sql::Cast {
            kind: CastKind::Cast,
            expr: Box::new(inner),
            data_type: SqlType::Int(None),
            array: false,
            format: None,
        };
    }
}
