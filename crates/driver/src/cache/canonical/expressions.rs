//! Expressions with places for columns, and without aliases.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::Field;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef, Spans, TableReference};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, SortExpr, Subquery};

use super::walk::Found;
use super::{Canonical, hash_of};

/// An expression whose columns are called after their places: `#2` is the third column of the inputs, and `#1.0`
/// the first one of the query around.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Expression {
    /// Its subqueries are all the same: nothing.
    expr: Expr,
    /// In the order in which they are in the expression.
    subqueries: Vec<Arc<Canonical>>,
}

impl Expression {
    /// The column at a place.
    pub(super) fn at(place: usize) -> Self {
        Self {
            expr: column(place.to_string()),
            subqueries: Vec::new(),
        }
    }
}

fn column(place: String) -> Expr {
    Expr::Column(Column::new_unqualified(format!("#{place}")))
}

/// An expression, and the order that it sorts by: ascending, and with NULLs first.
pub(super) type Key = (Expression, bool, bool);

/// Where columns are, by their names.
pub(super) struct Names<'a>(HashMap<&'a str, Vec<(Option<&'a TableReference>, usize)>>);

impl<'a> Names<'a> {
    /// Of the columns of these, one after the other.
    pub(super) fn of(schemas: impl Iterator<Item = &'a DFSchemaRef>) -> Self {
        let mut names: HashMap<_, Vec<_>> = HashMap::new();
        let columns = schemas.flat_map(|schema| schema.iter());
        for (place, (qualifier, field)) in columns.enumerate() {
            let same = names.entry(field.name().as_str()).or_default();
            same.push((qualifier, place));
        }
        Self(names)
    }

    /// Where a column is; none if it is not there, or several could be meant.
    pub(super) fn place(&self, column: &Column) -> Option<usize> {
        let same = self.0.get(column.name.as_str())?;
        let place = |is_it: &dyn Fn(Option<&TableReference>) -> bool| {
            let mut places = same.iter().filter(|(qualifier, _)| is_it(*qualifier));
            places.next().map(|(_, place)| *place)
        };
        match (&column.relation, same.as_slice()) {
            (Some(relation), _) => {
                place(&|qualifier| qualifier.is_some_and(|it| relation.resolved_eq(it)))
            }
            (None, [(_, place)]) => Some(*place),
            (None, _) => place(&|qualifier| qualifier.is_none()),
        }
    }
}

/// The queries around a subquery.
pub(super) trait Outer {
    /// How many queries further out a column is, its place there, and the node whose inputs have it.
    fn find(&self, column: &Column) -> Option<(usize, usize, usize)>;
}

/// What the expressions of a node can mention apart from the columns of its inputs.
pub(super) struct Scope<'a> {
    outer: &'a dyn Outer,
    /// Those that no expression has taken yet, in the order of the expressions.
    subqueries: std::slice::Iter<'a, Found>,
    reach: usize,
}

impl<'a> Scope<'a> {
    pub(super) fn new(outer: &'a dyn Outer, subqueries: &'a [Found]) -> Self {
        Self {
            outer,
            subqueries: subqueries.iter(),
            reach: usize::MAX,
        }
    }

    /// Takes note that columns of the inputs of a node further out are mentioned.
    pub(super) fn reaches(&mut self, node: usize) {
        self.reach = self.reach.min(node);
    }

    /// The outermost of those nodes.
    pub(super) fn reach(&self) -> usize {
        self.reach
    }

    /// Whether the subqueries have all been taken: none can have been given to another expression than its own.
    pub(super) fn is_done(&self) -> bool {
        self.subqueries.len() == 0
    }

    pub(super) fn expression(&mut self, names: &Names, expr: &Expr) -> Option<Expression> {
        let mut subqueries = Vec::new();
        let mut is_known = true;
        // Downwards, as the walk does: the subqueries come in that order.
        let expr = expr.clone().transform_down(|expr| {
            Ok(match self.without_names(names, expr, &mut subqueries) {
                Some(expr) => Transformed::yes(expr),
                None => {
                    is_known = false;
                    Transformed::new(Expr::default(), true, TreeNodeRecursion::Stop)
                }
            })
        });
        let expr = expr.ok().filter(|_| is_known)?.data;
        Some(Expression { expr, subqueries })
    }

    pub(super) fn expressions<'e>(
        &mut self,
        names: &Names,
        exprs: impl IntoIterator<Item = &'e Expr>,
    ) -> Option<Vec<Expression>> {
        let exprs = exprs.into_iter();
        exprs.map(|expr| self.expression(names, expr)).collect()
    }

    pub(super) fn keys<'e>(
        &mut self,
        names: &Names,
        keys: impl IntoIterator<Item = &'e SortExpr>,
    ) -> Option<Vec<Key>> {
        let mut key = |key: &SortExpr| {
            let expression = self.expression(names, &key.expr)?;
            Some((expression, key.asc, key.nulls_first))
        };
        keys.into_iter().map(&mut key).collect()
    }

    /// The conditions that these are made of with AND, in an order that is the same however they were written.
    pub(super) fn conditions<'e>(
        &mut self,
        names: &Names,
        exprs: impl IntoIterator<Item = &'e Expr>,
    ) -> Option<Vec<Expression>> {
        let exprs = exprs.into_iter().flat_map(split_conjunction);
        let mut conditions = self.expressions(names, exprs)?;
        conditions.sort_by_cached_key(hash_of);
        Some(conditions)
    }

    /// An expression whose own part has no names any more; the parts of it still may.
    fn without_names(
        &mut self,
        names: &Names,
        mut expr: Expr,
        subqueries: &mut Vec<Arc<Canonical>>,
    ) -> Option<Expr> {
        while let Expr::Alias(alias) = expr {
            expr = *alias.expr;
        }
        let mut taken = || {
            let (canonical, reach) = self.subqueries.next()?.known()?;
            subqueries.push(Arc::clone(canonical));
            self.reach = self.reach.min(reach);
            Some(nothing())
        };
        Some(match expr {
            Expr::Column(it) => column(names.place(&it)?.to_string()),
            Expr::OuterReferenceColumn(field, it) => {
                let (level, place, node) = self.outer.find(&it)?;
                self.reaches(node);
                let (data_type, nullable) = (field.data_type().clone(), field.is_nullable());
                let place = Column::new_unqualified(format!("#{level}.{place}"));
                let field = Arc::new(Field::new("", data_type, nullable));
                Expr::OuterReferenceColumn(field, place)
            }
            Expr::ScalarSubquery(_) => Expr::ScalarSubquery(taken()?),
            Expr::Exists(exists) => Expr::Exists(Exists {
                subquery: taken()?,
                ..exists
            }),
            Expr::InSubquery(within) => Expr::InSubquery(InSubquery {
                subquery: taken()?,
                ..within
            }),
            Expr::SetComparison(comparison) => Expr::SetComparison(SetComparison {
                subquery: taken()?,
                ..comparison
            }),
            // Nobody knows what they stand for, or they stand for something else the next time.
            #[expect(deprecated)]
            Expr::Placeholder(_) | Expr::ScalarVariable(..) | Expr::Wildcard { .. } => return None,
            other => other,
        })
    }
}

/// What stands for a subquery where it was.
fn nothing() -> Subquery {
    static NOTHING: LazyLock<Arc<LogicalPlan>> = LazyLock::new(Arc::default);
    Subquery {
        subquery: Arc::clone(&NOTHING),
        outer_ref_columns: Vec::new(),
        spans: Spans::new(),
    }
}
