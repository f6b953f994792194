//! What happens in the sessions of a process, told as it happens.

use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use serde::Serialize;
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};

use crate::record::QueryRecord;

/// Something that happened; Spark's `SparkListenerEvent`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// When, in milliseconds since the beginning of 1970.
    pub time: u64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. Names are those of Spark's listener events where it has one; `id` is the number of a query
/// ([`QueryRecord::id`]), `session` that of a session ([`Session::id`](crate::Session::id)).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event")]
#[non_exhaustive]
pub enum EventKind {
    /// A session was opened: `SparkListenerConnectSessionStarted`.
    SessionStarted {
        /// Its number.
        session: u64,
    },
    /// A session is gone: `SparkListenerConnectSessionClosed`.
    SessionClosed {
        /// Its number.
        session: u64,
    },
    /// A query began: `SparkListenerSQLExecutionStart`.
    SqlExecutionStart {
        /// Its number.
        id: u64,
        /// The session that runs it.
        session: u64,
        /// Its SQL text, or what stands for it.
        description: String,
    },
    /// A query has a plan, the first or another: `SparkListenerSQLAdaptiveExecutionUpdate`.
    SqlExecutionPlanned {
        /// Its number.
        id: u64,
        /// The names of the plan's operators, from the root.
        operators: Vec<String>,
        /// Why the plan before this one was given up, if there was one.
        plan_given_up: Option<String>,
    },
    /// A query waits for memory that others hold before it begins.
    SqlExecutionWaiting {
        /// Its number.
        id: u64,
    },
    /// A query was let in and its operators run: `SparkListenerJobStart`.
    JobStart {
        /// Its number.
        id: u64,
    },
    /// A query is over: `SparkListenerSQLExecutionEnd`. What it spilled, and why, is in its record.
    SqlExecutionEnd {
        /// All that is known of it.
        record: Box<QueryRecord>,
    },
    /// A setting was changed or taken back on a running session: `SparkListenerEnvironmentUpdate`.
    EnvironmentUpdate {
        /// The session that changed it.
        session: u64,
        /// The setting; none if all were taken back.
        key: Option<String>,
        /// What it was, if it was anything.
        old: Option<String>,
        /// What it is now, which may be less than what was asked for.
        new: Option<String>,
        /// The parts of memory that have another size now: old and new.
        sizes: Vec<String>,
    },
    /// A plan is to be cached: what `Dataset.persist` does.
    Persisted {
        /// What it is called.
        name: String,
        /// Its storage level.
        level: String,
    },
    /// A plan is cached no longer: `SparkListenerUnpersistRDD`. Without a name: none is.
    Unpersisted {
        /// What it was cached as.
        name: Option<String>,
    },
    /// Blocks of a cached plan left memory because others needed it: one event for all that left at once, where Spark has a
    /// `SparkListenerBlockUpdated` for each block.
    BlocksEvicted {
        /// What the plan is cached as.
        name: String,
        /// How many blocks.
        blocks: u64,
        /// How many of them are on disk now. The others will be computed again when they are read.
        blocks_on_disk: u64,
        /// The memory that they held, in bytes.
        bytes: u64,
    },
    /// Whoever reads these events was too slow, and so many are lost to it.
    EventsDropped {
        /// How many.
        number: u64,
    },
}

/// The events of a process from now on, as they happen. Who reads them more than [`EventStream::AHEAD`] events behind loses the
/// oldest, and is told how many by [`EventKind::EventsDropped`]. It ends when the last session is gone.
pub struct EventStream(BoxStream<'static, Event>);

impl EventStream {
    /// How many events are kept for one who does not read them at once.
    pub const AHEAD: usize = 1024;

    fn of(receiver: Receiver<Event>) -> Self {
        let events = stream::unfold(receiver, |mut receiver| async {
            match receiver.recv().await {
                Ok(event) => Some((event, receiver)),
                Err(RecvError::Lagged(number)) => {
                    Some((Event::now(EventKind::EventsDropped { number }), receiver))
                }
                Err(RecvError::Closed) => None,
            }
        });
        Self(events.boxed())
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_next_unpin(cx)
    }
}

impl Event {
    fn now(kind: EventKind) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            time: since.map_or(0, |since| since.as_millis() as u64),
            kind,
        }
    }
}

/// Where events are told; Spark's `LiveListenerBus`. There is nothing of it before somebody listens.
#[derive(Default)]
pub(crate) struct EventBus(OnceLock<Sender<Event>>);

impl EventBus {
    /// Tells what happened, if anybody listens.
    pub(crate) fn tell(&self, kind: impl FnOnce() -> EventKind) {
        if let Some(sender) = self.0.get().filter(|sender| sender.receiver_count() > 0) {
            // The last one to listen may have gone this moment.
            let _ = sender.send(Event::now(kind()));
        }
    }

    pub(crate) fn listen(&self) -> EventStream {
        let sender = self.0.get_or_init(|| channel(EventStream::AHEAD).0);
        EventStream::of(sender.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_is_told_how_many_it_missed_and_goes_on() {
        let bus = EventBus::default();
        bus.tell(|| unreachable!("nobody listens"));
        let mut events = bus.listen();
        let all = EventStream::AHEAD as u64 + 5;
        for id in 0..all {
            bus.tell(|| EventKind::JobStart { id });
        }
        let first = events.next().await.map(|event| event.kind);
        assert_eq!(first, Some(EventKind::EventsDropped { number: 5 }));
        let next = events.next().await.map(|event| event.kind);
        assert_eq!(next, Some(EventKind::JobStart { id: 5 }));
        drop(bus);
        assert_eq!(events.count().await, EventStream::AHEAD - 1);
    }
}
