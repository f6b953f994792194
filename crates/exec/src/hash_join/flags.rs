use std::sync::atomic::{AtomicU64, Ordering};

/// One bit for each row of a part of the build side: whether a probe row matched it. Any thread may set
/// bits, none clears one.
#[derive(Debug)]
pub(crate) struct Flags {
    words: Vec<AtomicU64>,
}

impl Flags {
    /// Flags for `rows` rows, none set.
    pub(crate) fn new(rows: usize) -> Self {
        let mut words = Vec::with_capacity(rows.div_ceil(64));
        words.resize_with(rows.div_ceil(64), AtomicU64::default);
        Self { words }
    }

    /// Bytes that flags for `rows` rows take.
    pub(crate) fn bytes(rows: usize) -> usize {
        rows.div_ceil(64) * size_of::<u64>()
    }

    pub(crate) fn set(&self, row: usize) {
        let word = &self.words[row / 64];
        let bit = 1 << (row % 64);
        // Most rows that are matched once are matched often, and a read does not take the cache line
        // away from other threads.
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self, row: usize) -> bool {
        self.words[row / 64].load(Ordering::Relaxed) & (1 << (row % 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::Flags;

    #[test]
    fn bits_across_words_are_their_own() {
        let flags = Flags::new(130);
        flags.set(129);
        assert_eq!(
            (0..130).filter(|row| flags.get(*row)).collect::<Vec<_>>(),
            [129]
        );
        assert_eq!(Flags::bytes(130), 24);
    }
}
