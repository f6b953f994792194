use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Result, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Window, cast};
use datafusion::optimizer::AnalyzerRule;

/// Gives window functions their texts and bytes as arrays that own them.
///
/// `BoundedWindowAggExec` drops the rows that no frame needs any more by slicing, and appends new ones by
/// concatenating. Of an array of views (`Utf8View`, `BinaryView`) both keep every buffer that a view ever
/// pointed to: a running total over a sorted table holds all texts of the table in the end, reserved
/// nowhere. Arrays with offsets are copied when they are concatenated, and what was dropped is gone.
///
/// To come before types are coerced, as the functions' types are those of the columns that they then have, and after
/// grouping sets are resolved. Correlated subqueries stay as they are.
#[derive(Debug, Default)]
pub struct WindowsWithoutViews;

impl AnalyzerRule for WindowsWithoutViews {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Window(window) if has_views(&window.input) && stands_alone(&window) => {
                without_views(window).map(Transformed::yes)
            }
            plan => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "windows_without_views"
    }
}

/// Whether the plan refers to no column of a query around it: DataFusion pulls these up through projections that
/// have them as they are.
fn stands_alone(window: &Window) -> bool {
    window.input.all_out_ref_exprs().is_empty()
}

fn has_views(plan: &LogicalPlan) -> bool {
    let mut types = plan.schema().fields().iter().map(|field| field.data_type());
    types.any(|data_type| owning(data_type).is_some())
}

/// The type of the same values in arrays that own them, for a type of views.
fn owning(data_type: &DataType) -> Option<DataType> {
    match data_type {
        // Offsets of 64 bits: a frame may hold more than 2 GiB.
        DataType::Utf8View => Some(DataType::LargeUtf8),
        DataType::BinaryView => Some(DataType::LargeBinary),
        _ => None,
    }
}

fn without_views(window: Window) -> Result<LogicalPlan> {
    // Rules before this one may have changed what it reads, and left its schema.
    let window = Window::try_new(window.window_expr, window.input)?;
    let columns = window
        .input
        .schema()
        .iter()
        .map(|(qualifier, field)| as_type(qualifier, field, owning(field.data_type())));
    let input = Projection::try_new(columns.collect(), window.input)?;
    let input = Arc::new(LogicalPlan::Projection(input));
    let over = LogicalPlan::Window(Window::try_new(window.window_expr, input)?);
    // The rest of the plan knows the columns, and what the functions give, by the types they had.
    let is = over.schema().fields().iter();
    let columns = window.schema.iter().zip(is).map(|((qualifier, was), is)| {
        let differs = was.data_type() != is.data_type();
        as_type(qualifier, was, differs.then(|| was.data_type().clone()))
    });
    let columns = columns.collect();
    Projection::try_new(columns, Arc::new(over)).map(LogicalPlan::Projection)
}

/// A column under its own name, of another type if one is given.
fn as_type(qualifier: Option<&TableReference>, field: &FieldRef, to: Option<DataType>) -> Expr {
    let column = Expr::from((qualifier, field));
    match to {
        Some(to) => cast(column, to).alias_qualified(qualifier.cloned(), field.name()),
        None => column,
    }
}
