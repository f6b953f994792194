use std::collections::VecDeque;
use std::mem::size_of;
use std::ops::Range;

use plimsoll_memory::DriverAccount;

use crate::record::QueryRecord;

/// The queries of a session that are over: the latest in full, all of them in the totals.
///
/// Records are kept encoded, one behind the other. As they are, each is dozens of small pieces of memory that lie among
/// those of queries which are long gone, and keeps the pages of these from being given back.
#[derive(Debug, Clone, Default)]
pub struct History {
    encoded: VecDeque<u8>,
    /// How many bytes each record takes.
    lengths: VecDeque<u32>,
    forgotten: u64,
    peak_execution: u64,
    peak_demand: u64,
}

impl History {
    /// The records that are kept, oldest first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = QueryRecord> {
        let mut end = 0;
        let places: Vec<Range<usize>> = self
            .lengths
            .iter()
            .map(|length| {
                let length = *length as usize;
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

    /// The most execution memory that any query would have held, had it kept what it wrote to disk for lack of memory, in bytes.
    pub fn peak_demand(&self) -> u64 {
        self.peak_demand
    }

    /// The memory that it takes, in bytes.
    fn bytes(&self) -> u64 {
        (self.encoded.capacity() + self.lengths.capacity() * size_of::<u32>()) as u64
    }

    /// What it would take with `more` bytes of one record behind the others.
    fn bytes_with(&self, more: usize) -> u64 {
        let encoded = grown(self.encoded.capacity(), self.encoded.len() + more);
        let lengths = grown(self.lengths.capacity(), self.lengths.len() + 1);
        (encoded + lengths * size_of::<u32>()) as u64
    }

    fn push(&mut self, bytes: &[u8]) {
        let encoded = grown(self.encoded.capacity(), self.encoded.len() + bytes.len());
        let lengths = grown(self.lengths.capacity(), self.lengths.len() + 1);
        self.encoded.reserve_exact(encoded - self.encoded.len());
        self.lengths.reserve_exact(lengths - self.lengths.len());
        self.encoded.extend(bytes);
        self.lengths.push_back(bytes.len() as u32);
    }

    /// Forgets the oldest record, and says whether there was one.
    fn forget_oldest(&mut self) -> bool {
        let first = self.lengths.pop_front();
        self.encoded.drain(..first.unwrap_or(0) as usize);
        self.forgotten += u64::from(first.is_some());
        first.is_some()
    }
}

/// A capacity that holds `wanted`: as it is, or a quarter larger, so that growing by little is rare and growing never takes
/// much more than is needed.
fn grown(capacity: usize, wanted: usize) -> usize {
    match wanted <= capacity {
        true => capacity,
        false => wanted.max(capacity + capacity / 4),
    }
}

/// The history of a process inside the driver's part of memory: as many records as are asked for, and no more than fit.
#[derive(Debug)]
pub(crate) struct Records {
    history: History,
    /// How many records are kept at most.
    retained: usize,
    /// What they may take at most, in bytes.
    most: u64,
    account: DriverAccount,
}

impl Records {
    /// The largest part of the driver's memory that records take, as a divisor.
    const SHARE: u64 = 16;

    /// No records so far, on this account of a driver's part of `limit` bytes.
    pub(crate) fn new(account: DriverAccount, retained: u32, limit: u64) -> Self {
        Self {
            history: History::default(),
            retained: retained as usize,
            most: limit / Self::SHARE,
            account,
        }
    }

    /// The records as they are now.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Keeps a record, in place of the oldest ones where there is no room.
    pub(crate) fn push(&mut self, record: &QueryRecord) {
        let peak = self.history.peak_execution.max(record.peak_execution);
        self.history.peak_execution = peak;
        self.history.peak_demand = self.history.peak_demand.max(record.peak_demand);
        // What cannot be encoded is not kept; of what a record is made of, all can be.
        let bytes = postcard::to_allocvec(record).unwrap_or_default();
        while self.history.lengths.len() >= self.retained.max(1) {
            self.history.forget_oldest();
        }
        while self.retained > 0 {
            if self.has_room_for(bytes.len()) {
                self.history.push(&bytes);
                return;
            }
            if !self.history.forget_oldest() {
                break;
            }
        }
        // It was there, and not even it is kept.
        self.history.forgotten += 1;
    }

    /// Whether there is room for a record of so many bytes; it is taken if there is.
    fn has_room_for(&mut self, bytes: usize) -> bool {
        let wanted = self.history.bytes_with(bytes);
        let more = wanted.saturating_sub(self.account.held());
        wanted <= self.most && self.account.try_grow(more)
    }

    /// Keeps no more than `retained` records from now on, in a driver's part of `limit` bytes, of which `used` are taken by
    /// all together.
    pub(crate) fn bound(&mut self, retained: u32, limit: u64, used: u64) {
        self.retained = retained as usize;
        self.most = limit / Self::SHARE;
        let others = used.saturating_sub(self.account.held());
        let most = self.most.min(limit.saturating_sub(others));
        let mut lets_go = false;
        while self.history.lengths.len() > self.retained || self.history.encoded.len() as u64 > most
        {
            lets_go = true;
            self.history.forget_oldest();
        }
        if lets_go || self.history.bytes() > most {
            self.history.encoded.shrink_to_fit();
            self.history.lengths.shrink_to_fit();
            let surplus = self.account.held().saturating_sub(self.history.bytes());
            self.account.shrink(surplus);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{OperatorSpill, Status};
    use plimsoll_advisor::{Advice, Change, Promise};
    use plimsoll_memory::{DriverMemory, DriverUse, Holder, Refusal};
    use std::sync::Arc;

    fn record(number: u64) -> QueryRecord {
        QueryRecord {
            id: number,
            sql: format!("SELECT {number}"),
            status: Status::Failed,
            error: Some("no".into()),
            plan_given_up: None,
            rows: number,
            rows_scanned: number,
            seconds: 0.5,
            peak_execution: 5000 - number,
            peak_demand: 6000 - number,
            peak_overdraft: 1,
            peak_allocated: 2,
            peak_resident: u64::MAX,
            overflowed: 0,
            spilled_bytes: 3,
            spill_files: 4,
            spills: vec![OperatorSpill::none("SortExec")],
            broadcasts: Vec::new(),
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
            advice: vec![Advice {
                change: Change::LocalDir { free: 1 },
                reason: "because".into(),
                promise: Promise::NoError,
            }],
        }
    }

    fn records(limit: u64) -> (Arc<DriverMemory>, Records) {
        let driver = DriverMemory::new(limit);
        let account = driver.account(DriverUse::Metadata);
        (driver, Records::new(account, 1000, limit))
    }

    fn kept(records: &Records) -> Vec<u64> {
        records
            .history()
            .records()
            .map(|record| record.id)
            .collect()
    }

    #[test]
    fn the_latest_records_come_back_as_they_were_and_the_totals_know_of_all() {
        let (driver, mut records) = records(1 << 30);
        for number in 0..1500 {
            records.push(&record(number));
        }
        let history = records.history();
        let all: Vec<QueryRecord> = history.records().collect();
        assert_eq!(all, (500..1500).map(record).collect::<Vec<_>>());
        assert_eq!(history.records().next_back(), Some(record(1499)));
        assert_eq!(history.forgotten(), 500);
        assert_eq!(history.peak_execution(), 5000);
        assert_eq!(history.peak_demand(), 6000);
        assert_eq!(driver.usage().metadata.now, history.bytes());
        let taken: u32 = history.lengths.iter().sum();
        assert_eq!(history.encoded.len(), taken as usize);
    }

    #[test]
    fn the_oldest_go_first_where_there_is_no_room() {
        let (driver, mut records) = records(64 << 10);
        for number in 0..100 {
            records.push(&record(number));
        }
        let fitting = kept(&records);
        assert!(fitting.len() > 10 && fitting.len() < 100, "{fitting:?}");
        assert_eq!(fitting.last(), Some(&99));
        assert!(driver.usage().metadata.now <= 4 << 10);
        // Somebody else takes what is left of the driver's part.
        let mut results = driver.account(DriverUse::Results);
        assert!(results.try_grow(driver.usage().free()));
        records.push(&record(100));
        assert_eq!(kept(&records).last(), Some(&100));
        let huge = QueryRecord {
            sql: "x".repeat(8 << 10),
            ..record(101)
        };
        records.push(&huge);
        assert_eq!(kept(&records), [0; 0]);
        assert_eq!(records.history().forgotten(), 102);
    }

    #[test]
    fn bounds_that_change_let_go_at_once() {
        let (driver, mut records) = records(1 << 20);
        for number in 0..50 {
            records.push(&record(number));
        }
        let before = driver.usage().metadata.now;
        records.bound(3, 1 << 20, before);
        assert_eq!(kept(&records), [47, 48, 49]);
        let after = driver.usage().metadata.now;
        assert!(
            after < before / 4 && after == records.history().bytes(),
            "{before} {after}"
        );
        records.bound(0, 1 << 20, after);
        records.push(&record(50));
        assert_eq!(kept(&records), [0; 0]);
        assert_eq!(driver.usage().metadata.now, 0);
        assert_eq!(records.history().forgotten(), 51);
    }
}
