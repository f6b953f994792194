use std::collections::VecDeque;
use std::ops::Range;

use crate::record::QueryRecord;

/// The queries of a session that are over: the latest in full, all of them in the totals.
///
/// Records are kept encoded, one behind the other. As they are, each is dozens of small pieces of memory that lie among
/// those of queries which are long gone, and keeps the pages of these from being given back.
#[derive(Debug, Clone, Default)]
pub struct History {
    encoded: VecDeque<u8>,
    /// How many bytes each record takes.
    lengths: VecDeque<usize>,
    forgotten: u64,
    peak_execution: u64,
}

impl History {
    /// How many records are kept: Spark's default for `spark.sql.ui.retainedExecutions`.
    pub const RETAINED: usize = 1000;

    pub(crate) fn push(&mut self, record: &QueryRecord) {
        self.peak_execution = self.peak_execution.max(record.peak_execution);
        // What cannot be encoded is not kept; of what a record is made of, all can be.
        let bytes = postcard::to_allocvec(record).unwrap_or_default();
        self.lengths.push_back(bytes.len());
        self.encoded.extend(bytes);
        if self.lengths.len() > Self::RETAINED {
            let first = self.lengths.pop_front().unwrap_or(0);
            self.encoded.drain(..first);
            self.forgotten += 1;
        }
    }

    /// The records that are kept, oldest first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = QueryRecord> {
        let mut end = 0;
        let places: Vec<Range<usize>> = self
            .lengths
            .iter()
            .map(|length| {
                end += length;
                end - length..end
            })
            .collect();
        places.into_iter().filter_map(|place| {
            let bytes: Vec<u8> = self.encoded.range(place).copied().collect();
            postcard::from_bytes(&bytes).ok()
        })
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

#[cfg(test)]
mod tests {
    use super::History;
    use crate::record::{OperatorSpill, QueryRecord, Status};
    use plimsoll_memory::{Holder, Refusal};

    fn record(number: u64) -> QueryRecord {
        QueryRecord {
            id: number,
            sql: format!("SELECT {number}"),
            status: Status::Failed,
            error: Some("no".into()),
            plan_given_up: None,
            rows: number,
            seconds: 0.5,
            peak_execution: 5000 - number,
            peak_overdraft: 1,
            peak_allocated: 2,
            peak_resident: u64::MAX,
            overflowed: 0,
            spilled_bytes: 3,
            spill_files: 4,
            spills: vec![OperatorSpill::none("SortExec")],
            holders_at_peak: vec![Holder {
                consumer: "a".into(),
                bytes: 7,
                can_spill: true,
            }],
            other_holders: 9,
            refusals: vec![Refusal {
                consumer: "b".into(),
                times: 1,
                asked: 2,
                held: 3,
                task_held: 4,
                task_limit: 5,
            }],
        }
    }

    #[test]
    fn the_latest_records_come_back_as_they_were_and_the_totals_know_of_all() {
        let mut history = History::default();
        for number in 0..1500 {
            history.push(&record(number));
        }
        let kept: Vec<QueryRecord> = history.records().collect();
        assert_eq!(kept, (500..1500).map(record).collect::<Vec<_>>());
        assert_eq!(history.records().next_back(), Some(record(1499)));
        assert_eq!(history.forgotten(), 500);
        assert_eq!(history.peak_execution(), 5000);
        let bytes: usize = history.lengths.iter().sum();
        assert_eq!(history.encoded.len(), bytes);
    }
}
