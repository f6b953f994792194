//! What a run proves.

use std::fmt;

use crate::cage::{Exit, Run};
use crate::size::{human, spelled};

/// What a run amounts to. The first two keep the promise; all others break it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It finished, and its answer is right.
    Right,
    /// It ended with an error that a person can act on: this one.
    Refused(String),
    /// It finished with a wrong answer.
    Wrong(String),
    /// The kernel killed processes of the group because it was full.
    OutOfMemory {
        /// How many.
        kills: u64,
    },
    /// It died by a signal that was not ours.
    Died {
        /// The number of the signal.
        signal: i32,
    },
    /// It had more resident than the line.
    Over {
        /// Bytes at peak.
        resident: u64,
    },
    /// It did not end in its time.
    Hung {
        /// What it was given.
        seconds: u64,
    },
    /// It failed otherwise than by an error that names the line.
    Unclean(String),
}

impl Verdict {
    /// Whether the line was kept and the program ended as it should.
    pub fn is_kept(&self) -> bool {
        matches!(self, Verdict::Right | Verdict::Refused(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Right => write!(f, "right"),
            Verdict::Refused(error) => write!(f, "refused: {error}"),
            Verdict::Wrong(difference) => write!(f, "WRONG ANSWER: {difference}"),
            Verdict::OutOfMemory { kills } => write!(f, "KILLED by the kernel ({kills} OOM)"),
            Verdict::Died { signal } => write!(f, "DIED by signal {signal}"),
            Verdict::Over { resident } => write!(f, "OVER the line: {} resident", human(*resident)),
            Verdict::Hung { seconds } => write!(f, "HUNG: no end in {seconds} s"),
            Verdict::Unclean(error) => write!(f, "UNCLEAN: {error}"),
        }
    }
}

/// Judges a run of `plimsoll`. `check` holds its stdout against the answer and says what differs; `other_errors` are
/// words of errors that are right for this input without naming the line (a text that is no JSON, say).
pub fn judge(
    run: &Run,
    check: impl FnOnce(&str) -> Result<(), String>,
    other_errors: &[&str],
) -> Verdict {
    if let Some(failure) = broken(run) {
        return failure;
    }
    match run.exit {
        Exit::Code(0) if !run.stdout.is_whole() => {
            Verdict::Wrong(format!("{} bytes of answer", run.stdout.bytes))
        }
        Exit::Code(0) => match check(&run.stdout.text) {
            Ok(()) => Verdict::Right,
            Err(difference) => Verdict::Wrong(difference),
        },
        _ => error(run, other_errors),
    }
}

/// What no program may do, whatever it answers.
fn broken(run: &Run) -> Option<Verdict> {
    if run.oom_kills > 0 {
        return Some(Verdict::OutOfMemory {
            kills: run.oom_kills,
        });
    }
    match run.exit {
        Exit::Signal(signal) => Some(Verdict::Died { signal }),
        Exit::TimedOut => Some(Verdict::Hung {
            seconds: run.seconds as u64,
        }),
        Exit::Code(_) if run.peak_resident > run.line => Some(Verdict::Over {
            resident: run.peak_resident,
        }),
        Exit::Code(_) => None,
    }
}

fn error(run: &Run, other_errors: &[&str]) -> Verdict {
    let told = &run.stderr.text;
    // What the program wrote before, warnings and notices, is no part of the error; the report behind it is JSON.
    let message = told.find("error: ").map(|at| {
        let lines = told[at..]
            .lines()
            .take_while(|line| !line.starts_with('{'))
            .map(str::trim);
        lines.collect::<Vec<_>>().join(" ")
    });
    let Some(message) = message else {
        let last = told.lines().next_back().unwrap_or("nothing on stderr");
        return Verdict::Unclean(format!("{}, without an error: {last}", run.exit));
    };
    let named = names_line(&message, run.line);
    let clean = run.exit == Exit::Code(1) && !told.contains("panicked");
    let expected = named || other_errors.iter().any(|words| message.contains(words));
    match (clean, expected) {
        (true, true) => Verdict::Refused(message),
        (true, false) => Verdict::Unclean(format!("the error does not name the line: {message}")),
        (false, _) => Verdict::Unclean(format!("{}: {message}", run.exit)),
    }
}

/// Whether an error names the line: it says "line", and how much that is, as people write it (`64 MiB`) or as settings
/// take it (`64m`).
pub fn names_line(message: &str, line: u64) -> bool {
    let written = [human(line), spelled(line)];
    message.contains("line") && written.iter().any(|size| stands_alone(message, size))
}

/// Whether `word` is in `text` other than as part of a longer number or unit: `64 MiB` is not in `164 MiB`.
fn stands_alone(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(|c| c.is_ascii_digit() || c == '.')
            && !after.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Captured;

    fn run(exit: Exit, stdout: &str, stderr: &str) -> Run {
        let captured = |text: &str| Captured {
            text: text.to_owned(),
            bytes: text.len() as u64,
        };
        Run {
            line: 64 << 20,
            exit,
            oom_kills: 0,
            peak_resident: 60 << 20,
            peak_charged: 64 << 20,
            peak_kernel: 1 << 20,
            seconds: 1.5,
            stdout: captured(stdout),
            stderr: captured(stderr),
        }
    }

    fn judged(run: &Run) -> Verdict {
        let check = |answer: &str| match answer {
            "42" => Ok(()),
            other => Err(format!("{other} is not 42")),
        };
        judge(run, check, &["nested too deeply"])
    }

    #[test]
    fn an_answer_is_held_against_the_right_one() {
        assert_eq!(judged(&run(Exit::Code(0), "42", "")), Verdict::Right);
        let wrong = judged(&run(Exit::Code(0), "41", ""));
        assert_eq!(wrong, Verdict::Wrong("41 is not 42".into()));
        assert!(!wrong.is_kept());
    }

    #[test]
    fn an_error_is_clean_when_it_names_the_line_or_is_one_of_its_input() {
        let judged = |code, stderr: &str| judged(&run(Exit::Code(code), "", stderr));
        let named = "warning: x\nerror: no memory within the line of 64 MiB\n{\"line\": 1}\n";
        let words = "error: no memory within the line of 64 MiB".to_owned();
        assert_eq!(judged(1, named), Verdict::Refused(words));
        assert!(judged(1, "error: nested too deeply").is_kept());
        for unclean in [
            "error: no memory",
            "error: the line of 164 MiB",
            "error: 64 MiB asked for",
            "thread panicked\nerror: the line of 64 MiB",
            "",
        ] {
            assert!(
                matches!(judged(1, unclean), Verdict::Unclean(_)),
                "{unclean}"
            );
        }
        assert!(!judged(101, named).is_kept());
    }

    #[test]
    fn deaths_and_peaks_count_before_answers() {
        let mut over = run(Exit::Code(0), "42", "");
        over.peak_resident = over.line + 1;
        assert!(matches!(judged(&over), Verdict::Over { .. }));
        over.oom_kills = 1;
        assert_eq!(judged(&over), Verdict::OutOfMemory { kills: 1 });
        let died = run(Exit::Signal(6), "", "");
        assert_eq!(judged(&died), Verdict::Died { signal: 6 });
        assert!(matches!(
            judged(&run(Exit::TimedOut, "", "")),
            Verdict::Hung { .. }
        ));
    }
}
