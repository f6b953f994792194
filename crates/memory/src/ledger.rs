use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::task::TaskMemory;

/// What one consumer (an operator's partition, as it named itself to DataFusion) holds or held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The consumer's name, such as `ExternalSorter[0]`.
    pub consumer: String,
    /// Bytes held at the moment the record is of.
    pub bytes: u64,
    /// Whether it can write to disk what it holds when it is refused more.
    pub can_spill: bool,
}

/// The requests of one consumer that were refused, with the figures of the latest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The consumer's name.
    pub consumer: String,
    /// How often it was refused.
    pub times: u64,
    /// Bytes it asked for.
    pub asked: u64,
    /// Bytes it held then.
    pub held: u64,
    /// Bytes that all consumers of the task held then.
    pub task_held: u64,
    /// Bytes the task could have held at most then.
    pub task_limit: u64,
}

/// What a task held and was refused, over its life.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TaskUsage {
    /// Bytes held now.
    pub held: u64,
    /// The most bytes ever held at once.
    pub peak: u64,
    /// The most bytes ever held beyond what execution memory had to give: growth that an operator
    /// did not ask for but announced, and the floor of consumers that could not be served.
    pub peak_overdraft: u64,
    /// The most bytes it would have held at once, had its operators kept what they wrote to disk for lack of memory.
    pub peak_demand: u64,
    /// The execution memory with which none of that would have been refused, by the rules of [`TaskMemory`]: what
    /// others have a claim to comes on top of what would have been held.
    ///
    /// [`TaskMemory`]: crate::TaskMemory
    pub ample: u64,
    /// Who held what when the task was at its peak (or within a 64th of it), largest first.
    pub holders_at_peak: Vec<Holder>,
    /// Requests that were refused, by consumer, most often refused first.
    pub refusals: Vec<Refusal>,
}

impl TaskUsage {
    /// The most bytes by which execution memory was too small for a request that was refused; 0 if none was.
    pub fn most_lacking(&self) -> u64 {
        self.refusals
            .iter()
            .map(|refusal| (refusal.task_held + refusal.asked).saturating_sub(refusal.task_limit))
            .max()
            .unwrap_or(0)
    }
}

/// One consumer's account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) can_spill: bool,
    pub(crate) held: u64,
    /// What it would hold, had it kept what is on disk.
    would_hold: u64,
    /// The most it ever held.
    most: u64,
    /// Whether it was ever refused what it asked for.
    was_refused: bool,
    /// Whether it ever held anything: a consumer that has not begun (or never will) has no claim
    /// on memory beyond the floor.
    pub(crate) has_begun: bool,
}

impl Account {
    fn demand(&self) -> u64 {
        self.held.max(self.would_hold)
    }

    /// What others have to leave it, of a share of `share` bytes: all of that once it was refused, and before, since it may
    /// never need as much, twice what it ever held.
    fn claim(&self, share: u64, least: u64) -> u64 {
        match self.was_refused {
            true => share,
            false => share.min(claim_of(self.most, least)),
        }
    }
}

/// What a consumer is left that held `most` bytes at most and was never refused any.
fn claim_of(most: u64, least: u64) -> u64 {
    most.saturating_mul(2).max(least)
}

/// What each consumer is granted in any case, of execution memory of `size` bytes: see [`TaskMemory::FLOOR`].
///
/// [`TaskMemory::FLOOR`]: crate::TaskMemory::FLOOR
pub(crate) fn floor(size: u64) -> u64 {
    TaskMemory::FLOOR.min(size / 64)
}

/// The accounts of all consumers of one task, and the figures that outlive them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: HashMap<usize, Account>,
    pub(crate) held: u64,
    peak: u64,
    pub(crate) peak_overdraft: u64,
    /// What all consumers would hold, had they kept what is on disk.
    demand: u64,
    peak_demand: u64,
    ample: u64,
    /// The demand when `ample` was worked out, which is as rare as listing holders.
    ample_of: u64,
    holders_at_peak: Vec<Holder>,
    /// The task's holding when `holders_at_peak` was taken. It is taken anew only once the peak has
    /// risen by a 64th, so that growing by small steps does not list all accounts at each.
    listed_at: u64,
    refusals: HashMap<String, Refusal>,
}

impl Ledger {
    pub(crate) fn open(&mut self, consumer: usize, name: &str, can_spill: bool) {
        self.accounts.insert(
            consumer,
            Account {
                name: name.to_owned(),
                can_spill,
                held: 0,
                would_hold: 0,
                most: 0,
                was_refused: false,
                has_begun: false,
            },
        );
    }

    /// Closes an account and returns what was still in it: 0 if the consumer kept its word.
    pub(crate) fn close(&mut self, consumer: usize) -> u64 {
        let Some(account) = self.accounts.remove(&consumer) else {
            return 0;
        };
        self.held -= account.held;
        self.demand -= account.demand();
        account.held
    }

    pub(crate) fn held_by(&self, consumer: usize) -> u64 {
        self.accounts.get(&consumer).map_or(0, |a| a.held)
    }

    pub(crate) fn credit(&mut self, consumer: usize, bytes: u64) {
        let account = self.accounts.get_mut(&consumer);
        debug_assert!(account.is_some(), "consumers register before they grow");
        let Some(account) = account else {
            return;
        };
        let before = account.demand();
        account.held += bytes;
        account.most = account.most.max(account.held);
        account.has_begun = true;
        self.demand += account.demand() - before;
        self.held += bytes;
        if self.held > self.peak {
            self.peak = self.held;
            if self.peak >= self.listed_at + self.listed_at / 64 {
                self.list_holders();
            }
        }
        self.note_demand();
    }

    /// Notes what a consumer would hold, had it kept what is on disk.
    pub(crate) fn would_hold(&mut self, consumer: usize, bytes: u64) {
        let Some(account) = self.accounts.get_mut(&consumer) else {
            return;
        };
        self.demand -= account.demand();
        account.would_hold = bytes;
        self.demand += account.demand();
        self.note_demand();
    }

    fn note_demand(&mut self) {
        if self.demand > self.peak_demand {
            self.peak_demand = self.demand;
            if self.demand >= self.ample_of + self.ample_of / 64 {
                self.ample_of = self.demand;
                // Earlier there may have been more consumers with a claim to what they did not hold.
                self.ample = self.ample.max(self.ample_now());
            }
        }
    }

    /// The limit with which nobody would be refused what they would hold now: the one that is no more than what would
    /// be held and what has to be left free, which grows with the limit. How consumers share what they hold differs from
    /// run to run, as it is decided by which of them is first: all but the first are taken to have come to a quarter when
    /// it asks for the last.
    fn ample_now(&self) -> u64 {
        let mut spilling: Vec<u64> = self.others_that_spill(None).map(Account::demand).collect();
        spilling.sort_unstable();
        let sharers = spilling.len().max(1) as u64;
        // The one that holds most is the one that asks.
        spilling.pop();
        let mut limit = self.demand;
        // What is left free is less than three quarters of the limit, so that this comes near soon.
        for _ in 0..40 {
            let share = limit / (2 * sharers);
            let lacked: u64 = spilling
                .iter()
                .map(|demand| demand / 4)
                .map(|held| share.min(claim_of(held, floor(limit))).saturating_sub(held))
                .sum();
            limit = self.demand + lacked + self.kept_for_those_that_cannot_spill(limit);
        }
        limit
    }

    /// Takes up to `bytes` off an account and returns how many were in it.
    pub(crate) fn debit(&mut self, consumer: usize, bytes: u64) -> u64 {
        let Some(account) = self.accounts.get_mut(&consumer) else {
            return 0;
        };
        let taken = bytes.min(account.held);
        self.demand -= account.demand();
        account.held -= taken;
        self.demand += account.demand();
        self.held -= taken;
        taken
    }

    /// How many spilling consumers have begun to hold memory.
    pub(crate) fn spilling_consumers(&self) -> u64 {
        self.others_that_spill(None).count() as u64
    }

    /// What the other spilling consumers lack of what they have a claim to, of a share of `share` bytes each, in all.
    pub(crate) fn lacked_by_others(&self, consumer: usize, share: u64, floor: u64) -> u64 {
        self.others_that_spill(Some(consumer))
            .map(|account| account.claim(share, floor).saturating_sub(account.held))
            .sum()
    }

    /// What consumers that cannot spill lack of a quarter of the limit, if there are any: they fail where others would
    /// spill, so that this does not wait until they need it.
    pub(crate) fn kept_for_those_that_cannot_spill(&self, limit: u64) -> u64 {
        let cannot_spill = self.accounts.values().filter(|account| !account.can_spill);
        let held = cannot_spill
            .map(|account| account.held)
            .reduce(|a, b| a + b);
        held.map_or(0, |held| (limit / 4).saturating_sub(held))
    }

    fn others_that_spill(&self, consumer: Option<usize>) -> impl Iterator<Item = &Account> {
        self.accounts
            .iter()
            .filter(move |(id, account)| {
                Some(**id) != consumer && account.can_spill && account.has_begun
            })
            .map(|(_, account)| account)
    }

    pub(crate) fn refuse(&mut self, consumer: usize, name: &str, asked: u64, task_limit: u64) {
        if let Some(account) = self.accounts.get_mut(&consumer) {
            account.was_refused = true;
        }
        let held = self.held_by(consumer);
        let task_held = self.held;
        let refusal = self
            .refusals
            .entry(name.to_owned())
            .or_insert_with(|| Refusal {
                consumer: name.to_owned(),
                times: 0,
                asked,
                held,
                task_held,
                task_limit,
            });
        refusal.times += 1;
        (refusal.asked, refusal.held) = (asked, held);
        (refusal.task_held, refusal.task_limit) = (task_held, task_limit);
    }

    /// Who holds memory now, largest first.
    pub(crate) fn holders(&self) -> Vec<Holder> {
        let mut holders: Vec<Holder> = self
            .accounts
            .values()
            .filter(|account| account.held > 0)
            .map(|account| Holder {
                consumer: account.name.clone(),
                bytes: account.held,
                can_spill: account.can_spill,
            })
            .collect();
        holders.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(a.consumer.cmp(&b.consumer)));
        holders
    }

    fn list_holders(&mut self) {
        self.holders_at_peak = self.holders();
        self.listed_at = self.held;
    }

    pub(crate) fn usage(&self) -> TaskUsage {
        let mut refusals: Vec<Refusal> = self.refusals.values().cloned().collect();
        refusals.sort_by(|a, b| b.times.cmp(&a.times).then(a.consumer.cmp(&b.consumer)));
        TaskUsage {
            held: self.held,
            peak: self.peak,
            peak_overdraft: self.peak_overdraft,
            peak_demand: self.peak_demand,
            ample: self.ample.max(self.peak_demand),
            holders_at_peak: self.holders_at_peak.clone(),
            refusals,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;

    #[test]
    fn what_went_to_disk_counts_for_what_would_have_been_held() {
        let mut ledger = Ledger::default();
        ledger.open(1, "sort", true);
        ledger.open(2, "join", true);
        ledger.credit(1, 600);
        // The sort writes its rows, reads on, and would have 900 by now; the join holds 100 beside.
        ledger.debit(1, 600);
        ledger.would_hold(1, 900);
        ledger.credit(1, 200);
        ledger.credit(2, 100);
        let usage = ledger.usage();
        assert_eq!((usage.peak, usage.peak_demand), (600, 1000));
        // The join may have 25 by then, and a claim to twice as much.
        assert_eq!(usage.ample, 1025);
        ledger.close(1);
        ledger.credit(2, 800);
        assert_eq!(ledger.usage().peak_demand, 1000);
    }

    #[test]
    fn what_cannot_spill_is_left_a_quarter() {
        let mut ledger = Ledger::default();
        ledger.open(1, "sort", true);
        ledger.open(2, "merge", false);
        ledger.credit(1, 3000);
        assert!((3998..=4000).contains(&ledger.usage().ample));
        ledger.credit(2, 2000);
        assert_eq!(ledger.usage().ample, 5000);
    }
}
