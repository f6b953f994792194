use std::collections::VecDeque;

use crate::record::QueryRecord;

/// The queries of a session that are over: the latest in full, all of them in the totals.
#[derive(Debug, Clone, Default)]
pub struct History {
    records: VecDeque<QueryRecord>,
    forgotten: u64,
    peak_execution: u64,
}

impl History {
    /// How many records are kept: Spark's default for `spark.sql.ui.retainedExecutions`.
    pub const RETAINED: usize = 1000;

    pub(crate) fn push(&mut self, record: QueryRecord) {
        self.peak_execution = self.peak_execution.max(record.peak_execution);
        self.records.push_back(record);
        if self.records.len() > Self::RETAINED {
            self.records.pop_front();
            self.forgotten += 1;
        }
    }

    /// The records that are kept, oldest first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &QueryRecord> {
        self.records.iter()
    }

    /// How many older queries are no longer among the records.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The most execution memory that any query held, in bytes.
    pub fn peak_execution(&self) -> u64 {
        self.peak_execution
    }
}
