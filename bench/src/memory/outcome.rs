//! What came of one run.

use plimsoll_cage::{Run, Verdict};
use serde::Serialize;
use serde_json::Value;

use super::engine::Engine;

/// What came of one engine's run of one query within one line. Sizes are in bytes; what an engine does not tell is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The engine.
    pub engine: Engine,
    /// The query, such as `q9`.
    pub query: String,
    /// The limit that the kernel enforced, or a share of it where memory is ample.
    pub line: u64,
    /// `right`, `refused`, or how it broke the line.
    pub verdict: Kind,
    /// Whether an error is a failure, even one that names the line.
    pub must_finish: bool,
    /// The verdict in words.
    pub words: String,
    /// Of the query, as the engine tells; else of the process.
    pub seconds: f64,
    /// Written to spill files.
    pub spilled: Option<u64>,
    /// The most that operators had reserved.
    pub reserved: Option<u64>,
    /// The most that the allocator had handed out.
    pub allocated: Option<u64>,
    /// The highest sample of `RssAnon + RssShmem`.
    pub resident: u64,
    /// The highest sample of what the kernel held for the process.
    pub kernel: u64,
}

/// A [`Verdict`] without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Finished with the right answer.
    Right,
    /// Ended with an error.
    Refused,
    /// Finished with a wrong answer.
    Wrong,
    /// Killed by the kernel, for memory.
    Killed,
    /// Ended by another signal.
    Died,
    /// Finished, and had more resident than the line.
    Over,
    /// Did not end in its time.
    Hung,
    /// Failed without an error that says why.
    Unclean,
}

impl Kind {
    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Right => Kind::Right,
            Verdict::Refused(_) => Kind::Refused,
            Verdict::Wrong(_) => Kind::Wrong,
            Verdict::OutOfMemory { .. } => Kind::Killed,
            Verdict::Died { .. } => Kind::Died,
            Verdict::Over { .. } => Kind::Over,
            Verdict::Hung { .. } => Kind::Hung,
            Verdict::Unclean(_) => Kind::Unclean,
        }
    }

    /// Whether the line was kept and the program ended as it should.
    pub fn is_kept(self) -> bool {
        matches!(self, Kind::Right | Kind::Refused)
    }

    /// In a word, for a table.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Right => "right",
            Kind::Refused => "refused",
            Kind::Wrong => "WRONG",
            Kind::Killed => "KILLED",
            Kind::Died => "DIED",
            Kind::Over => "OVER",
            Kind::Hung => "HUNG",
            Kind::Unclean => "UNCLEAN",
        }
    }
}

impl Outcome {
    /// Reads the figures of a run from what it told, as far as it did.
    pub fn new(engine: Engine, query: &str, line: u64, run: &Run, verdict: &Verdict) -> Self {
        let report = last_json(&run.stderr.text);
        let number = |path: &str| report.pointer(path).and_then(Value::as_u64);
        let queries = report.get("queries").and_then(Value::as_array);
        let sum = |field: &str| -> Option<f64> {
            let each = queries?.iter().map(|query| query.get(field)?.as_f64());
            each.sum()
        };
        Self {
            engine,
            query: query.to_owned(),
            line,
            verdict: Kind::of(verdict),
            must_finish: false,
            words: verdict.to_string(),
            seconds: sum("seconds").unwrap_or(run.seconds),
            spilled: sum("spilled_bytes").map(|bytes| bytes as u64),
            reserved: number("/peak/execution"),
            allocated: number("/peak/allocated"),
            resident: run.peak_resident,
            kernel: run.peak_kernel,
        }
    }

    /// The same, of something that has to finish or not.
    pub fn that_must_finish(self, must_finish: bool) -> Self {
        Self {
            must_finish,
            ..self
        }
    }

    /// Whether this engine did as it promises: it finished, or refused what it may refuse. Others promise nothing.
    pub fn is_as_promised(&self) -> bool {
        match (self.engine, self.verdict) {
            (Engine::Plimsoll | Engine::Ample, Kind::Refused) => !self.must_finish,
            (Engine::Plimsoll | Engine::Ample, verdict) => verdict.is_kept(),
            _ => true,
        }
    }
}

/// The report at the end of what a program told; null when there is none.
fn last_json(told: &str) -> Value {
    let last = told.trim_end().lines().next_back().unwrap_or_default();
    serde_json::from_str(last).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_cage::{Captured, Exit};

    fn run(stderr: &str) -> Run {
        Run {
            line: 1 << 30,
            exit: Exit::Code(0),
            oom_kills: 0,
            peak_resident: 500,
            peak_charged: 0,
            peak_kernel: 7,
            seconds: 9.0,
            stdout: Captured::default(),
            stderr: Captured {
                text: stderr.to_owned(),
                bytes: stderr.len() as u64,
            },
        }
    }

    #[test]
    fn figures_are_those_of_the_report_and_else_absent() {
        let told = "WARN x\n{\"peak\": {\"execution\": 5, \"allocated\": 6}, \"queries\": \
                    [{\"seconds\": 1.5, \"spilled_bytes\": 10}, {\"seconds\": 1, \"spilled_bytes\": 2}]}\n";
        let outcome = Outcome::new(Engine::Plimsoll, "q1", 1 << 30, &run(told), &Verdict::Right);
        assert_eq!((outcome.seconds, outcome.spilled), (2.5, Some(12)));
        assert_eq!((outcome.reserved, outcome.allocated), (Some(5), Some(6)));
        assert!(outcome.is_as_promised());
        let refused = Verdict::Refused("the line of 1 GiB".into());
        let refused = Outcome::new(Engine::Plimsoll, "q1", 1 << 30, &run(""), &refused);
        assert!(refused.is_as_promised());
        assert!(!refused.that_must_finish(true).is_as_promised());
        let killed = Verdict::OutOfMemory { kills: 1 };
        let outcome = Outcome::new(
            Engine::DuckDb { share: 80 },
            "q1",
            1 << 30,
            &run(""),
            &killed,
        );
        assert_eq!((outcome.seconds, outcome.reserved), (9.0, None));
        assert!(!outcome.verdict.is_kept());
    }
}
