//! Files that cached DataFrames were read from.

use std::collections::VecDeque;

use datafusion::logical_expr::LogicalPlan;
use parking_lot::Mutex;
use spark_connect_proto::read::DataSource;

/// How many are kept, the last ones: each is the list of its files.
const MOST: usize = 100;

/// What a client's reads have found, of the DataFrames that it has cached.
///
/// A client sends `spark.read.…` anew with each request, and the files are looked for anew. Once they are cached they
/// may be gone, and a client of Spark still has its rows: Spark keeps the plans that it has analysed.
#[derive(Default)]
pub(crate) struct KnownFiles(Mutex<VecDeque<(DataSource, LogicalPlan)>>);

impl KnownFiles {
    pub(crate) fn remember(&self, reads: impl IntoIterator<Item = (DataSource, LogicalPlan)>) {
        let mut known = self.0.lock();
        for read in reads {
            known.retain(|(source, _)| *source != read.0);
            known.push_front(read);
        }
        known.truncate(MOST);
    }

    pub(crate) fn find(&self, source: &DataSource) -> Option<LogicalPlan> {
        let known = self.0.lock();
        let mut same = known.iter().filter(|(known, _)| known == source);
        same.next().map(|(_, plan)| plan.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str) -> DataSource {
        DataSource {
            paths: vec![path.to_owned()],
            ..DataSource::default()
        }
    }

    #[test]
    fn the_last_ones_are_known() {
        let known = KnownFiles::default();
        for at in 0..=MOST {
            known.remember([(source(&at.to_string()), LogicalPlan::default())]);
            known.remember([(source("again"), LogicalPlan::default())]);
        }
        assert!(known.find(&source("again")).is_some());
        assert!(known.find(&source(&MOST.to_string())).is_some());
        assert!(known.find(&source("0")).is_none());
        assert_eq!(known.0.lock().len(), MOST);
    }
}
