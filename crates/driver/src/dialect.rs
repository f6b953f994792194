//! SQL as Spark reads it, where DataFusion's planner would read it otherwise: names in any case, columns
//! named after their expression, whole numbers that are INT.

mod distinct;
mod literals;
mod names;
mod spelling;

use datafusion::common::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;

use crate::hints;

pub use distinct::end_distinct_before_and;
pub(crate) use literals::NarrowLiterals;

/// Plans a query.
///
/// # Errors
/// As DataFusion's planner has them.
pub(crate) async fn plan(state: &SessionState, text: &str) -> Result<LogicalPlan> {
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(text, &dialect)?;
    let mut statement = spelling::respelled(state, text, statement).await?;
    hints::mark(&mut statement, text)
        .into_iter()
        .for_each(hints::say);
    read_as_spark_does(&mut statement);
    state.statement_to_plan(statement).await
}

fn read_as_spark_does(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => {
            distinct::end_distinct_before_and(statement.as_mut());
            names::name_columns(statement);
            literals::narrow(statement);
        }
        Statement::Explain(explain) => read_as_spark_does(&mut explain.statement),
        _ => {}
    }
}
