//! Calls of functions in SQL, with their windows.

use datafusion::sql::sqlparser::ast::{
    Expr as Sql, Function, FunctionArg, FunctionArgExpr, FunctionArguments, OrderByExpr, Value,
    WindowFrame as SqlFrame, WindowFrameBound, WindowFrameUnits, WindowType,
};
use proto::expression::sort_order::{NullOrdering, SortDirection};
use proto::expression::window::WindowFrame;
use proto::expression::window::window_frame::{FrameBoundary, FrameType, frame_boundary::Boundary};
use proto::expression::{self as message, ExprType};
use spark_connect_proto as proto;

use super::literals::number;
use super::{called, expression, of, star, unsupported};
use crate::error::Error;

pub(super) fn function(function: &Function) -> Result<proto::Expression, Error> {
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

pub(super) fn argument(argument: &FunctionArg) -> Result<proto::Expression, Error> {
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

pub(super) fn order(order: &OrderByExpr) -> Result<message::SortOrder, Error> {
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

pub(super) fn frame(frame: &SqlFrame) -> Result<WindowFrame, Error> {
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

pub(super) fn bound(bound: &WindowFrameBound) -> Result<FrameBoundary, Error> {
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
