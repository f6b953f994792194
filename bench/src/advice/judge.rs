//! Whether what was promised is seen.

use anyhow::Result;
use plimsoll_advisor::{Advice, Change, Promise};
use plimsoll_conf::parse_bytes;
use plimsoll_conf::size::Unit;

use super::run::{Engine, Outcome, Run, Seen};

/// What came of following an advice.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    /// It was right.
    Right,
    /// What it promised was not seen, or a third of it would have done: in words.
    Wrong(String),
    /// It cannot be followed here, such as a larger machine.
    NotHere,
}

/// Follows one advice that a run was given, and judges it. What one run does depends on how its threads take turns, so
/// an advice is not right if it fails in two of three tries; that a third would have done has to be seen in all three.
///
/// # Errors
/// As [`Run::go`].
pub fn follow(run: &Run, before: &Outcome, advice: &Advice, engine: &Engine) -> Result<Held> {
    let Some(changed) = run.with(&advice.change) else {
        return Ok(Held::NotHere);
    };
    let of = before.queries_of(advice);
    let mut failed = 0;
    for _ in 0..3 {
        match kept(advice.promise, &of, before, changed.go(engine)?.as_ref()) {
            Ok(()) if failed == 0 => break,
            Ok(()) => {}
            Err(why) if failed == 1 => return Ok(Held::Wrong(why)),
            Err(_) => failed += 1,
        }
    }
    match a_third_is_enough(run, before, advice, &of, engine)? {
        Some(third) => Ok(Held::Wrong(format!("{third} is enough"))),
        None => Ok(Held::Right),
    }
}

/// The same change with a third of the memory, if that keeps the promise as well.
fn a_third_is_enough(
    run: &Run,
    before: &Outcome,
    advice: &Advice,
    of: &[usize],
    engine: &Engine,
) -> Result<Option<Change>> {
    let Some(third) = a_third(run, &advice.change) else {
        return Ok(None);
    };
    let Some(changed) = run.with(&third) else {
        return Ok(None);
    };
    for _ in 0..3 {
        let after = changed.go(engine)?;
        let spilled = after.as_ref().map_or(0, |after| after.spilled(of));
        let spills = advice.promise == Promise::NoSpill && spilled > 0;
        if spills || kept(advice.promise, of, before, after.as_ref()).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(third))
}

/// The same change with a third of the memory, if it changes memory and there can be so little of it; not if the run had
/// as much and it was not enough.
fn a_third(run: &Run, change: &Change) -> Option<Change> {
    let amount = Amount::of(run, change)?;
    let third = amount.advised / 3;
    (third >= amount.least && third > amount.had).then(|| amount.set(third))
}

/// The least memory, in bytes and to a tenth, with which a run keeps what the advice promises, if that is about memory
/// and four times what is advised is enough.
///
/// # Errors
/// As [`Run::go`].
pub fn least(run: &Run, before: &Outcome, advice: &Advice, engine: &Engine) -> Result<Option<u64>> {
    let Some(amount) = Amount::of(run, &advice.change) else {
        return Ok(None);
    };
    let of = before.queries_of(advice);
    let is_enough = |mib: u64| -> Result<bool> {
        let Some(changed) = run.with(&amount.set(mib)) else {
            return Ok(false);
        };
        let after = changed.go(engine)?;
        Ok(kept(advice.promise, &of, before, after.as_ref()).is_ok())
    };
    let (mut low, mut high) = (amount.had.max(amount.least), amount.advised);
    while !is_enough(high)? {
        if high > amount.advised * 4 {
            return Ok(None);
        }
        (low, high) = (high, high * 3 / 2);
    }
    while high > low + low / 10 {
        let middle = low.midpoint(high);
        match is_enough(middle)? {
            true => high = middle,
            false => low = middle,
        }
    }
    Ok(Some(high * MIB))
}

const MIB: u64 = 1 << 20;

/// A change of memory, in MiB.
struct Amount<'a> {
    key: &'a str,
    option: Option<&'a String>,
    advised: u64,
    /// What the run had; 0 if that was not set.
    had: u64,
    /// The least that can be set.
    least: u64,
}

impl<'a> Amount<'a> {
    fn of(run: &Run, change: &'a Change) -> Option<Self> {
        let Change::Set { key, value, option } = change else {
            return None;
        };
        let least = match key.as_str() {
            "spark.plimsoll.memory" => 64,
            "spark.executor.memory" | "spark.driver.memory" => 450,
            _ => return None,
        };
        let mib = |value: &str| Some(parse_bytes(value, Unit::Byte).ok()? / MIB);
        let name = option.as_ref().unwrap_or(key);
        let had = run.options.iter().find(|(option, _)| option == name);
        Some(Self {
            key,
            option: option.as_ref(),
            advised: mib(value)?,
            had: had.and_then(|(_, value)| mib(value)).unwrap_or(0),
            least,
        })
    }

    fn set(&self, mib: u64) -> Change {
        Change::Set {
            key: self.key.to_owned(),
            value: format!("{mib}m"),
            option: self.option.cloned(),
        }
    }
}

impl Outcome {
    /// The queries that were given this advice, counted from the last one, which a change leaves where they are; all if
    /// it was not a query that was given it.
    fn queries_of(&self, advice: &Advice) -> Vec<usize> {
        let from_last = || self.queries.iter().rev().enumerate();
        let given = from_last().filter(|(_, query)| query.advice.contains(advice));
        let given: Vec<usize> = given.map(|(place, _)| place).collect();
        match given.is_empty() {
            true => from_last().map(|(place, _)| place).collect(),
            false => given,
        }
    }

    fn of(&self, places: &[usize]) -> Vec<&Seen> {
        let from_last = self.queries.iter().rev().enumerate();
        let of = from_last.filter(|(place, _)| places.contains(place));
        of.map(|(_, query)| query).collect()
    }

    fn spilled(&self, of: &[usize]) -> u64 {
        self.of(of).iter().map(|query| query.spilled).sum()
    }

    fn scanned(&self, of: &[usize]) -> u64 {
        self.of(of).iter().map(|query| query.scanned).sum()
    }

    fn error(&self, of: &[usize]) -> Option<&str> {
        let queries = self.of(of);
        queries.into_iter().find_map(|query| query.error.as_deref())
    }
}

/// Whether a run after a change is what the advice promised; if not, in words. `None` after it took too long.
fn kept(
    promise: Promise,
    of: &[usize],
    before: &Outcome,
    after: Option<&Outcome>,
) -> Result<(), String> {
    let Some(after) = after else {
        return Err("it took too long".to_owned());
    };
    let (spilled_before, spilled_after) = (before.spilled(of), after.spilled(of));
    let failed = after.error(of).is_some();
    let holds = match promise {
        // Which thread gets how many rows differs from run to run, and one of them may be a little short.
        Promise::NoSpill => spilled_after <= spilled_before / 10,
        Promise::LessSpill => spilled_after <= spilled_before / 4 * 3,
        // Blocks that never were in memory are not evicted from it.
        Promise::NoEviction => after.evicted == 0 && after.beside == 0,
        Promise::NoError => !failed,
        Promise::Further => !failed || after.scanned(of) > before.scanned(of),
    };
    if holds && (promise == Promise::Further || !failed) {
        return Ok(());
    }
    let error = match after.error(of) {
        Some(error) => format!("; {error}"),
        None => String::new(),
    };
    let spilled = |bytes: u64| plimsoll_conf::fmt_bytes(bytes);
    Err(format!(
        "{promise:?}: spilled {} before and {} after, evicted {} and {}{error}",
        spilled(spilled_before),
        spilled(spilled_after),
        before.evicted,
        after.evicted,
    ))
}
