//! What a plan computes, apart from how its columns, tables and aliases are called: Spark's
//! `QueryPlan.canonicalized`.
//!
//! Two plans whose canonical forms are equal give the same rows with the same columns in the same order. The
//! opposite does not hold: plans are compared as they were written, after types were coerced and before anything
//! was optimized. What differs in no more than names is the same, and so are conditions in another order;
//! `a > 1` and `1 < a` are not, nor is a lambda whose parameter is called otherwise.
//!
//! Columns become their places ([`expressions`]), tables what makes them the same table ([`sources`]), and
//! nodes what they do to their inputs ([`nodes`]). One walk does all subtrees of a plan ([`walk`]), and
//! [`replace_known`] puts something else in the place of those that are known.
//!
//! Functions that answer otherwise each time (`rand`, `uuid`) are compared like any other, since Spark too keeps
//! what they have answered. Settings that a function reads when it runs, such as the time zone of the session,
//! are no part of a plan and have to be compared beside it.

mod expressions;
mod nodes;
mod replace;
mod sources;
mod walk;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::LogicalPlan;

use self::nodes::Node;

pub(crate) use self::replace::replace_known;

/// What a plan computes.
#[derive(Debug, Clone)]
pub(crate) struct Canonical {
    /// Of all that follows, so that plans that differ are told apart at once.
    hash: u64,
    node: Node,
    /// The types of its columns: the same expressions over the same rows may have been given others.
    types: Vec<DataType>,
    inputs: Vec<Arc<Canonical>>,
}

impl Canonical {
    fn new(node: Node, types: Vec<DataType>, inputs: Vec<Arc<Canonical>>) -> Self {
        Self {
            hash: hash_of(&(&node, &types, &inputs)),
            node,
            types,
            inputs,
        }
    }
}

impl PartialEq for Canonical {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.types == other.types
            && self.node == other.node
            && self.inputs == other.inputs
    }
}

impl Eq for Canonical {}

impl Hash for Canonical {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

/// The same number for equal values for as long as the process runs.
fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The canonical form of a plan; none if there is something in it that cannot be compared: recursive queries,
/// nodes of extensions, commands, placeholders, columns that are not to be found, tables of rows that are just
/// being written.
pub(crate) fn canonical(plan: &LogicalPlan) -> Option<Arc<Canonical>> {
    walk::subtrees(plan).into_iter().next()?.canonical
}

#[cfg(test)]
mod tests;
