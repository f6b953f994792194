//! `df.unpivot`: columns become rows.

use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use spark_connect_proto as proto;

use super::Planner;
use super::project::passing;
use crate::error::Error;
use crate::expression::{Expressions, Output};
use crate::frame::Frame;
use crate::functions;
use crate::types;

impl Planner {
    pub(super) async fn unpivot(&mut self, unpivot: &proto::Unpivot) -> Result<Frame, Error> {
        let input = self.input(&unpivot.input).await?;
        let expressions = Expressions::new(self, &input);
        let collect = |expressions_of: &[proto::Expression]| -> Result<Vec<Output>, Error> {
            let mut outputs = Vec::new();
            for expression in expressions_of {
                outputs.extend(expressions.outputs(expression)?);
            }
            Ok(outputs)
        };
        let ids = collect(&unpivot.ids)?;
        let values = match &unpivot.values {
            Some(values) => collect(&values.values)?,
            None => input
                .visible()
                .filter(|column| {
                    !ids.iter()
                        .any(|id| id.column.as_ref().is_some_and(|id| id.id == column.id))
                })
                .map(passing)
                .collect(),
        };
        let common = functions::common_type(
            &values
                .iter()
                .map(|value| value.argument.data_type.clone())
                .collect::<Vec<_>>(),
        )
        .ok_or_else(|| {
            let types: Vec<String> = values
                .iter()
                .map(|value| {
                    format!(
                        "\"{}\" ({})",
                        types::sql_string(&value.argument.data_type),
                        value.argument.name
                    )
                })
                .collect();
            Error::analysis(
                "UNPIVOT_VALUE_DATA_TYPE_MISMATCH",
                &[("types", &types.join(", "))],
            )
        })?;
        let mut parts: Option<LogicalPlan> = None;
        for value in &values {
            let name = value.argument.name.clone();
            let mut exprs: Vec<Expr> = ids
                .iter()
                .enumerate()
                .map(|(at, id)| id.argument.expr.clone().alias(format!("id{at}")))
                .collect();
            exprs.push(datafusion::logical_expr::lit(name).alias("variable"));
            exprs.push(self.cast(value.argument.clone(), &common)?.alias("value"));
            let part = LogicalPlanBuilder::from(input.plan.clone())
                .project(exprs)?
                .build()?;
            parts = Some(match parts {
                None => part,
                Some(before) => LogicalPlanBuilder::from(before).union(part)?.build()?,
            });
        }
        let plan = parts.ok_or_else(|| Error::analysis("UNPIVOT_REQUIRES_VALUE_COLUMNS", &[]))?;
        let mut frame = self.leaf(plan, &[])?;
        let names = ids.iter().map(|id| id.argument.name.clone()).chain([
            unpivot.variable_column_name.clone(),
            unpivot.value_column_name.clone(),
        ]);
        for (column, name) in frame.columns.iter_mut().zip(names) {
            column.name = name;
        }
        Ok(frame)
    }
}
