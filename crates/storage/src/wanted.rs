use std::sync::Arc;

use datafusion::physical_optimizer::pruning::PruningPredicate;

use crate::conditions::Conditions;

/// What of a dataset is wanted.
pub(crate) struct Wanted {
    /// The columns, by their places in the dataset.
    pub(crate) columns: Vec<usize>,
    /// What the rows have to fulfil, as far as the scan sees to that.
    pub(crate) conditions: Option<Conditions>,
    /// What the rows have to fulfil; blocks that cannot are passed over.
    pub(crate) predicate: Option<Arc<PruningPredicate>>,
    /// Rows that are wanted, at most.
    pub(crate) fetch: Option<usize>,
}

impl Wanted {
    /// Whether rows are looked at, and not only counted.
    pub(crate) fn reads_rows(&self) -> bool {
        !self.columns.is_empty() || self.conditions.is_some()
    }

    /// The columns that are looked at, those that are wanted first.
    pub(crate) fn looked_at(&self) -> Vec<usize> {
        let mut all = self.columns.clone();
        for column in self.conditions.iter().flat_map(Conditions::columns) {
            if !all.contains(&column) {
                all.push(column);
            }
        }
        all
    }
}
