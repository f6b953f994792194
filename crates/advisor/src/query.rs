//! What would have helped a query that wrote to disk, or failed, for lack of memory.

use plimsoll_conf::size::spell_bytes;
use plimsoll_conf::{Settings, fmt_bytes};

use crate::MOST;
use crate::advice::{Advice, Change, Promise};
use crate::evidence::{Cached, Circumstances, Failure, QueryEvidence, Spill};
use crate::line::{Bound, Line, Raised, nominal};

/// What is asked for beyond what would have been held: with more memory batches are larger, and tables that are filled to
/// the brim have grown by doubling.
const SPARE: f64 = 1.3;

/// The same beside an exchange, which holds more where there is more room, and whose readers keep a claim to what they
/// have given back.
const SPARE_BESIDE_EXCHANGE: f64 = 1.5;

/// The same for groups, whose number is known only once all rows were seen, and which are held before an exchange and
/// behind it.
const SPARE_OF_GROUPS: f64 = 1.8;

/// The same for groups where the query will run on more threads: each aggregates for itself what one did for all, and
/// what they come to is held again behind an exchange.
const SPARE_OF_CUT_GROUPS: f64 = 3.0;

/// The same for what failed, of which it is not known what was still to come.
const SPARE_OF_FAILED: f64 = 1.8;

/// The same for sizes other than execution memory, from the part of the input that was read.
const SPARE_OF_GUESS: f64 = 1.4;

/// What would have helped a query, most helpful first: nothing if it neither failed for lack of memory or disk nor
/// wrote to disk for lack of memory.
pub fn for_query(evidence: &QueryEvidence, circumstances: &Circumstances<'_>) -> Vec<Advice> {
    let spilled: u64 = evidence.spills.iter().map(|spill| spill.bytes).sum();
    if spilled == 0 && evidence.failure.is_none() {
        return Vec::new();
    }
    let (Some(line), Ok(settings)) = (Line::of(circumstances), circumstances.conf.settings())
    else {
        return Vec::new();
    };
    let case = Case {
        evidence,
        circumstances,
        settings,
        spilled,
        line,
    };
    let mut all: Vec<Advice> = case.without_cache().into_iter().collect();
    all.extend(case.lending());
    all.extend(case.memory());
    all.extend(case.room_on_disk());
    all.extend(case.partitions());
    all.extend(case.fraction());
    all.truncate(MOST);
    all
}

struct Case<'a> {
    evidence: &'a QueryEvidence,
    circumstances: &'a Circumstances<'a>,
    settings: Settings,
    spilled: u64,
    line: Line<'a>,
}

impl Case<'_> {
    /// The part of the input that was read: all if it did not fail, and half for all that is known if that is nothing.
    fn read(&self) -> f64 {
        match self.evidence.failure {
            Some(Failure::Memory { read, .. } | Failure::Disk { read, .. }) => read
                .filter(|read| *read > 0.0)
                .map_or(0.5, |read| read.min(1.0)),
            None => 1.0,
        }
    }

    fn knows_what_was_read(&self) -> bool {
        !matches!(
            self.evidence.failure,
            Some(Failure::Memory { read: None, .. } | Failure::Disk { read: None, .. })
        )
    }

    /// The execution memory that it needed, as far as can be told.
    fn need(&self) -> u64 {
        let lacking = match self.evidence.failure {
            Some(Failure::Memory { lacking, .. }) => lacking,
            _ => 0,
        };
        let held = self.evidence.ample.max(self.evidence.peak_demand);
        let so_far = held + lacking + self.unreserved() + self.evidence.exchanged;
        let spare = match self.evidence.failure {
            Some(_) => SPARE_OF_FAILED,
            None => self.spare(),
        };
        (so_far as f64 / self.read() * spare) as u64
    }

    /// What it held that no operator had reserved, if it was ended for that.
    fn unreserved(&self) -> u64 {
        match self.evidence.failure {
            Some(Failure::Memory { unreserved, .. }) => unreserved,
            _ => 0,
        }
    }

    fn spare(&self) -> f64 {
        let evidence = self.evidence;
        match (evidence.was_cut, evidence.has_exchange, evidence.has_groups) {
            (true, _, true) => SPARE_OF_CUT_GROUPS,
            (_, true, true) => SPARE_OF_GROUPS,
            (false, false, _) => SPARE,
            _ => SPARE_BESIDE_EXCHANGE,
        }
    }

    fn stored(&self) -> u64 {
        self.evidence
            .cached
            .iter()
            .map(|cached| cached.memory)
            .sum()
    }

    fn promise(&self) -> Promise {
        match self.evidence.failure {
            None => Promise::NoSpill,
            Some(_) if self.knows_what_was_read() => Promise::NoError,
            Some(_) => Promise::Further,
        }
    }

    /// What happened, in words that begin a reason.
    fn finding(&self) -> String {
        match self.evidence.failure {
            Some(Failure::Memory {
                lacking: 0,
                unreserved: 0,
                ..
            }) => format!("it was ended in a full process{}", self.when()),
            Some(Failure::Memory {
                lacking: 0,
                unreserved,
                ..
            }) => format!(
                "it was ended in a full process, with {} that no operator had reserved{}",
                fmt_bytes(unreserved),
                self.when()
            ),
            Some(Failure::Memory { lacking, .. }) => format!(
                "a step that cannot go to disk lacked {}{}",
                fmt_bytes(lacking),
                self.when()
            ),
            Some(Failure::Disk { .. }) => {
                format!(
                    "{} did not fit on disk{}",
                    fmt_bytes(self.spilled),
                    self.when()
                )
            }
            None => match self.evidence.spills.first() {
                Some(spill) => spilled(spill),
                None => String::new(),
            },
        }
    }

    fn when(&self) -> String {
        match self.read() < 1.0 && self.knows_what_was_read() {
            true => format!(
                " when {:.0} % of the input was read",
                (self.read() * 100.0).max(1.0)
            ),
            false => String::new(),
        }
    }

    fn demand(&self) -> String {
        let held = self.evidence.peak_demand + self.unreserved();
        if !self.knows_what_was_read() {
            return format!(
                "the query would have held {} by then; nobody knows how much was left to read, and this reaches for as \
                 much again",
                fmt_bytes(held)
            );
        }
        let exchanged = self.evidence.exchanged;
        let demand = ((held + exchanged) as f64 / self.read()) as u64;
        let about = match self.read() < 1.0 || exchanged > 0 {
            true => "about ",
            false => "",
        };
        format!("the query would have held {about}{}", fmt_bytes(demand))
    }

    /// Less of the memory for what is cached: without a price where nothing reads it.
    fn without_cache(&self) -> Option<Advice> {
        let layout = &self.line.layout;
        let stored = self.stored();
        let now = nominal(layout, stored);
        let seen = self.evidence.limit.unwrap_or(now);
        let need = self.need();
        if stored == 0 || need <= seen {
            return None;
        }
        let unread = |cached: &&Cached| cached.hits == 0 && cached.memory > 0;
        let idle = self.evidence.cached.iter().filter(unread);
        if let Some(idle) = idle.max_by_key(|cached| cached.memory) {
            // Not all of it: with more memory more threads read, and what they read takes some.
            let given = nominal(layout, stored - idle.memory) - now;
            let gained = match self.evidence.was_cut {
                true => given / 2,
                false => given / 4 * 3,
            };
            if seen + gained >= need {
                return Some(Advice {
                    change: Change::Uncache {
                        name: idle.name.clone(),
                    },
                    reason: format!(
                        "it holds {} that nothing has read; {}, and {}",
                        fmt_bytes(idle.memory),
                        self.finding(),
                        self.demand()
                    ),
                    promise: self.promise(),
                });
            }
        }
        let threads = match self.evidence.was_cut {
            true => 2,
            false => 1,
        };
        // What else the process holds comes and goes.
        self.smaller_storage_region(threads * (need - seen) + layout.line.bytes / 32)
    }

    /// The storage fraction with which execution may take so many bytes from cached blocks.
    fn smaller_storage_region(&self, missing: u64) -> Option<Advice> {
        let unified = nominal(&self.line.layout, 0);
        let kept = unified - nominal(&self.line.layout, self.stored());
        let left = kept.checked_sub(missing)?;
        // Two digits, rounded down.
        let fraction = (left as f64 / unified.max(1) as f64 * 100.0).floor() / 100.0;
        Some(Advice {
            change: set("spark.memory.storageFraction", fraction.to_string()),
            reason: format!(
                "cached blocks kept {} from execution; {}, and {}",
                fmt_bytes(kept),
                self.finding(),
                self.demand()
            ),
            promise: self.promise(),
        })
    }

    /// Memory of other parts of the line, where it is not lent although it could be.
    fn lending(&self) -> Option<Advice> {
        let layout = &self.line.layout;
        if self.settings.memory.lending || !self.is_alone() {
            return None;
        }
        // What the process keeps free, and what it takes to read and write rows, is not lent.
        let lendable = layout.line.bytes / 2;
        let more = lendable.saturating_sub(nominal(layout, 0));
        (self.need() <= lendable && more > 0).then(|| Advice {
            change: set("spark.plimsoll.memory.lending", "true".to_owned()),
            reason: format!(
                "{}, and {}; beside the {} of unified memory there is as much that nobody uses",
                self.finding(),
                self.demand(),
                fmt_bytes(layout.executor.unified.bytes)
            ),
            promise: self.promise(),
        })
    }

    /// Whether it could have had what is lent, and had all of what there is.
    fn is_alone(&self) -> bool {
        let now = nominal(&self.line.layout, self.stored());
        let limit = self.evidence.limit.unwrap_or(now);
        self.evidence.is_counted && !self.evidence.ran_user_code && limit >= now - now / 10
    }

    fn memory(&self) -> Option<Advice> {
        let evidence = self.evidence;
        let bound = match (evidence.is_counted, self.settings.memory.lending) {
            (false, _) => Bound::Nominal,
            (true, true) if !evidence.ran_user_code => Bound::Process,
            (true, _) => Bound::Both,
        };
        let mut raised =
            self.line
                .for_execution(self.need(), evidence.limit, bound, self.stored())?;
        if let Some(whole) = self.whole_line()
            && whole.line > raised.line
        {
            raised = whole;
        }
        let (most, whose) = self.circumstances.most();
        let skew = evidence.spills.iter().find_map(|spill| spill.hottest_key);
        let skew = skew.map_or(String::new(), |part| {
            format!(
                "; one key has {:.0} % of the build side: more partitions will not help",
                part * 100.0
            )
        });
        let (change, and) = match raised.line > most {
            true => (
                Change::Machine {
                    memory: raised.line,
                    setting: Box::new(raised.change),
                },
                format!("; {} is all {whose}", fmt_bytes(most)),
            ),
            false => (raised.change, String::new()),
        };
        Some(Advice {
            change,
            reason: format!("{}, and {}{skew}{and}", self.finding(), self.demand()),
            promise: self.promise(),
        })
    }

    /// A line with all of its parts larger, where it was not its operators that filled it: what nobody announces, such as
    /// the values of a list, grows with what is read as well.
    fn whole_line(&self) -> Option<Raised> {
        let now = nominal(&self.line.layout, self.stored());
        let has_filled = self.evidence.limit.is_some_and(|limit| limit < now / 4 * 3);
        let is_short = matches!(self.evidence.failure, Some(Failure::Memory { .. }));
        (is_short && self.evidence.is_counted && has_filled)
            .then(|| self.line.times(SPARE_OF_GUESS / self.read()))
            .flatten()
    }

    /// Where what did not fit on disk would fit.
    fn room_on_disk(&self) -> Option<Advice> {
        let Some(Failure::Disk { is_set, .. }) = self.evidence.failure else {
            return None;
        };
        const MIB: u64 = 1 << 20;
        let needed = (self.spilled as f64 / self.read() * SPARE_OF_GUESS) as u64;
        let needed = needed.next_multiple_of(64 * MIB);
        let change = match is_set {
            true => set("spark.plimsoll.spill.maxSize", spell_bytes(needed)),
            false => Change::LocalDir { free: needed },
        };
        Some(Advice {
            change,
            reason: self.finding(),
            promise: self.promise(),
        })
    }

    /// More partitions, where rows were cut into so few that they had to be cut again.
    fn partitions(&self) -> Option<Advice> {
        /// Times the memory that has to be held for partitions to matter: with less, what is written twice is lost in
        /// what exchanges write now and then.
        const FAR_BEYOND: u64 = 5;
        let partitions = u64::from(self.settings.sql.shuffle_partitions);
        let cut_again = |spill: &&Spill| {
            spill.passes > 1 && spill.partitions >= partitions && spill.hottest_key.is_none()
        };
        let spill = self.evidence.spills.iter().find(cut_again)?;
        let limit = self
            .evidence
            .limit
            .unwrap_or(nominal(&self.line.layout, self.stored()));
        if self.evidence.peak_demand < FAR_BEYOND * limit {
            return None;
        }
        // So many that one takes an eighth of the memory: several threads work on one each.
        let enough = (8 * self.evidence.peak_demand).div_ceil(limit.max(1));
        let enough = enough.next_power_of_two().clamp(partitions * 2, 1024);
        Some(Advice {
            change: set("spark.sql.shuffle.partitions", enough.to_string()),
            reason: format!(
                "{}, since each of {partitions} partitions was too large for the {} there are",
                spilled(spill),
                fmt_bytes(limit)
            ),
            promise: Promise::LessSpill,
        })
    }

    /// More of the line for execution and storage, where nothing is lent and user memory can give some.
    fn fraction(&self) -> Option<Advice> {
        const MOST_FRACTION: f64 = 0.8;
        let memory = &self.settings.memory;
        let executor = &self.line.layout.executor;
        if memory.lending || executor.off_heap.bytes > 0 {
            return None;
        }
        let usable = executor.unified.bytes + executor.user.bytes;
        let needed = self.need() + self.stored().min(executor.storage_region.bytes);
        let fraction = (needed as f64 / usable.max(1) as f64 * 100.0).ceil() / 100.0;
        let helps = fraction > memory.fraction.value && fraction <= MOST_FRACTION;
        helps.then(|| Advice {
            change: set("spark.memory.fraction", fraction.to_string()),
            reason: format!(
                "{}, and {}; unified memory is {}",
                self.finding(),
                self.demand(),
                fmt_bytes(executor.unified.bytes)
            ),
            promise: self.promise(),
        })
    }
}

fn set(key: &str, value: String) -> Change {
    Change::Set {
        key: key.to_owned(),
        value,
        option: None,
    }
}

fn spilled(spill: &Spill) -> String {
    let passes = match spill.passes {
        0 | 1 => String::new(),
        passes => format!(" in {passes} passes"),
    };
    format!(
        "{} spilled {}{passes}",
        spill.operator,
        fmt_bytes(spill.bytes)
    )
}
