//! Rows to join: random ones, from a seed.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array, ListArray,
    StringArray, StringViewArray, StructArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;

/// A small generator of numbers (splitmix64): the same everywhere for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// What type the join key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Int,
    Text,
    Float,
    Decimal,
    Dictionary,
    Struct,
    List,
    Two,
    /// None: a nested-loop join.
    None,
}

pub const KEYS: [Key; 8] = [
    Key::Int,
    Key::Text,
    Key::Float,
    Key::Decimal,
    Key::Dictionary,
    Key::Struct,
    Key::List,
    Key::Two,
];

/// How the rows of one side are.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    pub rows: usize,
    /// Keys are below this.
    pub distinct: u64,
    /// One in so many keys is NULL; 0 for none.
    pub nulls: u64,
    /// Out of ten rows so many have key 7.
    pub hot: u64,
    /// Bytes of text in a row.
    pub text: usize,
}

/// The rows of a side in batches of `batch` rows: the key (or keys), a number of its own, a text.
pub fn batches(
    side: Side,
    key: Key,
    batch: usize,
    random: &mut Random,
) -> (SchemaRef, Vec<RecordBatch>) {
    let mut made = Vec::new();
    let mut schema = None;
    let mut first = 0;
    while first < side.rows || schema.is_none() {
        let rows = batch.min(side.rows - first);
        let keys: Vec<Option<i64>> = (0..rows).map(|_| one_key(side, random)).collect();
        let mut columns = key_columns(key, &keys);
        let ids: Vec<i64> = (first..first + rows).map(|id| id as i64).collect();
        columns.push(Arc::new(Int64Array::from(ids)));
        let texts = (0..rows).map(|row| format!("{}{}", "text".repeat(side.text / 4), first + row));
        columns.push(Arc::new(StringViewArray::from_iter_values(texts)));
        let schema = schema.get_or_insert_with(|| schema_of(&columns));
        made.push(RecordBatch::try_new(Arc::clone(schema), columns).unwrap());
        first += rows.max(1);
    }
    (schema.unwrap(), made)
}

fn one_key(side: Side, random: &mut Random) -> Option<i64> {
    if side.nulls > 0 && random.one_in(side.nulls) {
        return None;
    }
    match random.below(10) < side.hot {
        true => Some(7),
        false => Some(random.below(side.distinct) as i64 * 3),
    }
}

fn schema_of(columns: &[ArrayRef]) -> SchemaRef {
    let fields = columns.iter().enumerate();
    let fields = fields
        .map(|(column, array)| Field::new(format!("c{column}"), array.data_type().clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn key_columns(key: Key, keys: &[Option<i64>]) -> Vec<ArrayRef> {
    let ints = || Int32Array::from_iter(keys.iter().map(|key| key.map(|key| key as i32)));
    let text = |key: &Option<i64>| key.map(|key| format!("a key that is longer than a view {key}"));
    let texts = || StringArray::from_iter(keys.iter().map(text));
    match key {
        Key::Int => vec![Arc::new(ints())],
        Key::Text => vec![Arc::new(StringViewArray::from_iter(keys.iter().map(text)))],
        Key::Float => {
            let float = |key: i64| if key == 0 { -0.0 } else { key as f64 / 2.0 };
            vec![Arc::new(Float64Array::from_iter(
                keys.iter().map(|key| key.map(float)),
            ))]
        }
        Key::Decimal => {
            let decimals = Decimal128Array::from_iter(keys.iter().map(|key| key.map(i128::from)));
            vec![Arc::new(decimals.with_precision_and_scale(20, 2).unwrap())]
        }
        Key::Dictionary => {
            let texts = texts();
            vec![Arc::new(DictionaryArray::<Int32Type>::from_iter(
                texts.iter(),
            ))]
        }
        Key::Struct => {
            let fields = vec![
                Field::new("number", DataType::Int32, true),
                Field::new("text", DataType::Utf8, true),
            ];
            let parts: Vec<ArrayRef> = vec![Arc::new(ints()), Arc::new(texts())];
            let nulls = keys.iter().map(Option::is_some).collect::<Vec<_>>().into();
            vec![Arc::new(StructArray::new(
                fields.into(),
                parts,
                Some(nulls),
            ))]
        }
        Key::List => {
            let lists = keys
                .iter()
                .map(|key| key.map(|key| vec![Some(key as i32), None, Some(1)]));
            vec![Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
                lists,
            ))]
        }
        Key::Two => vec![Arc::new(ints()), Arc::new(texts())],
        Key::None => Vec::new(),
    }
}
