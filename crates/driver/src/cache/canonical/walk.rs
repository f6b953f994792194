//! The canonical forms of all subtrees of a plan, in one walk.
//!
//! The walk is DataFusion's own, whose recursion is safe with plans of any depth. It comes by a node, then by the
//! subqueries in its expressions, then by its inputs, and by the node again with what has become of them.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNodeRecursion, TreeNodeVisitor};
use datafusion::common::{Column, DFSchemaRef, Result};
use datafusion::logical_expr::LogicalPlan;

use super::Canonical;
use super::expressions::{Names, Outer, Scope};
use super::nodes;

/// A subtree of a plan.
pub(super) struct Subtree {
    /// None if it cannot be compared, or is part of a correlated subquery and mentions columns of the query
    /// around it: its rows are not the same each time.
    pub(super) canonical: Option<Arc<Canonical>>,
    /// The number of the first node that is not in it.
    pub(super) end: usize,
    /// As its root has it, to tell that it is this one.
    pub(super) schema: DFSchemaRef,
}

/// The subtrees of a plan, those of its subqueries included, numbered in the order in which
/// `rewrite_with_subqueries` comes by their roots.
pub(super) fn subtrees(plan: &LogicalPlan) -> Vec<Subtree> {
    let mut walk = Walk {
        subtrees: Vec::new(),
        frames: Vec::new(),
    };
    // Neither the walk nor what it does on its way can fail.
    match plan.visit_with_subqueries(&mut walk) {
        Ok(_) => walk.subtrees,
        Err(_) => Vec::new(),
    }
}

/// What a subquery or input has become.
#[derive(Clone)]
pub(super) struct Found {
    canonical: Option<Arc<Canonical>>,
    /// The outermost of the nodes around it whose columns it mentions, counted from the root.
    reach: usize,
}

impl Found {
    /// Its canonical form and how far it reaches.
    pub(super) fn known(&self) -> Option<(&Arc<Canonical>, usize)> {
        Some((self.canonical.as_ref()?, self.reach))
    }
}

/// A node whose inputs are being walked.
struct Frame {
    number: usize,
    around: Around,
    is_join: bool,
    /// The inputs: where they are, and their columns.
    addresses: Vec<usize>,
    schemas: Vec<DFSchemaRef>,
    /// What became of its subqueries, then of its inputs.
    found: Vec<Found>,
}

/// What is around a node.
enum Around {
    /// What is around the node that it is an input of.
    Same,
    /// The columns of the inputs of this node: it is a subquery.
    Node(usize),
    /// Nothing that is known.
    Unknown,
}

struct Walk {
    subtrees: Vec<Subtree>,
    frames: Vec<Frame>,
}

fn address(plan: &LogicalPlan) -> usize {
    std::ptr::from_ref(plan) as usize
}

impl Walk {
    /// What is around a node that is about to be walked.
    fn around(&self, plan: &LogicalPlan) -> Around {
        let (LogicalPlan::Subquery(_), Some(parent)) = (plan, self.frames.last()) else {
            return Around::Same;
        };
        if !parent.addresses.contains(&address(plan)) {
            // No input but in an expression.
            return Around::Node(self.frames.len() - 1);
        }
        // LATERAL: it sees what it is joined with.
        match self.frames.iter().rposition(|frame| frame.is_join) {
            Some(join) => Around::Node(join),
            None => Around::Unknown,
        }
    }
}

impl Outer for Walk {
    fn find(&self, column: &Column) -> Option<(usize, usize, usize)> {
        let mut level = 0;
        for frame in self.frames.iter().rev() {
            let node = match frame.around {
                Around::Same => continue,
                Around::Node(node) => node,
                Around::Unknown => return None,
            };
            level += 1;
            let names = Names::of(self.frames[node].schemas.iter());
            if let Some(place) = names.place(column) {
                return Some((level, place, node));
            }
        }
        None
    }
}

impl TreeNodeVisitor<'_> for Walk {
    type Node = LogicalPlan;

    fn f_down(&mut self, plan: &LogicalPlan) -> Result<TreeNodeRecursion> {
        let inputs = plan.inputs();
        self.frames.push(Frame {
            number: self.subtrees.len(),
            around: self.around(plan),
            is_join: matches!(plan, LogicalPlan::Join(_)),
            addresses: inputs.iter().map(|input| address(input)).collect(),
            schemas: inputs
                .iter()
                .map(|input| Arc::clone(input.schema()))
                .collect(),
            found: Vec::new(),
        });
        self.subtrees.push(Subtree {
            canonical: None,
            end: 0,
            schema: Arc::clone(plan.schema()),
        });
        Ok(TreeNodeRecursion::Continue)
    }

    fn f_up(&mut self, plan: &LogicalPlan) -> Result<TreeNodeRecursion> {
        let Some(frame) = self.frames.pop() else {
            return Ok(TreeNodeRecursion::Stop);
        };
        let depth = self.frames.len();
        let subqueries = frame.found.len().saturating_sub(frame.schemas.len());
        let (subqueries, inputs) = frame.found.split_at(subqueries);
        let known: Option<Vec<_>> = inputs.iter().map(Found::known).collect();
        let mut scope = Scope::new(self, subqueries);
        let found = known.and_then(|known| {
            known.iter().for_each(|(_, reach)| scope.reaches(*reach));
            let inputs = known.into_iter().map(|(input, _)| Arc::clone(input));
            nodes::canonical(plan, inputs.collect(), &mut scope)
        });
        let found = Found {
            canonical: found.filter(|_| scope.is_done()),
            reach: scope.reach(),
        };
        let end = self.subtrees.len();
        let subtree = &mut self.subtrees[frame.number];
        subtree.end = end;
        if found.reach >= depth {
            subtree.canonical.clone_from(&found.canonical);
        }
        if let Some(parent) = self.frames.last_mut() {
            parent.found.push(found);
        }
        Ok(TreeNodeRecursion::Continue)
    }
}
