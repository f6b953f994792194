//! The types of columns, and the values they have.
//!
//! A value is named by its *ordinal*: the same ordinal of the same kind is the same value in every table,
//! which is how columns of different tables come to have keys in common. Ordinals from [`SPECIAL`] up are
//! the values that are special to the kind: the ends of the range, NaN, −0, the empty and the very long
//! string.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    FixedSizeBinaryBuilder, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, LargeStringArray, ListArray, StringArray, StringViewArray, StructArray,
    Time64MicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit, i256};
use datafusion::arrow::util::display::array_value_to_string;
use serde::{Deserialize, Serialize};

use crate::random::mix;

/// The first ordinal of the special values.
pub const SPECIAL: u64 = 1 << 40;

/// How many ordinals from [`SPECIAL`] on a column draws from.
pub const SPECIALS: u64 = 4;

/// How strings lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Offsets of 32 bits.
    Plain,
    /// Offsets of 64 bits.
    Large,
    /// Views.
    View,
    /// Each distinct string once.
    Dictionary,
}

/// The unit of a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// 10⁻³ s.
    Millisecond,
    /// 10⁻⁶ s.
    Microsecond,
    /// 10⁻⁹ s.
    Nanosecond,
}

/// The type of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// True and false.
    Boolean,
    /// A whole number of 8, 16, 32 or 64 bits.
    Whole {
        /// How many bits.
        bits: u8,
        /// Whether it may be negative.
        signed: bool,
    },
    /// A floating-point number of 32 or 64 bits.
    Float {
        /// How many bits.
        bits: u8,
    },
    /// A decimal, of 128 bits up to a precision of 38 and of 256 above it.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// Strings of about so many characters.
    Text {
        /// Characters.
        width: u16,
        /// How they lie in memory.
        layout: Layout,
    },
    /// Binary strings of about so many bytes.
    Binary {
        /// Bytes.
        width: u16,
    },
    /// 16 bytes each.
    FixedBinary,
    /// Days.
    Date,
    /// A time of the day, in microseconds.
    Time,
    /// A moment, without a time zone.
    Timestamp {
        /// Its unit.
        unit: Unit,
    },
    /// Lists, some of them empty, with nulls in them.
    List(Box<Kind>),
    /// Structs, with nulls in them.
    Struct(Vec<Kind>),
}

impl Kind {
    /// A whole number.
    pub const fn whole(bits: u8, signed: bool) -> Self {
        Kind::Whole { bits, signed }
    }

    /// Whether values of the two can be equal: the types are the same, or SQL makes them so.
    pub fn is_comparable_with(&self, other: &Kind) -> bool {
        match (self, other) {
            (
                Kind::Whole {
                    bits: 64,
                    signed: false,
                },
                _,
            )
            | (
                _,
                Kind::Whole {
                    bits: 64,
                    signed: false,
                },
            ) => self == other,
            (Kind::Whole { .. }, Kind::Whole { .. }) => true,
            (Kind::Text { width: a, .. }, Kind::Text { width: b, .. }) => a == b,
            _ => self == other,
        }
    }

    /// Whether it has an order that engines sort by and take the least of.
    pub fn is_orderable(&self) -> bool {
        !matches!(self, Kind::List(_) | Kind::Struct(_) | Kind::FixedBinary)
    }

    /// Whether a literal of it can be written.
    pub fn has_literals(&self) -> bool {
        self.is_orderable() && !matches!(self, Kind::Binary { .. })
    }

    /// Whether it is a number that sums do not depend on the order of.
    pub fn is_exact(&self) -> bool {
        matches!(self, Kind::Whole { .. } | Kind::Decimal { .. })
    }

    /// About how many bytes a value has.
    pub fn bytes(&self) -> u64 {
        match self {
            Kind::Boolean => 1,
            Kind::Whole { bits, .. } | Kind::Float { bits } => u64::from(bits / 8),
            Kind::Decimal { precision, .. } => {
                if *precision > 38 {
                    32
                } else {
                    16
                }
            }
            Kind::Text {
                layout: Layout::Dictionary,
                ..
            } => 4,
            Kind::Text { width, .. } | Kind::Binary { width } => u64::from(*width) + 4,
            Kind::FixedBinary => 16,
            Kind::Date => 4,
            Kind::Time | Kind::Timestamp { .. } => 8,
            Kind::List(item) => 4 + 2 * item.bytes(),
            Kind::Struct(fields) => fields.iter().map(Kind::bytes).sum(),
        }
    }

    /// Arrow's type of it.
    pub fn data_type(&self) -> DataType {
        match self {
            Kind::Boolean => DataType::Boolean,
            Kind::Whole { bits, signed } => match (bits, signed) {
                (8, true) => DataType::Int8,
                (16, true) => DataType::Int16,
                (32, true) => DataType::Int32,
                (_, true) => DataType::Int64,
                (8, false) => DataType::UInt8,
                (16, false) => DataType::UInt16,
                (32, false) => DataType::UInt32,
                (_, false) => DataType::UInt64,
            },
            Kind::Float { bits: 32 } => DataType::Float32,
            Kind::Float { .. } => DataType::Float64,
            Kind::Decimal { precision, scale } if *precision > 38 => {
                DataType::Decimal256(*precision, *scale)
            }
            Kind::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
            Kind::Text { layout, .. } => match layout {
                Layout::Plain => DataType::Utf8,
                Layout::Large => DataType::LargeUtf8,
                Layout::View => DataType::Utf8View,
                Layout::Dictionary => {
                    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
                }
            },
            Kind::Binary { .. } => DataType::Binary,
            Kind::FixedBinary => DataType::FixedSizeBinary(16),
            Kind::Date => DataType::Date32,
            Kind::Time => DataType::Time64(TimeUnit::Microsecond),
            Kind::Timestamp { unit } => DataType::Timestamp(
                match unit {
                    Unit::Millisecond => TimeUnit::Millisecond,
                    Unit::Microsecond => TimeUnit::Microsecond,
                    Unit::Nanosecond => TimeUnit::Nanosecond,
                },
                None,
            ),
            Kind::List(item) => DataType::new_list(item.data_type(), true),
            Kind::Struct(kinds) => DataType::Struct(fields(kinds)),
        }
    }

    /// SQL's name of it, where it has literals.
    fn sql_name(&self) -> String {
        match self {
            Kind::Boolean => "BOOLEAN".into(),
            Kind::Whole {
                bits: 64,
                signed: false,
            } => "BIGINT UNSIGNED".into(),
            Kind::Float { bits: 32 } => "REAL".into(),
            Kind::Float { .. } => "DOUBLE".into(),
            Kind::Decimal { precision, scale } => format!("DECIMAL({precision}, {scale})"),
            Kind::Date => "DATE".into(),
            Kind::Time => "TIME".into(),
            Kind::Timestamp { .. } => "TIMESTAMP".into(),
            _ => "VARCHAR".into(),
        }
    }

    /// The value of an ordinal as SQL writes it.
    pub fn literal(&self, ordinal: u64) -> String {
        let array = self.array(&[Some(ordinal)]);
        let text = array_value_to_string(&array, 0).unwrap_or_default();
        match self {
            Kind::Boolean | Kind::Whole { .. } => text,
            Kind::Text { .. } => format!("'{}'", text.replace('\'', "''")),
            _ => format!("CAST('{text}' AS {})", self.sql_name()),
        }
    }

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

fn fields(kinds: &[Kind]) -> Fields {
    kinds
        .iter()
        .enumerate()
        .map(|(place, kind)| Field::new(format!("f{place}"), kind.data_type(), true))
        .collect()
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
