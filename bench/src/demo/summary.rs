//! The table at the end of the demo.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::child::Outcome;
use super::report::Report;
use crate::size;

/// A query's name and how it ended.
pub type Run = (String, Outcome);

/// How many of the runs did not finish.
pub fn failures(runs: &[Run]) -> usize {
    runs.iter()
        .filter(|(_, outcome)| !matches!(outcome, Outcome::Finished(_)))
        .count()
}

/// Draws a row per query, a row for all of them, and a line that holds the peak against the limit.
pub fn draw(runs: &[Run], memory: &str) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let mut header = vec![
        "query",
        "rows",
        "seconds",
        "peak execution memory",
        "spilled",
        "peak resident",
    ];
    let some_failed = failures(runs) > 0;
    if some_failed {
        header.push("error");
    }
    let columns = header.len();
    table.set_header(header);
    for column in 1..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }

    let mut total = Figures::default();
    for (name, outcome) in runs {
        let mut row = vec![name.clone()];
        match outcome {
            Outcome::Finished(report) => {
                let figures = Figures::of(report);
                row.extend(figures.cells());
                total = total.and(&figures);
            }
            Outcome::Failed(reason) => row.extend(no_figures(reason)),
            Outcome::Interrupted(_) => row.extend(no_figures("interrupted")),
        }
        row.resize(columns, String::new());
        table.add_row(row);
    }
    let mut row = vec!["all".to_owned()];
    row.extend(total.cells());
    row.resize(columns, String::new());
    table.add_row(row);
    format!("{table}\n{}", against_the_line(&total, memory))
}

/// What the total says: sums of rows, seconds and spills, and the highest peak of any one process.
fn against_the_line(total: &Figures, memory: &str) -> String {
    if total.line == 0 {
        return format!("The line: --memory {memory}. No query finished.");
    }
    let share = 100.0 * total.peak_resident as f64 / total.line as f64;
    let line = size::human(total.line);
    let resident = size::human(total.peak_resident);
    format!("The line: {line} (--memory {memory}). Peak resident: {resident}, {share:.0} % of it.")
}

fn no_figures(reason: &str) -> Vec<String> {
    let mut cells = vec!["–".to_owned(); 5];
    cells.push(reason.to_owned());
    cells
}

/// The numbers of one run, or of all of them.
#[derive(Debug, Default)]
struct Figures {
    rows: u64,
    seconds: f64,
    peak_execution: u64,
    spilled: u64,
    peak_resident: u64,
    line: u64,
}

impl Figures {
    fn of(report: &Report) -> Self {
        let queries = &report.queries;
        Self {
            rows: queries.iter().map(|query| query.rows).sum(),
            seconds: queries.iter().map(|query| query.seconds).sum(),
            peak_execution: queries
                .iter()
                .map(|query| query.peak_execution)
                .max()
                .unwrap_or(0),
            spilled: queries.iter().map(|query| query.spilled_bytes).sum(),
            peak_resident: report.peak.resident,
            line: report.line,
        }
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            seconds: self.seconds + other.seconds,
            peak_execution: self.peak_execution.max(other.peak_execution),
            spilled: self.spilled + other.spilled,
            peak_resident: self.peak_resident.max(other.peak_resident),
            line: self.line.max(other.line),
        }
    }

    fn cells(&self) -> [String; 5] {
        [
            self.rows.to_string(),
            format!("{:.2}", self.seconds),
            size::human(self.peak_execution),
            size::human(self.spilled),
            size::human(self.peak_resident),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::report::{Peak, Query, Status};

    fn finished(name: &str, seconds: f64, resident: u64) -> Run {
        let query = Query {
            status: Status::Finished,
            error: None,
            rows: 4,
            seconds,
            peak_execution: 10 << 20,
            spilled_bytes: 1 << 20,
        };
        let peak = Peak {
            resident,
            execution: 10 << 20,
        };
        (
            name.to_owned(),
            Outcome::Finished(Report {
                line: 1 << 30,
                queries: vec![query],
                peak,
            }),
        )
    }

    #[test]
    fn the_last_row_adds_what_adds_up_and_takes_the_highest_peak() {
        let drawn = draw(
            &[
                finished("q1", 0.5, 100 << 20),
                finished("q2", 1.25, 50 << 20),
            ],
            "1g",
        );
        let all = drawn.lines().find(|line| line.contains(" all ")).unwrap();
        let cells: Vec<_> = all
            .split(['│', '┆'])
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect();
        assert_eq!(
            cells,
            ["all", "8", "1.75", "10.0 MiB", "2.0 MiB", "100.0 MiB"]
        );
        assert!(
            drawn.ends_with(
                "The line: 1.0 GiB (--memory 1g). Peak resident: 100.0 MiB, 10 % of it."
            ),
            "{drawn}"
        );
        assert!(!drawn.contains("error"));
    }

    #[test]
    fn a_failed_query_shows_its_error_in_place_of_figures() {
        let runs = [
            finished("q1", 0.5, 1),
            ("q2".to_owned(), Outcome::Failed("no such table".to_owned())),
        ];
        let drawn = draw(&runs, "1g");
        assert_eq!(failures(&runs), 1);
        let row = drawn.lines().find(|line| line.contains(" q2 ")).unwrap();
        assert!(row.contains('–') && row.contains("no such table"), "{row}");
    }
}
