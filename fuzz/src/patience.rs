//! A limit of time that does not run while the process is kept waiting for a processor: on a machine that others use too, what
//! takes long need not hang.

use std::fs;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often it is looked how much of the time counts.
const LOOK: Duration = Duration::from_secs(1);

/// What a channel has within `limit`, which counts the time in which threads of the process work or sleep, and not that in
/// which they wait for their turn.
///
/// # Errors
/// As `recv_timeout`.
pub(crate) fn receive<T>(
    from: &Receiver<T>,
    limit: Duration,
    process: u32,
) -> Result<T, RecvTimeoutError> {
    let mut spent = Duration::ZERO;
    let mut waited = waited(process);
    while spent < limit {
        let began = Instant::now();
        match from.recv_timeout(LOOK.min(limit - spent)) {
            Err(RecvTimeoutError::Timeout) => {}
            outcome => return outcome,
        }
        let now = self::waited(process);
        spent += began.elapsed().saturating_sub(now.saturating_sub(waited));
        waited = now;
    }
    Err(RecvTimeoutError::Timeout)
}

/// How long the threads of a process have waited for a processor together: the second figure of
/// `/proc/PID/task/TID/schedstat`. Nothing where the system does not tell.
fn waited(process: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Duration::ZERO;
    };
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let figures = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        figures.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_limit_ends_what_sleeps() {
        let (sender, receiver) = channel::<()>();
        let limit = Duration::from_millis(1500);
        let began = Instant::now();
        let outcome = receive(&receiver, limit, std::process::id());
        assert_eq!(outcome, Err(RecvTimeoutError::Timeout));
        assert!(began.elapsed() >= limit);
        sender.send(()).unwrap();
        assert_eq!(receive(&receiver, limit, std::process::id()), Ok(()));
    }
}
