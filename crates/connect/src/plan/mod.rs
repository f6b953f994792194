//! Relations: from the client's unresolved plan to a [`Frame`].

mod aggregate;
mod catalog;
mod columns;
mod generate;
mod hint;
mod join;
mod leaf;
mod missing;
mod project;
mod rows;
mod set;
mod statistics;
mod unpivot;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use futures::future::BoxFuture;
use spark_connect_proto as proto;
use spark_connect_proto::relation::RelType;

pub(crate) use leaf::not_a_format;

use crate::error::Error;
use crate::expression::{Expressions, needed};
use crate::frame::{Column, Frame};
use crate::functions::{self, Argument, Environment};
use crate::sessions::ClientSession;
use crate::types;

/// Plans relations for one request of a client.
pub(crate) struct Planner {
    session: Arc<ClientSession>,
    state: SessionState,
    time_zone: String,
    ansi: bool,
    next_id: AtomicU64,
    /// Plans that subqueries refer to, by plan id.
    references: HashMap<i64, Frame>,
    /// The files that the request reads, and the plans that read them.
    reads: Vec<(proto::read::DataSource, LogicalPlan)>,
    /// What the hints around the relation that is being planned are on.
    wanted: Vec<hint::Wanted>,
}

impl Planner {
    pub(crate) fn new(session: Arc<ClientSession>) -> Self {
        let engine = Arc::clone(&session.engine);
        let conf = engine.conf();
        let is = |key: &str| conf.get(key).map(|(value, _)| value.to_lowercase());
        let time_zone = conf
            .get("spark.sql.session.timeZone")
            .map_or_else(|| "UTC".to_owned(), |(zone, _)| zone.to_owned());
        Self {
            state: engine.state(),
            ansi: is("spark.sql.ansi.enabled").as_deref() != Some("false"),
            time_zone,
            next_id: AtomicU64::new(0),
            references: HashMap::new(),
            reads: Vec::new(),
            wanted: Vec::new(),
            session,
        }
    }

    pub(crate) fn session(&self) -> &Arc<ClientSession> {
        &self.session
    }

    /// What it has read so far, as it was asked for.
    pub(crate) fn take_reads(&mut self) -> Vec<(proto::read::DataSource, LogicalPlan)> {
        std::mem::take(&mut self.reads)
    }

    pub(crate) fn state(&self) -> &SessionState {
        &self.state
    }

    pub(crate) fn time_zone(&self) -> &str {
        &self.time_zone
    }

    pub(crate) fn environment(&self) -> Environment<'_> {
        Environment {
            registry: &self.state as &dyn FunctionRegistry,
            ansi: self.ansi,
            time_zone: &self.time_zone,
        }
    }

    /// The type with the session's time zone in its timestamps.
    pub(crate) fn in_session_zone(&self, data_type: DataType) -> DataType {
        types::in_time_zone(&data_type, &self.time_zone)
    }

    pub(crate) fn cast(&self, argument: Argument, to: &DataType) -> Result<Expr, Error> {
        functions::cast(argument, to, false, &self.environment())
    }

    /// The frame of a relation.
    ///
    /// # Errors
    /// As Spark's analyzer has them; and if the relation is of a kind that is not there.
    pub(crate) fn relation<'a>(
        &'a mut self,
        relation: &'a proto::Relation,
    ) -> BoxFuture<'a, Result<Frame, Error>> {
        Box::pin(async move {
            let plan_id = relation.common.as_ref().and_then(|common| common.plan_id);
            let kind = relation
                .rel_type
                .as_ref()
                .ok_or_else(|| Error::internal("a relation without a kind"))?;
            Ok(self.kind(kind).await?.known_as(plan_id))
        })
    }

    pub(crate) async fn input(
        &mut self,
        input: &Option<Box<proto::Relation>>,
    ) -> Result<Frame, Error> {
        self.relation(needed(input.as_deref(), "a relation's input")?)
            .await
    }

    async fn kind(&mut self, kind: &RelType) -> Result<Frame, Error> {
        match kind {
            RelType::Read(read) => self.read(read).await,
            RelType::Sql(sql) => self.sql(sql).await,
            RelType::LocalRelation(local) => self.local(local),
            RelType::CachedLocalRelation(cached) => self.cached_local(&cached.hash),
            RelType::ChunkedCachedLocalRelation(cached) => self.chunked_local(cached),
            RelType::Range(range) => self.range(range),
            RelType::Catalog(catalog) => self.catalog(catalog).await,
            RelType::Project(project) => self.project(project).await,
            RelType::Filter(filter) => self.filter(filter).await,
            RelType::Join(join) => self.join(join).await,
            RelType::SetOp(set) => self.set_operation(set).await,
            RelType::Sort(sort) => self.sort(sort).await,
            RelType::Limit(limit) => self.limit(&limit.input, 0, Some(limit.limit)).await,
            RelType::Offset(offset) => self.limit(&offset.input, offset.offset, None).await,
            RelType::Tail(tail) => self.tail(tail).await,
            RelType::Aggregate(aggregate) => self.aggregate(aggregate).await,
            RelType::Sample(sample) => self.sample(sample).await,
            RelType::Deduplicate(deduplicate) => self.deduplicate(deduplicate).await,
            RelType::SubqueryAlias(alias) => self.alias(alias).await,
            RelType::Repartition(repartition) => self.repartition(repartition).await,
            RelType::RepartitionByExpression(repartition) => {
                self.repartition_by_expression(repartition).await
            }
            RelType::ToDf(to_df) => self.renamed_all(to_df).await,
            RelType::WithColumnsRenamed(renamed) => self.with_columns_renamed(renamed).await,
            RelType::WithColumns(columns) => self.with_columns(columns).await,
            RelType::Drop(drop) => self.drop_columns(drop).await,
            RelType::ToSchema(to_schema) => self.with_schema(to_schema).await,
            RelType::Hint(hint) => self.hint(hint).await,
            RelType::Unpivot(unpivot) => self.unpivot(unpivot).await,
            RelType::WithRelations(with) => self.with_relations(with).await,
            RelType::ShowString(show) => self.show(show).await,
            RelType::HtmlString(html) => self.html(html).await,
            RelType::FillNa(fill) => self.fill_na(fill).await,
            RelType::DropNa(drop) => self.drop_na(drop).await,
            RelType::Replace(replace) => self.replace(replace).await,
            RelType::Summary(summary) => self.summary(summary).await,
            RelType::Describe(describe) => self.describe(describe).await,
            RelType::Crosstab(crosstab) => self.crosstab(crosstab).await,
            RelType::Cov(cov) => self.covariance(cov).await,
            RelType::Corr(corr) => self.correlation(corr).await,
            RelType::ApproxQuantile(quantile) => self.approx_quantile(quantile).await,
            RelType::FreqItems(items) => self.freq_items(items).await,
            other => Err(Error::unsupported(name(other))),
        }
    }

    async fn with_relations(&mut self, with: &proto::WithRelations) -> Result<Frame, Error> {
        let engine = Arc::clone(&self.session.engine);
        let mut views = Vec::new();
        for reference in &with.references {
            let frame = self.relation(reference).await?;
            // `spark.sql("… {df}", df=df)` names it like a view, that is there for this query alone.
            if let Some(RelType::SubqueryAlias(alias)) = &reference.rel_type {
                engine.register_view(&alias.alias, self.named(&frame)?)?;
                views.push(alias.alias.as_str());
            }
            if let Some(plan_id) = reference.common.as_ref().and_then(|common| common.plan_id) {
                self.references.insert(plan_id, frame);
            }
        }
        let root = self
            .relation(needed(with.root.as_deref(), "a plan's root")?)
            .await;
        for view in views {
            engine.drop_temp_view(view)?;
        }
        root
    }

    /// A scalar, EXISTS or IN subquery.
    pub(crate) fn subquery(
        &self,
        expressions: &Expressions,
        subquery: &proto::SubqueryExpression,
    ) -> Result<Argument, Error> {
        use datafusion::logical_expr::{exists, in_subquery, scalar_subquery};
        use proto::subquery_expression::SubqueryType;

        let frame = self
            .references
            .get(&subquery.plan_id)
            .ok_or_else(|| Error::internal("a subquery whose plan is not there"))?;
        let plan = Arc::new(self.seen(frame)?);
        let expr = match subquery.subquery_type() {
            SubqueryType::Scalar => scalar_subquery(plan),
            SubqueryType::Exists => exists(plan),
            SubqueryType::In => match expressions.all(&subquery.in_subquery_values)?.as_slice() {
                [value] => in_subquery(value.expr.clone(), plan),
                _ => return Err(Error::unsupported("IN subqueries with several columns")),
            },
            SubqueryType::TableArg | SubqueryType::Unknown => {
                return Err(Error::unsupported("DataFrame.asTable"));
            }
        };
        expressions.typed(expr, "scalarsubquery()".to_owned())
    }

    /// An id for a column of this name that no other column of the request has.
    pub(crate) fn id(&self, name: &str) -> String {
        format!("{name}#{}", self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// The frame of a plan of DataFusion's, each column under an id of its own.
    pub(crate) fn leaf(&self, plan: LogicalPlan, qualifier: &[String]) -> Result<Frame, Error> {
        let mut columns = Vec::new();
        let mut exprs = Vec::new();
        for (table, field) in plan.schema().iter() {
            let id = self.id(field.name());
            let column = datafusion::common::Column::new(table.cloned(), field.name());
            exprs.push(Expr::Column(column).alias(&id));
            columns.push(self.column(field.name(), &id, qualifier, Arc::clone(field)));
        }
        let plan = LogicalPlanBuilder::from(plan).project(exprs)?.build()?;
        Ok(self.frame(plan, columns))
    }

    pub(crate) fn column(
        &self,
        name: &str,
        id: &str,
        qualifier: &[String],
        field: FieldRef,
    ) -> Column {
        Column {
            name: name.to_owned(),
            qualifier: qualifier.to_vec(),
            id: id.to_owned(),
            field,
            hidden: false,
        }
    }

    /// A frame of these columns, their fields as the plan has them.
    pub(crate) fn frame(&self, plan: LogicalPlan, columns: Vec<Column>) -> Frame {
        Frame {
            plan,
            columns,
            scopes: Vec::new(),
            projected: None,
        }
        .with_fields_of_plan()
    }

    /// The plan with just the columns that a client sees, in its order.
    pub(crate) fn seen(&self, frame: &Frame) -> Result<LogicalPlan, Error> {
        let wanted: Vec<&str> = frame.visible().map(|column| column.id.as_str()).collect();
        let has: Vec<&str> = frame
            .plan
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        if wanted == has {
            return Ok(frame.plan.clone());
        }
        let exprs: Vec<Expr> = frame.visible().map(Column::expr).collect();
        Ok(LogicalPlanBuilder::from(frame.plan.clone())
            .project(exprs)?
            .build()?)
    }
}

impl Frame {
    /// Takes the fields (type, nullability, metadata) from the plan, which may have changed them.
    pub(crate) fn with_fields_of_plan(mut self) -> Self {
        let schema = Arc::clone(self.plan.schema());
        for column in &mut self.columns {
            if let Some(field) = schema.fields().find(&column.id).map(|(_, field)| field) {
                column.field = Arc::clone(field);
            }
        }
        self
    }

    /// The same columns over another plan.
    pub(crate) fn over(self, plan: LogicalPlan) -> Self {
        Self {
            plan,
            projected: None,
            ..self
        }
        .with_fields_of_plan()
    }
}

/// A field for a literal table.
pub(crate) fn field(name: &str, data_type: DataType, nullable: bool) -> Field {
    Field::new(name, data_type, nullable)
}

/// What a client calls a relation that is not there.
fn name(kind: &RelType) -> &'static str {
    match kind {
        RelType::MapPartitions(_) => "mapInPandas and mapInArrow: user functions are not run",
        RelType::GroupMap(_) | RelType::CoGroupMap(_) => {
            "applyInPandas and applyInArrow: user functions are not run"
        }
        RelType::ApplyInPandasWithState(_) | RelType::WithWatermark(_) => "structured streaming",
        RelType::CollectMetrics(_) => "DataFrame.observe",
        RelType::Parse(_) => {
            "reading CSV or JSON from a column of strings: write it to a file first"
        }
        RelType::AsOfJoin(_) => "as-of joins",
        RelType::LateralJoin(_) => "DataFrame.lateralJoin",
        RelType::Transpose(_) => "DataFrame.transpose",
        RelType::UnresolvedTableValuedFunction(_) => "spark.tvf",
        RelType::CommonInlineUserDefinedTableFunction(_) => {
            "user-defined table functions: user functions are not run"
        }
        RelType::CommonInlineUserDefinedDataSource(_) => "Python data sources",
        RelType::CachedRemoteRelation(_) => "DataFrame.checkpoint",
        RelType::SampleBy(_) => "DataFrame.sampleBy",
        RelType::MlRelation(_) => "pyspark.ml",
        _ => "this kind of relation",
    }
}
