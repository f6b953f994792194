use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use plimsoll_conf::fmt_bytes;
use plimsoll_driver::{Progress, Query};

/// How often the line is drawn anew.
const INTERVAL: Duration = Duration::from_millis(200);

/// The line on stderr that says how far a query has come, as long as it runs; nothing where stderr
/// is not a terminal.
pub struct ProgressLine {
    bar: ProgressBar,
}

impl ProgressLine {
    pub fn start() -> Self {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template("{spinner} {msg}");
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message("planning");
        bar.enable_steady_tick(INTERVAL);
        Self { bar }
    }

    /// Follows a query until this future is dropped.
    pub async fn follow(&self, query: Arc<Query>) {
        loop {
            self.bar.set_message(describe(&query.progress()));
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Takes the line away, for rows to be printed where it was.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn describe(progress: &Progress) -> String {
    let spilled = match progress.spilled {
        0 => String::new(),
        bytes => format!(" · spilled {}", fmt_bytes(bytes)),
    };
    let written = match progress.rows_written {
        None => String::new(),
        Some(rows) => format!(" · {} written", thousands(rows)),
    };
    let allocated = match progress.allocated {
        0 => String::new(),
        bytes => format!(" · allocated {}", fmt_bytes(bytes)),
    };
    if progress.is_waiting {
        return format!(
            "{:.1} s · waiting for memory that other queries hold",
            progress.elapsed.as_secs_f64()
        );
    }
    format!(
        "{:.1} s · {} rows scanned{written} · execution {} of {}{spilled}{allocated} · resident {}",
        progress.elapsed.as_secs_f64(),
        thousands(progress.rows_scanned),
        fmt_bytes(progress.execution),
        fmt_bytes(progress.execution_limit),
        fmt_bytes(progress.resident)
    )
}

fn thousands(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..10_000_000 => format!("{:.1} thousand", n as f64 / 1e3),
        _ => format!("{:.1} million", n as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_memory_and_spills() {
        let line = describe(&Progress {
            id: 0,
            elapsed: Duration::from_millis(1500),
            is_waiting: false,
            rows_scanned: 60_000_000,
            rows_written: Some(15_000_000),
            execution: 100 << 20,
            execution_limit: 434 << 20,
            spilled: 1 << 30,
            allocated: 200 << 20,
            resident: 256 << 20,
        });
        assert_eq!(
            line,
            "1.5 s · 60.0 million rows scanned · 15.0 million written · execution 100 MiB of 434 MiB · spilled 1 GiB · allocated 200 MiB · resident 256 MiB"
        );
    }
}
