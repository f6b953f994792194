//! One operation: what runs it, what it answers, and who listens.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use plimsoll_memory::DriverAccount;
use prost::Message;
use proto::ExecutePlanResponse;
use proto::execute_plan_response::{ExecutionProgress, ResponseType, ResultComplete};
use proto::get_status_response::operation_status::OperationState;
use spark_connect_proto as proto;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tonic::Status;

use super::buffer::{Buffer, Lost};
use super::reader::Reader;
use crate::error::{Error, Kind};
use crate::errors::Errors;

/// The largest message that clients take, less what the transport adds.
const MESSAGE_BYTES: usize = (128 << 20) - 1024;

/// An `ExecutePlan` from its request to its release. Spark's `ExecuteHolder`.
pub(crate) struct Operation {
    pub(super) about: About,
    errors: Arc<Errors>,
    state: Mutex<State>,
    /// Told of every change of the state that somebody may wait for.
    changed: Notify,
}

/// What is known of an operation from its start.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) id: String,
    pub(crate) session_id: String,
    pub(crate) server_side_session_id: String,
    pub(crate) tags: Vec<String>,
    pub(crate) reattachable: bool,
    /// The size in bytes of the chunks that a large batch is cut into, if the client takes chunks.
    pub(crate) chunk_bytes: Option<usize>,
    pub(crate) reader: Reader,
}

struct State {
    buffer: Buffer,
    /// The newest progress that no client was told.
    progress: Option<ExecutionProgress>,
    end: Option<Result<(), Status>>,
    outcome: OperationState,
    work: Option<AbortHandle>,
    /// The number of the client's stream that is listened to; each attachment makes a new one.
    stream: u64,
    /// Since when no stream has been listening.
    alone_since: Option<Instant>,
}

impl Operation {
    /// `results` is what its responses are on until the client has them.
    pub(super) fn new(about: About, errors: Arc<Errors>, results: DriverAccount) -> Self {
        Self {
            state: Mutex::new(State {
                buffer: Buffer::new(about.reattachable, results),
                progress: None,
                end: None,
                outcome: OperationState::Running,
                work: None,
                stream: 0,
                alone_since: Some(Instant::now()),
            }),
            about,
            errors,
            changed: Notify::new(),
        }
    }

    /// Says which task is at work, so that it can be stopped.
    pub(super) fn runs_in(&self, work: AbortHandle) {
        let mut state = self.state.lock();
        match state.end {
            Some(_) => work.abort(),
            None => state.work = Some(work),
        }
    }

    /// Waits until there is room for a response of the engine, and adds it. One that the client
    /// could not take ends the operation.
    pub(super) async fn push(&self, mut response: ExecutePlanResponse) -> Result<(), Gone> {
        self.sign(&mut response);
        let bytes = response.encoded_len();
        if bytes > MESSAGE_BYTES {
            self.finish(Err(Error::of_message(
                Kind::Spark,
                format!(
                    "A part of the result takes {} MiB, and the client takes at most {} MiB at once: select fewer columns, or shorter values.",
                    bytes >> 20,
                    MESSAGE_BYTES >> 20
                ),
            )));
            return Err(Gone);
        }
        self.until(|state| match (&state.end, state.buffer.has_room()) {
            (Some(_), _) => Some(Err(Gone)),
            (None, true) => {
                state.buffer.push(bytes, std::mem::take(&mut response));
                Some(Ok(()))
            }
            (None, false) => None,
        })
        .await?;
        self.changed.notify_waiters();
        Ok(())
    }

    pub(super) fn progress(&self, progress: ExecutionProgress) {
        self.state.lock().progress = Some(progress);
        self.changed.notify_waiters();
    }

    /// Ends the operation, if it has not ended, and tells whether it had not.
    pub(super) fn finish(&self, result: Result<(), Error>) -> bool {
        let outcome = match &result {
            Ok(()) => OperationState::Succeeded,
            Err(error) if error.is_cancellation() => OperationState::Cancelled,
            Err(_) => OperationState::Failed,
        };
        let mut complete = response_of(ResponseType::ResultComplete(ResultComplete {}));
        self.sign(&mut complete);
        let mut state = self.state.lock();
        if state.end.is_some() {
            return false;
        }
        if result.is_ok() && self.about.reattachable {
            state.buffer.push(complete.encoded_len(), complete);
        }
        state.end = Some(result.map_err(|error| self.errors.status(&error)));
        state.outcome = outcome;
        if let Some(work) = state.work.take() {
            work.abort();
        }
        drop(state);
        self.changed.notify_waiters();
        true
    }

    /// Stops the operation, if it has not ended: its client is told that it was canceled. Tells
    /// whether it had not.
    pub(super) fn cancel(&self) -> bool {
        self.finish(Err(Error::canceled()))
    }

    pub(super) fn release_until(&self, response_id: &str) {
        self.state.lock().buffer.release(response_id);
    }

    pub(super) fn outcome(&self) -> OperationState {
        self.state.lock().outcome
    }

    pub(super) fn alone_since(&self) -> Option<Instant> {
        self.state.lock().alone_since
    }

    /// Begins a stream to the client from after the response that it names. A stream that is being
    /// listened to ends.
    pub(super) fn attach(self: &Arc<Self>, after: Option<&str>) -> Result<Listener, Error> {
        let mut state = self.state.lock();
        state
            .buffer
            .rewind(after)
            .map_err(|lost| lost_position(lost, after.unwrap_or("")))?;
        state.stream += 1;
        state.alone_since = None;
        let number = state.stream;
        drop(state);
        self.changed.notify_waiters();
        Ok(Listener {
            operation: Arc::clone(self),
            number,
            over: false,
        })
    }

    fn detach(&self, number: u64) {
        let mut state = self.state.lock();
        if state.stream != number {
            return;
        }
        state.alone_since = Some(Instant::now());
        drop(state);
        if !self.about.reattachable {
            self.cancel();
            self.state.lock().buffer.clear();
        }
    }

    /// Waits until `ready` finds the state as it wants it.
    async fn until<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = ready(&mut self.state.lock()) {
                return found;
            }
            changed.await;
        }
    }

    fn sign(&self, response: &mut ExecutePlanResponse) {
        response.session_id.clone_from(&self.about.session_id);
        response
            .server_side_session_id
            .clone_from(&self.about.server_side_session_id);
        response.operation_id.clone_from(&self.about.id);
    }
}

/// The operation is over, or its client is gone: nobody wants the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl From<Gone> for Error {
    fn from(_: Gone) -> Self {
        Error::canceled()
    }
}

/// A client's end of an operation. Spark's `ExecuteGrpcResponseSender`.
pub(crate) struct Listener {
    operation: Arc<Operation>,
    number: u64,
    over: bool,
}

impl Listener {
    /// The next response, or how it ended.
    pub(crate) async fn next(&mut self) -> Option<Result<ExecutePlanResponse, Status>> {
        if self.over {
            return None;
        }
        let operation = Arc::clone(&self.operation);
        let next = operation.until(|state| self.find(state)).await;
        self.over = !matches!(next, Some(Ok(_)));
        operation.changed.notify_waiters();
        next
    }

    fn find(&self, state: &mut State) -> Option<Option<Result<ExecutePlanResponse, Status>>> {
        if state.stream != self.number {
            let error = Error::new(Kind::Sql, "INVALID_CURSOR.DISCONNECTED", &[]);
            return Some(Some(Err(self.operation.errors.status(&error))));
        }
        if let Some(response) = state.buffer.take() {
            return Some(Some(Ok(response)));
        }
        if let Some(end) = &state.end {
            return Some(end.clone().err().map(Err));
        }
        let progress = state.progress.take()?;
        let mut response = response_of(ResponseType::ExecutionProgress(progress));
        response.response_id = state.buffer.passing_id();
        self.operation.sign(&mut response);
        Some(Some(Ok(response)))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.operation.detach(self.number);
    }
}

pub(super) fn response_of(response_type: ResponseType) -> ExecutePlanResponse {
    ExecutePlanResponse {
        response_type: Some(response_type),
        ..Default::default()
    }
}

fn lost_position(lost: Lost, response_id: &str) -> Error {
    let condition = match lost {
        Lost::Unknown => "INVALID_CURSOR.POSITION_NOT_FOUND",
        Lost::Released => "INVALID_CURSOR.POSITION_NOT_AVAILABLE",
    };
    Error::new(Kind::Sql, condition, &[("responseId", response_id)])
}
