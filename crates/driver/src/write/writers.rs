use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use futures::future::select_all;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::columns::projected;
use super::failed::failed;
use super::held::Held;
use super::partitions::Group;
use super::parts::{Made, Making, Parts};
use super::staging::Staging;
use crate::error::Error;
use crate::query::Query;

/// Messages that wait between a query and a thread that writes its rows.
const AHEAD: usize = 2;

/// What must have been sent, in bytes in memory, before another thread begins files of its own: few rows make
/// one file.
const WORTH_A_FILE: usize = 16 << 20;

/// Threads that encode rows, each to files of its own, as the tasks of a Spark job do. One begins when there are
/// more rows than those before it can take.
pub(super) struct Writers {
    making: Making,
    /// Where the columns of the files are in the rows.
    columns: Arc<[usize]>,
    /// It is removed when the last of them is done with it, unless the write came to its end.
    staging: Arc<Staging>,
    query: Arc<Query>,
    most: usize,
    begun: BTreeMap<usize, Writer>,
    sent: usize,
}

struct Writer {
    to: Sender<Message>,
    thread: SpawnedTask<Result<Option<Made>, Error>>,
}

/// What comes to a thread that writes. Without an end the write was given up.
enum Message {
    Rows(Vec<Group>),
    /// A file is to be made though there are no rows.
    NoRows,
    OneAtATime,
    End,
}

impl Writers {
    /// At most so many threads that write columns of rows to files of `staging`.
    pub(super) fn new(
        making: Making,
        columns: &[usize],
        staging: Arc<Staging>,
        query: Arc<Query>,
        most: usize,
    ) -> Self {
        Self {
            making,
            columns: columns.into(),
            staging,
            query,
            most,
            begun: BTreeMap::new(),
            sent: 0,
        }
    }

    /// How many files may be open at once.
    pub(super) fn most_open(&self) -> usize {
        self.making.most_open
    }

    /// Sends rows to whichever thread has room for them; false if there is no use in sending more.
    pub(super) async fn send(&mut self, rows: RecordBatch) -> bool {
        self.sent += rows.get_array_memory_size();
        let mut message = Message::Rows(vec![(String::new(), rows)]);
        for writer in self.begun.values() {
            match writer.to.try_send(message) {
                Ok(()) => return true,
                Err(TrySendError::Closed(_)) => return false,
                Err(TrySendError::Full(back)) => message = back,
            }
        }
        let next = self.begun.len();
        if next == 0 || (next < self.most && self.sent >= WORTH_A_FILE) {
            return self.send_to(next, message).await;
        }
        let room = self.begun.values().map(|writer| writer.to.reserve());
        match select_all(room.map(Box::pin)).await.0 {
            Ok(permit) => {
                permit.send(message);
                true
            }
            Err(_) => false,
        }
    }

    /// Sends rows to the threads that have the files of their directories; false if there is no use in sending
    /// more.
    pub(super) async fn send_groups(&mut self, groups: Vec<Group>) -> bool {
        let mut by_writer: BTreeMap<usize, Vec<Group>> = BTreeMap::new();
        for group in groups {
            let mut hasher = DefaultHasher::new();
            group.0.hash(&mut hasher);
            let number = (hasher.finish() % self.most as u64) as usize;
            by_writer.entry(number).or_default().push(group);
        }
        for (number, groups) in by_writer {
            if !self.send_to(number, Message::Rows(groups)).await {
                return false;
            }
        }
        true
    }

    /// Has all complete their files, and have one open at a time from here on.
    pub(super) async fn one_at_a_time(&mut self) -> bool {
        self.making.most_open = 1;
        for writer in self.begun.values() {
            if writer.to.send(Message::OneAtATime).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Has a file made that tells the columns, if there is none.
    pub(super) async fn at_least_one_file(&mut self) -> bool {
        !self.begun.is_empty() || self.send_to(0, Message::NoRows).await
    }

    /// Completes all files, and tells what they come to. All threads are done when this returns.
    ///
    /// # Errors
    /// The first that a thread has met with.
    pub(super) async fn finish(self) -> Result<Made, Error> {
        for writer in self.begun.values() {
            // One that has failed tells so below.
            let _ = writer.to.send(Message::End).await;
        }
        let mut all = Ok(Made::default());
        for made in self.joined().await {
            let made = made.and_then(|made| made.ok_or_else(|| failed("a thread gave up")));
            all = all.and_then(|all| Ok(all + made?));
        }
        all
    }

    /// Gives up the files. All threads are done with them when this returns.
    pub(super) async fn give_up(self) {
        self.joined().await;
    }

    /// What each thread ends with, once it was told or nobody sends any more.
    async fn joined(self) -> Vec<Result<Option<Made>, Error>> {
        // All are let go of before the first is waited for.
        let threads = self.begun.into_values().map(|writer| writer.thread);
        let threads: Vec<_> = threads.collect();
        let mut ended = Vec::new();
        for thread in threads {
            ended.push(
                thread
                    .join()
                    .await
                    .unwrap_or_else(|error| Err(failed(error))),
            );
        }
        ended
    }

    async fn send_to(&mut self, number: usize, message: Message) -> bool {
        if !self.begun.contains_key(&number) {
            let writer = self.begin(number);
            self.begun.insert(number, writer);
        }
        match self.begun.get(&number) {
            Some(writer) => writer.to.send(message).await.is_ok(),
            None => false,
        }
    }

    fn begin(&self, number: usize) -> Writer {
        let pool = Arc::clone(self.query.task()) as Arc<dyn MemoryPool>;
        let consumer = MemoryConsumer::new(format!("FileWriter[{number}]")).with_can_spill(true);
        let held = Held::new(consumer.register(&pool));
        let parts = Parts::new(self.making.clone(), number, held);
        let columns = Arc::clone(&self.columns);
        let (staging, query) = (Arc::clone(&self.staging), Arc::clone(&self.query));
        let (to, from) = channel(AHEAD);
        let thread = SpawnedTask::spawn_blocking(move || {
            let made = run(parts, from, &columns, &query);
            drop(staging);
            made
        });
        Writer { to, thread }
    }
}

fn run(
    mut parts: Parts,
    mut from: Receiver<Message>,
    columns: &[usize],
    query: &Query,
) -> Result<Option<Made>, Error> {
    while let Some(message) = from.blocking_recv() {
        match message {
            Message::Rows(groups) => {
                for (directory, rows) in groups {
                    let rows = projected(&rows, columns, parts.schema()).map_err(failed)?;
                    let count = rows.num_rows() as u64;
                    parts.write(&directory, rows)?;
                    query.wrote(count);
                }
            }
            Message::NoRows => parts.write_no_rows()?,
            Message::OneAtATime => parts.one_at_a_time()?,
            Message::End => return parts.finish().map(Some),
        }
    }
    Ok(None)
}
