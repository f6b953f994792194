//! groupBy, rollup, cube, pivot, and aggregates over all rows.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column as PlanColumn, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, GroupingSet};
use datafusion::logical_expr::utils::find_aggregate_exprs;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use futures::TryStreamExt;
use spark_connect_proto as proto;
use spark_connect_proto::aggregate::GroupType;

use super::Planner;
use super::columns::replace;
use crate::error::Error;
use crate::expression::{Expressions, Output, needed, scalar};
use crate::frame::Frame;
use crate::functions::Argument;
use crate::text;

/// How many values a pivot may find by itself: Spark's `spark.sql.pivotMaxValues`.
const PIVOT_MAX_VALUES: usize = 10_000;

/// What rows are grouped by.
enum Groups {
    /// Each combination of the keys' values once.
    Plain,
    /// Also subtotals: over these sets of keys.
    Sets(Vec<Vec<usize>>),
}

impl Planner {
    pub(super) async fn aggregate(&mut self, asked: &proto::Aggregate) -> Result<Frame, Error> {
        let input = self.input(&asked.input).await?;
        let expressions = Expressions::new(self, &input);
        let mut keys = Vec::new();
        for expression in &asked.grouping_expressions {
            keys.extend(expressions.outputs(expression)?);
        }
        let mut outputs = Vec::new();
        for expression in &asked.aggregate_expressions {
            let expression = over_keys(expression, &asked.grouping_expressions);
            outputs.extend(expressions.outputs(&expression)?);
        }
        let count = keys.len();
        let groups = match asked.group_type() {
            GroupType::Groupby => Groups::Plain,
            GroupType::Rollup => {
                Groups::Sets((0..=count).rev().map(|n| (0..n).collect()).collect())
            }
            GroupType::Cube => Groups::Sets(subsets(count)?),
            GroupType::GroupingSets => Groups::Sets(self.sets(&expressions, asked, &keys)?),
            GroupType::Pivot => {
                let pivot = needed(asked.pivot.as_ref(), "a pivot")?;
                return self.pivot(input, keys, outputs, pivot).await;
            }
            GroupType::Unspecified => return Err(Error::internal("a grouping without a kind")),
        };
        self.group(input, keys, groups, outputs)
    }

    /// Aggregates over all rows: `df.select(sum("x"))`.
    pub(super) fn aggregate_all(&self, input: Frame, outputs: Vec<Output>) -> Result<Frame, Error> {
        self.group(input, Vec::new(), Groups::Plain, outputs)
    }

    fn sets(
        &self,
        expressions: &Expressions,
        asked: &proto::Aggregate,
        keys: &[Output],
    ) -> Result<Vec<Vec<usize>>, Error> {
        asked
            .grouping_sets
            .iter()
            .map(|set| {
                expressions
                    .all(&set.grouping_set)?
                    .iter()
                    .map(|member| {
                        keys.iter()
                            .position(|key| key.argument.expr == member.expr)
                            .ok_or_else(|| {
                                Error::internal("a grouping set of something else than keys")
                            })
                    })
                    .collect()
            })
            .collect()
    }

    /// An aggregate node, and a projection over it that gives the keys and then the outputs.
    fn group(
        &self,
        input: Frame,
        keys: Vec<Output>,
        groups: Groups,
        outputs: Vec<Output>,
    ) -> Result<Frame, Error> {
        if outputs.iter().any(|output| output.generator.is_some()) {
            return self.generate_over(outputs, |below| self.group(input, keys, groups, below));
        }
        let mut parts: HashMap<Expr, Expr> = HashMap::new();
        let mut plan = LogicalPlanBuilder::from(input.plan.clone());
        // Grouping sets group by columns alone, so that computed keys are computed first.
        let (key_columns, below) = self.key_columns(&input, &keys);
        if below.len() > input.plan.schema().fields().len() {
            plan = plan.project(below)?;
        }
        for (key, column) in keys.iter().zip(&key_columns) {
            parts.insert(key.argument.expr.clone(), column.clone());
        }
        let exprs = outputs.iter().map(|output| &output.argument.expr);
        let aggregates = find_aggregate_exprs(exprs);
        let mut results = Vec::new();
        for aggregate in &aggregates {
            let id = self.id("aggregate");
            results.push(aggregate.clone().alias(&id));
            parts.insert(
                aggregate.clone(),
                Expr::Column(PlanColumn::new_unqualified(&id)),
            );
        }
        let group_by = match groups {
            Groups::Plain => key_columns.clone(),
            Groups::Sets(sets) => {
                let sets = sets
                    .into_iter()
                    .map(|set| set.into_iter().map(|at| key_columns[at].clone()).collect())
                    .collect();
                vec![Expr::GroupingSet(GroupingSet::GroupingSets(sets))]
            }
        };
        // Keys alone are a distinct.
        let plan = match (group_by.is_empty(), results.is_empty()) {
            (true, true) => return Err(Error::unsupported("an aggregation without an aggregate")),
            _ => plan.aggregate(group_by, results)?.build()?,
        };
        let mut finished = Vec::new();
        for output in keys.into_iter().chain(outputs) {
            finished.push(self.over_groups(output, &parts, &key_columns, &aggregates)?);
        }
        let grouped = Frame {
            scopes: input.scopes.clone(),
            ..self.frame(plan, Vec::new())
        };
        let mut frame = self.select_rows(grouped, finished)?;
        frame.projected = None;
        Ok(frame)
    }

    /// The columns that the keys are, and the projection that computes those that are none yet.
    fn key_columns(&self, input: &Frame, keys: &[Output]) -> (Vec<Expr>, Vec<Expr>) {
        let mut below: Vec<Expr> = input
            .plan
            .schema()
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect();
        let columns = keys
            .iter()
            .map(|key| match &key.argument.expr {
                Expr::Column(column) => Expr::Column(column.clone()),
                computed => {
                    let id = self.id(&key.argument.name);
                    below.push(computed.clone().alias(&id));
                    Expr::Column(PlanColumn::new_unqualified(&id))
                }
            })
            .collect();
        (columns, below)
    }

    /// An output over the columns of the aggregate node.
    fn over_groups(
        &self,
        output: Output,
        parts: &HashMap<Expr, Expr>,
        keys: &[Expr],
        aggregates: &[Expr],
    ) -> Result<Output, Error> {
        let expr = replace(output.argument.expr.clone(), parts)?;
        let mut stray = None;
        expr.apply(|inner| {
            let known = keys.contains(inner) || parts.values().any(|part| part == inner);
            if matches!(inner, Expr::Column(_)) && !known {
                stray = Some(inner.to_string());
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if let Some(stray) = stray {
            let name = stray
                .rsplit_once('#')
                .map_or(stray.as_str(), |(name, _)| name)
                .to_owned();
            return Err(match keys.is_empty() && !aggregates.is_empty() {
                true => Error::analysis("MISSING_GROUP_BY", &[]),
                false => Error::analysis(
                    "MISSING_AGGREGATION",
                    &[
                        ("expression", &format!("\"{name}\"")),
                        ("expressionAnyValue", &format!("\"any_value({name})\"")),
                    ],
                ),
            });
        }
        // A key that is a column keeps its id, unless grouping sets have made it nullable.
        let column = output.column.filter(|_| keys.contains(&expr));
        Ok(Output {
            argument: Argument {
                expr,
                ..output.argument
            },
            column,
            ..output
        })
    }

    /// Each aggregate once for each value of the pivot column.
    async fn pivot(
        &mut self,
        input: Frame,
        keys: Vec<Output>,
        outputs: Vec<Output>,
        pivot: &proto::aggregate::Pivot,
    ) -> Result<Frame, Error> {
        let column = needed(pivot.col.as_ref(), "a pivot's column")?;
        let column = Expressions::new(self, &input).one(column)?;
        let values = match pivot.values.is_empty() {
            true => self.pivot_values(&input, &column).await?,
            false => pivot
                .values
                .iter()
                .map(|value| scalar(value, self.time_zone()))
                .collect::<Result<Vec<_>, _>>()?,
        };
        let several = outputs.len() > 1;
        let mut pivoted = Vec::new();
        for value in values {
            let shown = match value.is_null() {
                true => "null".to_owned(),
                false => text::cell(&value.to_array()?, 0, self.time_zone())?,
            };
            let literal = Expr::Literal(value.cast_to(&column.data_type)?, None);
            let is_value = Expr::BinaryExpr(datafusion::logical_expr::BinaryExpr::new(
                Box::new(column.expr.clone()),
                datafusion::logical_expr::Operator::IsNotDistinctFrom,
                Box::new(literal),
            ));
            for output in &outputs {
                let name = match several {
                    true => format!("{shown}_{}", output.argument.name),
                    false => shown.clone(),
                };
                let expr = only_where(output.argument.expr.clone(), &is_value)?;
                pivoted.push(Output {
                    column: None,
                    ..Output::of(Argument {
                        expr,
                        name,
                        nullable: true,
                        ..output.argument.clone()
                    })
                });
            }
        }
        self.group(input, keys, Groups::Plain, pivoted)
    }

    async fn pivot_values(
        &self,
        input: &Frame,
        column: &Argument,
    ) -> Result<Vec<ScalarValue>, Error> {
        let id = "value";
        let sorted =
            datafusion::logical_expr::expr::Sort::new(datafusion::prelude::col(id), true, true);
        let plan = LogicalPlanBuilder::from(input.plan.clone())
            .project(vec![column.expr.clone().alias(id)])?
            .distinct()?
            .sort(vec![sorted])?
            .limit(0, Some(PIVOT_MAX_VALUES + 1))?
            .build()?;
        let mut rows = self.session().engine.run_plan(plan, "pivot values").await?;
        let mut values = Vec::new();
        while let Some(batch) = rows.try_next().await? {
            for row in 0..batch.num_rows() {
                values.push(ScalarValue::try_from_array(batch.column(0), row)?);
            }
        }
        if values.len() > PIVOT_MAX_VALUES {
            return Err(Error::analysis(
                "PIVOT_VALUE_COUNT_EXCEEDS_MAX",
                &[
                    ("pivotColumn", &column.name),
                    ("maxValues", &PIVOT_MAX_VALUES.to_string()),
                ],
            ));
        }
        Ok(values)
    }
}

/// The expression with each aggregate taken over the rows where `condition` holds. A count of none
/// is NULL, as Spark's pivot has it.
fn only_where(expr: Expr, condition: &Expr) -> Result<Expr, Error> {
    use datafusion::common::tree_node::{Transformed, TransformedResult};

    Ok(expr
        .transform_down(|expr| {
            Ok(match expr {
                Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
                    let filter = match params.filter.take() {
                        Some(filter) => (*filter).and(condition.clone()),
                        None => condition.clone(),
                    };
                    let is_count = func.name() == "count";
                    params.filter = Some(Box::new(filter));
                    let aggregate = Expr::AggregateFunction(AggregateFunction {
                        func: Arc::clone(&func),
                        params,
                    });
                    let aggregate = match is_count {
                        true => {
                            datafusion::functions::core::nullif().call(vec![aggregate, lit(0_i64)])
                        }
                        false => aggregate,
                    };
                    Transformed::new(aggregate, true, TreeNodeRecursion::Jump)
                }
                other => Transformed::no(other),
            })
        })
        .data()?)
}

/// `grouping_id()` is about all keys.
fn over_keys(expression: &proto::Expression, keys: &[proto::Expression]) -> proto::Expression {
    use proto::expression::ExprType;

    let mut expression = expression.clone();
    match &mut expression.expr_type {
        Some(ExprType::UnresolvedFunction(call))
            if call.arguments.is_empty()
                && call.function_name.eq_ignore_ascii_case("grouping_id") =>
        {
            call.arguments = keys.to_vec();
        }
        Some(ExprType::Alias(alias)) => {
            if let Some(inner) = &mut alias.expr {
                **inner = over_keys(inner, keys);
            }
        }
        _ => {}
    }
    expression
}

/// All subsets of the keys, in the order of Spark's cube.
fn subsets(count: usize) -> Result<Vec<Vec<usize>>, Error> {
    if count > 16 {
        return Err(Error::unsupported("a cube over more than 16 columns"));
    }
    Ok((0..1_usize << count)
        .rev()
        .map(|mask| {
            (0..count)
                .filter(|at| mask & (1 << (count - 1 - at)) != 0)
                .collect()
        })
        .collect())
}
