//! Advice is right: what is advised is done, and what was promised is seen.

mod pairs;
mod run;

use pairs::{Pair, adjusted_by, held_out};
use plimsoll_driver::{Change, Promise};
use run::kept;

/// Follows one advice, and says what does not hold of it.
fn follow(pair: &Pair) -> Result<String, String> {
    let before = pair.run.go();
    let mut all = before.advice.iter();
    let Some(advice) = all.find(|advice| advice.to_string().starts_with(pair.change)) else {
        return Err(format!(
            "{} is not advised where {} were spilled: {}",
            pair.change, before.spilled, before.told
        ));
    };
    let run = pair.run.with(&advice.change);
    // What one run does depends on how its threads take turns: two of three have to keep the promise.
    let holds = || kept(advice.promise, &before, &run.go());
    holds()
        .or_else(|_| holds().and_then(|()| holds()))
        .map_err(|why| format!("{advice}: {why}"))?;
    if let Some(smaller) = with_a_third(&advice.change) {
        let run = pair.run.with(&smaller);
        let is_enough = || {
            let after = run.go();
            let spills = advice.promise == Promise::NoSpill && after.spilled > 0;
            kept(advice.promise, &before, &after).is_ok() && !spills
        };
        // By luck it may be, once.
        if (0..3).all(|_| is_enough()) {
            return Err(format!("{advice}: {smaller} is enough"));
        }
    }
    Ok(advice.to_string())
}

/// The same change with a third of the memory, if a line can be so small.
fn with_a_third(change: &Change) -> Option<Change> {
    match change {
        Change::Set { key, value, option } if key == "spark.plimsoll.memory" => {
            let mib: u64 = value.trim_end_matches('m').parse().unwrap();
            (mib / 3 >= 64).then(|| Change::Set {
                key: key.clone(),
                value: format!("{}m", mib / 3),
                option: option.clone(),
            })
        }
        _ => None,
    }
}

/// With `PLIMSOLL_ADVICE_PAIRS=adjusted` the pairs are followed that what is advised was adjusted by, which take longer.
#[test]
fn what_is_advised_has_the_effect_that_is_promised_on_pairs_that_it_was_not_adjusted_by() {
    let pairs = match std::env::var("PLIMSOLL_ADVICE_PAIRS").as_deref() {
        Ok("adjusted") => adjusted_by(),
        _ => held_out(),
    };
    assert!(pairs.len() >= 15);
    let mut broken = Vec::new();
    for pair in &pairs {
        match follow(pair) {
            Ok(advice) => println!("{}: {advice}", pair.name),
            Err(why) => {
                println!("{}: NOT RIGHT: {why}", pair.name);
                broken.push(pair.name);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?} of {}", pairs.len());
}
