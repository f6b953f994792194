//! Hints on how a query is to be run: Spark's `/*+ BROADCAST(t) */`, and `DataFrame.hint`.
//!
//! One kind has a meaning here, that of a broadcast; the others are read and said to have none. A broadcast hint is a node of
//! a logical plan above the rows that it is on (`node`), through which filters, limits and columns are pushed as if it were
//! not there. In SQL it is on a name, and only the planner knows what that is: so the relation is marked in the statement
//! (`marks`), and the mark becomes the node when the relation is planned. A rule brings each hint to the join that it is for
//! (`rule`), and the planner of operators hands it on (`planner`) to `plimsoll_exec::BroadcastJoins`, which decides.

mod marks;
mod node;
mod notices;
mod planner;
mod rule;
mod text;

pub use node::broadcast;
pub use notices::say;
pub use text::Meaning;

pub(crate) use marks::{HintedRelations, mark};
pub(crate) use node::hinted;
pub(crate) use planner::Planner;
pub(crate) use rule::HintsOnJoins;
