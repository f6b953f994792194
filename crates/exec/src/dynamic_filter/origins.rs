use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinSide, JoinType, Result};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::PhysicalExprRef;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;

use crate::HybridHashJoinExec;

/// Which columns of which scans the probe keys of hash joins are, found by following each key's place down the plan.
///
/// DataFusion 55 pushes a join's filter down by the names of its columns, and may end up at another column of the same
/// name (apache/datafusion#25244). A filter whose way cannot be followed by place is not to be trusted.
#[derive(Default)]
pub(super) struct Origins {
    /// The filters of all joins.
    filters: HashSet<u64>,
    found: HashSet<Origin>,
}

/// A scan (by its address), a filter, and the places of its keys among the scan's columns.
#[derive(PartialEq, Eq, Hash)]
struct Origin {
    scan: usize,
    filter: u64,
    keys: Vec<usize>,
}

impl Origins {
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Result<Self> {
        let mut origins = Self::default();
        plan.apply(|node| {
            if let Some(hybrid) = node.downcast_ref::<HybridHashJoinExec>() {
                let join = hybrid.described();
                let filters = join.dynamic_expressions_produced();
                let keys: Vec<_> = join.on.iter().map(|(_, probe)| place_of(probe)).collect();
                let keys = keys.into_iter().collect::<Option<Vec<usize>>>();
                for filter in filters.iter().filter_map(|filter| filter.expression_id()) {
                    origins.filters.insert(filter);
                    if let Some(keys) = &keys {
                        origins.follow(&join.right, keys, filter);
                    }
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(origins)
    }

    /// Whether the filter is a hash join's.
    pub(super) fn are_of_a_join(&self, filter: u64) -> bool {
        self.filters.contains(&filter)
    }

    /// Whether these columns of the scan are the filter's keys.
    pub(super) fn have(
        &self,
        scan: &Arc<dyn ExecutionPlan>,
        filter: u64,
        keys: Vec<usize>,
    ) -> bool {
        let scan = address(scan);
        self.found.contains(&Origin { scan, filter, keys })
    }

    fn follow(&mut self, node: &Arc<dyn ExecutionPlan>, keys: &[usize], filter: u64) {
        if node.is::<DataSourceExec>() {
            let (scan, keys) = (address(node), keys.to_vec());
            self.found.insert(Origin { scan, filter, keys });
        }
        for (child, keys) in below(node, keys) {
            self.follow(&child, &keys, filter);
        }
    }
}

fn address(scan: &Arc<dyn ExecutionPlan>) -> usize {
    Arc::as_ptr(scan).cast::<()>() as usize
}

/// The place of a column.
pub(super) fn place_of(expression: &PhysicalExprRef) -> Option<usize> {
    Some(expression.downcast_ref::<Column>()?.index())
}

type Places = (Arc<dyn ExecutionPlan>, Vec<usize>);

/// The children that columns of a node come from, and their places there. None of nodes that are not known.
fn below(node: &Arc<dyn ExecutionPlan>, keys: &[usize]) -> Vec<Places> {
    if let Some(join) = node.downcast_ref::<HybridHashJoinExec>() {
        return below_join(join, keys);
    }
    let moved = |place: &dyn Fn(usize) -> Option<usize>| {
        let keys = keys
            .iter()
            .map(|key| place(*key))
            .collect::<Option<Vec<_>>>();
        let children = node.children().into_iter().map(Arc::clone);
        keys.map_or(Vec::new(), |keys| {
            children.map(|child| (child, keys.clone())).collect()
        })
    };
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        return match filter.projection() {
            Some(projection) => moved(&|key| projection.get(key).copied()),
            None => moved(&Some),
        };
    }
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        return moved(&|key| place_of(&projection.expr().get(key)?.expr));
    }
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        let groups = aggregate.group_expr();
        return match groups.is_single() {
            true => moved(&|key| place_of(&groups.expr().get(key)?.0)),
            false => Vec::new(),
        };
    }
    let keeps_places = node.is::<RepartitionExec>()
        || node.is::<CoalescePartitionsExec>()
        || node.is::<CooperativeExec>()
        || node.is::<SortExec>()
        || node.is::<SortPreservingMergeExec>()
        || node.is::<UnionExec>();
    match keeps_places {
        true => moved(&Some),
        false => Vec::new(),
    }
}

/// The side that the columns come from; of a semi join, whose keys are equal, the other side as well.
fn below_join(hybrid: &HybridHashJoinExec, keys: &[usize]) -> Vec<Places> {
    let join = hybrid.described();
    let columns: Option<Vec<_>> = keys.iter().map(|key| hybrid.columns().get(*key)).collect();
    let Some(columns) = columns else {
        return Vec::new();
    };
    let on = |side: JoinSide| columns.iter().all(|column| column.side == side);
    let places: Vec<usize> = columns.iter().map(|column| column.index).collect();
    let (own, other, is_semi) = match (on(JoinSide::Left), on(JoinSide::Right)) {
        (true, _) => (
            &join.left,
            &join.right,
            join.join_type == JoinType::LeftSemi,
        ),
        (_, true) => (
            &join.right,
            &join.left,
            join.join_type == JoinType::RightSemi,
        ),
        _ => return Vec::new(),
    };
    let partner = |place: &usize| {
        let pairs = join
            .on
            .iter()
            .map(|(left, right)| (place_of(left), place_of(right)));
        let mut pairs = pairs.map(|(left, right)| match join.join_type {
            JoinType::LeftSemi => (left, right),
            _ => (right, left),
        });
        pairs.find(|(own, _)| *own == Some(*place))?.1
    };
    let partners = match is_semi {
        true => places.iter().map(partner).collect::<Option<Vec<_>>>(),
        false => None,
    };
    let mut below = vec![(Arc::clone(own), places.clone())];
    below.extend(partners.map(|partners| (Arc::clone(other), partners)));
    below
}
