//! What is known of the queries of a process: those that run, those that are over, and who is told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use plimsoll_conf::settings::HistorySettings;
use plimsoll_memory::{DriverMemory, DriverUse};

use crate::event::{EventBus, EventKind};
use crate::history::{History, Records};
use crate::query::Query;
use crate::record::{QueryRecord, cut};

/// The queries of a process; Spark's `AppStatusStore`. All sessions of the process share it.
pub(crate) struct AppStatus {
    pub(crate) events: EventBus,
    queries: AtomicU64,
    sessions: AtomicU64,
    running: Mutex<BTreeMap<u64, Weak<Query>>>,
    records: Mutex<Records>,
    /// Bytes of a text that a record keeps.
    text: AtomicU64,
}

impl AppStatus {
    /// Nothing so far. Records are kept in the driver's part of memory.
    pub(crate) fn new(driver: &Arc<DriverMemory>, settings: HistorySettings) -> Arc<Self> {
        let limit = driver.usage().limit;
        let account = driver.account(DriverUse::Metadata);
        Arc::new(Self {
            events: EventBus::default(),
            queries: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            running: Mutex::default(),
            records: Mutex::new(Records::new(account, settings.retained, limit)),
            text: AtomicU64::new(longest_text(settings, limit)),
        })
    }

    /// Keeps to these settings from now on, and to the driver's part as it is now.
    pub(crate) fn bound(&self, driver: &DriverMemory, settings: HistorySettings) {
        let usage = driver.usage();
        let text = longest_text(settings, usage.limit);
        self.text.store(text, Ordering::Relaxed);
        let mut records = self.records.lock();
        records.bound(settings.retained, usage.limit, usage.total.now);
    }

    /// A session begins.
    pub(crate) fn open_session(self: &Arc<Self>) -> OpenSession {
        let id = self.sessions.fetch_add(1, Ordering::Relaxed);
        self.events
            .tell(|| EventKind::SessionStarted { session: id });
        OpenSession {
            id,
            status: Arc::clone(self),
        }
    }

    /// The number of a query that begins.
    pub(crate) fn next_query(&self) -> u64 {
        self.queries.fetch_add(1, Ordering::Relaxed)
    }

    /// A query begins.
    pub(crate) fn begin(&self, query: &Arc<Query>) {
        let mut running = self.running.lock();
        running.insert(query.id(), Arc::downgrade(query));
        drop(running);
        self.events.tell(|| EventKind::SqlExecutionStart {
            id: query.id(),
            session: query.session(),
            description: query.description().to_owned(),
        });
    }

    /// A query is over.
    pub(crate) fn end(&self, mut record: QueryRecord) {
        self.running.lock().remove(&record.id);
        let longest = self.text.load(Ordering::Relaxed) as usize;
        cut(&mut record.sql, longest);
        for text in [&mut record.error, &mut record.plan_given_up] {
            text.iter_mut().for_each(|text| cut(text, longest));
        }
        self.records.lock().push(&record);
        self.events.tell(|| EventKind::SqlExecutionEnd {
            record: Box::new(record),
        });
    }

    /// The queries that are not over, oldest first.
    pub(crate) fn running(&self) -> Vec<Arc<Query>> {
        let running = self.running.lock();
        running.values().filter_map(Weak::upgrade).collect()
    }

    /// The queries that are over.
    pub(crate) fn history(&self) -> History {
        self.records.lock().history().clone()
    }
}

/// A session, until its last holder is gone.
pub(crate) struct OpenSession {
    pub(crate) id: u64,
    status: Arc<AppStatus>,
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let session = self.id;
        let events = &self.status.events;
        events.tell(|| EventKind::SessionClosed { session });
    }
}

/// How many bytes of a text a record keeps: as many as are asked for, and no more than a thousand of them would fit into the
/// driver's part. There is room for an error in any case.
fn longest_text(settings: HistorySettings, limit: u64) -> u64 {
    const ALWAYS: u64 = 1 << 10;
    u64::from(settings.text).min((limit / 1024).max(ALWAYS))
}
