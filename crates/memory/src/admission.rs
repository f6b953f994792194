use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Lets tasks begin in turn, when the least that their operators can work with fits beside that of those
/// that are under way.
///
/// Without it many tasks that begin at once would each get a sliver, and all of them would fail
/// where one after another would finish. One task is always let in, however little there is: it is the
/// fair share's business what it gets.
pub(crate) struct Admission {
    longest_wait: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The sum of the minima of the tasks that are under way.
    admitted: u64,
    under_way: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    least: u64,
    /// Takes the place once it is this one's turn.
    admit: oneshot::Sender<Admitted>,
}

/// A task's place among those under way, until it is dropped.
pub struct Admitted {
    admission: Arc<Admission>,
    capacity: u64,
    least: u64,
}

impl Admission {
    /// The longest that a task waits. One that is under way may itself be waiting for whoever waits here:
    /// a program that reads the rows of one query and runs another for each.
    pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(10);

    pub(crate) fn new(longest_wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            longest_wait,
            state: Mutex::default(),
        })
    }

    /// Waits for a place for a task that needs `least` bytes of `capacity`. `must_wait` is called if it is not
    /// there at once.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        least: u64,
        capacity: u64,
        must_wait: impl FnOnce(),
    ) -> Admitted {
        let turn = {
            let mut state = self.state.lock();
            if state.waiting.is_empty() && state.has_room(least, capacity) {
                return self.admit(&mut state, least, capacity);
            }
            let (admit, turn) = oneshot::channel();
            state.waiting.push_back(Waiting { least, admit });
            turn
        };
        let _leaves = Leaves {
            admission: Arc::clone(self),
            capacity,
        };
        must_wait();
        match tokio::time::timeout(self.longest_wait, turn).await {
            Ok(Ok(admitted)) => admitted,
            // Waited long enough. Its place in the queue is passed over, as nobody is behind it any more.
            _ => self.admit(&mut self.state.lock(), least, capacity),
        }
    }

    /// Lets in whoever is next and has room.
    fn let_in(self: &Arc<Self>, capacity: u64) {
        while let Some((turn, place)) = self.next(capacity) {
            // If it went away this moment, its place comes back and is dropped here.
            let _ = turn.send(place);
        }
    }

    /// The next in the queue, if there is room for it, and the place it gets.
    fn next(self: &Arc<Self>, capacity: u64) -> Option<(oneshot::Sender<Admitted>, Admitted)> {
        let mut state = self.state.lock();
        state.waiting.retain(|waiting| !waiting.admit.is_closed());
        let least = state.waiting.front()?.least;
        if !state.has_room(least, capacity) {
            return None;
        }
        let next = state.waiting.pop_front()?;
        let place = self.admit(&mut state, least, capacity);
        Some((next.admit, place))
    }

    fn admit(self: &Arc<Self>, state: &mut State, least: u64, capacity: u64) -> Admitted {
        state.admitted += least;
        state.under_way += 1;
        Admitted {
            admission: Arc::clone(self),
            capacity,
            least,
        }
    }
}

impl State {
    fn has_room(&self, least: u64, capacity: u64) -> bool {
        self.under_way == 0 || self.admitted.saturating_add(least) <= capacity
    }
}

/// One that waits in the queue, however that ends: those behind it may have room as soon as it goes away.
struct Leaves {
    admission: Arc<Admission>,
    capacity: u64,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        self.admission.let_in(self.capacity);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        {
            let mut state = self.admission.state.lock();
            state.admitted -= self.least;
            state.under_way -= 1;
        }
        self.admission.let_in(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn tasks_are_let_in_in_turn_when_their_minima_fit() {
        let admission = Admission::new(Admission::LONGEST_WAIT);
        let waits = AtomicUsize::new(0);
        let enter = |least| {
            admission.enter(least, 100, || {
                waits.fetch_add(1, Ordering::Relaxed);
            })
        };
        let too_large = enter(500).await;
        let order = Mutex::new(Vec::new());
        let first = async {
            let _place = enter(70).await;
            order.lock().push(1);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let second = async {
            let _place = enter(60).await;
            order.lock().push(2);
        };
        let third = async {
            let _place = enter(20).await;
            order.lock().push(3);
        };
        let end = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(order.lock().is_empty());
            drop(too_large);
        };
        tokio::join!(first, second, third, end);
        // The third would have fitted beside the first, but it was the second's turn.
        assert_eq!(*order.lock(), [1, 2, 3]);
        assert_eq!(waits.load(Ordering::Relaxed), 3);
        assert_eq!(admission.state.lock().under_way, 0);
        assert_eq!(admission.state.lock().admitted, 0);
    }

    #[tokio::test]
    async fn one_that_waits_for_itself_goes_on_after_a_time() {
        let admission = Admission::new(Duration::from_millis(20));
        let _outer = admission.enter(90, 100, || {}).await;
        let inner = admission.enter(90, 100, || {}).await;
        drop(inner);
        assert_eq!(admission.state.lock().under_way, 1);
    }

    #[tokio::test]
    async fn one_that_goes_away_leaves_its_turn_to_those_behind_it() {
        let admission = Admission::new(Admission::LONGEST_WAIT);
        let _place = admission.enter(60, 100, || {}).await;
        let mut large = Box::pin(admission.enter(90, 100, || {}));
        assert!(large.as_mut().now_or_never().is_none());
        let mut small = Box::pin(admission.enter(30, 100, || {}));
        assert!(small.as_mut().now_or_never().is_none());
        drop(large);
        assert!(small.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_that_goes_away_while_it_waits_leaves_nothing_behind() {
        let admission = Admission::new(Admission::LONGEST_WAIT);
        let place = admission.enter(90, 100, || {}).await;
        let waiting = admission.enter(90, 100, || {});
        assert!(
            tokio::time::timeout(Duration::from_millis(5), waiting)
                .await
                .is_err()
        );
        drop(place);
        assert_eq!(admission.state.lock().under_way, 0);
    }
}
