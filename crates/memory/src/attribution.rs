//! Which task allocates: the one whose future is being polled.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion_common_runtime::{JoinSetTracer, set_join_set_tracer};
use futures::future::BoxFuture;

use crate::account::{self, Entered, TaskAccount};

/// A future whose allocations are booked on a task's account, and those of whatever it spawns through
/// DataFusion.
pub struct Attributed<F> {
    task: Arc<TaskAccount>,
    future: Pin<Box<F>>,
}

impl<F: Future> Attributed<F> {
    pub(crate) fn new(task: Arc<TaskAccount>, future: F) -> Self {
        follow_spawned();
        Self {
            task,
            future: Box::pin(future),
        }
    }
}

impl<F: Future> Future for Attributed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let task = Arc::clone(&self.task);
        let _at_work = Entered::new(&task);
        self.future.as_mut().poll(cx)
    }
}

/// Passes the account of whoever spawns on to what is spawned: DataFusion spawns the partitions of a plan
/// as futures of their own and lets a process-wide tracer wrap them.
struct Follow;

impl JoinSetTracer for Follow {
    fn trace_future(
        &self,
        future: BoxFuture<'static, Box<dyn Any + Send>>,
    ) -> BoxFuture<'static, Box<dyn Any + Send>> {
        match account::current() {
            Some(task) => Box::pin(Attributed {
                task,
                future: Box::pin(future),
            }),
            None => future,
        }
    }

    fn trace_block(
        &self,
        work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>,
    ) -> Box<dyn FnOnce() -> Box<dyn Any + Send> + Send> {
        match account::current() {
            Some(task) => Box::new(move || {
                let _at_work = Entered::new(&task);
                work()
            }),
            None => work,
        }
    }
}

fn follow_spawned() {
    // Set by an earlier future, or by a program that traces for itself: then what is spawned is on no account.
    let _ = set_join_set_tracer(&Follow);
}
