//! Ordinals to values.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    FixedSizeBinaryBuilder, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, LargeStringArray, ListArray, StringArray, StringViewArray, StructArray,
    Time64MicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{Field, i256};

use super::{Kind, Layout, SPECIAL, fields};
use crate::random::mix;

impl Kind {
    /// The values of these ordinals.
    pub fn array(&self, ordinals: &[Option<u64>]) -> ArrayRef {
        let values = ordinals.iter().copied();
        match self {
            Kind::Boolean => Arc::new(BooleanArray::from_iter(
                values.map(|o| o.map(|o| o % 2 == 1)),
            )),
            Kind::Whole { bits, signed } => wholes(*bits, *signed, ordinals),
            Kind::Float { bits: 32 } => Arc::new(Float32Array::from_iter(
                values.map(|o| o.map(|o| float(o) as f32)),
            )),
            Kind::Float { .. } => Arc::new(Float64Array::from_iter(values.map(|o| o.map(float)))),
            Kind::Decimal { precision, .. } if *precision > 38 => {
                let numbers = values.map(|o| o.map(|o| i256::from_i128(decimal(o))));
                Arc::new(Decimal256Array::from_iter(numbers).with_data_type(self.data_type()))
            }
            Kind::Decimal { .. } => {
                let numbers = values.map(|o| o.map(decimal));
                Arc::new(Decimal128Array::from_iter(numbers).with_data_type(self.data_type()))
            }
            Kind::Text { width, layout } => {
                let texts = values.map(|o| o.map(|o| text(o, *width)));
                match layout {
                    Layout::Plain => Arc::new(StringArray::from_iter(texts)),
                    Layout::Large => Arc::new(LargeStringArray::from_iter(texts)),
                    Layout::View => Arc::new(StringViewArray::from_iter(texts)),
                    Layout::Dictionary => {
                        let plain = StringArray::from_iter(texts);
                        cast(&plain, &self.data_type()).unwrap_or_else(|_| Arc::new(plain))
                    }
                }
            }
            Kind::Binary { width } => Arc::new(BinaryArray::from_iter(
                values.map(|o| o.map(|o| text(o, *width).into_bytes())),
            )),
            Kind::FixedBinary => fixed_binaries(ordinals),
            Kind::Date => Arc::new(Date32Array::from_iter(
                values.map(|o| o.map(|o| signed(o) as i32)),
            )),
            Kind::Time => {
                Arc::new(Time64MicrosecondArray::from_iter(values.map(|o| {
                    o.map(|o| (o % 86_400) as i64 * 1_000_000 + (o % 7) as i64)
                })))
            }
            Kind::Timestamp { .. } => {
                let numbers =
                    Int64Array::from_iter(values.map(|o| o.map(|o| signed(o) * 86_400_123)));
                cast(&numbers, &self.data_type()).unwrap_or_else(|_| Arc::new(numbers))
            }
            Kind::List(item) => lists(item, ordinals),
            Kind::Struct(kinds) => structs(kinds, ordinals),
        }
    }
}

/// 0, −1, 1, −2, 2 …: small ordinals are small numbers of both signs.
fn signed(ordinal: u64) -> i64 {
    let half = (ordinal % SPECIAL / 2) as i64;
    if ordinal.is_multiple_of(2) {
        half
    } else {
        -half - 1
    }
}

fn wholes(bits: u8, is_signed: bool, ordinals: &[Option<u64>]) -> ArrayRef {
    macro_rules! array {
        ($array:ident, $type:ty, $number:expr) => {
            Arc::new($array::from_iter(ordinals.iter().map(|ordinal| {
                ordinal.map(|ordinal| match ordinal.checked_sub(SPECIAL) {
                    Some(0) => <$type>::MIN,
                    Some(1) => <$type>::MAX,
                    Some(2) => <$type>::MIN + 1,
                    Some(_) => <$type>::MAX - 1,
                    None => $number(ordinal) as $type,
                })
            })))
        };
    }
    let plain = |ordinal: u64| ordinal;
    match (bits, is_signed) {
        (8, true) => array!(Int8Array, i8, signed),
        (16, true) => array!(Int16Array, i16, signed),
        (32, true) => array!(Int32Array, i32, signed),
        (_, true) => array!(Int64Array, i64, signed),
        (8, false) => array!(UInt8Array, u8, plain),
        (16, false) => array!(UInt16Array, u16, plain),
        (32, false) => array!(UInt32Array, u32, plain),
        (_, false) => array!(UInt64Array, u64, plain),
    }
}

/// Quarters, which both widths hold exactly.
fn float(ordinal: u64) -> f64 {
    match ordinal.checked_sub(SPECIAL) {
        Some(0) => f64::NAN,
        Some(1) => -0.0,
        Some(2) => f64::INFINITY,
        Some(_) => f64::NEG_INFINITY,
        None => signed(ordinal) as f64 / 4.0,
    }
}

/// Under 10⁹, so that each precision holds it.
fn decimal(ordinal: u64) -> i128 {
    i128::from(signed(ordinal) % 10_000_000) * 25
}

/// A string that begins with what tells it from others and goes on up to about `width` characters.
fn text(ordinal: u64, width: u16) -> String {
    let width = usize::from(width);
    match ordinal.checked_sub(SPECIAL) {
        Some(0) => return String::new(),
        Some(1) => return "é€😀".repeat(1 + width / 8),
        Some(2) => return " ".into(),
        Some(_) => return "long ".repeat(40 + width),
        None => {}
    }
    let mut text = format!("{ordinal:x}");
    let noise = mix(ordinal);
    let length = width / 2 + noise as usize % width.max(1);
    while text.len() < length {
        let letter = b'a' + (noise.rotate_left(text.len() as u32) % 26) as u8;
        text.push(letter as char);
    }
    text
}

fn fixed_binaries(ordinals: &[Option<u64>]) -> ArrayRef {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(ordinals.len(), 16);
    for ordinal in ordinals {
        match ordinal {
            Some(ordinal) => {
                let value = u128::from(mix(*ordinal)) << 64 | u128::from(*ordinal);
                builder
                    .append_value(value.to_be_bytes())
                    .expect("16 bytes each");
            }
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

/// The list of an ordinal: up to three items, of which some are null.
fn lists(item: &Kind, ordinals: &[Option<u64>]) -> ArrayRef {
    let length = |ordinal: &Option<u64>| ordinal.map_or(0, |ordinal| (mix(ordinal) % 4) as usize);
    let mut items = Vec::new();
    for ordinal in ordinals {
        for place in 0..length(ordinal) as u64 {
            let is_null = mix(ordinal.unwrap_or(0) + place).is_multiple_of(9);
            items.push(ordinal.map(|o| o + place).filter(|_| !is_null));
        }
    }
    let field = Arc::new(Field::new_list_field(item.data_type(), true));
    let offsets = OffsetBuffer::from_lengths(ordinals.iter().map(length));
    let nulls = NullBuffer::from_iter(ordinals.iter().map(Option::is_some));
    Arc::new(ListArray::new(
        field,
        offsets,
        item.array(&items),
        Some(nulls),
    ))
}

fn structs(kinds: &[Kind], ordinals: &[Option<u64>]) -> ArrayRef {
    let nulls = NullBuffer::from_iter(ordinals.iter().map(Option::is_some));
    let columns = kinds.iter().enumerate().map(|(place, kind)| {
        let ordinals: Vec<Option<u64>> = ordinals
            .iter()
            .map(|ordinal| ordinal.filter(|ordinal| !mix(ordinal + place as u64).is_multiple_of(8)))
            .collect();
        kind.array(&ordinals)
    });
    Arc::new(StructArray::new(
        fields(kinds),
        columns.collect(),
        Some(nulls),
    ))
}
