use crate::hostile::random;

/// Numbers that a seed and the number of a pair determine.
pub(super) struct Dice {
    place: u64,
}

impl Dice {
    pub(super) fn new(seed: u64, number: u64) -> Self {
        // So far apart that no two pairs share their numbers.
        Self {
            place: random::at(random::at(seed) ^ number),
        }
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.place = self.place.wrapping_add(1);
        random::at(self.place) % end
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// At least one and at most so many of them, in an order of their own, none twice.
    pub(super) fn some<T: Copy>(&mut self, choices: &[T], most: u64) -> Vec<T> {
        let mut left = choices.to_vec();
        let count = 1 + self.below(most.min(left.len() as u64));
        let take = |_| left.swap_remove(self.below(left.len() as u64) as usize);
        (0..count).map(take).collect()
    }
}
