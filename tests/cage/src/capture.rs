//! What a program writes, read as it comes and kept up to a bound.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// What a program has written to a pipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// Its text; where it is longer than was to be kept, the end of it.
    pub text: String,
    /// All bytes, kept or not.
    pub bytes: u64,
}

impl Captured {
    /// Whether the text is all there was.
    pub fn is_whole(&self) -> bool {
        self.bytes == self.text.len() as u64
    }
}

/// Reads a pipe to its end from a thread of its own, so that the writer never waits for a reader.
pub(crate) struct Reading {
    shared: Arc<Mutex<Kept>>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Kept {
    tail: VecDeque<u8>,
    bytes: u64,
}

impl Reading {
    /// Starts to read, keeping the last `most` bytes.
    pub(crate) fn start(mut pipe: impl Read + Send + 'static, most: usize) -> Self {
        let shared = Arc::new(Mutex::new(Kept::default()));
        let kept = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read) = pipe.read(&mut buffer) {
                if read == 0 {
                    break;
                }
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.bytes += read as u64;
                kept.tail.extend(&buffer[..read]);
                let excess = kept.tail.len().saturating_sub(most);
                kept.tail.drain(..excess);
            }
        });
        Self { shared, thread }
    }

    /// What has come so far.
    pub(crate) fn so_far(&self) -> Captured {
        self.shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .captured()
    }

    /// All that came, once every writer has closed its end.
    pub(crate) fn finish(self) -> Captured {
        // The thread does not panic; if it did, what it had read is still true.
        let _ = self.thread.join();
        self.shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .captured()
    }
}

impl Kept {
    fn captured(&self) -> Captured {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        Captured {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes: self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_all_of_it_counted() {
        let text = format!("{}error: late", "x".repeat(100_000));
        let reading = Reading::start(std::io::Cursor::new(text.clone()), 11);
        let captured = reading.finish();
        assert_eq!(captured.text, "error: late");
        assert_eq!(captured.bytes, text.len() as u64);
        assert!(!captured.is_whole());
        let whole = Reading::start(std::io::Cursor::new("a"), 11).finish();
        assert!(whole.is_whole());
    }
}
