//! Spark's `XORShiftRandom`, so that a seed gives the numbers that it gives there.

use std::num::Wrapping;

/// A generator with a state of its own.
#[derive(Debug, Clone)]
pub(super) struct Random {
    seed: i64,
    next_gaussian: Option<f64>,
}

impl Random {
    pub(super) fn new(seed: i64) -> Self {
        Self {
            seed: hash_seed(seed),
            next_gaussian: None,
        }
    }

    fn next(&mut self, bits: u32) -> i32 {
        let mut next = self.seed ^ (self.seed << 21);
        next ^= ((next as u64) >> 35) as i64;
        next ^= next << 4;
        self.seed = next;
        (next & ((1_i64 << bits) - 1)) as i32
    }

    /// From 0, inclusive, to 1: Java's `nextDouble`.
    pub(super) fn double(&mut self) -> f64 {
        let high = i64::from(self.next(26)) << 27;
        (high + i64::from(self.next(27))) as f64 / (1_i64 << 53) as f64
    }

    /// Of the standard normal distribution: Java's `nextGaussian`.
    pub(super) fn gaussian(&mut self) -> f64 {
        if let Some(next) = self.next_gaussian.take() {
            return next;
        }
        loop {
            let (x, y) = (2.0 * self.double() - 1.0, 2.0 * self.double() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.next_gaussian = Some(y * factor);
                return x * factor;
            }
        }
    }
}

/// `XORShiftRandom.hashSeed`: Scala's Murmur3 of the seed's bytes, twice.
fn hash_seed(seed: i64) -> i64 {
    let bytes = seed.to_be_bytes();
    let low = murmur(&bytes, 0x3c07_4a61);
    let high = murmur(&bytes, low);
    (i64::from(high) << 32) | (i64::from(low) & 0xFFFF_FFFF)
}

fn murmur(bytes: &[u8], seed: i32) -> i32 {
    let mut hash = Wrapping(seed as u32);
    let (words, _) = bytes.as_chunks::<4>();
    for word in words {
        let mut mixed = Wrapping(u32::from_le_bytes(*word)) * Wrapping(0xcc9e_2d51);
        mixed = Wrapping(mixed.0.rotate_left(15)) * Wrapping(0x1b87_3593);
        hash ^= mixed;
        hash = Wrapping(hash.0.rotate_left(13)) * Wrapping(5) + Wrapping(0xe654_6b64);
    }
    let mut hash = (hash.0) ^ bytes.len() as u32;
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_numbers_of_spark() {
        // SELECT rand(42) FROM range(2), in one partition.
        let mut random = Random::new(42);
        assert_eq!(
            [random.double(), random.double()],
            [0.619_189_370_225_301, 0.509_601_884_244_648_1]
        );
        // SELECT randn(42)
        assert_eq!(Random::new(42).gaussian(), 2.384_479_054_241_165);
    }
}
