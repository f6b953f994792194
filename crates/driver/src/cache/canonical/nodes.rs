//! What a node does to its inputs.

use std::sync::Arc;

use datafusion::common::{DFSchema, JoinType, NullEquality, NullHandling};
use datafusion::datasource::{ViewTable, source_as_provider};
use datafusion::logical_expr::{
    Distinct, Join, LogicalPlan, Partitioning, Projection, Repartition, SkipType, TableScan, Unnest,
};

use super::Canonical;
use super::expressions::{Expression, Key, Names, Scope};
use super::sources::SourceIdentity;
use crate::hints::hinted;

/// A node of a plan, without its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Projection(Vec<Expression>),
    Filter(Vec<Expression>),
    Window(Vec<Expression>),
    Aggregate {
        groups: Vec<Expression>,
        aggregates: Vec<Expression>,
    },
    Sort {
        keys: Vec<Key>,
        fetch: Option<usize>,
    },
    /// Joined USING or ON makes no difference once columns are resolved.
    Join {
        join_type: JoinType,
        /// Each in the columns of its own side.
        on: Vec<(Expression, Expression)>,
        conditions: Vec<Expression>,
        null_equality: NullEquality,
        null_aware: bool,
    },
    Repartition(Scheme),
    Union,
    Scan {
        source: SourceIdentity,
        columns: Vec<usize>,
        conditions: Vec<Expression>,
        fetch: Option<usize>,
    },
    Empty {
        has_row: bool,
    },
    Limit {
        skip: Vec<Expression>,
        fetch: Vec<Expression>,
    },
    Values(Vec<Vec<Expression>>),
    Distinct,
    DistinctOn {
        on: Vec<Expression>,
        columns: Vec<Expression>,
        keys: Vec<Key>,
    },
    Unnest {
        columns: Vec<usize>,
        /// Lists, and how deep they are taken apart.
        lists: Vec<(usize, usize)>,
        structs: Vec<usize>,
        /// The column that each column of the result comes of.
        origins: Vec<usize>,
        null_handling: NullHandling,
        recursions: Vec<(usize, usize)>,
    },
}

/// How rows are dealt out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    RoundRobin(usize),
    Hash(Vec<Expression>, usize),
    DistributeBy(Vec<Expression>),
}

/// The canonical form of a node over these inputs. The expressions are taken in the order of
/// `LogicalPlan::apply_expressions`, in which the scope has their subqueries.
pub(super) fn canonical(
    plan: &LogicalPlan,
    inputs: Vec<Arc<Canonical>>,
    scope: &mut Scope,
) -> Option<Arc<Canonical>> {
    let names = || Names::of(plan.inputs().into_iter().map(LogicalPlan::schema));
    let node = match plan {
        // Names make no difference.
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::Subquery(_) => {
            return inputs.into_iter().next();
        }
        LogicalPlan::Projection(Projection { expr, input, .. }) => {
            let columns = scope.expressions(&names(), expr)?;
            match is_all(&columns, input.schema()) {
                true => return inputs.into_iter().next(),
                false => Node::Projection(columns),
            }
        }
        LogicalPlan::Filter(filter) => {
            Node::Filter(scope.conditions(&names(), [&filter.predicate])?)
        }
        LogicalPlan::Window(window) => {
            Node::Window(scope.expressions(&names(), &window.window_expr)?)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let names = names();
            Node::Aggregate {
                groups: scope.expressions(&names, &aggregate.group_expr)?,
                aggregates: scope.expressions(&names, &aggregate.aggr_expr)?,
            }
        }
        LogicalPlan::Sort(sort) => Node::Sort {
            keys: scope.keys(&names(), &sort.expr)?,
            fetch: sort.fetch,
        },
        LogicalPlan::Join(join) => self::join(join, &names(), scope)?,
        LogicalPlan::Repartition(repartition) => {
            Node::Repartition(scheme(repartition, &names(), scope)?)
        }
        LogicalPlan::Union(_) => Node::Union,
        LogicalPlan::TableScan(scan) => return self::scan(scan, scope),
        LogicalPlan::EmptyRelation(empty) => Node::Empty {
            has_row: empty.produce_one_row,
        },
        LogicalPlan::Limit(limit) => {
            let names = names();
            let skips_none = matches!(limit.get_skip_type(), Ok(SkipType::Literal(0)));
            Node::Limit {
                skip: scope.expressions(&names, limit.skip.as_deref().filter(|_| !skips_none))?,
                fetch: scope.expressions(&names, limit.fetch.as_deref())?,
            }
        }
        LogicalPlan::Values(values) => {
            let names = names();
            let mut row = |row: &Vec<_>| scope.expressions(&names, row);
            Node::Values(values.values.iter().map(&mut row).collect::<Option<_>>()?)
        }
        LogicalPlan::Distinct(Distinct::All(_)) => Node::Distinct,
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            let names = names();
            Node::DistinctOn {
                on: scope.expressions(&names, &distinct.on_expr)?,
                columns: scope.expressions(&names, &distinct.select_expr)?,
                keys: scope.keys(&names, distinct.sort_expr.iter().flatten())?,
            }
        }
        LogicalPlan::Unnest(unnest) => self::unnest(unnest, &names())?,
        // The same rows.
        LogicalPlan::Extension(_) if hinted(plan).is_some() => return inputs.into_iter().next(),
        // What they do is told by more than can be compared, or they do something instead of giving rows.
        LogicalPlan::Extension(_)
        | LogicalPlan::RecursiveQuery(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => return None,
    };
    Some(over(inputs, node, plan.schema()))
}

fn over(inputs: Vec<Arc<Canonical>>, node: Node, schema: &DFSchema) -> Arc<Canonical> {
    let fields = schema.fields().iter();
    let types = fields.map(|field| field.data_type().clone()).collect();
    Arc::new(Canonical::new(node, types, inputs))
}

/// Whether a projection passes on all columns as they are.
fn is_all(columns: &[Expression], input: &DFSchema) -> bool {
    let mut columns_in_order = columns.iter().enumerate();
    columns.len() == input.fields().len()
        && columns_in_order.all(|(place, column)| *column == Expression::at(place))
}

fn join(join: &Join, names: &Names, scope: &mut Scope) -> Option<Node> {
    let left = Names::of([join.left.schema()].into_iter());
    let right = Names::of([join.right.schema()].into_iter());
    let mut pair = |(ours, theirs): &(_, _)| {
        Some((
            scope.expression(&left, ours)?,
            scope.expression(&right, theirs)?,
        ))
    };
    Some(Node::Join {
        join_type: join.join_type,
        on: join.on.iter().map(&mut pair).collect::<Option<_>>()?,
        conditions: scope.conditions(names, &join.filter)?,
        null_equality: join.null_equality,
        null_aware: join.null_aware,
    })
}

fn scheme(repartition: &Repartition, names: &Names, scope: &mut Scope) -> Option<Scheme> {
    Some(match &repartition.partitioning_scheme {
        Partitioning::RoundRobinBatch(count) => Scheme::RoundRobin(*count),
        Partitioning::Hash(keys, count) => Scheme::Hash(scope.expressions(names, keys)?, *count),
        Partitioning::DistributeBy(keys) => Scheme::DistributeBy(scope.expressions(names, keys)?),
        // Nothing makes such plans yet.
        Partitioning::Range(_) => return None,
    })
}

fn scan(scan: &TableScan, scope: &mut Scope) -> Option<Arc<Canonical>> {
    let schema = scan.source.schema();
    let columns = match &scan.projection {
        Some(columns) => columns.clone(),
        None => (0..schema.fields().len()).collect(),
    };
    let provider = source_as_provider(&scan.source).ok();
    let view = provider.as_ref();
    if let Some(view) = view.and_then(|provider| provider.downcast_ref::<ViewTable>()) {
        if !scan.filters.is_empty() || scan.fetch.is_some() {
            return None;
        }
        let query = super::canonical(view.logical_plan())?;
        let columns: Vec<Expression> = columns.into_iter().map(Expression::at).collect();
        if is_all(&columns, view.logical_plan().schema()) {
            return Some(query);
        }
        let columns = Node::Projection(columns);
        return Some(over(vec![query], columns, &scan.projected_schema));
    }
    // Filters may be about columns that the scan does not pass on.
    let schema = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &schema).ok()?;
    let schema = Arc::new(schema);
    let names = Names::of([&schema].into_iter());
    let conditions = scope.conditions(&names, &scan.filters)?;
    let node = Node::Scan {
        source: match provider {
            Some(provider) => SourceIdentity::of_table(&provider)?,
            None => SourceIdentity::of_source(&scan.source),
        },
        columns,
        conditions,
        fetch: scan.fetch,
    };
    Some(over(Vec::new(), node, &scan.projected_schema))
}

fn unnest(unnest: &Unnest, names: &Names) -> Option<Node> {
    let columns = unnest.exec_columns.iter();
    let lists = unnest.list_type_columns.iter();
    let recursions = unnest.options.recursions.iter();
    Some(Node::Unnest {
        columns: columns
            .map(|column| names.place(column))
            .collect::<Option<_>>()?,
        lists: lists.map(|(place, list)| (*place, list.depth)).collect(),
        structs: unnest.struct_type_columns.clone(),
        origins: unnest.dependency_indices.clone(),
        null_handling: unnest.options.null_handling,
        recursions: recursions
            .map(|each| Some((names.place(&each.input_column)?, each.depth)))
            .collect::<Option<_>>()?,
    })
}
