//! The sketch of Greenwald and Khanna, step by step as in Spark's `QuantileSummaries`.

/// How many values are gathered, at least, before they go into the samples.
const HEAD_SIZE: usize = 50_000;
/// How many samples there are before they are compressed.
const COMPRESS_THRESHOLD: usize = 10_000;

/// A value that was seen; `g` is how much its least possible rank is above that of the sample before
/// it, and `delta` how uncertain the rank is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    value: f64,
    g: i64,
    delta: i64,
}

/// A summary of numbers that knows each quantile to within a relative error. NaN is the greatest.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    relative_error: f64,
    samples: Vec<Sample>,
    count: i64,
    head: Vec<f64>,
}

impl Sketch {
    pub(super) fn new(relative_error: f64) -> Self {
        Self {
            relative_error: relative_error.min(1.0),
            samples: Vec::new(),
            count: 0,
            head: Vec::new(),
        }
    }

    pub(super) fn relative_error(&self) -> f64 {
        self.relative_error
    }

    pub(super) fn insert(&mut self, value: f64) {
        self.head.push(value);
        // No fewer than there are samples, so that many samples are not gone through too often.
        if self.head.len() >= HEAD_SIZE.max(self.samples.len()) {
            self.insert_head();
            if self.samples.len() >= COMPRESS_THRESHOLD {
                self.compress();
            }
        }
    }

    /// Spark's `withHeadBufferInserted`.
    fn insert_head(&mut self) {
        if self.head.is_empty() {
            return;
        }
        let mut head = std::mem::take(&mut self.head);
        head.sort_unstable_by(f64::total_cmp);
        let mut merged = Vec::with_capacity(self.samples.len() + head.len());
        let mut samples = std::mem::take(&mut self.samples).into_iter().peekable();
        let last = head.len() - 1;
        for (at, value) in head.into_iter().enumerate() {
            while let Some(sample) =
                samples.next_if(|sample| sample.value.total_cmp(&value).is_le())
            {
                merged.push(sample);
            }
            self.count += 1;
            let is_end = merged.is_empty() || (at == last && samples.peek().is_none());
            let delta = match is_end {
                true => 0,
                false => self.tolerance(self.count).floor() as i64,
            };
            merged.push(Sample { value, g: 1, delta });
        }
        merged.extend(samples);
        self.samples = merged;
    }

    fn tolerance(&self, count: i64) -> f64 {
        2.0 * self.relative_error * count as f64
    }

    fn compress(&mut self) {
        self.insert_head();
        let samples = std::mem::take(&mut self.samples);
        self.samples = compressed(samples, self.tolerance(self.count));
    }

    /// Takes over what another sketch, of the same relative error, has seen.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.insert_head();
        other.insert_head();
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other;
            return;
        }
        let more_to_self = other.tolerance(other.count).floor() as i64;
        let more_to_other = self.tolerance(self.count).floor() as i64;
        let mut merged = Vec::with_capacity(self.samples.len() + other.samples.len());
        let (mut at, mut at_other) = (0, 0);
        while let (Some(sample), Some(sample_of_other)) =
            (self.samples.get(at), other.samples.get(at_other))
        {
            let (mut next, more) = if sample.value.total_cmp(&sample_of_other.value).is_lt() {
                at += 1;
                (*sample, if at_other > 0 { more_to_self } else { 0 })
            } else {
                at_other += 1;
                (*sample_of_other, if at > 0 { more_to_other } else { 0 })
            };
            next.delta += more;
            merged.push(next);
        }
        merged.extend_from_slice(&self.samples[at..]);
        merged.extend_from_slice(&other.samples[at_other..]);
        self.count += other.count;
        self.samples = compressed(merged, self.tolerance(self.count));
    }

    /// The value at each probability; none of no values.
    pub(super) fn query(&mut self, probabilities: &[f64]) -> Option<Vec<f64>> {
        self.compress();
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        let widest = self
            .samples
            .iter()
            .map(|sample| sample.delta + sample.g)
            .max()?;
        let target = widest as f64 / 2.0;
        let found = probabilities.iter().map(|probability| {
            if *probability <= self.relative_error || self.samples.len() == 1 {
                first.value
            } else if *probability >= 1.0 - self.relative_error {
                last.value
            } else {
                self.find(*probability, target).unwrap_or(last.value)
            }
        });
        Some(found.collect())
    }

    /// Spark's `findApproxQuantile`.
    fn find(&self, probability: f64, target: f64) -> Option<f64> {
        let rank = (probability * self.count as f64).ceil();
        let mut least = 0;
        let (_, all_but_last) = self.samples.split_last()?;
        let found = all_but_last.iter().find(|sample| {
            least += sample.g;
            let most = least + sample.delta;
            most as f64 - target <= rank && rank <= least as f64 + target
        });
        found.map(|sample| sample.value)
    }

    /// The bytes that it holds.
    pub(super) fn size(&self) -> usize {
        self.samples.capacity() * size_of::<Sample>() + self.head.capacity() * size_of::<f64>()
    }

    pub(super) fn compressed(&mut self) -> Vec<u8> {
        self.compress();
        let mut bytes = Vec::with_capacity(8 + self.samples.len() * 24);
        bytes.extend_from_slice(&self.count.to_le_bytes());
        for sample in &self.samples {
            bytes.extend_from_slice(&sample.value.to_le_bytes());
            bytes.extend_from_slice(&sample.g.to_le_bytes());
            bytes.extend_from_slice(&sample.delta.to_le_bytes());
        }
        bytes
    }

    /// What [`Self::compressed`] gave.
    pub(super) fn from_bytes(bytes: &[u8], relative_error: f64) -> Option<Self> {
        let (count, samples) = bytes.split_first_chunk::<8>()?;
        let (words, rest) = samples.as_chunks::<8>();
        if !rest.is_empty() || words.len() % 3 != 0 {
            return None;
        }
        let samples = words
            .chunks_exact(3)
            .map(|words| Sample {
                value: f64::from_le_bytes(words[0]),
                g: i64::from_le_bytes(words[1]),
                delta: i64::from_le_bytes(words[2]),
            })
            .collect();
        Some(Self {
            samples,
            count: i64::from_le_bytes(*count),
            ..Self::new(relative_error)
        })
    }
}

/// Spark's `compressImmut`: merges samples into the next where the ranks stay certain enough.
fn compressed(samples: Vec<Sample>, threshold: f64) -> Vec<Sample> {
    let [first, between @ .., last] = samples.as_slice() else {
        return samples;
    };
    let mut kept = Vec::new();
    let mut head = *last;
    for sample in between.iter().rev() {
        if ((sample.g + head.g + head.delta) as f64) < threshold {
            head.g += sample.g;
        } else {
            kept.push(head);
            head = *sample;
        }
    }
    kept.push(head);
    kept.push(*first);
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers below `count` in an order that is not theirs.
    fn shuffled(count: u64) -> impl Iterator<Item = f64> {
        (0..count).map(move |n| ((n * 7919 + 13) % count) as f64)
    }

    fn sketch(relative_error: f64, values: impl IntoIterator<Item = f64>) -> Sketch {
        let mut sketch = Sketch::new(relative_error);
        values.into_iter().for_each(|value| sketch.insert(value));
        sketch
    }

    #[test]
    fn without_error_quantiles_are_exact() {
        let mut sketch = sketch(0.0, shuffled(100_000));
        let found = sketch.query(&[0.9, 0.1, 0.5, 0.0, 1.0]);
        // As Spark answers spark.range(100000).approxQuantile("id", …, 0.0).
        assert_eq!(
            found,
            Some(vec![89_999.0, 9_999.0, 49_999.0, 0.0, 99_999.0])
        );
    }

    #[test]
    fn ranks_stay_within_the_error_and_samples_few() {
        let (relative_error, count) = (0.001, 1_000_003);
        let mut sketch = sketch(relative_error, shuffled(count));
        for step in 1..100 {
            let probability = f64::from(step) / 100.0;
            let found = sketch.query(&[probability]).unwrap()[0];
            let off = (found - probability * count as f64).abs();
            assert!(
                off <= relative_error * count as f64 + 1.0,
                "{probability}: {found}"
            );
        }
        assert!(sketch.samples.len() < 10_000, "{}", sketch.samples.len());
    }

    #[test]
    fn parts_merge_to_the_whole_by_way_of_bytes() {
        let (relative_error, count) = (0.001, 300_007);
        let mut whole = Sketch::new(relative_error);
        for part in 0..4 {
            let values = shuffled(count).skip(part * 80_000).take(80_000);
            let bytes = sketch(relative_error, values).compressed();
            whole.merge(Sketch::from_bytes(&bytes, relative_error).unwrap());
        }
        assert_eq!(whole.count, count as i64);
        for probability in [0.01, 0.25, 0.5, 0.75, 0.99] {
            let found = whole.query(&[probability]).unwrap()[0];
            let off = (found - probability * count as f64).abs();
            assert!(
                off <= 2.0 * relative_error * count as f64,
                "{probability}: {found}"
            );
        }
    }

    #[test]
    fn nothing_has_no_quantiles_and_cut_bytes_are_no_sketch() {
        assert_eq!(Sketch::new(0.1).query(&[0.5]), None);
        assert_eq!(
            sketch(0.1, [3.0]).query(&[0.0, 0.5, 1.0]),
            Some(vec![3.0; 3])
        );
        let bytes = sketch(0.1, [3.0, 4.0]).compressed();
        for length in 0..bytes.len() {
            let complete = length >= 8 && (length - 8) % 24 == 0;
            assert_eq!(
                Sketch::from_bytes(&bytes[..length], 0.1).is_some(),
                complete
            );
        }
    }
}
