use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use datafusion_common::{DataFusionError, Result, human_readable_size, resources_datafusion_err};
use datafusion_execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::account::TaskAccount;
use crate::admission::Admitted;
use crate::attribution::Attributed;
use crate::ledger::{Holder, Ledger, TaskUsage, floor};
use crate::mode::MemoryMode;
use crate::reclaim::{Offers, Reclaim};
use crate::unified::{Acquired, TaskId, UnifiedMemory, UserCode};

/// The regions that a task draws on, in this order.
const MODES: [MemoryMode; 3] = [MemoryMode::OnHeap, MemoryMode::OffHeap, MemoryMode::Lent];

/// The execution memory of one task, shared between the consumers inside it: a DataFusion
/// [`MemoryPool`] on top of [`UnifiedMemory`], and Spark's `TaskMemoryManager` in its place.
///
/// # How consumers share
///
/// DataFusion's `FairSpillPool` gives each consumer that can spill an equal slice, however idle the
/// others are. Here a consumer may take whatever is free, less what the *busy* ones still lack of
/// what they have a claim to: twice what they ever held, which is the floor at least and half an equal share (Spark's
/// 1/2N, one level further down) at most, and all of that half once they were refused:
///
/// 1. Up to [a floor](Self::FLOOR) any request is granted, from an overdraft if it must be. Stock
///    operators fail for good when refused while they hold nothing: an external sort right after
///    it spilled, an aggregate without groups, the reserve for a merge. The overdraft is at most
///    the floor for each consumer and a quarter of the region in all, is counted, and is the first
///    to be repaid.
/// 2. Above it, a consumer that can spill leaves free what the other spilling consumers that have
///    begun lack of their claim, and what those that cannot spill (the merge of a sort) lack of a quarter of all; it is
///    refused while there is an overdraft, so that whoever holds more than the floor spills and makes room.
/// 3. A consumer that cannot spill (the build side of a hash join) would fail if refused: it takes
///    all that is free.
///
/// `grow`, which DataFusion does not let a pool refuse, is booked as overdraft as far as nothing is
/// free.
///
/// # The cost of the books
///
/// Bytes come from the manager in [quanta](Self::QUANTUM), so that most requests touch the task's
/// own lock only; the rest of a quantum goes back when the task is refused, idle or done.
pub struct TaskMemory {
    manager: Arc<UnifiedMemory>,
    task: TaskId,
    quantum: u64,
    floor: u64,
    most_overdraft: u64,
    offers: Offers,
    account: Arc<TaskAccount>,
    ran_user_code: AtomicBool,
    /// Why the task is to end, if it is.
    cancelled: watch::Sender<Option<String>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    /// Bytes obtained from the manager. The ledger's holdings above it are the overdraft, what it
    /// has above them is the slack.
    obtained: u64,
}

impl State {
    fn slack(&self) -> u64 {
        self.obtained.saturating_sub(self.ledger.held)
    }

    fn overdraft(&self) -> u64 {
        self.ledger.held.saturating_sub(self.obtained)
    }

    fn credit(&mut self, consumer: usize, bytes: u64) {
        self.ledger.credit(consumer, bytes);
        self.ledger.peak_overdraft = self.ledger.peak_overdraft.max(self.overdraft());
    }
}

impl TaskMemory {
    /// The least that is taken from the manager at once, in bytes, if it has as much: 1 MiB.
    pub const QUANTUM: u64 = 1 << 20;

    /// What each consumer is granted in any case, in bytes: 4 MiB, and less in a small region (a
    /// 64th of it). It holds a batch or two, which is what stock operators need to go on.
    pub const FLOOR: u64 = 4 << 20;

    /// The memory of a new task, of both regions of `manager`: on-heap first, then off-heap.
    pub fn new(manager: Arc<UnifiedMemory>) -> Arc<Self> {
        let size: u64 = MODES
            .iter()
            .map(|mode| manager.pools(*mode))
            .map(|pools| pools.execution + pools.storage)
            .sum();
        let task = Arc::new(Self {
            manager: Arc::clone(&manager),
            task: TaskId::next(),
            quantum: Self::QUANTUM.min(size / 256),
            floor: floor(size),
            most_overdraft: size / 4,
            offers: Offers::default(),
            account: Arc::default(),
            ran_user_code: AtomicBool::new(false),
            cancelled: watch::Sender::new(None),
            state: Mutex::new(State::default()),
        });
        manager.join(&task);
        task
    }

    /// A future whose allocations are this task's, and those of what it spawns through DataFusion.
    pub fn at_work<F: Future>(&self, future: F) -> Attributed<F> {
        Attributed::new(Arc::clone(&self.account), future)
    }

    /// Bytes that the task allocated beyond what its consumers reserved.
    pub fn unreserved(&self) -> u64 {
        self.account
            .live()
            .saturating_sub(self.state.lock().ledger.held)
    }

    /// Bytes that the task allocated and has not freed.
    pub fn allocated(&self) -> u64 {
        self.account.live()
    }

    /// Bytes of large allocations of the task that are on disk, since they did not fit under the line.
    pub fn on_disk(&self) -> u64 {
        self.account.overflow()
    }

    /// Ends the task for this reason, once whoever runs it hears of it.
    pub fn cancel(&self, reason: String) {
        self.account.set_ending(true);
        self.cancelled.send_replace(Some(reason));
    }

    /// Waits until the task is to end, and gives the reason. A task that is begun anew is not to end.
    pub async fn cancelled(&self) -> DataFusionError {
        let mut cancelled = self.cancelled.subscribe();
        // The sender lives as long as this does.
        let reason = match cancelled.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => String::new(),
        };
        DataFusionError::ResourcesExhausted(reason)
    }

    /// Whether the task was told to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.borrow().is_some()
    }

    /// Lets a task that was cancelled begin anew.
    pub fn begin_anew(&self) {
        self.account.set_ending(false);
        self.cancelled.send_replace(None);
    }

    /// Waits for a place among the tasks under way; see [`UnifiedMemory::admit`]. `consumers` is how many
    /// consumers it will have: each needs its floor.
    pub async fn admit(&self, consumers: u64, must_wait: impl FnOnce()) -> Admitted {
        self.manager.admit(consumers * self.floor, must_wait).await
    }

    /// Says that user code runs in this task; see [`UnifiedMemory::run_user_code`].
    pub fn run_user_code(&self) -> UserCode {
        self.ran_user_code.store(true, Ordering::Relaxed);
        self.manager.run_user_code()
    }

    /// Whether user code ran in this task, so that nothing was lent to it.
    pub fn ran_user_code(&self) -> bool {
        self.ran_user_code.load(Ordering::Relaxed)
    }

    /// Waits while memory is so short that nothing more should be read, at most a little while; see
    /// [`UnifiedMemory::until_let_go`].
    pub async fn until_let_go(&self, most: Duration) {
        self.manager.until_let_go(most).await;
    }

    /// The task memory behind a DataFusion pool, if it is one.
    pub fn of(pool: &Arc<dyn MemoryPool>) -> Option<Arc<TaskMemory>> {
        let pool: Arc<dyn Any + Send + Sync> = Arc::clone(pool) as _;
        pool.downcast().ok()
    }

    /// Registers what a consumer can give back, until the consumer is dropped or `operator` is gone.
    pub fn offer(&self, reservation: &MemoryReservation, operator: Weak<dyn Reclaim>) {
        self.offers.add(reservation.consumer().id(), operator);
    }

    /// Bytes that operators of this task could free now, an estimate.
    pub fn reclaimable(&self) -> u64 {
        self.offers.reclaimable()
    }

    /// Takes `bytes` back from the operators of this task that offer it, those that have most first,
    /// and returns what was freed. Writes to disk on the calling thread.
    pub fn reclaim(&self, bytes: u64) -> u64 {
        self.offers.reclaim(bytes, None)
    }

    /// Says what a consumer would hold, in bytes, had it kept what it wrote to disk for lack of memory; as long as it is
    /// there, and until it says otherwise. See [`TaskUsage::peak_demand`].
    pub fn would_hold(&self, reservation: &MemoryReservation, bytes: u64) {
        let consumer = reservation.consumer().id();
        self.state.lock().ledger.would_hold(consumer, bytes);
    }

    /// What the task held and was refused so far.
    pub fn usage(&self) -> TaskUsage {
        self.state.lock().ledger.usage()
    }

    /// Who holds memory of the task now, largest first.
    pub fn holders(&self) -> Vec<Holder> {
        self.state.lock().ledger.holders()
    }

    /// The most the task could hold at this moment, in bytes.
    pub fn limit(&self) -> u64 {
        self.manager.reachable(self.task)
    }

    /// Sees to it that `bytes` more may be held, from the slack or from the manager, and says
    /// whether they may.
    fn obtain(&self, state: &mut State, bytes: u64) -> bool {
        let wanted = state.ledger.held.saturating_add(bytes);
        let missing = wanted.saturating_sub(state.obtained);
        if missing == 0 {
            return true;
        }
        let mut wish = missing.max(self.quantum);
        for mode in MODES {
            match self.manager.acquire_execution(self.task, wish, mode) {
                Acquired::Granted(granted) => {
                    state.obtained += granted;
                    wish -= granted;
                }
                Acquired::MustWait => {}
            }
        }
        wanted <= state.obtained
    }

    /// Gives the manager back what is not held, but for `keep` bytes.
    fn give_back(&self, state: &mut State, keep: u64) {
        let mut surplus = state.slack().saturating_sub(keep);
        for mode in MODES.into_iter().rev() {
            if surplus > 0 {
                let released = self.manager.release_execution(self.task, surplus, mode);
                surplus -= released;
                state.obtained -= released;
            }
        }
    }

    /// Whether a spilling consumer that takes `bytes` more leaves the others what they lack of what they have a claim to.
    fn leaves_enough(&self, state: &State, consumer: usize, bytes: u64) -> bool {
        let ledger = &state.ledger;
        let limit = self.limit();
        let share = limit / (2 * ledger.spilling_consumers().max(1));
        let after = ledger.held_by(consumer).saturating_add(bytes);
        let lacked = ledger.lacked_by_others(consumer, share, self.floor)
            + ledger.kept_for_those_that_cannot_spill(limit);
        let total = ledger.held.saturating_add(bytes);
        after <= share || total.saturating_add(lacked) <= limit
    }

    fn may_grow(&self, state: &mut State, consumer: &MemoryConsumer, bytes: u64) -> bool {
        // Within the slack nothing is at stake that was not decided when the quantum was taken.
        if bytes <= state.slack() {
            return true;
        }
        // Others may have given back what an overdraft was for.
        let is_covered = self.obtain(state, 0);
        if state.ledger.held_by(consumer.id()).saturating_add(bytes) <= self.floor {
            let overdraft = state.overdraft().saturating_add(bytes);
            return self.obtain(state, bytes) || overdraft <= self.most_overdraft;
        }
        if consumer.can_spill() && !(is_covered && self.leaves_enough(state, consumer.id(), bytes))
        {
            return false;
        }
        self.obtain(state, bytes)
    }

    /// Grants a consumer `bytes` more if it may have them.
    fn granted(&self, consumer: &MemoryConsumer, bytes: u64) -> bool {
        let mut state = self.state.lock();
        let may_grow = self.may_grow(&mut state, consumer, bytes);
        if may_grow {
            state.credit(consumer.id(), bytes);
        }
        may_grow
    }

    /// Grants a consumer that would fail for good what it asks for, if memory becomes free within a moment: what a plan held
    /// that was given up, or a query that ended. Spark blocks the thread here, without a bound.
    fn granted_after_a_while(&self, consumer: &MemoryConsumer, bytes: u64) -> bool {
        const PAUSE: Duration = Duration::from_millis(5);
        (0..20).any(|_| {
            std::thread::sleep(PAUSE);
            self.granted(consumer, bytes)
        })
    }

    /// How much the other operators of the task are asked to give back for a consumer that was refused: nothing if it can
    /// spill and has an equal share already. Those that were first may hold what it has a claim to by now.
    fn wanted_of_others(&self, consumer: &MemoryConsumer, bytes: u64) -> Option<u64> {
        let state = self.state.lock();
        let after = state.ledger.held_by(consumer.id()).saturating_add(bytes);
        let share = self.limit() / state.ledger.spilling_consumers().max(1);
        let is_entitled = !consumer.can_spill() || after <= share;
        is_entitled.then(|| bytes.max(self.quantum))
    }

    /// Grants a consumer what it cannot do without: what is free or what other operators give back, and an overdraft for what
    /// is missing then. As [`MemoryPool::grow`], it leaves `reservation` itself as it is.
    pub fn grow_at_any_rate(&self, reservation: &MemoryReservation, additional: usize) {
        let bytes = additional as u64;
        let consumer = reservation.consumer();
        if self.granted(consumer, bytes) {
            return;
        }
        // No lock is held while others write to disk.
        self.offers
            .reclaim(bytes.max(self.quantum), Some(consumer.id()));
        self.grow(reservation, additional);
    }

    fn refusal(&self, state: &mut State, consumer: &MemoryConsumer, bytes: u64) -> DataFusionError {
        let limit = self.limit();
        state
            .ledger
            .refuse(consumer.id(), consumer.name(), bytes, limit);
        let size = |bytes: u64| human_readable_size(bytes as usize);
        let holders: Vec<String> = state
            .ledger
            .holders()
            .iter()
            .take(5)
            .map(|holder| {
                let kind = if holder.can_spill {
                    ""
                } else {
                    ", cannot spill"
                };
                format!("{} {}{kind}", holder.consumer, size(holder.bytes))
            })
            .collect();
        resources_datafusion_err!(
            "{} asked for {} more execution memory and holds {}; this query holds {} of the {} it may hold now. Largest holders: {}",
            consumer.name(),
            size(bytes),
            size(state.ledger.held_by(consumer.id())),
            size(state.ledger.held),
            size(limit),
            if holders.is_empty() {
                "none".to_owned()
            } else {
                holders.join("; ")
            }
        )
    }
}

impl MemoryPool for TaskMemory {
    fn name(&self) -> &str {
        "plimsoll_task"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        let mut state = self.state.lock();
        state
            .ledger
            .open(consumer.id(), consumer.name(), consumer.can_spill());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.offers.withdraw(consumer.id());
        let mut state = self.state.lock();
        state.ledger.close(consumer.id());
        let keep = if state.ledger.held == 0 {
            0
        } else {
            self.quantum
        };
        self.give_back(&mut state, keep);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut state = self.state.lock();
        let bytes = additional as u64;
        self.obtain(&mut state, bytes);
        state.credit(reservation.consumer().id(), bytes);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut state = self.state.lock();
        state
            .ledger
            .debit(reservation.consumer().id(), shrink as u64);
        // Two quanta of hysteresis, so that a consumer that takes and gives in turn stays with the
        // task's own books.
        if state.slack() > 2 * self.quantum {
            self.give_back(&mut state, self.quantum);
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let bytes = additional as u64;
        let consumer = reservation.consumer();
        if self.granted(consumer, bytes) {
            return Ok(());
        }
        // No lock is held while others write to disk.
        if let Some(wanted) = self.wanted_of_others(consumer, bytes)
            && self.offers.reclaim(wanted, Some(consumer.id())) > 0
            && self.granted(consumer, bytes)
        {
            return Ok(());
        }
        if !consumer.can_spill() && self.granted_after_a_while(consumer, bytes) {
            return Ok(());
        }
        let mut state = self.state.lock();
        self.give_back(&mut state, 0);
        Err(self.refusal(&mut state, consumer, bytes))
    }

    fn reserved(&self) -> usize {
        self.state.lock().ledger.held as usize
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit() as usize)
    }
}

impl Drop for TaskMemory {
    fn drop(&mut self) {
        self.manager.release_all_execution(self.task);
    }
}

impl fmt::Debug for TaskMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskMemory")
            .field("task", &self.task)
            .field("usage", &self.usage())
            .finish()
    }
}

impl fmt::Display for TaskMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        write!(f, "{}(held: {})", MemoryPool::name(self), state.ledger.held)
    }
}
