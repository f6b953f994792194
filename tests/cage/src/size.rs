//! Byte counts as a person reads and writes them.

/// Bytes in the largest binary unit that leaves at least one of it, with one decimal unless it is whole: `1.5 GiB`, `64 MiB`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut value = bytes as f64;
    // 1023.95 would be written as 1024.0, which is one of the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let number = format!("{value:.1}");
    let number = number.strip_suffix(".0").unwrap_or(&number);
    format!("{number} {}", UNITS[unit])
}

/// Bytes as Spark's settings take them, exactly: `1g`, `96m`, `1000000b`.
pub fn spelled(bytes: u64) -> String {
    for (shift, unit) in [(30, "g"), (20, "m"), (10, "k")] {
        if bytes > 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}b")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_the_unit_that_fits() {
        assert_eq!(human(512), "512 B");
        assert_eq!(human(64 << 20), "64 MiB");
        assert_eq!(human(1 << 30), "1 GiB");
        assert_eq!(human((1 << 30) + (1 << 29)), "1.5 GiB");
        assert_eq!(human((1 << 30) - 1), "1 GiB");
    }

    #[test]
    fn lines_are_spelled_as_settings_take_them() {
        assert_eq!(spelled(1 << 30), "1g");
        assert_eq!(spelled(1536 << 20), "1536m");
        assert_eq!(spelled(1_000_000), "1000000b");
    }
}
