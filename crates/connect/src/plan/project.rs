//! Relations that choose and make columns: select, withColumn, drop and their kin.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::utils::{find_aggregate_exprs, find_window_exprs};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use spark_connect_proto as proto;

use super::Planner;
use super::columns::replace_windows;
use crate::error::Error;
use crate::expression::{Expressions, Output, needed};
use crate::frame::{Column, Frame, Projected, same};
use crate::functions::Argument;
use crate::identifier;
use crate::types;

impl Planner {
    pub(super) async fn project(&mut self, project: &proto::Project) -> Result<Frame, Error> {
        // `spark.range(1).select(lit(1))` has an input; `SELECT 1` has none.
        let input = match &project.input {
            Some(_) => self.input(&project.input).await?,
            None => self.one_row()?,
        };
        let expressions = Expressions::new(self, &input);
        let mut outputs = Vec::new();
        for expression in &project.expressions {
            outputs.extend(expressions.outputs(expression)?);
        }
        self.select(input, outputs)
    }

    fn one_row(&self) -> Result<Frame, Error> {
        let plan = LogicalPlanBuilder::empty(true).build()?;
        Ok(self.frame(plan, Vec::new()))
    }

    /// A frame of these outputs; an aggregate over all rows if one of them is one.
    pub(super) fn select(&self, input: Frame, outputs: Vec<Output>) -> Result<Frame, Error> {
        if outputs.iter().any(|output| output.generator.is_some()) {
            return self.generate(input, outputs);
        }
        let exprs = outputs.iter().map(|output| &output.argument.expr);
        if !find_aggregate_exprs(exprs).is_empty() {
            return self.aggregate_all(input, outputs);
        }
        self.select_rows(input, outputs)
    }

    /// A frame of these outputs, row by row.
    pub(super) fn select_rows(&self, input: Frame, outputs: Vec<Output>) -> Result<Frame, Error> {
        let mut columns = Vec::new();
        let mut exprs = Vec::new();
        let mut taken = std::collections::HashSet::new();
        for output in outputs {
            let (mut column, expr) = self.output(output);
            // The same column twice: the second goes by another id.
            if !taken.insert(column.id.clone()) {
                let id = self.id(&column.name);
                exprs.push(column.expr().alias(&id));
                column.id = id;
            } else {
                exprs.push(expr);
            }
            columns.push(column);
        }
        self.projection(input, exprs, columns)
    }

    /// The column that an output becomes, and the expression under its id.
    fn output(&self, output: Output) -> (Column, Expr) {
        let Argument {
            expr,
            data_type,
            nullable,
            name,
        } = output.argument;
        if let Some(column) = output.column {
            return (column, expr);
        }
        let id = self.id(&name);
        let mut field = super::field(&name, data_type, nullable);
        let metadata = output
            .metadata
            .map(|json| (types::METADATA.to_owned(), json));
        field.set_metadata(metadata.into_iter().collect());
        let column = self.column(&name, &id, &[], Arc::new(field));
        let expr = match column.field.metadata().is_empty() {
            true => expr.alias(&id),
            false => {
                let metadata = column.field.metadata().clone().into();
                expr.alias_with_metadata(&id, Some(metadata))
            }
        };
        (column, expr)
    }

    /// Projects, with window functions planned below. What the input knew of the client's plans is
    /// kept, so that `df.x` still finds a column that passed through.
    pub(super) fn projection(
        &self,
        input: Frame,
        exprs: Vec<Expr>,
        columns: Vec<Column>,
    ) -> Result<Frame, Error> {
        let (plan, computed) = self.with_windows(input.plan.clone(), exprs.clone())?;
        let plan = LogicalPlanBuilder::from(plan).project(computed)?.build()?;
        let scopes = input.scopes.clone();
        let projected = Some(Arc::new(Projected { input, exprs }));
        Ok(Frame {
            scopes,
            projected,
            ..self.frame(plan, columns)
        })
    }

    /// Plans the window functions in `exprs`, and gives the expressions over their results.
    fn with_windows(
        &self,
        plan: LogicalPlan,
        exprs: Vec<Expr>,
    ) -> Result<(LogicalPlan, Vec<Expr>), Error> {
        let windows = find_window_exprs(&exprs);
        if windows.is_empty() {
            return Ok((plan, exprs));
        }
        let plan = LogicalPlanBuilder::window_plan(plan, windows)?;
        let exprs = exprs
            .into_iter()
            .map(replace_windows)
            .collect::<Result<_, _>>()?;
        Ok((plan, exprs))
    }

    /// The frame with columns replaced where their name is taken, and added where it is not.
    pub(super) async fn with_columns(
        &mut self,
        with_columns: &proto::WithColumns,
    ) -> Result<Frame, Error> {
        let input = self.input(&with_columns.input).await?;
        let expressions = Expressions::new(self, &input);
        let mut made: Vec<Output> = Vec::new();
        for alias in &with_columns.aliases {
            let [name] = alias.name.as_slice() else {
                return Err(Error::unsupported("withColumn with several names"));
            };
            let expression = needed(alias.expr.as_deref(), "a column's expression")?;
            let mut outputs = expressions.outputs(expression)?;
            let mut output = match (outputs.pop(), outputs.is_empty()) {
                (Some(output), true) => output,
                _ => return Err(Error::unsupported("withColumn of several columns")),
            };
            if made.iter().any(|made| same(&made.argument.name, name)) {
                let columns = format!("`{name}`");
                return Err(Error::analysis(
                    "COLUMN_ALREADY_EXISTS",
                    &[("columnName", &columns)],
                ));
            }
            output.argument.name.clone_from(name);
            output.column = None;
            output.metadata.clone_from(&alias.metadata);
            if let Some(generator) = &mut output.generator {
                generator.names = vec![name.clone()];
            }
            made.push(output);
        }
        let mut outputs = Vec::new();
        let mut replaced = std::collections::HashSet::new();
        for column in input.visible() {
            let at = made
                .iter()
                .position(|output| same(&output.argument.name, &column.name));
            outputs.push(match at {
                Some(at) => {
                    replaced.insert(at);
                    made[at].clone()
                }
                None => passing(column),
            });
        }
        let added = made
            .into_iter()
            .enumerate()
            .filter(|(at, _)| !replaced.contains(at));
        outputs.extend(added.map(|(_, output)| output));
        self.select(input, outputs)
    }

    pub(super) async fn with_columns_renamed(
        &mut self,
        renamed: &proto::WithColumnsRenamed,
    ) -> Result<Frame, Error> {
        let mut frame = self.input(&renamed.input).await?;
        #[allow(deprecated)] // 3.4 clients say it so.
        let old = renamed.rename_columns_map.iter();
        let new = renamed
            .renames
            .iter()
            .map(|rename| (&rename.col_name, &rename.new_col_name));
        let renames: Vec<(String, String)> = old
            .chain(new)
            .map(|(from, to)| (from.clone(), to.clone()))
            .collect();
        for (from, to) in renames {
            for column in frame.columns.iter_mut().filter(|column| !column.hidden) {
                if same(&column.name, &from) {
                    column.name.clone_from(&to);
                }
            }
        }
        frame.projected = None;
        Ok(frame)
    }

    pub(super) async fn renamed_all(&mut self, to_df: &proto::ToDf) -> Result<Frame, Error> {
        let mut frame = self.input(&to_df.input).await?;
        frame.columns.retain(|column| !column.hidden);
        if frame.columns.len() != to_df.column_names.len() {
            return Err(Error::new(
                crate::error::Kind::IllegalArgument,
                "ASSIGNMENT_ARITY_MISMATCH",
                &[
                    ("numExpr", &frame.columns.len().to_string()),
                    ("numTarget", &to_df.column_names.len().to_string()),
                ],
            ));
        }
        for (column, name) in frame.columns.iter_mut().zip(&to_df.column_names) {
            column.name.clone_from(name);
        }
        frame.projected = None;
        Ok(frame)
    }

    pub(super) async fn drop_columns(&mut self, drop: &proto::Drop) -> Result<Frame, Error> {
        let input = self.input(&drop.input).await?;
        let expressions = Expressions::new(self, &input);
        let mut dropped: Vec<String> = Vec::new();
        for expression in &drop.columns {
            // What is not there is dropped already.
            if let Ok(argument) = expressions.one(expression)
                && let Expr::Column(column) = argument.expr
            {
                dropped.push(column.name);
            }
        }
        let outputs: Vec<Output> = input
            .visible()
            .filter(|column| !dropped.contains(&column.id))
            .filter(|column| {
                !drop
                    .column_names
                    .iter()
                    .any(|name| same(name, &column.name))
            })
            .map(passing)
            .collect();
        self.select_rows(input, outputs)
    }

    pub(super) async fn alias(&mut self, alias: &proto::SubqueryAlias) -> Result<Frame, Error> {
        let hints = self.hints_aside();
        let input = self.input(&alias.input).await;
        self.hints_again(hints);
        let name = [alias.alias.clone()];
        let mut frame = self.as_hinted(input?, &name);
        frame.columns.retain(|column| !column.hidden);
        for column in &mut frame.columns {
            column.qualifier = alias
                .qualifier
                .iter()
                .chain([&alias.alias])
                .cloned()
                .collect();
        }
        frame.projected = None;
        Ok(frame)
    }

    /// `df.to(schema)`: columns by name, in the schema's order, cast where a cast loses nothing.
    pub(super) async fn with_schema(&mut self, to: &proto::ToSchema) -> Result<Frame, Error> {
        let input = self.input(&to.input).await?;
        let schema = types::schema_to_arrow(needed(to.schema.as_ref(), "a schema")?)?;
        let mut outputs = Vec::new();
        for field in schema.fields() {
            let name = [field.name().clone()];
            let to = self.in_session_zone(field.data_type().clone());
            let argument = match input.find(&name, None)? {
                Some(found) => {
                    let argument = found.column.argument();
                    match argument.data_type == to {
                        true => argument,
                        false => {
                            let expr = self.cast(argument, &to)?;
                            Expressions::new(self, &input).typed(expr, String::new())?
                        }
                    }
                }
                None if field.is_nullable() => self.null(&to)?,
                None => return Err(input.unknown_column(&name)),
            };
            let name = field.name().clone();
            outputs.push(Output::of(Argument { name, ..argument }));
        }
        self.select_rows(input, outputs)
    }

    /// NULL of this type.
    pub(super) fn null(&self, data_type: &DataType) -> Result<Argument, Error> {
        let value = datafusion::common::ScalarValue::try_from(data_type)?;
        Ok(Argument {
            expr: Expr::Literal(value, None),
            data_type: data_type.clone(),
            nullable: true,
            name: "NULL".to_owned(),
        })
    }

    /// The plan under the client's names, for a view or a file: no two of them may be the same.
    pub(crate) fn named(&self, frame: &Frame) -> Result<LogicalPlan, Error> {
        let mut seen: Vec<&str> = Vec::new();
        for column in frame.visible() {
            if seen.iter().any(|name| same(name, &column.name)) {
                let name = format!("`{}`", column.name.to_lowercase());
                return Err(Error::analysis(
                    "COLUMN_ALREADY_EXISTS",
                    &[("columnName", &name)],
                ));
            }
            seen.push(&column.name);
        }
        let exprs: Vec<Expr> = frame
            .visible()
            .map(|column| column.expr().alias(&column.name))
            .collect();
        Ok(LogicalPlanBuilder::from(frame.plan.clone())
            .project(exprs)?
            .build()?)
    }

    /// The names as the frame spells them.
    pub(crate) fn names_in(&self, frame: &Frame, names: &[String]) -> Result<Vec<String>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let columns = self.columns_named(frame, names)?;
        Ok(columns
            .into_iter()
            .map(|column| column.name.clone())
            .collect())
    }

    /// The columns of these names, or all of them.
    pub(super) fn columns_named<'f>(
        &self,
        frame: &'f Frame,
        names: &[String],
    ) -> Result<Vec<&'f Column>, Error> {
        if names.is_empty() {
            return Ok(frame.visible().collect());
        }
        let mut columns = Vec::new();
        for name in names {
            let parts = match frame.visible().any(|column| same(&column.name, name)) {
                true => vec![name.clone()],
                false => identifier::parts(name)?,
            };
            let found = frame.find(&parts, None)?;
            columns.push(found.ok_or_else(|| frame.unknown_column(&parts))?.column);
        }
        Ok(columns)
    }
}

/// The output of a column that stays as it is.
pub(super) fn passing(column: &Column) -> Output {
    Output {
        column: Some(column.clone()),
        ..Output::of(column.argument())
    }
}
