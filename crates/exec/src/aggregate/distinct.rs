/// The registers: with so many the count is wrong by 2 % as a rule.
const REGISTERS: usize = 1 << BITS;
const BITS: u32 = 11;

/// About how many different hashes there were: HyperLogLog (Flajolet et al., 2007). Groups that go to disk more than once
/// would be one group in memory.
pub(crate) struct Distinct {
    registers: Box<[u8; REGISTERS]>,
}

impl Default for Distinct {
    fn default() -> Self {
        Self {
            registers: Box::new([0; REGISTERS]),
        }
    }
}

impl Distinct {
    pub(crate) fn add(&mut self, hash: u64) {
        // Numbers that are hashed by a multiplication differ least in the bits that are taken first.
        let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let hash = hash ^ (hash >> 29);
        let register = (hash & (REGISTERS as u64 - 1)) as usize;
        let rank = ((hash >> BITS) | 1 << (63 - BITS)).trailing_zeros() as u8 + 1;
        self.registers[register] = self.registers[register].max(rank);
    }

    pub(crate) fn count(&self) -> usize {
        let m = REGISTERS as f64;
        let sum: f64 = self
            .registers
            .iter()
            .map(|rank| 2_f64.powi(-i32::from(*rank)))
            .sum();
        let empty = self.registers.iter().filter(|rank| **rank == 0).count();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        // Few are counted by the registers that none of them is in.
        let estimate = match empty {
            1.. if raw <= 2.5 * m => m * (m / empty as f64).ln(),
            _ => raw,
        };
        estimate.round() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Distinct;

    /// Steele's splitmix64.
    fn mixed(number: u64) -> u64 {
        let z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    #[test]
    fn hashes_are_counted_once_however_often_they_come() {
        for many in [10_u64, 1000, 5000, 300_000] {
            let mut distinct = Distinct::default();
            for number in (1..=many).chain(1..=many) {
                distinct.add(mixed(number));
            }
            let off = (distinct.count() as f64 / many as f64 - 1.0).abs();
            assert!(off < 0.08, "{} of {many}", distinct.count());
        }
    }
}
