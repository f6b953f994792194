//! What a front end other than SQL needs of a session: plans to be read, run, named and written.

use std::sync::Arc;

use datafusion::catalog::SchemaProvider;
use datafusion::common::TableReference;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, ScalarUDF};
use datafusion::physical_plan::ExecutionPlan;

use super::{Session, internal, quoted};
use crate::error::Error;
use crate::range;
use crate::source::{Source, open_source};

impl Session {
    /// A plan that reads files.
    ///
    /// # Errors
    /// If there is nothing to read, or it is not of the format.
    pub async fn read(&self, source: &Source) -> Result<LogicalPlan, Error> {
        let table = open_source(&self.state(), source).await?;
        let name = TableReference::bare(source.format.name());
        LogicalPlanBuilder::scan(name, provider_as_source(table), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)
    }

    /// Gives the session's SQL a function of the user's. Memory that it takes is announced by nobody: while a
    /// query with it runs, no other part's memory is lent to execution.
    pub fn register_function(&self, function: ScalarUDF) {
        self.user_functions.add(&function);
        self.context.register_udf(function);
    }

    /// Gives the session's SQL a function that belongs to the engine.
    pub fn register_engine_function(&self, function: ScalarUDF) {
        self.context.register_udf(function);
    }

    /// A plan of the whole numbers from `start` to before `end`, as a column `id`.
    ///
    /// # Errors
    /// If `step` is 0.
    pub fn range(&self, start: i64, end: i64, step: i64) -> Result<LogicalPlan, Error> {
        let table = range::table(&[start, end, step], &self.state()).map_err(Error::planning_of)?;
        LogicalPlanBuilder::scan("range", provider_as_source(table), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)
    }

    /// A plan that reads a table or view of the session; none if there is no such one.
    ///
    /// # Errors
    /// If its catalog fails.
    pub async fn table(&self, name: &str) -> Result<Option<LogicalPlan>, Error> {
        let state = self.state();
        let schema = state.schema_for_ref(quoted(name)).map_err(internal)?;
        let Some(table) = schema.table(name).await.map_err(internal)? else {
            return Ok(None);
        };
        LogicalPlanBuilder::scan(quoted(name), provider_as_source(table), None)
            .and_then(LogicalPlanBuilder::build)
            .map(Some)
            .map_err(internal)
    }

    /// Makes a plan a temporary view, in place of the one of this name if there is one.
    ///
    /// # Errors
    /// If the session's catalog refuses.
    pub fn register_view(&self, name: &str, plan: LogicalPlan) -> Result<(), Error> {
        self.take_table(name, Some(&plan))?;
        self.context
            .register_table(quoted(name), Arc::new(ViewTable::new(plan, None)))
            .map_err(internal)?;
        Ok(())
    }

    /// Makes a plan a view that all sessions of the process see, as `global_temp.name`.
    ///
    /// # Errors
    /// If the catalog refuses.
    pub fn register_global_view(&self, name: &str, plan: LogicalPlan) -> Result<(), Error> {
        self.drop_global_view(name)?;
        let view = Arc::new(ViewTable::new(plan, None));
        let views = &self.shared.global_views;
        views
            .register_table(name.to_owned(), view)
            .map_err(internal)?;
        Ok(())
    }

    /// Takes a view away from all sessions of the process, and says whether there was one.
    ///
    /// # Errors
    /// If the catalog refuses.
    pub fn drop_global_view(&self, name: &str) -> Result<bool, Error> {
        let dropped = self
            .shared
            .global_views
            .deregister_table(name)
            .map_err(internal)?;
        if let Some(view) = &dropped {
            self.uncache_dropped(view, None, None)?;
        }
        Ok(dropped.is_some())
    }

    /// A plan that reads a view that all sessions see; none if there is no such one.
    ///
    /// # Errors
    /// If the catalog fails.
    pub async fn global_view(&self, name: &str) -> Result<Option<LogicalPlan>, Error> {
        let Some(view) = self
            .shared
            .global_views
            .table(name)
            .await
            .map_err(internal)?
        else {
            return Ok(None);
        };
        let reference = TableReference::partial(super::GLOBAL_VIEWS, name.to_owned());
        LogicalPlanBuilder::scan(reference, provider_as_source(view), None)
            .and_then(LogicalPlanBuilder::build)
            .map(Some)
            .map_err(internal)
    }

    /// Takes a table or view out of the session, and says whether there was one.
    ///
    /// # Errors
    /// If the session's catalog refuses.
    pub fn drop_table(&self, name: &str) -> Result<bool, Error> {
        Ok(self.take_table(name, None)?.is_some())
    }

    /// How a plan would run: after the optimizer, and as operators.
    ///
    /// # Errors
    /// If it cannot be planned.
    pub async fn physical_plan(
        &self,
        plan: &LogicalPlan,
    ) -> Result<(LogicalPlan, Arc<dyn ExecutionPlan>), Error> {
        let state = self.state();
        let plan = &self.with_cached(plan.clone()).map_err(Error::planning_of)?;
        let optimized = state.optimize(plan).map_err(Error::planning_of)?;
        let physical = state
            .create_physical_plan(plan)
            .await
            .map_err(Error::planning_of)?;
        Ok((optimized, physical))
    }
}
