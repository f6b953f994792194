use std::any::Any;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, internal_datafusion_err};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::conditions::{Conditions, is_simple};
use crate::dataset::Dataset;
use crate::scan::{CachedScanExec, reads};
use crate::wanted::Wanted;

/// A cached dataset as a table; Spark's `InMemoryRelation`.
pub struct CachedTable(Arc<Dataset>);

impl CachedTable {
    /// The dataset as a table. It may be gone from the cache by the time that it is read: then it is computed for whoever
    /// reads it.
    pub fn new(dataset: Arc<Dataset>) -> Self {
        Self(dataset)
    }

    /// The plan of what is not there, as it has to be for its partitions to be those that are.
    async fn lineage(&self, state: &SessionState, target: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let mut state = state.clone();
        *state.config_mut() = state.config().clone().with_target_partitions(target);
        // Which partition rows are dealt to in turn would depend on which came first.
        let options = state.config_mut().options_mut();
        options.optimizer.enable_round_robin_repartition = false;
        state.create_physical_plan(&self.0.lineage.plan()?).await
    }

    fn predicate(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> Result<Option<Arc<PruningPredicate>>> {
        let Some(filter) =
            conjunction(filters.iter().cloned()).filter(|_| self.0.core.options.pruning)
        else {
            return Ok(None);
        };
        let schema = self.0.schema();
        let filter =
            state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&schema))?)?;
        // Filters that say nothing about bounds pass over nothing.
        let predicate = PruningPredicateBuilder::new().with_file_schema(schema);
        Ok(predicate.build(filter))
    }
}

impl fmt::Debug for CachedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CachedTable({:?})", self.0)
    }
}

/// Whether each partition of a plan comes from one partition of its scans and no other, and comes out the same whenever it is
/// computed: what functions such as `monotonically_increasing_id` answer holds within one run.
fn works_partition_by_partition(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let is_such = match plan.name() {
        "DataSourceExec"
        | "SteadyScan"
        | "FilterExec"
        | "ProjectionExec"
        | "UnionExec"
        | "CoalesceBatchesExec"
        | "CooperativeExec"
        | "UnnestExec"
        | "PiecesExec"
        | "CachedScanExec" => true,
        _ => plan.output_partitioning().partition_count() == 1 && plan.children().is_empty(),
    };
    // What reads a cached plan is as that is.
    let is_dealt_out = reads(plan).is_some_and(|(_, (_, in_unit, _))| in_unit > 1);
    if !is_such || is_dealt_out || is_volatile(plan)? {
        return Ok(false);
    }
    for child in plan.children() {
        if !works_partition_by_partition(child)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_volatile(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut volatile = false;
    plan.apply_expressions(&mut |expr| {
        volatile |= datafusion::physical_expr_common::physical_expr::is_volatile(expr);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(volatile)
}

/// What the partitions of a plan are made of: the files of its scans and the parts of them, and those of other cached plans.
fn made_of(plan: &Arc<dyn ExecutionPlan>) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    plan.apply(|node| {
        node.name().hash(&mut hasher);
        reads(node).hash(&mut hasher);
        let scan = node.downcast_ref::<DataSourceExec>();
        if let Some(config) =
            scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>())
        {
            for group in &config.file_groups {
                group.len().hash(&mut hasher);
                for file in group.iter() {
                    file.object_meta.location.hash(&mut hasher);
                    file.object_meta.size.hash(&mut hasher);
                    file.object_meta.last_modified.hash(&mut hasher);
                    let range = file.range.as_ref();
                    range
                        .map(|range| (range.start, range.end))
                        .hash(&mut hasher);
                    let parts = file.extension::<ParquetAccessPlan>();
                    format!("{parts:?}").hash(&mut hasher);
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(hasher.finish())
}

#[async_trait]
impl TableProvider for CachedTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let pushed = filters.iter().map(|filter| match is_simple(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        });
        Ok(pushed.collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let dataset = &self.0;
        let columns = match projection {
            Some(columns) => columns.clone(),
            None => (0..dataset.core.schema.fields().len()).collect(),
        };
        let simple: Vec<&Expr> = filters.iter().filter(|filter| is_simple(filter)).collect();
        let schema = &dataset.core.schema;
        let wanted = Wanted {
            columns,
            conditions: Conditions::new(&simple, schema, state.execution_props())?,
            predicate: self.predicate(state, filters)?,
            // A filter above is yet to drop rows, unless there is none.
            fetch: limit.filter(|_| simple.len() == filters.len()),
        };
        if let Some(generation) = dataset.generation()
            && let Some(visits) = generation.visit_all()
        {
            let dataset = Arc::clone(dataset);
            let scan = CachedScanExec::new(dataset, generation, None, Some(visits), wanted)?;
            return Ok(Arc::new(scan));
        }
        let state: &dyn Any = state.as_any();
        let state = state
            .downcast_ref::<SessionState>()
            .ok_or_else(|| internal_datafusion_err!("cached tables are read by sessions"))?;
        let target = dataset.target();
        let target = target.unwrap_or(state.config().target_partitions());
        let lineage = self.lineage(state, target).await?;
        let partitions = lineage.output_partitioning().partition_count();
        let in_unit = match works_partition_by_partition(&lineage)? {
            true => 1,
            false => partitions.max(1),
        };
        let shape = (partitions, in_unit, made_of(&lineage)?);
        let generation = dataset.generation_of(shape, target);
        let dataset = Arc::clone(dataset);
        let scan = CachedScanExec::new(dataset, generation, Some(lineage), None, wanted)?;
        Ok(Arc::new(scan))
    }
}
