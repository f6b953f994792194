//! Relations that choose and order rows, and those that draw them.

use std::collections::VecDeque;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use futures::TryStreamExt;
use plimsoll_driver::Rows;
use spark_connect_proto as proto;

use super::Planner;
use crate::error::Error;
use crate::expression::{Expressions, needed};
use crate::frame::{Column, Frame};
use crate::functions::{self, Argument};
use crate::show::{self, Show};

impl Planner {
    pub(super) async fn filter(&mut self, filter: &proto::Filter) -> Result<Frame, Error> {
        let input = self.input(&filter.input).await?;
        let condition = needed(filter.condition.as_ref(), "a filter's condition")?;
        let (input, condition) =
            self.resolved(input, |expressions| expressions.condition(condition))?;
        let plan = LogicalPlanBuilder::from(input.plan.clone())
            .filter(condition)?
            .build()?;
        Ok(input.over(plan))
    }

    pub(super) async fn sort(&mut self, sort: &proto::Sort) -> Result<Frame, Error> {
        let input = self.input(&sort.input).await?;
        let (input, keys) = self.resolved(input, |expressions| {
            sort.order
                .iter()
                .map(|order| expressions.sort(order))
                .collect::<Result<Vec<Sort>, Error>>()
        })?;
        let plan = LogicalPlanBuilder::from(input.plan.clone())
            .sort(keys)?
            .build()?;
        Ok(input.over(plan))
    }

    /// Resolves over the frame, or else over the frame with the columns that its projection left out,
    /// as Spark does for filters and sort keys.
    fn resolved<T>(
        &self,
        frame: Frame,
        resolve: impl Fn(&Expressions) -> Result<T, Error>,
    ) -> Result<(Frame, T), Error> {
        let error = match resolve(&Expressions::new(self, &frame)) {
            Ok(resolved) => return Ok((frame, resolved)),
            Err(error) => error,
        };
        let Some(wide) = self.widened(&frame)? else {
            return Err(error);
        };
        match resolve(&Expressions::new(self, &wide)) {
            Ok(resolved) => Ok((wide, resolved)),
            Err(_) => Err(error),
        }
    }

    /// The frame with the columns below its projection as hidden ones.
    fn widened(&self, frame: &Frame) -> Result<Option<Frame>, Error> {
        let Some(projected) = &frame.projected else {
            return Ok(None);
        };
        let mut columns = frame.columns.clone();
        let mut exprs = projected.exprs.clone();
        for column in &projected.input.columns {
            if !columns.iter().any(|other| other.id == column.id) {
                exprs.push(column.expr());
                columns.push(Column {
                    hidden: true,
                    ..column.clone()
                });
            }
        }
        let wide = self.projection(projected.input.clone(), exprs, columns)?;
        Ok(Some(Frame {
            scopes: frame.scopes.clone(),
            projected: None,
            ..wide
        }))
    }

    pub(super) async fn limit(
        &mut self,
        input: &Option<Box<proto::Relation>>,
        skip: i32,
        fetch: Option<i32>,
    ) -> Result<Frame, Error> {
        let input = self.input(input).await?;
        let count = |name: &str, value: i32| {
            usize::try_from(value).map_err(|_| {
                Error::analysis(
                    "INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE",
                    &[
                        ("name", name),
                        ("expr", &format!("\"{value}\"")),
                        ("v", &value.to_string()),
                    ],
                )
            })
        };
        let skip = count("offset", skip)?;
        let fetch = fetch.map(|fetch| count("limit", fetch)).transpose()?;
        let plan = LogicalPlanBuilder::from(input.plan.clone())
            .limit(skip, fetch)?
            .build()?;
        Ok(input.over(plan))
    }

    /// The last rows, in the order in which the query gives them.
    pub(super) async fn tail(&mut self, tail: &proto::Tail) -> Result<Frame, Error> {
        let input = self.input(&tail.input).await?;
        let wanted = usize::try_from(tail.limit).unwrap_or_default();
        let mut rows = self.run(&input).await?;
        let schema = rows.schema();
        let mut kept: VecDeque<RecordBatch> = VecDeque::new();
        let mut count = 0;
        while let Some(batch) = rows.try_next().await? {
            count += batch.num_rows();
            kept.push_back(batch);
            while kept
                .front()
                .is_some_and(|first| count - first.num_rows() >= wanted)
            {
                count -= kept.pop_front().map_or(0, |first| first.num_rows());
            }
        }
        if let Some(first) = kept.pop_front() {
            let surplus = count.saturating_sub(wanted);
            kept.push_front(first.slice(surplus, first.num_rows() - surplus));
        }
        self.collected(&input, schema, kept.into())
    }

    /// Rows that were collected, under the names of the frame that gave them.
    fn collected(
        &self,
        of: &Frame,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    ) -> Result<Frame, Error> {
        let mut frame = self.memory_table(schema, batches)?;
        for (column, old) in frame.columns.iter_mut().zip(of.visible()) {
            column.name.clone_from(&old.name);
            column.qualifier.clone_from(&old.qualifier);
        }
        Ok(frame)
    }

    pub(super) async fn sample(&mut self, sample: &proto::Sample) -> Result<Frame, Error> {
        let input = self.input(&sample.input).await?;
        if sample.with_replacement() {
            return Err(Error::unsupported("sampling with replacement"));
        }
        if sample.lower_bound <= 0.0 && sample.upper_bound >= 1.0 {
            return Ok(input);
        }
        let seed = Argument {
            expr: lit(sample.seed.unwrap_or_default()),
            data_type: DataType::Int64,
            nullable: false,
            name: "seed".to_owned(),
        };
        let random = functions::call("rand", vec![seed], false, &self.environment())?;
        // Drawn once a row, for both bounds.
        let id = self.id("drawn");
        let mut exprs: Vec<Expr> = input.columns.iter().map(Column::expr).collect();
        exprs.push(random.alias(&id));
        let drawn = Expr::Column(datafusion::common::Column::new_unqualified(&id));
        let within = drawn
            .clone()
            .gt_eq(lit(sample.lower_bound))
            .and(drawn.lt(lit(sample.upper_bound)));
        let plan = LogicalPlanBuilder::from(input.plan.clone())
            .project(exprs)?
            .filter(within)?
            .build()?;
        Ok(input.over(plan))
    }

    pub(super) async fn deduplicate(
        &mut self,
        deduplicate: &proto::Deduplicate,
    ) -> Result<Frame, Error> {
        let input = self.input(&deduplicate.input).await?;
        if deduplicate.all_columns_as_keys() || deduplicate.column_names.is_empty() {
            let plan = LogicalPlanBuilder::from(self.seen(&input)?)
                .distinct()?
                .build()?;
            return Ok(visible_over(input, plan));
        }
        let keys: Vec<String> = self
            .columns_named(&input, &deduplicate.column_names)?
            .into_iter()
            .map(|column| column.id.clone())
            .collect();
        let mut groups = Vec::new();
        let mut firsts = Vec::new();
        for column in input.visible() {
            match keys.contains(&column.id) {
                true => groups.push(column.expr()),
                false => {
                    let first = first_value_udaf().call(vec![column.expr()]);
                    firsts.push(first.alias(&column.id));
                }
            }
        }
        let plan = LogicalPlanBuilder::from(input.plan.clone())
            .aggregate(groups, firsts)?
            .build()?;
        Ok(visible_over(input, plan))
    }

    /// Where the rows are makes no difference to what they are: local partitions are the engine's.
    pub(super) async fn repartition(
        &mut self,
        repartition: &proto::Repartition,
    ) -> Result<Frame, Error> {
        if repartition.num_partitions <= 0 {
            return Err(Error::new(
                crate::error::Kind::IllegalArgument,
                "INVALID_PARTITION_NUMBER",
                &[("numPartitions", &repartition.num_partitions.to_string())],
            ));
        }
        self.input(&repartition.input).await
    }

    pub(super) async fn repartition_by_expression(
        &mut self,
        repartition: &proto::RepartitionByExpression,
    ) -> Result<Frame, Error> {
        let input = self.input(&repartition.input).await?;
        Expressions::new(self, &input).all(&repartition.partition_exprs)?;
        Ok(input)
    }

    /// `df.show()`, which the client wants as a table of one string.
    pub(super) async fn show(&mut self, asked: &proto::ShowString) -> Result<Frame, Error> {
        let input = self.input(&asked.input).await?;
        let (schema, batches) = self.some_rows(&input, asked.num_rows).await?;
        let show = Show {
            num_rows: asked.num_rows,
            truncate: asked.truncate,
            vertical: asked.vertical,
            time_zone: self.time_zone(),
        };
        let text = show::show_string(&schema, &batches, show)?;
        self.one_string("show_string", text)
    }

    /// A frame as a notebook shows it.
    pub(super) async fn html(&mut self, asked: &proto::HtmlString) -> Result<Frame, Error> {
        let input = self.input(&asked.input).await?;
        let (schema, batches) = self.some_rows(&input, asked.num_rows).await?;
        let show = Show {
            num_rows: asked.num_rows,
            truncate: asked.truncate,
            vertical: false,
            time_zone: self.time_zone(),
        };
        let text = show::html_string(&schema, &batches, show)?;
        self.one_string("html_string", text)
    }

    fn one_string(&self, name: &str, text: String) -> Result<Frame, Error> {
        let schema = Schema::new(vec![super::field(name, DataType::Utf8, false)]);
        let column = StringArray::from(vec![text]);
        let batch = RecordBatch::try_new(schema.into(), vec![std::sync::Arc::new(column)])?;
        self.table(batch)
    }

    /// One row more than asked for, to tell whether there are more.
    async fn some_rows(
        &self,
        input: &Frame,
        rows: i32,
    ) -> Result<(Schema, Vec<RecordBatch>), Error> {
        let fetch = usize::try_from(rows).unwrap_or_default().saturating_add(1);
        let plan = LogicalPlanBuilder::from(self.seen(input)?)
            .limit(0, Some(fetch))?
            .build()?;
        let rows = self.session().engine.run_plan(plan, "show").await?;
        Ok((input.schema(), rows.try_collect().await?))
    }

    /// Runs a frame.
    pub(crate) async fn run(&self, frame: &Frame) -> Result<Rows, Error> {
        let plan = self.seen(frame)?;
        Ok(self.session().engine.run_plan(plan, "DataFrame").await?)
    }

    /// All rows of a frame, for answers that are small by what they are.
    pub(super) async fn collect(
        &self,
        frame: &Frame,
    ) -> Result<(SchemaRef, Vec<RecordBatch>), Error> {
        let rows = self.run(frame).await?;
        Ok((rows.schema(), rows.try_collect().await?))
    }
}

/// The frame's visible columns over a plan that has just these.
pub(super) fn visible_over(mut frame: Frame, plan: datafusion::logical_expr::LogicalPlan) -> Frame {
    frame.columns.retain(|column| !column.hidden);
    frame.over(plan)
}
