//! The statements that name tables: temporary views, and DESCRIBE.

use std::sync::Arc;

use datafusion::datasource::ViewTable;
use datafusion::logical_expr::LogicalPlan;

use super::{Answer, Session, internal, quoted};
use crate::answers;
use crate::command::{Files, View};
use crate::dialect;
use crate::error::Error;
use crate::source::{Source, open_source};
use crate::statement::{Statement, split};

impl Session {
    pub(super) async fn view_of_files(&self, view: &View, files: &Files) -> Result<Answer, Error> {
        let source = Source {
            options: files.options.clone(),
            ..Source::of_path(files.format, &files.path)
        };
        let table = open_source(&self.state(), &source).await?;
        self.make_room_for(view, None)?;
        self.context
            .register_table(quoted(&view.name), table)
            .map_err(internal)?;
        Ok(Answer::done(Vec::new()))
    }

    pub(super) async fn view_of_query(&self, view: &View, query: String) -> Result<Answer, Error> {
        let plan = self.logical_plan(&query).await?;
        self.make_room_for(view, Some(&plan))?;
        let table = Arc::new(ViewTable::new(plan, Some(query)));
        self.context
            .register_table(quoted(&view.name), table)
            .map_err(internal)?;
        Ok(Answer::done(Vec::new()))
    }

    pub(super) async fn logical_plan(&self, query: &str) -> Result<LogicalPlan, Error> {
        let state = self.state();
        let plan = dialect::plan(&state, query).await;
        match split(query).into_iter().next() {
            Some(Ok(statement)) => plan.map_err(|error| Error::planning(error, &statement, query)),
            _ => plan.map_err(internal),
        }
    }

    /// Takes the view of this name away if the statement says it may.
    fn make_room_for(&self, view: &View, instead: Option<&LogicalPlan>) -> Result<(), Error> {
        let exists = self
            .context
            .table_exist(quoted(&view.name))
            .map_err(internal)?;
        if exists && !view.replace {
            return Err(Error::Table(format!(
                "there is a table or view {} already: CREATE OR REPLACE TEMPORARY VIEW replaces it",
                view.name
            )));
        }
        if exists {
            self.take_table(&view.name, instead)?;
        }
        Ok(())
    }

    pub(super) fn drop_view(&self, name: &str, if_exists: bool) -> Result<Answer, Error> {
        let dropped = self.take_table(name, None)?;
        if dropped.is_none() && !if_exists {
            return Err(Error::unknown_table(name));
        }
        Ok(Answer::done(Vec::new()))
    }

    pub(super) async fn describe(
        &self,
        table: &str,
        statement: &Statement,
        script: &str,
    ) -> Result<Answer, Error> {
        let plan = self
            .state()
            .create_logical_plan(&format!("SELECT * FROM {table}"))
            .await
            .map_err(|error| Error::planning(error, statement, script))?;
        self.answer(answers::columns(plan.schema().as_arrow()))
    }
}
