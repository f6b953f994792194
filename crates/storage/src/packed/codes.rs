use datafusion::arrow::array::UInt32Array;

/// Numbers from 0, in as few bytes each as the greatest needs.
pub(super) enum Codes {
    /// So many zeros.
    Zero(usize),
    One(Box<[u8]>),
    Two(Box<[u16]>),
    Four(Box<[u32]>),
    Eight(Box<[u64]>),
}

impl Codes {
    /// So many, none of which is above `greatest`.
    pub(super) fn new(codes: impl ExactSizeIterator<Item = u64>, greatest: u64) -> Self {
        match Self::width(greatest) {
            0 => Codes::Zero(codes.len()),
            1 => Codes::One(codes.map(|code| code as u8).collect()),
            2 => Codes::Two(codes.map(|code| code as u16).collect()),
            4 => Codes::Four(codes.map(|code| code as u32).collect()),
            _ => Codes::Eight(codes.collect()),
        }
    }

    /// Bytes of each, if none is above `greatest`.
    pub(super) fn width(greatest: u64) -> usize {
        match greatest {
            0 => 0,
            1..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        }
    }

    /// What `value` makes of each, or of those at these places.
    pub(super) fn map<T>(&self, places: Option<&UInt32Array>, value: impl Fn(u64) -> T) -> Vec<T> {
        match self {
            Codes::Zero(count) => {
                let count = places.map_or(*count, |places| places.values().len());
                (0..count).map(|_| value(0)).collect()
            }
            Codes::One(codes) => map(codes, places, value),
            Codes::Two(codes) => map(codes, places, value),
            Codes::Four(codes) => map(codes, places, value),
            Codes::Eight(codes) => map(codes, places, value),
        }
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Codes::Zero(_) => 0,
            Codes::One(codes) => codes.len(),
            Codes::Two(codes) => 2 * codes.len(),
            Codes::Four(codes) => 4 * codes.len(),
            Codes::Eight(codes) => 8 * codes.len(),
        }
    }
}

fn map<C: Copy + Into<u64>, T>(
    codes: &[C],
    places: Option<&UInt32Array>,
    value: impl Fn(u64) -> T,
) -> Vec<T> {
    match places {
        None => codes.iter().map(|code| value((*code).into())).collect(),
        Some(places) => {
            let places = places.values().iter();
            places
                .map(|place| value(codes[*place as usize].into()))
                .collect()
        }
    }
}
