use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{
    Aggregate, Expr, GroupingSet, LogicalPlan, LogicalPlanBuilder, col, when,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::not_in::logical_rules;

/// Groups by the values of `count(DISTINCT a)` before it counts them, as Spark's `RewriteDistinctAggregates` does.
///
/// An aggregate keeps the values that it has seen in its state, and the state of a group has to fit into memory: of an
/// aggregate without GROUP BY, all values. As groups they spill. DataFusion does so where no more than one column is
/// DISTINCT and what stands beside it is a sum, a least or a greatest value. Of the rest, where Spark copies each row
/// for each column that is DISTINCT, this makes grouping sets:
///
/// ```text
/// SELECT k, count(DISTINCT a), sum(DISTINCT b), avg(c) FROM t GROUP BY k
///
/// SELECT k, count(a) FILTER (set = 1), sum(b) FILTER (set = 2), first_value(c) FILTER (set = 3)
/// FROM (SELECT k, a, b, set, avg(c) AS c FROM t GROUP BY GROUPING SETS ((k, a), (k, b), (k))) GROUP BY k
/// ```
///
/// That computes `avg(c)` for each of the sets and is slower where all fits, so that it is for queries that are planned
/// anew for lack of memory.
#[derive(Debug, Default)]
pub(crate) struct DistinctBySets;

/// The rules for logical plans of a query that was refused memory.
pub(crate) fn rules_when_short() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = logical_rules();
    let simple = SingleDistinctToGroupBy::new();
    let place = rules.iter().position(|rule| rule.name() == simple.name());
    rules.insert(place.map_or(0, |place| place + 1), Arc::new(DistinctBySets));
    rules
}

impl OptimizerRule for DistinctBySets {
    fn name(&self) -> &str {
        "distinct_by_sets"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let by_sets = match &plan {
            LogicalPlan::Aggregate(aggregate) => Parts::of(aggregate),
            _ => None,
        };
        match by_sets {
            Some(parts) => parts.plan().map(Transformed::yes),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// Functions that come to the same over each value once as over all, told that they are DISTINCT, and that pass over NULL.
const FUNCTIONS: [&str; 4] = ["count", "sum", "avg", "mean"];

/// An aggregate taken apart.
struct Parts<'a> {
    aggregate: &'a Aggregate,
    functions: Vec<Function<'a>>,
    /// What is DISTINCT, each once.
    values: Vec<Expr>,
    /// Whether there is a function of another kind.
    has_plain: bool,
}

enum Function<'a> {
    /// Of the value of this number.
    Distinct(&'a AggregateFunction, usize),
    Plain(&'a Expr),
}

impl<'a> Parts<'a> {
    /// `None` if there is nothing to do.
    fn of(aggregate: &'a Aggregate) -> Option<Self> {
        let groups = &aggregate.group_expr;
        if groups
            .iter()
            .any(|group| matches!(group, Expr::GroupingSet(_)))
        {
            return None;
        }
        let mut parts = Self {
            aggregate,
            functions: Vec::new(),
            values: Vec::new(),
            has_plain: false,
        };
        for function in &aggregate.aggr_expr {
            let part = match distinct(function) {
                Some((distinct, value)) => {
                    let known = parts.values.iter().position(|known| *known == value);
                    let number = known.unwrap_or(parts.values.len());
                    if known.is_none() {
                        parts.values.push(value);
                    }
                    Function::Distinct(distinct, number)
                }
                None => {
                    parts.has_plain = true;
                    Function::Plain(function)
                }
            };
            parts.functions.push(part);
        }
        (!parts.values.is_empty()).then_some(parts)
    }

    fn plan(&self) -> Result<LogicalPlan> {
        let sets = self.sets()?;
        let (_, set) = sets.schema().qualified_field_with_unqualified_name(SET)?;
        let set_type = set.data_type().clone();
        let is_of = |number: u64| -> Result<Expr> {
            let number = ScalarValue::UInt64(Some(number)).cast_to(&set_type)?;
            Ok(col(SET).eq(Expr::Literal(number, None)))
        };
        let mut functions = Vec::with_capacity(self.functions.len());
        for (number, function) in self.functions.iter().enumerate() {
            let (function, argument, filter) = match function {
                Function::Distinct(function, value) => {
                    let filter = is_of(self.all_but(Some(*value)))?;
                    (Arc::clone(&function.func), col(value_name(*value)), filter)
                }
                Function::Plain(_) => {
                    let filter = is_of(self.all_but(None))?;
                    (first_value_udaf(), col(plain_name(number)), filter)
                }
            };
            let (filter, arguments) = (Some(Box::new(filter)), vec![argument]);
            functions.push(Expr::AggregateFunction(AggregateFunction::new_udf(
                function,
                arguments,
                false,
                filter,
                Vec::new(),
                None,
            )));
        }
        let groups = (0..self.aggregate.group_expr.len()).map(|group| col(group_name(group)));
        let over = Aggregate::try_new(Arc::new(sets), groups.collect(), functions)?;
        let is = over
            .schema
            .iter()
            .map(|field| Expr::Column(Column::from(field)));
        let named = is.zip(self.aggregate.schema.iter());
        let named = named.map(|(column, (qualifier, field))| {
            column.alias_qualified(qualifier.cloned(), field.name())
        });
        let named: Vec<Expr> = named.collect();
        LogicalPlanBuilder::from(LogicalPlan::Aggregate(over))
            .project(named)?
            .build()
    }

    /// The groups with each of the values, and alone for the other functions.
    fn sets(&self) -> Result<LogicalPlan> {
        let groups = self.aggregate.group_expr.iter().enumerate();
        let groups = groups.map(|(number, group)| group.clone().alias(group_name(number)));
        let values = self.values.iter().enumerate();
        let values = values.map(|(number, value)| value.clone().alias(value_name(number)));
        let input = &self.aggregate.input;
        let columns = input
            .schema()
            .iter()
            .map(|field| Expr::Column(Column::from(field)));
        let rows = LogicalPlanBuilder::new_from_arc(Arc::clone(input))
            .project(columns.chain(groups).chain(values).collect::<Vec<_>>())?
            .build()?;
        let groups: Vec<Expr> = (0..self.aggregate.group_expr.len())
            .map(|group| col(group_name(group)))
            .collect();
        let with = |value: usize| {
            let mut set = groups.clone();
            set.push(col(value_name(value)));
            set
        };
        let mut sets: Vec<Vec<Expr>> = (0..self.values.len()).map(with).collect();
        if self.has_plain {
            sets.push(groups.clone());
        }
        let sets = Expr::GroupingSet(GroupingSet::GroupingSets(sets));
        let plain = self.functions.iter().enumerate();
        let plain = plain.filter_map(|(number, function)| match function {
            Function::Plain(function) => {
                Some((*function).clone().unalias().alias(plain_name(number)))
            }
            Function::Distinct(..) => None,
        });
        let aggregate = Aggregate::try_new(Arc::new(rows), vec![sets], plain.collect())?;
        Ok(LogicalPlan::Aggregate(aggregate))
    }

    /// The number of the set of this value: a bit for each that is not in it, the last value's the lowest.
    fn all_but(&self, value: Option<usize>) -> u64 {
        let others = (0..self.values.len()).filter(|other| Some(*other) != value);
        others
            .map(|other| 1 << (self.values.len() - 1 - other))
            .sum()
    }
}

const SET: &str = Aggregate::INTERNAL_GROUPING_ID;

fn group_name(number: usize) -> String {
    format!("__group_{number}")
}

fn value_name(number: usize) -> String {
    format!("__distinct_{number}")
}

fn plain_name(number: usize) -> String {
    format!("__plain_{number}")
}

/// The function if it is one that can be told of each value once, and its value where its filter lets it pass.
fn distinct(function: &Expr) -> Option<(&AggregateFunction, Expr)> {
    let function = match function {
        Expr::Alias(alias) => alias.expr.as_ref(),
        function => function,
    };
    let Expr::AggregateFunction(function) = function else {
        return None;
    };
    let AggregateFunctionParams {
        args,
        distinct: true,
        filter,
        order_by,
        null_treatment: None,
    } = &function.params
    else {
        return None;
    };
    let ([value], [], true) = (
        args.as_slice(),
        order_by.as_slice(),
        FUNCTIONS.contains(&function.func.name()),
    ) else {
        return None;
    };
    let value = match filter {
        Some(filter) => when(filter.as_ref().clone(), value.clone()).end().ok()?,
        None => value.clone(),
    };
    Some((function, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::prelude::{SessionConfig, SessionContext};

    async fn answer(context: &SessionContext, query: &str) -> (String, bool) {
        let plan = context.sql(query).await.unwrap();
        let optimized = plan.clone().into_optimized_plan().unwrap();
        let by_sets = optimized
            .display_indent()
            .to_string()
            .contains("GROUPING SETS");
        let batches = plan.collect().await;
        let batches = batches.unwrap_or_else(|error| panic!("{query}: {error}"));
        let text = pretty_format_batches(&batches).unwrap().to_string();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        (lines.join("\n"), by_sets)
    }

    fn context(is_short: bool) -> SessionContext {
        let rules = match is_short {
            true => rules_when_short(),
            false => logical_rules(),
        };
        let config = SessionConfig::new().with_target_partitions(3);
        let state = SessionStateBuilder::new()
            .with_config(config.with_batch_size(100))
            .with_default_features()
            .with_optimizer_rules(rules);
        SessionContext::new_with_state(state.build())
    }

    #[tokio::test]
    async fn distinct_values_by_sets_come_to_the_same() {
        let rows = "(SELECT value % 7 AS k, nullif(value % 13, 5) AS a, nullif(value % 17, 3) * 0.5 AS b, \
                     'text ' || (value % 11) AS c, value AS v FROM range(1000))";
        for select in [
            "count(DISTINCT a), count(DISTINCT b)",
            "count(DISTINCT a), sum(DISTINCT a), avg(DISTINCT b), count(*), sum(v), avg(v)",
            "count(DISTINCT c), min(c), max(DISTINCT c), count(a), median(v)",
            "count(DISTINCT a) FILTER (WHERE v > 990), count(DISTINCT a), count(*) FILTER (WHERE v % 2 = 0)",
            "count(DISTINCT a + v % 3), array_agg(DISTINCT k ORDER BY k), count(DISTINCT b)",
        ] {
            for rest in [
                "",
                "WHERE v < 0",
                "GROUP BY k",
                "GROUP BY k % 2, a",
                "WHERE v < 0 GROUP BY k",
            ] {
                let query = format!("SELECT {select} FROM {rows} {rest}");
                let (expected, _) = answer(&context(false), &query).await;
                let (found, by_sets) = answer(&context(true), &query).await;
                assert!(by_sets, "{query}");
                assert_eq!(found, expected, "{query}");
            }
        }
        let rollup =
            format!("SELECT k, count(DISTINCT a), count(*) FROM {rows} GROUP BY ROLLUP (k)");
        let (expected, _) = answer(&context(false), &rollup).await;
        assert_eq!(answer(&context(true), &rollup).await.0, expected);
    }
}
