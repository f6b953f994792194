//! What DataFusion's physical plans need to stay inside their execution memory: operators that spill
//! where stock ones fail, and the rules that replace or fence in stock operators which err, or answer
//! wrongly, when they are refused memory.

mod dynamic_filter;
mod frugal;
mod hash_join;
mod nested_loop;

pub use dynamic_filter::{DynamicFilterExec, DynamicFilters};
pub use frugal::SortInPlaceOfTopK;
pub use hash_join::{HybridHashJoinExec, HybridHashJoins};
pub use nested_loop::OneProbeForSpillingNestedLoops;
