//! Queries and the lines that they are run at.

mod adjusted;
mod held_out;

use plimsoll_bench::advice::Run;
use plimsoll_bench::paths;

pub use adjusted::adjusted_by;
pub use held_out::held_out;

/// A run, and which of the advices that it gets is followed.
pub struct Pair {
    pub name: &'static str,
    pub run: Run,
    /// How the change begins that is made; of several the first.
    pub change: &'static str,
}

fn pair(name: &'static str, options: &[(&str, &str)], statements: &[&str]) -> Pair {
    Pair {
        name,
        run: Run::new(options, statements),
        change: "",
    }
}

fn tpch(name: &'static str, number: u8, options: &[(&str, &str)]) -> Pair {
    let sql = std::fs::read_to_string(paths::query(number)).unwrap();
    pair(name, options, &[sql.trim().trim_end_matches(';')])
}

impl Pair {
    fn made(self, change: &'static str) -> Self {
        Self { change, ..self }
    }
}
