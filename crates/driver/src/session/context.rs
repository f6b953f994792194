//! DataFusion's own interface to a session: contexts and DataFrames whose work is the session's.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::{QueryPlanner, SessionContext};
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{TryStreamExt, stream};

use super::Session;
use crate::cache::root_of;
use crate::command::Command;
use crate::error::Error;
use crate::statement::split;

impl Session {
    /// DataFusion's context of this session, for programs that make their queries with DataFusion's own calls: it has the
    /// session's tables, and whatever its DataFrames run is a query of the session's, in a task memory of its own, with the
    /// session's settings and a record in the history, as if [`run_plan`](Self::run_plan) had run it.
    ///
    /// Tables that are registered with it are the session's. Functions are the ones that the session has now; one that is
    /// registered with the context is the context's alone and counts as the user's, and
    /// [`register_function`](Self::register_function) gives one to both. Options of the context's own have no effect on
    /// what runs. `context().sql(…)` reads SQL as DataFusion does; [`dataframe`](Self::dataframe) and [`sql`](Self::sql) read
    /// Spark's.
    pub fn context(&self) -> SessionContext {
        let state = self.state();
        let config = state.config().clone();
        // The catalogs are the session's; a new default one would take their place.
        let config = config.with_create_default_catalog_and_schema(false);
        let planner = OwnQueries {
            session: self.again(),
        };
        let state = SessionStateBuilder::new_from_existing(state)
            .with_config(config)
            .with_query_planner(Arc::new(planner))
            // Plans are analysed and optimized when they run, once what is cached was found in them.
            .with_analyzer_rules(Vec::new())
            .with_optimizer_rules(Vec::new())
            .build();
        SessionContext::new_with_state(state)
    }

    /// A query in Spark's SQL as DataFusion's `DataFrame`: it can be added to with DataFusion's calls, and runs as
    /// [`context`](Self::context) says.
    ///
    /// # Errors
    /// As [`run`](Self::run); and if the text is not one query.
    pub async fn dataframe(&self, query: &str) -> std::result::Result<DataFrame, Error> {
        let mut statements = split(query).into_iter();
        let (Some(statement), None) = (statements.next(), statements.next()) else {
            return Err(Error::NotSupported("one query is expected".into()));
        };
        let statement = statement?;
        let statement = self.substituted(&statement)?.unwrap_or(statement);
        match Command::parse(&statement)? {
            Command::Query => {
                let plan = self.logical_plan(statement.text()).await?;
                Ok(DataFrame::new(self.context().state(), plan))
            }
            _ => Err(Error::NotSupported(format!(
                "a DataFrame is made of a query, and this is a command: run it with sql(\"{}\")",
                statement.text()
            ))),
        }
    }
}

/// Has a session run what the plans of its context come to.
struct OwnQueries {
    session: Session,
}

impl fmt::Debug for OwnQueries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnQueries")
            .field("session", &self.session.id())
            .finish()
    }
}

#[async_trait]
impl QueryPlanner for OwnQueries {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        _context: &dyn datafusion::catalog::Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let session = self.session.again();
        note_functions(&session, plan)?;
        let schema = session
            .analysed(plan.clone())?
            .plan
            .schema()
            .inner()
            .clone();
        Ok(Arc::new(QueryExec::new(session, plan.clone(), schema)))
    }
}

/// Functions that the session does not know are the user's.
fn note_functions(session: &Session, plan: &LogicalPlan) -> Result<()> {
    let state = session.state();
    let known = state.scalar_functions();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.exists(|expr| {
                if let Expr::ScalarFunction(call) = expr
                    && !known.values().any(|known| *known == call.func)
                {
                    session.user_functions.add(&call.func);
                }
                Ok(false)
            })?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(())
}

/// A query of a session, as an operator: its rows are those of the query, which begins when they are asked for.
struct QueryExec {
    session: Session,
    plan: LogicalPlan,
    properties: Arc<PlanProperties>,
}

impl QueryExec {
    fn new(session: Session, plan: LogicalPlan, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            session,
            plan,
            properties: Arc::new(properties),
        }
    }
}

impl fmt::Debug for QueryExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryExec")
            .field("plan", &self.plan)
            .finish()
    }
}

impl DisplayAs for QueryExec {
    fn fmt_as(&self, _how: DisplayFormatType, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "QueryExec: {}", root_of(&self.plan))
    }
}

impl ExecutionPlan for QueryExec {
    fn name(&self) -> &str {
        "QueryExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("a QueryExec has no children"),
        }
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (session, plan) = (self.session.again(), self.plan.clone());
        let rows = async move {
            let description = root_of(&plan);
            let rows = session.run_plan(plan, &description).await;
            rows.map(|rows| rows.map_err(external)).map_err(external)
        };
        let rows = stream::once(rows).try_flatten();
        let schema = Arc::clone(self.properties.eq_properties.schema());
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// The session's error, for whoever looks for it behind DataFusion's.
fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
