//! Functions that make rows (`explode` and its kin) in a projection: Spark's `Generate`.
//!
//! Each becomes a list of structs, one for each row that it makes; DataFusion's Unnest makes rows of
//! them, and their fields become columns.

mod json;
mod rows;
mod shape;

use std::sync::Arc;

use datafusion::common::{Column as PlanColumn, NullHandling, UnnestOptions};
use datafusion::logical_expr::utils::find_aggregate_exprs;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};

use super::Planner;
use super::project::passing;
use crate::error::Error;
use crate::expression::{Generator, Output};
use crate::frame::{Column, Frame};
use crate::functions::Argument;
use rows::Rows;

impl Planner {
    /// A frame of outputs of which some are generators; of two, the second makes its rows for each
    /// row of the first.
    pub(super) fn generate(&self, input: Frame, outputs: Vec<Output>) -> Result<Frame, Error> {
        let below = without_generators(&outputs);
        let exprs = below.iter().map(|output| &output.argument.expr);
        match find_aggregate_exprs(exprs).is_empty() {
            true => self.generated(input, outputs),
            false => self.generate_over(outputs, |below| self.aggregate_all(input, below)),
        }
    }

    /// As [`Self::generate`], where the generators' arguments and the other outputs are computed by
    /// `below`: an aggregation. The columns that it gives before these, its keys, come first.
    pub(super) fn generate_over(
        &self,
        outputs: Vec<Output>,
        below: impl FnOnce(Vec<Output>) -> Result<Frame, Error>,
    ) -> Result<Frame, Error> {
        let computed = without_generators(&outputs);
        let count = computed.len();
        let frame = below(computed)?;
        let columns: Vec<Column> = frame.visible().cloned().collect();
        let (keys, computed) = columns.split_at(columns.len().saturating_sub(count));
        let mut computed = computed.iter();
        let mut over: Vec<Output> = keys.iter().map(passing).collect();
        for output in outputs {
            over.push(match output.generator {
                None => match computed.next() {
                    Some(column) => passing(column),
                    None => return Err(Error::internal("an aggregation of fewer columns")),
                },
                Some(generator) => Output::generated(over_columns(generator, &mut computed)),
            });
        }
        self.generated(frame, over)
    }

    fn generated(&self, input: Frame, outputs: Vec<Output>) -> Result<Frame, Error> {
        let mut frame = input;
        let mut selected = Vec::new();
        for output in outputs {
            match &output.generator {
                None => selected.push(output),
                Some(generator) => {
                    let columns;
                    (frame, columns) = self.with_rows(frame, generator)?;
                    selected.extend(columns.iter().map(passing));
                }
            }
        }
        self.select_rows(frame, selected)
    }

    /// The frame with the rows of a generator, and its columns.
    fn with_rows(
        &self,
        frame: Frame,
        generator: &Generator,
    ) -> Result<(Frame, Vec<Column>), Error> {
        let rows = Rows::new(self, generator)?;
        let names = names(&generator.names, &rows)?;
        let id = self.id(&generator.function);
        let passing: Vec<Expr> = frame.columns.iter().map(Column::expr).collect();
        let mut exprs = passing.clone();
        exprs.push(rows.expr.alias(&id));
        let mut plan = LogicalPlanBuilder::from(frame.plan.clone()).project(exprs)?;
        if rows.is_list {
            let options = UnnestOptions::new().with_null_handling(match rows.outer {
                true => NullHandling::PreserveAndExpandEmpty,
                false => NullHandling::Drop,
            });
            plan =
                plan.unnest_columns_with_options(vec![PlanColumn::new_unqualified(&id)], options)?;
        }
        let row = Expr::Column(PlanColumn::new_unqualified(&id));
        let mut exprs = passing;
        let mut columns = Vec::new();
        for (at, (name, field)) in names.iter().zip(&rows.fields).enumerate() {
            let nullable = field.is_nullable() || rows.outer;
            let id = self.id(name);
            let field = field.as_ref().clone().with_nullable(nullable);
            let value = shape::field_of(row.clone(), at, field.data_type().clone(), nullable);
            exprs.push(value.alias(&id));
            columns.push(self.column(name, &id, &[], Arc::new(field)));
        }
        let plan = plan.project(exprs)?.build()?;
        let mut made = self.frame(plan, columns);
        let columns = made.columns.clone();
        made.columns.splice(0..0, frame.columns);
        made.scopes = frame.scopes;
        Ok((made, columns))
    }
}

/// The outputs, with the arguments of generators in their place.
fn without_generators(outputs: &[Output]) -> Vec<Output> {
    let mut flat = Vec::new();
    for output in outputs {
        match &output.generator {
            None => flat.push(output.clone()),
            Some(generator) => {
                let computed = generator
                    .arguments
                    .iter()
                    .filter(|argument| !is_literal(argument));
                flat.extend(computed.cloned().map(Output::of));
            }
        }
    }
    flat
}

/// The generator over the columns that its arguments have become.
fn over_columns<'c>(
    mut generator: Generator,
    columns: &mut impl Iterator<Item = &'c Column>,
) -> Generator {
    for argument in &mut generator.arguments {
        if !is_literal(argument)
            && let Some(column) = columns.next()
        {
            *argument = column.argument();
        }
    }
    generator
}

fn is_literal(argument: &Argument) -> bool {
    matches!(argument.expr, Expr::Literal(..))
}

/// The names that an alias gives the columns, or those that they have by themselves.
fn names(given: &[String], rows: &Rows) -> Result<Vec<String>, Error> {
    if given.is_empty() {
        return Ok(rows
            .fields
            .iter()
            .map(|field| field.name().clone())
            .collect());
    }
    if given.len() != rows.fields.len() {
        return Err(Error::analysis(
            "UDTF_ALIAS_NUMBER_MISMATCH",
            &[
                ("aliasesSize", &rows.fields.len().to_string()),
                ("aliasesNames", &given.join(",")),
            ],
        ));
    }
    Ok(given.to_vec())
}
