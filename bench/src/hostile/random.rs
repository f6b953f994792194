//! Numbers that look random and are the same everywhere.

/// Steele, Lea and Flood's SplitMix64: the value at a place in its sequence, so that rows need no order to be made in.
pub(crate) fn at(place: u64) -> u64 {
    let mut z = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Sixteen hexadecimal digits; different for different places, since the function above is a bijection.
pub(crate) fn hex(place: u64) -> String {
    format!("{:016x}", at(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_paper() {
        // The first values of the reference implementation from seed 0.
        assert_eq!(at(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(at(1), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(hex(2), "06c45d188009454f");
    }
}
