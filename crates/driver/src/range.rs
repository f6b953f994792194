//! The table function `range`: Spark's `range(end)`, `range(start, end[, step[, partitions]])`, a column `id`.

use std::sync::Arc;

use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::functions_table::generate_series::RangeFunc;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlanBuilder, lit};
use datafusion::prelude::ident;

/// DataFusion's `range` under the names that Spark has for it.
#[derive(Debug)]
pub(crate) struct Range;

impl TableFunctionImpl for Range {
    fn call_with_args(&self, arguments: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let mut bounds = Vec::new();
        for argument in arguments.exprs() {
            let schema = datafusion::common::DFSchema::empty();
            let literal = argument
                .clone()
                .cast_to(&datafusion::arrow::datatypes::DataType::Int64, &schema);
            bounds.push(whole_number(&literal?)?);
        }
        // How many partitions the rows are cut into makes no difference to what they are.
        bounds.truncate(3);
        table(&bounds, arguments.session())
    }
}

/// The value of an argument: a literal, maybe signed or cast.
fn whole_number(expr: &Expr) -> Result<i64> {
    match expr {
        Expr::Literal(value, _) => {
            match value.cast_to(&datafusion::arrow::datatypes::DataType::Int64)? {
                ScalarValue::Int64(Some(value)) => Ok(value),
                _ => plan_err!("range takes whole numbers, not NULL"),
            }
        }
        Expr::Cast(cast) => whole_number(&cast.expr),
        Expr::Negative(inner) => Ok(whole_number(inner)?.wrapping_neg()),
        other => plan_err!("range takes whole numbers, not {other}"),
    }
}

/// The table of the numbers from the first bound to before the second, by steps of the third.
///
/// # Errors
/// If there are no bounds, or the step is 0.
pub(crate) fn table(bounds: &[i64], session: &dyn Session) -> Result<Arc<dyn TableProvider>> {
    let bounds: Vec<Expr> = bounds.iter().map(|bound| lit(*bound)).collect();
    let numbers = RangeFunc {}.call_with_args(TableFunctionArgs::new(&bounds, session))?;
    let plan = LogicalPlanBuilder::scan("range", provider_as_source(numbers), None)?
        .project(vec![ident("value").alias("id")])?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
