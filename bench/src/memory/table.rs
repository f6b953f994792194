//! The outcomes as Markdown.

use std::collections::HashSet;
use std::fmt::Write;

use plimsoll_cage::human;

use super::engine::Engine;
use super::outcome::{Kind, Outcome};
/// Queries, a section for each line: this engine's figures, then all engines side by side.
pub fn queries(outcomes: &[Outcome], machine: &str, title: &str) -> String {
    let mut text = format!("# {title} in a memory cgroup\n\n{machine}\n");
    for line in lines(outcomes) {
        let here: Vec<_> = outcomes
            .iter()
            .filter(|outcome| outcome.line == line)
            .collect();
        let _ = writeln!(text, "\n## Within {}\n", human(line));
        text.push_str(&own(&here));
        text.push_str(&side_by_side(&here));
    }
    text
}

/// Hostile files, a column for each line.
pub fn hostile(outcomes: &[Outcome], machine: &str) -> String {
    let mut text = format!(
        "# Hostile input in a memory cgroup\n\n{machine}\n\n\
         **Bold** has to finish: it can be read and spilled in pieces that fit. The rest may be refused, with an error \
         that names the line. Anything else is a failure.\n\n| |"
    );
    let lines = lines(outcomes);
    for line in &lines {
        let _ = write!(text, " {} |", human(*line));
    }
    let _ = writeln!(text, "\n| --- |{}", " --- |".repeat(lines.len()));
    for (query, engine) in rows(outcomes) {
        let name = match engine {
            Engine::Plimsoll => query.to_owned(),
            other => format!("{query} ({other})"),
        };
        let _ = write!(text, "| {name} |");
        for line in &lines {
            let found = outcomes.iter().find(|outcome| {
                (outcome.query.as_str(), outcome.engine, outcome.line) == (query, engine, *line)
            });
            let cell = found.map_or(String::new(), |outcome| match outcome.must_finish {
                true => format!("**{}**", cell(outcome)),
                false => cell(outcome),
            });
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

/// Joins of large tables, a section for each line: seconds, and how many times those of a join in ample memory they are.
/// Of several runs the medians.
pub fn joins(outcomes: &[Outcome], machine: &str) -> String {
    let mut text = format!("# Joins whose build side does not fit\n\n{machine}\n");
    for line in lines(outcomes) {
        let here: Vec<_> = outcomes
            .iter()
            .filter(|outcome| outcome.line == line)
            .collect();
        let mut engines: Vec<Engine> = here.iter().map(|outcome| outcome.engine).collect();
        engines.sort_by_key(ToString::to_string);
        engines.dedup();
        let _ = write!(text, "\n## Within {}\n\n| build side |", human(line));
        for engine in &engines {
            let _ = write!(text, " {engine} |");
        }
        let _ = writeln!(text, "\n| --- |{}", " ---: |".repeat(engines.len()));
        let mut queries: Vec<&str> = here.iter().map(|outcome| outcome.query.as_str()).collect();
        queries.dedup();
        let mut seen = HashSet::new();
        queries.retain(|query| seen.insert(*query));
        for query in queries {
            let of = |engine: Engine| -> Vec<&Outcome> {
                let runs = here.iter().copied();
                runs.filter(|outcome| outcome.query == query && outcome.engine == engine)
                    .collect()
            };
            let in_memory = median(&of(Engine::Ample));
            let _ = write!(text, "| {query} |");
            for engine in &engines {
                let runs = of(*engine);
                let cell = match (median(&runs), in_memory) {
                    (Some(seconds), Some(in_memory)) if *engine != Engine::Ample => {
                        format!("{seconds:.1} s, {:.2}", seconds / in_memory)
                    }
                    (Some(seconds), _) => format!("{seconds:.1} s"),
                    (None, _) => runs.first().map_or("", |run| run.verdict.word()).to_owned(),
                };
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
    }
    text
}

/// The median of the seconds; `None` unless all runs were right.
fn median(runs: &[&Outcome]) -> Option<f64> {
    let mut seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let all_right = runs.iter().all(|run| run.verdict == Kind::Right);
    seconds
        .get(seconds.len() / 2)
        .copied()
        .filter(|_| all_right)
}

/// The lines, the smallest first.
fn lines(outcomes: &[Outcome]) -> Vec<u64> {
    let mut lines: Vec<u64> = outcomes.iter().map(|outcome| outcome.line).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// The queries and engines, in the order that they were first run in.
fn rows(outcomes: &[Outcome]) -> Vec<(&str, Engine)> {
    let mut rows = Vec::new();
    for outcome in outcomes {
        let row = (outcome.query.as_str(), outcome.engine);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows
}

/// The figures of this engine.
fn own(outcomes: &[&Outcome]) -> String {
    let own: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.engine == Engine::Plimsoll)
        .collect();
    if own.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "| plimsoll | verdict | seconds | spilled | reserved at peak | allocated | resident | of the line |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for outcome in own {
        let optional = |bytes: Option<u64>| bytes.map_or("–".to_owned(), human);
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {} | {} | {} | {} | {} |",
            outcome.query,
            outcome.verdict.word(),
            outcome.seconds,
            optional(outcome.spilled),
            optional(outcome.reserved),
            optional(outcome.allocated),
            human(outcome.resident),
            share(outcome),
        );
    }
    text.push('\n');
    text
}

/// A column for each engine: seconds and the share of the line that was resident, or what went wrong.
fn side_by_side(outcomes: &[&Outcome]) -> String {
    let mut engines: Vec<Engine> = Vec::new();
    let mut queries: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !engines.contains(&outcome.engine) {
            engines.push(outcome.engine);
        }
        if !queries.contains(&outcome.query.as_str()) {
            queries.push(&outcome.query);
        }
    }
    let mut text = String::from("| |");
    for engine in &engines {
        let _ = write!(text, " {engine} |");
    }
    let _ = writeln!(text, "\n| --- |{}", " ---: |".repeat(engines.len()));
    for query in queries {
        let _ = write!(text, "| {query} |");
        for engine in &engines {
            let found = outcomes
                .iter()
                .find(|outcome| outcome.query == query && outcome.engine == *engine);
            let _ = write!(
                text,
                " {} |",
                found.map_or(String::new(), |outcome| cell(outcome))
            );
        }
        text.push('\n');
    }
    text.push_str("| **right, within the line** |");
    for engine in &engines {
        let of_engine: Vec<_> = outcomes
            .iter()
            .filter(|outcome| outcome.engine == *engine)
            .collect();
        let right = of_engine
            .iter()
            .filter(|outcome| outcome.verdict == Kind::Right);
        let seconds: f64 = right.clone().map(|outcome| outcome.seconds).sum();
        let (right, all) = (right.count(), of_engine.len());
        let _ = match right {
            0 => write!(text, " 0 of {all} |"),
            _ => write!(text, " {right} of {all}, {seconds:.1} s |"),
        };
    }
    text.push('\n');
    text
}

fn cell(outcome: &Outcome) -> String {
    match outcome.verdict {
        Kind::Right => format!("{:.1} s, {}", outcome.seconds, share(outcome)),
        Kind::Over => format!("OVER, {}", share(outcome)),
        kind => kind.word().to_owned(),
    }
}

fn share(outcome: &Outcome) -> String {
    let percent = 100.0 * outcome.resident as f64 / outcome.line.max(1) as f64;
    format!("{percent:.0} %")
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
            words: String::new(),
            seconds,
            spilled: Some(1 << 20),
            reserved: None,
            allocated: None,
            resident: 1 << 29,
            kernel: 0,
        }
    }

    #[test]
    fn engines_stand_side_by_side_and_only_right_answers_are_counted() {
        let duckdb = Engine::DuckDb { share: 80 };
        let outcomes = [
            outcome(Engine::Plimsoll, "q1", Kind::Right, 1.0),
            outcome(Engine::Plimsoll, "q2", Kind::Refused, 1.0),
            outcome(duckdb, "q1", Kind::Killed, 1.0),
            outcome(duckdb, "q2", Kind::Right, 2.5),
        ];
        let drawn = queries(&outcomes, "a machine", "TPC-H");
        for row in [
            "## Within 1 GiB",
            "| q1 | right | 1.0 | 1 MiB | – | – | 512 MiB | 50 % |",
            "| | plimsoll | duckdb:80 |",
            "| q1 | 1.0 s, 50 % | KILLED |",
            "| q2 | refused | 2.5 s, 50 % |",
            "| **right, within the line** | 1 of 2, 1.0 s | 1 of 2, 2.5 s |",
        ] {
            assert!(drawn.contains(row), "{row} is not in\n{drawn}");
        }
    }

    #[test]
    fn hostile_files_have_a_column_for_each_line() {
        let refused = outcome(Engine::Plimsoll, "one value", Kind::Refused, 1.0);
        let mut outcomes = [refused.clone(), refused.that_must_finish(true)];
        outcomes[1].line *= 2;
        outcomes[1].verdict = Kind::Right;
        let drawn = hostile(&outcomes, "a machine");
        assert!(drawn.contains("| | 1 GiB | 2 GiB |"), "{drawn}");
        assert!(
            drawn.contains("| one value | refused | **1.0 s, 25 %** |"),
            "{drawn}"
        );
    }
}
