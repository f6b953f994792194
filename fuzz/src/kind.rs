//! The types of columns, and the values they have.
//!
//! A value is named by its *ordinal*: the same ordinal of the same kind is the same value in every table,
//! which is how columns of different tables come to have keys in common. Ordinals from [`SPECIAL`] up are
//! the values that are special to the kind: the ends of the range, NaN, −0, the empty and the very long
//! string.

mod values;

use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::arrow::util::display::array_value_to_string;
use serde::{Deserialize, Serialize};

use crate::sql::Dialect;

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

    /// How many values it has, where those are few.
    pub fn distinct_values(&self) -> f64 {
        match self {
            Kind::Boolean => 2.0,
            Kind::Whole { bits: 8, .. } => 256.0,
            Kind::Whole { bits: 16, .. } => 65_536.0,
            // None to three items, of which each may be null.
            Kind::List(item) => {
                let items = item.distinct_values() + 1.0;
                1.0 + items + items.powi(2) + items.powi(3)
            }
            Kind::Struct(kinds) => kinds
                .iter()
                .map(|kind| kind.distinct_values() + 1.0)
                .product(),
            _ => f64::INFINITY,
        }
    }

    /// The share that its most frequent value has of many that differ in their ordinals.
    pub fn commonest_share(&self) -> f64 {
        match self {
            // A quarter is empty; as many have one item, of which a ninth is null.
            Kind::List(item) => 0.25_f64.max(item.commonest_share() / 4.0),
            // An eighth of each field is null, as a rule in the same rows.
            Kind::Struct(kinds) => kinds
                .iter()
                .map(|kind| kind.commonest_share().max(1.0 / 8.0))
                .fold(1.0, f64::min),
            few => 1.0 / few.distinct_values(),
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
    pub fn literal(&self, ordinal: u64, dialect: Dialect) -> String {
        let array = self.array(&[Some(ordinal)]);
        let text = array_value_to_string(&array, 0).unwrap_or_default();
        match self {
            Kind::Boolean | Kind::Whole { .. } => text,
            Kind::Text { .. } => format!("'{}'", text.replace('\'', "''")),
            // Its plain one has no nanoseconds.
            Kind::Timestamp {
                unit: Unit::Nanosecond,
            } if dialect == Dialect::DuckDb => format!("CAST('{text}' AS TIMESTAMP_NS)"),
            _ => format!("CAST('{text}' AS {})", self.sql_name()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn kinds_of_few_values_are_known_as_such() {
        let whole = Kind::whole(64, true);
        let list = |item: &Kind| Kind::List(Box::new(item.clone()));
        for kind in [
            Kind::Boolean,
            Kind::whole(8, true),
            whole.clone(),
            list(&whole),
            list(&Kind::Boolean),
            list(&list(&whole)),
            Kind::Struct(vec![whole.clone()]),
            Kind::Struct(vec![whole.clone(), list(&whole)]),
        ] {
            let ordinals: Vec<_> = (0..4000).map(Some).collect();
            let array = kind.array(&ordinals);
            let mut counts = BTreeMap::new();
            for row in 0..array.len() {
                *counts
                    .entry(array_value_to_string(&array, row).unwrap())
                    .or_insert(0_u32) += 1;
            }
            let commonest = f64::from(*counts.values().max().unwrap()) / 4000.0;
            assert!(counts.len() as f64 <= kind.distinct_values(), "{kind:?}");
            let share = kind.commonest_share().max(1.0 / 4000.0);
            assert!(
                (commonest * 0.3..=commonest * 1.3).contains(&share),
                "{kind:?}: {share} of {commonest}"
            );
        }
    }
}
