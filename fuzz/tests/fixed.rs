//! The part of the hunt that runs with the tests: fixed seeds, and the failures that were found before.

use std::path::Path;
use std::time::Duration;

use plimsoll_fuzz::case::Case;
use plimsoll_fuzz::coverage::Coverage;
use plimsoll_fuzz::finding::{Finding, describe};
use plimsoll_fuzz::generate::{Scale, case};
use plimsoll_fuzz::known;
use plimsoll_fuzz::outcome::{Outcome, Strict, Tried};
use plimsoll_fuzz::run::Runner;
use plimsoll_fuzz::stock::Bounds;

const SEEDS: [u64; 2] = [1, 2];

/// How many cases of each seed: a minute or two of code that is not optimized.
const CASES: u64 = 60;

fn runner() -> Runner {
    let bounds = Bounds {
        memory: 1 << 30,
        rows: 100_000,
        time: Duration::from_secs(60),
    };
    Runner::new(bounds, Duration::from_secs(120), None)
}

fn run(runner: &mut Runner, case: &Case, replay: &str) -> Tried {
    let tried = runner.run(case).unwrap();
    if let Outcome::Failed(failure) = &tried.outcome
        && known::fault(case, failure, Strict::None).is_none()
    {
        panic!(
            "{}: {}\n{}replay it: cargo run --release --bin fuzz -- {replay}",
            failure.kind,
            failure.what,
            describe(case)
        );
    }
    tried
}

#[test]
fn the_cases_of_fixed_seeds_hold() {
    let mut runner = runner();
    let mut coverage = Coverage::default();
    let (mut compared, mut passed) = (0, 0);
    for seed in SEEDS {
        for number in 0..CASES {
            let case = case(seed, number, Scale::SMALL);
            let replay = format!("--scale small --seed {seed} --case {number}");
            let tried = run(&mut runner, &case, &replay);
            coverage.add(&tried.seen);
            compared += tried.compared;
            passed += u64::from(tried.outcome == Outcome::Passed);
        }
    }
    println!("{}", coverage.draw());
    let cases = SEEDS.len() as u64 * CASES;
    assert!(compared >= cases, "{compared} answers of {cases} cases");
    assert!(passed * 2 >= cases, "{passed} of {cases} cases passed");
    // Sorts of so few rows do not.
    let spilled =
        ["HybridHashJoinExec", "HybridHashAggregateExec"].map(|name| coverage.has_spilled(name));
    assert!(spilled.contains(&true), "nothing spilled");
}

#[test]
fn what_failed_once_holds() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "the files are found");
    let mut runner = runner();
    for file in &files {
        let finding = Finding::read(file).unwrap();
        let tried = run(
            &mut runner,
            &finding.case,
            &format!("--replay {}", file.display()),
        );
        assert!(
            !matches!(tried.outcome, Outcome::Skipped(_)),
            "{}: {:?}",
            file.display(),
            tried.outcome
        );
    }
}
