//! `function.over(window)`.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::expr::{
    AggregateFunction, Sort, WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::{
    Expr, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};
use spark_connect_proto as proto;
use spark_connect_proto::expression::ExprType;
use spark_connect_proto::expression::window::WindowFrame as ProtoFrame;
use spark_connect_proto::expression::window::window_frame::{
    FrameBoundary, FrameType, frame_boundary::Boundary,
};

use super::{Expressions, kind, needed};
use crate::error::Error;
use crate::functions::Argument;

impl Expressions<'_> {
    pub(super) fn window(&self, window: &proto::expression::Window) -> Result<Argument, Error> {
        let function = self.one(needed(
            window.window_function.as_deref(),
            "a window's function",
        )?)?;
        let partition_by: Vec<Expr> = self
            .all(&window.partition_spec)?
            .into_iter()
            .map(|argument| argument.expr)
            .collect();
        let order_by: Vec<Sort> = window
            .order_spec
            .iter()
            .map(|order| self.sort(order))
            .collect::<Result<_, _>>()?;
        let ranked = needs_order(&function.expr);
        if ranked && order_by.is_empty() {
            return Err(Error::analysis(
                "WINDOW_FUNCTION_WITHOUT_ORDER_BY",
                &[("funcName", &function.name)],
            ));
        }
        let frame = match &window.frame_spec {
            Some(spec) => self.frame_of(spec, &order_by)?,
            None => WindowFrame::new((!order_by.is_empty()).then_some(false)),
        };
        let has_window = std::cell::Cell::new(false);
        let over = |params: &mut WindowFunctionParams| {
            has_window.set(true);
            params.partition_by.clone_from(&partition_by);
            params.order_by.clone_from(&order_by);
            params.window_frame = frame.clone();
        };
        let expr = function
            .expr
            .clone()
            .transform_up(|expr| {
                Ok(match expr {
                    Expr::AggregateFunction(aggregate) => {
                        let mut function = of_aggregate(aggregate)?;
                        over(&mut function.params);
                        Transformed::yes(Expr::WindowFunction(Box::new(function)))
                    }
                    Expr::WindowFunction(mut function) => {
                        over(&mut function.params);
                        Transformed::yes(Expr::WindowFunction(function))
                    }
                    other => Transformed::no(other),
                })
            })
            .data()?;
        if !has_window.get() {
            return Err(Error::analysis(
                "UNSUPPORTED_EXPR_FOR_WINDOW",
                &[("sqlExpr", &format!("\"{}\"", function.name))],
            ));
        }
        let display = format!("{} OVER ({})", function.name, self.shown(window)?);
        self.typed(expr, display)
    }

    /// The inside of `OVER (…)` as Spark shows it.
    fn shown(&self, window: &proto::expression::Window) -> Result<String, Error> {
        let mut parts = Vec::new();
        if !window.partition_spec.is_empty() {
            let keys = self.all(&window.partition_spec)?;
            let keys: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
            parts.push(format!("PARTITION BY {}", keys.join(", ")));
        }
        if !window.order_spec.is_empty() {
            let mut keys = Vec::new();
            for order in &window.order_spec {
                let child = self.one(needed(order.child.as_deref(), "a sort order's child")?)?;
                let sort = self.sort(order)?;
                keys.push(format!(
                    "{} {} NULLS {}",
                    child.name,
                    if sort.asc { "ASC" } else { "DESC" },
                    if sort.nulls_first { "FIRST" } else { "LAST" },
                ));
            }
            parts.push(format!("ORDER BY {}", keys.join(", ")));
        }
        Ok(parts.join(" "))
    }

    fn frame_of(&self, spec: &ProtoFrame, order_by: &[Sort]) -> Result<WindowFrame, Error> {
        let units = match spec.frame_type() {
            FrameType::Row => WindowFrameUnits::Rows,
            FrameType::Range => WindowFrameUnits::Range,
            FrameType::Undefined => return Err(Error::internal("a window frame without a type")),
        };
        // A bound of a range is a distance between keys, so it has their type.
        let key = match order_by.first() {
            Some(key) => self.typed(key.expr.clone(), String::new())?.data_type,
            None => DataType::Int64,
        };
        let lower = self.bound(spec.lower.as_deref(), units, true, &key)?;
        let upper = self.bound(spec.upper.as_deref(), units, false, &key)?;
        Ok(WindowFrame::new_bounds(units, lower, upper))
    }

    fn bound(
        &self,
        boundary: Option<&FrameBoundary>,
        units: WindowFrameUnits,
        is_lower: bool,
        key: &DataType,
    ) -> Result<WindowFrameBound, Error> {
        let boundary = boundary.and_then(|boundary| boundary.boundary.as_ref());
        match needed(boundary, "the boundary of a window frame")? {
            Boundary::CurrentRow(_) => Ok(WindowFrameBound::CurrentRow),
            Boundary::Unbounded(_) if is_lower => {
                Ok(WindowFrameBound::Preceding(ScalarValue::UInt64(None)))
            }
            Boundary::Unbounded(_) => Ok(WindowFrameBound::Following(ScalarValue::UInt64(None))),
            Boundary::Value(expression) => self.offset(expression, units, key),
        }
    }

    /// A bound so many rows, or so much, from the current row: before it if negative.
    fn offset(
        &self,
        expression: &proto::Expression,
        units: WindowFrameUnits,
        key: &DataType,
    ) -> Result<WindowFrameBound, Error> {
        let ExprType::Literal(literal) = kind(expression)? else {
            return Err(Error::unsupported(
                "a window frame with a bound that is no literal",
            ));
        };
        let value = super::literal::scalar(literal, self.planner().time_zone())?;
        let (is_before, size) = match &value {
            ScalarValue::Int8(Some(_))
            | ScalarValue::Int16(Some(_))
            | ScalarValue::Int32(Some(_))
            | ScalarValue::Int64(Some(_)) => {
                let ScalarValue::Int64(Some(number)) = value.cast_to(&DataType::Int64)? else {
                    return Err(Error::internal(
                        "a window frame with a bound that is no number",
                    ));
                };
                let size = match units {
                    WindowFrameUnits::Rows => ScalarValue::UInt64(Some(number.unsigned_abs())),
                    _ if key.is_numeric() => {
                        ScalarValue::Int64(Some(number.saturating_abs())).cast_to(key)?
                    }
                    _ => ScalarValue::Int64(Some(number.saturating_abs())),
                };
                (number < 0, size)
            }
            _ => {
                let negated = value.arithmetic_negate();
                match negated {
                    Ok(negated) if value < ScalarValue::new_zero(&value.data_type())? => {
                        (true, negated)
                    }
                    _ => (false, value),
                }
            }
        };
        Ok(match (is_before, is_zero(&size)) {
            (_, true) => WindowFrameBound::CurrentRow,
            (true, _) => WindowFrameBound::Preceding(size),
            (false, _) => WindowFrameBound::Following(size),
        })
    }
}

fn is_zero(value: &ScalarValue) -> bool {
    ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| *value == zero)
}

fn of_aggregate(aggregate: AggregateFunction) -> Result<WindowFunction, DataFusionError> {
    let AggregateFunction { func, params } = aggregate;
    Ok(WindowFunction {
        fun: WindowFunctionDefinition::AggregateUDF(Arc::clone(&func)),
        params: WindowFunctionParams {
            args: params.args,
            partition_by: Vec::new(),
            order_by: Vec::new(),
            window_frame: WindowFrame::new(None),
            filter: params.filter,
            null_treatment: params.null_treatment,
            distinct: params.distinct,
        },
    })
}

/// Whether the function ranks rows, which means nothing without an order.
fn needs_order(expr: &Expr) -> bool {
    let Expr::WindowFunction(function) = expr else {
        return match expr {
            Expr::Cast(cast) => needs_order(&cast.expr),
            _ => false,
        };
    };
    matches!(
        function.fun.name(),
        "row_number"
            | "rank"
            | "dense_rank"
            | "percent_rank"
            | "cume_dist"
            | "ntile"
            | "lag"
            | "lead"
    )
}
