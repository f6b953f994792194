//! What DataFusion's physical plans need to stay inside their execution memory: the rules that
//! replace or fence in stock operators which err, or answer wrongly, when they are refused memory.

mod frugal;
mod nested_loop;

pub use frugal::SortInPlaceOfTopK;
pub use nested_loop::OneProbeForSpillingNestedLoops;
