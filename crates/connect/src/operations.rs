//! The operations of a session: `ExecutePlan` requests that run as tasks and answer in streams that
//! outlive a connection. Spark's `SparkConnectExecutionManager`.

mod buffer;
mod operation;
mod reader;
mod responses;

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt, Stream, stream};
use parking_lot::Mutex;
use plimsoll_memory::{DriverMemory, DriverUse};
use spark_connect_proto::ExecutePlanResponse;
use spark_connect_proto::get_status_response::operation_status::OperationState;
use tokio::runtime::Handle;
use tonic::Status;

use crate::error::{Error, Kind};
use crate::errors::Errors;

pub(crate) use operation::About;
use operation::{Listener, Operation};
pub(crate) use reader::Reader;
pub(crate) use responses::Responses;

/// How long an operation waits for its client to come back. Spark's
/// `spark.connect.execute.manager.detachedTimeout`.
const ABANDONED_AFTER: Duration = Duration::from_secs(5 * 60);
/// Of how many operations that are gone it is known how they ended.
const REMEMBERED: usize = 256;

/// The operations of one session.
pub(crate) struct Operations {
    errors: Arc<Errors>,
    driver: Arc<DriverMemory>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    present: HashMap<String, Arc<Operation>>,
    /// Those that are gone, oldest first.
    gone: VecDeque<Ended>,
}

struct Ended {
    id: String,
    outcome: OperationState,
    abandoned: bool,
}

impl Known {
    fn forget(&mut self, id: &str, abandoned: bool) {
        let Some(operation) = self.present.remove(id) else {
            return;
        };
        operation.cancel();
        if self.gone.len() == REMEMBERED {
            self.gone.pop_front();
        }
        self.gone.push_back(Ended {
            id: id.to_owned(),
            outcome: operation.outcome(),
            abandoned,
        });
    }

    fn abandoned(&self, id: &str) -> bool {
        self.gone
            .iter()
            .any(|ended| ended.abandoned && ended.id == id)
    }
}

/// Which operations to interrupt.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    All,
    Tagged(&'a str),
    Id(&'a str),
}

impl Operations {
    pub(crate) fn new(errors: Arc<Errors>, driver: Arc<DriverMemory>) -> Self {
        Self {
            errors,
            driver,
            known: Mutex::default(),
        }
    }

    /// Starts `work` as a task of `workers`, and answers with the stream of its responses.
    pub(crate) fn start<W>(
        &self,
        about: About,
        workers: &Handle,
        work: impl FnOnce(Responses) -> W,
    ) -> Result<impl Stream<Item = Result<ExecutePlanResponse, Status>> + Send + 'static, Error>
    where
        W: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.sweep(Instant::now());
        let id = about.id.clone();
        let results = self.driver.account(DriverUse::Results);
        let operation = Arc::new(Operation::new(about, Arc::clone(&self.errors), results));
        let listener = operation.attach(None)?;
        {
            let mut known = self.known.lock();
            if known.present.contains_key(&id) {
                return Err(invalid("INVALID_HANDLE.OPERATION_ALREADY_EXISTS", &id));
            }
            if known.abandoned(&id) {
                return Err(invalid("INVALID_HANDLE.OPERATION_ABANDONED", &id));
            }
            known.present.insert(id, Arc::clone(&operation));
        }
        let work = AssertUnwindSafe(work(Responses::of(&operation))).catch_unwind();
        let running = Arc::clone(&operation);
        let task = workers.spawn(async move {
            let result = work
                .await
                .unwrap_or_else(|panic| Err(Error::panicked(&*panic)));
            running.finish(result);
        });
        operation.runs_in(task.abort_handle());
        Ok(listen(listener))
    }

    /// The stream of an operation's responses from after the one with this id.
    pub(crate) fn reattach(
        &self,
        id: &str,
        after: Option<&str>,
    ) -> Result<impl Stream<Item = Result<ExecutePlanResponse, Status>> + Send + 'static, Error>
    {
        let operation = {
            let known = self.known.lock();
            known.present.get(id).cloned().ok_or_else(|| {
                let condition = match known.abandoned(id) {
                    true => "INVALID_HANDLE.OPERATION_ABANDONED",
                    false => "INVALID_HANDLE.OPERATION_NOT_FOUND",
                };
                invalid(condition, id)
            })?
        };
        if !operation.about.reattachable {
            return Err(invalid("INVALID_CURSOR.NOT_REATTACHABLE", id));
        }
        operation.attach(after).map(listen)
    }

    /// Drops responses that the client has received; tells whether there is such an operation.
    pub(crate) fn release_until(&self, id: &str, response_id: &str) -> bool {
        let operation = self.known.lock().present.get(id).cloned();
        operation.is_some_and(|operation| {
            operation.release_until(response_id);
            true
        })
    }

    /// Ends an operation and drops what is left of it; tells whether there was one.
    pub(crate) fn release(&self, id: &str) -> bool {
        let mut known = self.known.lock();
        let is_present = known.present.contains_key(id);
        known.forget(id, false);
        is_present
    }

    /// Stops operations that are running. They stay until they are released, so that their clients
    /// hear of it.
    pub(crate) fn interrupt(&self, which: Which<'_>) -> Vec<String> {
        let known = self.known.lock();
        let is_meant = |operation: &Operation| match which {
            Which::All => true,
            Which::Tagged(tag) => operation.about.tags.iter().any(|of| of == tag),
            Which::Id(id) => operation.about.id == id,
        };
        known
            .present
            .values()
            .filter(|operation| is_meant(operation) && operation.cancel())
            .map(|operation| operation.about.id.clone())
            .collect()
    }

    /// How the operations with these ids are doing, or all if none is named.
    pub(crate) fn outcomes(&self, ids: &[String]) -> Vec<(String, OperationState)> {
        let known = self.known.lock();
        let present = known
            .present
            .iter()
            .map(|(id, of)| (id.as_str(), of.outcome()));
        let gone = known.gone.iter().map(|of| (of.id.as_str(), of.outcome));
        let mut all = gone.chain(present);
        match ids {
            [] => all.map(|(id, outcome)| (id.to_owned(), outcome)).collect(),
            ids => {
                let all: HashMap<&str, OperationState> = all.by_ref().collect();
                let outcome = |id: &String| all.get(id.as_str()).copied();
                ids.iter()
                    .map(|id| (id.clone(), outcome(id).unwrap_or(OperationState::Unknown)))
                    .collect()
            }
        }
    }

    /// Whether an operation is running.
    pub(crate) fn is_running(&self) -> bool {
        let known = self.known.lock();
        known
            .present
            .values()
            .any(|operation| operation.outcome() == OperationState::Running)
    }

    /// Forgets the operations that no client will ask for: those whose client has been away for too
    /// long by `now`, and those that cannot be asked for again.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut known = self.known.lock();
        let is_left = |operation: &Operation| {
            operation.alone_since().is_some_and(|since| {
                !operation.about.reattachable || now.duration_since(since) >= ABANDONED_AFTER
            })
        };
        let left: Vec<_> = known
            .present
            .values()
            .filter(|operation| is_left(operation))
            .map(|operation| (operation.about.id.clone(), operation.about.reattachable))
            .collect();
        for (id, abandoned) in left {
            known.forget(&id, abandoned);
        }
    }

    /// Ends all operations.
    pub(crate) fn end_all(&self) {
        self.interrupt(Which::All);
        self.known.lock().present.clear();
    }
}

fn listen(
    listener: Listener,
) -> impl Stream<Item = Result<ExecutePlanResponse, Status>> + Send + 'static {
    stream::unfold(listener, |mut listener| async {
        let next = listener.next().await?;
        Some((next, listener))
    })
}

fn invalid(condition: &str, id: &str) -> Error {
    Error::new(Kind::Sql, condition, &[("handle", id)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use spark_connect_proto::execute_plan_response::{ArrowBatch, ResponseType};

    fn about(id: &str, reattachable: bool) -> About {
        About {
            id: id.to_owned(),
            session_id: String::new(),
            server_side_session_id: String::new(),
            tags: Vec::new(),
            reattachable,
            chunk_bytes: None,
            reader: Reader::default(),
        }
    }

    fn batch(row_count: i64) -> ResponseType {
        ResponseType::ArrowBatch(ArrowBatch {
            row_count,
            ..Default::default()
        })
    }

    #[tokio::test]
    async fn an_operation_left_alone_is_ended_and_its_client_told_why() {
        let operations = Operations::new(Arc::default(), DriverMemory::new(u64::MAX));
        let work = |_| std::future::pending();
        let stream = operations.start(about("a", true), &Handle::current(), work);
        operations.sweep(Instant::now() + 2 * ABANDONED_AFTER);
        assert!(operations.is_running());
        drop(stream);
        operations.sweep(Instant::now() + ABANDONED_AFTER / 2);
        assert!(operations.is_running());
        operations.sweep(Instant::now() + ABANDONED_AFTER);
        assert!(!operations.is_running());
        let outcome = operations.outcomes(&["a".to_owned()]);
        assert_eq!(outcome, [("a".to_owned(), OperationState::Cancelled)]);
        let condition = operations.reattach("a", None).err().unwrap().condition;
        assert_eq!(condition.unwrap(), "INVALID_HANDLE.OPERATION_ABANDONED");
    }

    #[tokio::test]
    async fn progress_passes_and_takes_no_place_among_the_responses() {
        let operations = Operations::new(Arc::default(), DriverMemory::new(u64::MAX));
        let (go_on, gone_on) = tokio::sync::oneshot::channel::<()>();
        let work = |responses: Responses| async move {
            responses.send(batch(0), None).await?;
            responses.progress(Vec::new(), 1);
            responses.progress(Vec::new(), 2);
            gone_on.await.ok();
            responses.send(batch(1), None).await?;
            Ok(())
        };
        let mut stream = operations
            .start(about("a", true), &Handle::current(), work)
            .map(Box::pin)
            .unwrap();
        let first = stream.next().await.unwrap().unwrap();
        let progress = stream.next().await.unwrap().unwrap();
        assert!(matches!(
            progress.response_type,
            Some(ResponseType::ExecutionProgress(progress)) if progress.num_inflight_tasks == 2
        ));
        assert_eq!(progress.response_id, first.response_id);
        go_on.send(()).unwrap();
        let again = operations
            .reattach("a", Some(&progress.response_id))
            .unwrap();
        let rest: Vec<_> = again
            .map(|response| response.unwrap().response_type.unwrap())
            .collect()
            .await;
        assert_eq!(rest[0], batch(1));
        assert_eq!(rest.len(), 2);
    }
}
