//! This engine beside others, as Markdown: totals, ratios and what was resident.

use std::fmt::Write;

use plimsoll_cage::human;

use super::engine::Engine;
use super::outcome::{Kind, Outcome};
use crate::statistics::{geometric_mean, median};

/// What is said of an engine's failures at most, in characters.
const WORDS: usize = 260;

const ABOUT: &str = "The engines take turns at each query, and each run is a process of its own. Seconds are of the query \
alone, from its text to its last row, and of several runs their median: what it takes to load and start an engine and to \
register the tables is not in them, and what a JVM compiles while it runs is. Resident memory is the highest of all \
runs, of all processes of the engine with its Python client. A share behind a name is what the engine was told of the \
line, in percent; Spark's heap is what its own overhead, the larger of 384 MiB and a tenth of the heap, leaves of it. A \
ratio is Plimsoll's seconds by the other engine's, over the queries that both finish with the right answer: under 1 \
Plimsoll is faster.";

/// Queries, a section for each line: how the engines compare on the whole, then query by query, then what went wrong.
pub fn peers(outcomes: &[Outcome], machine: &str, title: &str) -> String {
    let mut text = format!("# {title} beside other engines\n\n{machine}\n\n{ABOUT}\n");
    for line in in_order(outcomes.iter().map(|outcome| outcome.line)) {
        let here = Section::new(outcomes, line);
        let _ = writeln!(text, "\n## Within {}\n", human(line));
        text.push_str(&here.on_the_whole());
        text.push('\n');
        text.push_str(&here.query_by_query());
        text.push_str(&here.what_went_wrong());
    }
    text
}

/// The runs within one line.
struct Section<'a> {
    outcomes: Vec<&'a Outcome>,
    engines: Vec<Engine>,
    queries: Vec<&'a str>,
}

impl<'a> Section<'a> {
    fn new(outcomes: &'a [Outcome], line: u64) -> Self {
        let outcomes: Vec<_> = outcomes
            .iter()
            .filter(|outcome| outcome.line == line)
            .collect();
        Self {
            engines: in_order(outcomes.iter().map(|outcome| outcome.engine)),
            queries: in_order(outcomes.iter().map(|outcome| outcome.query.as_str())),
            outcomes,
        }
    }

    fn runs(&self, engine: Engine, query: &str) -> impl Iterator<Item = &'a Outcome> {
        self.outcomes
            .iter()
            .copied()
            .filter(move |outcome| outcome.engine == engine && outcome.query == query)
    }

    /// The seconds of a query, unless a run of it was not right.
    fn seconds(&self, engine: Engine, query: &str) -> Option<f64> {
        let is_right = self
            .runs(engine, query)
            .all(|run| run.verdict == Kind::Right);
        let seconds = median(self.runs(engine, query).map(|run| run.seconds));
        (is_right && seconds.is_finite()).then_some(seconds)
    }

    fn on_the_whole(&self) -> String {
        let mut text = String::from(
            "| | right | total | Plimsoll's total of the same | ratio of the totals | geometric mean of the ratios | \
             Plimsoll's worst | resident at most |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for &engine in &self.engines {
            let asked = self.queries.iter().filter(|query| {
                let mut runs = self.runs(engine, query);
                runs.next().is_some()
            });
            let right = self
                .queries
                .iter()
                .filter_map(|query| self.seconds(engine, query));
            let (count, total) = (right.clone().count(), right.sum::<f64>());
            let of_engine = self.outcomes.iter().filter(|run| run.engine == engine);
            let resident = of_engine.map(|run| run.resident).max().unwrap_or(0);
            let _ = writeln!(
                text,
                "| {engine} | {count} of {} | {} | {} | {} |",
                asked.count(),
                if count > 0 {
                    format!("{total:.1} s")
                } else {
                    "–".to_owned()
                },
                self.compared(engine),
                human(resident)
            );
        }
        text
    }

    /// The cells that hold Plimsoll against another engine.
    fn compared(&self, engine: Engine) -> String {
        let both = self.queries.iter().filter_map(|query| {
            let ours = self.seconds(Engine::Plimsoll, query)?;
            Some((*query, ours, self.seconds(engine, query)?))
        });
        let both: Vec<_> = both.collect();
        let ratio = |(_, ours, theirs): &(&str, f64, f64)| ours / theirs;
        let worst = both
            .iter()
            .max_by(|one, other| ratio(one).total_cmp(&ratio(other)));
        let Some(worst) = worst.filter(|_| engine != Engine::Plimsoll) else {
            return "| | |".to_owned();
        };
        let ours: f64 = both.iter().map(|(_, ours, _)| ours).sum();
        let theirs: f64 = both.iter().map(|(_, _, theirs)| theirs).sum();
        format!(
            "{ours:.1} s | {:.2} | {:.2} | {}, {:.2}",
            ours / theirs,
            geometric_mean(both.iter().map(ratio)),
            worst.0,
            ratio(worst)
        )
    }

    fn query_by_query(&self) -> String {
        let mut text = String::from("| |");
        for engine in &self.engines {
            let _ = write!(text, " {engine} |");
        }
        let _ = writeln!(text, "\n| --- |{}", " ---: |".repeat(self.engines.len()));
        for query in &self.queries {
            let _ = write!(text, "| {query} |");
            for &engine in &self.engines {
                let _ = write!(text, " {} |", self.cell(engine, query));
            }
            text.push('\n');
        }
        text
    }

    fn cell(&self, engine: Engine, query: &str) -> String {
        let resident = self.runs(engine, query).map(|run| run.resident).max();
        match (self.seconds(engine, query), resident) {
            (Some(seconds), Some(resident)) => format!("{seconds:.2} s, {}", human(resident)),
            _ => self
                .runs(engine, query)
                .find(|run| run.verdict != Kind::Right)
                .map_or(String::new(), |run| word(run).to_owned()),
        }
    }

    /// A line for each engine and each way in which it failed, with the words of the first time.
    fn what_went_wrong(&self) -> String {
        let wrong = self
            .outcomes
            .iter()
            .filter(|run| run.verdict != Kind::Right);
        let mut text = String::new();
        for (engine, what) in in_order(wrong.clone().map(|run| (run.engine, word(run)))) {
            let alike = wrong
                .clone()
                .filter(|run| (run.engine, word(run)) == (engine, what));
            let queries = in_order(alike.clone().map(|run| run.query.as_str()));
            let words = alike.clone().next().map_or("", |run| &run.words);
            let words: String = words.chars().take(WORDS).collect();
            let _ = write!(
                text,
                "\n- {engine}, {what}: {}. `{words}`",
                queries.join(", ")
            );
        }
        match text.is_empty() {
            true => text,
            false => format!("{text}\n"),
        }
    }
}

/// How a run went wrong, in a word or two.
fn word(run: &Outcome) -> &'static str {
    match run.verdict {
        // As `engines.py` says it.
        Kind::Refused if run.words.contains("error: cannot start: ") => "cannot start",
        verdict => verdict.word(),
    }
}

/// Each of them once, in the order in which they come first.
fn in_order<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(engine: Engine, query: &str, verdict: Kind, seconds: f64) -> Outcome {
        Outcome {
            engine,
            query: query.to_owned(),
            line: 1 << 30,
            verdict,
            must_finish: false,
            words: "refused: error: cannot start: no heap".to_owned(),
            seconds,
            spilled: None,
            reserved: None,
            allocated: None,
            resident: (seconds * f64::from(1 << 20)) as u64,
            kernel: 0,
        }
    }

    #[test]
    fn ratios_are_of_the_medians_of_what_both_finish() {
        let duckdb = Engine::DuckDb { share: 80 };
        let right = |engine, query, seconds| outcome(engine, query, Kind::Right, seconds);
        let mut outcomes = vec![
            right(Engine::Plimsoll, "q2", 2.0),
            right(duckdb, "q2", 1.0),
            outcome(Engine::Spark, "q2", Kind::Refused, 9.0),
            right(Engine::Plimsoll, "q1", 1.0),
            right(duckdb, "q1", 2.0),
            right(Engine::Plimsoll, "q1", 8.0),
            right(duckdb, "q1", 2.0),
            right(Engine::Plimsoll, "q1", 1.0),
            outcome(duckdb, "q3", Kind::Killed, 2.0),
            right(Engine::Plimsoll, "q3", 4.0),
        ];
        let drawn = peers(&outcomes, "a machine", "TPC-H");
        for row in [
            "## Within 1 GiB",
            "| plimsoll | 3 of 3 | 7.0 s | | | | | 8 MiB |",
            "| duckdb:80 | 2 of 3 | 3.0 s | 3.0 s | 1.00 | 1.00 | q2, 2.00 | 2 MiB |",
            "| spark | 0 of 1 | – | | | | | 9 MiB |",
            "| | plimsoll | duckdb:80 | spark |",
            "| q1 | 1.00 s, 8 MiB | 2.00 s, 2 MiB |  |",
            "| q2 | 2.00 s, 2 MiB | 1.00 s, 1 MiB | cannot start |",
            "| q3 | 4.00 s, 4 MiB | KILLED |  |",
            "- spark, cannot start: q2. `refused: error: cannot start: no heap`",
        ] {
            assert!(drawn.contains(row), "{row} is not in\n{drawn}");
        }
        // A query of which one run is not right has no seconds.
        outcomes.push(outcome(duckdb, "q1", Kind::Hung, 300.0));
        let drawn = peers(&outcomes, "a machine", "TPC-H");
        assert!(
            drawn.contains("| duckdb:80 | 1 of 3 | 1.0 s | 2.0 s | 2.00 | 2.00 | q2, 2.00 |"),
            "{drawn}"
        );
        assert!(drawn.contains("| q1 | 1.00 s, 8 MiB | HUNG |"), "{drawn}");
    }
}
