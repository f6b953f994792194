//! What a long job tells the person who waits for it, on stderr: a bar on a terminal, plain lines in a log.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar when stderr is a terminal; nothing but what is [said](Progress::say) when it is not.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Starts a bar of `total` steps. `template` is one of indicatif's.
    pub fn new(total: u64, template: &str) -> Self {
        let bar = ProgressBar::new(total);
        // A template is written by a programmer; if it is wrong, indicatif's own style will do.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━━─"));
        }
        // The clock goes on when nothing else happens.
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar }
    }

    /// Moves the bar on.
    pub fn add(&self, steps: u64) {
        self.bar.inc(steps);
    }

    /// Says what is under way, on the bar's own line. A log does not hear of it.
    pub fn now(&self, what: impl Into<std::borrow::Cow<'static, str>>) {
        self.bar.set_message(what);
    }

    /// Says something that stays: above the bar, or as a line of the log.
    pub fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

impl Drop for Progress {
    /// Takes the bar away, so that what is printed next starts on a clean line, also after an error.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
