//! Advice is right: what is advised is done, and what was promised is seen.
//!
//! How pairs are run and judged is `bench/advice`'s, which draws as many as one likes: what is promised has to be seen in two
//! of three tries, and a third of the memory that is advised must not do in one of three.

mod pairs;

use std::path::PathBuf;
use std::time::Duration;

use pairs::{Pair, adjusted_by, held_out};
use plimsoll_bench::advice::{Engine, Held, follow};
use plimsoll_bench::{paths, tpch};
use plimsoll_driver::Advice;

fn engine() -> Engine {
    let scale = "0.1".parse().unwrap();
    let tables = paths::data(scale);
    tpch::ensure(&tables, scale).unwrap();
    Engine {
        program: PathBuf::from(env!("CARGO_BIN_EXE_plimsoll")),
        tables,
        scratch: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        patience: Duration::from_secs(600),
    }
}

/// Follows one advice, and says what does not hold of it.
fn judged(pair: &Pair, engine: &Engine) -> Result<String, String> {
    // With luck in how its threads take turns, a query that is a little short has no trouble.
    let mut runs = (0..3).filter_map(|_| pair.run.go(engine).unwrap());
    let begins = |advice: &&Advice| advice.to_string().starts_with(pair.change);
    let advised = runs.find_map(|before| {
        let advice = before.advice.iter().find(begins)?.clone();
        Some((before, advice))
    });
    let Some((before, advice)) = advised else {
        return Err(format!("\"{}\" is not advised in three runs", pair.change));
    };
    match follow(&pair.run, &before, &advice, engine).unwrap() {
        Held::Right => Ok(advice.to_string()),
        Held::Wrong(why) => Err(format!("{advice}: {why}")),
        Held::NotHere => Err(format!("{advice}: nobody can do that here")),
    }
}

/// With `PLIMSOLL_ADVICE_PAIRS=adjusted` the pairs are followed that what is advised was adjusted by, which take longer.
#[test]
fn what_is_advised_has_the_effect_that_is_promised_on_pairs_that_it_was_not_adjusted_by() {
    let pairs = match std::env::var("PLIMSOLL_ADVICE_PAIRS").as_deref() {
        Ok("adjusted") => adjusted_by(),
        _ => held_out(),
    };
    assert!(pairs.len() >= 20);
    let engine = engine();
    let mut broken = Vec::new();
    for pair in &pairs {
        match judged(pair, &engine) {
            Ok(advice) => println!("{}: {advice}", pair.name),
            Err(why) => {
                println!("{}: NOT RIGHT: {why}", pair.name);
                broken.push(pair.name);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?} of {}", pairs.len());
}
