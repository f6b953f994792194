//! Items that are found in a share of rows, and perhaps some that are not: Spark's
//! `CollectFrequentItems`, after Karp, Schenker and Papadimitriou.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use crate::types::list_of;

/// The aggregate function; `size` is how many items are counted at once.
pub(super) fn items(size: usize, item: DataType, nullable: bool) -> AggregateUDF {
    AggregateUDF::new_from_impl(FrequentItems {
        size,
        list: list_of(item, nullable),
        signature: Signature::any(1, Volatility::Immutable),
    })
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FrequentItems {
    size: usize,
    list: DataType,
    signature: Signature,
}

impl AggregateUDFImpl for FrequentItems {
    fn name(&self) -> &str {
        "collect_frequent_items"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.list.clone())
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _: &DataType) -> Result<ScalarValue> {
        Counts::new(self)?.list()
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let counts = list_of(DataType::Int64, false);
        Ok(vec![
            Arc::new(Field::new(
                format!("{}[items]", args.name),
                self.list.clone(),
                true,
            )),
            Arc::new(Field::new(format!("{}[counts]", args.name), counts, true)),
        ])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Counts::new(self)?))
    }
}

/// The items that may be frequent, in Arrow's row format, and their counts less those of others. In
/// order, so that the same rows give the same list.
#[derive(Debug)]
struct Counts {
    size: usize,
    item: FieldRef,
    converter: RowConverter,
    counts: BTreeMap<Vec<u8>, i64>,
}

impl Counts {
    fn new(function: &FrequentItems) -> Result<Self> {
        let item = match &function.list {
            DataType::List(item) => Arc::clone(item),
            other => Arc::new(Field::new("element", other.clone(), true)),
        };
        Ok(Self {
            size: function.size,
            converter: RowConverter::new(vec![SortField::new(item.data_type().clone())])?,
            item,
            counts: BTreeMap::new(),
        })
    }

    fn add(&mut self, item: &[u8], count: i64) {
        if let Some(counted) = self.counts.get_mut(item) {
            *counted += count;
            return;
        }
        if self.counts.len() < self.size {
            self.counts.insert(item.to_vec(), count);
            return;
        }
        // Each takes one of all others along, so that what is left is what is frequent.
        let least = self.counts.values().copied().min().unwrap_or(0);
        if count >= least {
            self.counts.insert(item.to_vec(), count);
        }
        let taken = least.min(count);
        self.counts.retain(|_, counted| {
            *counted -= taken;
            *counted > 0
        });
    }

    fn add_all(&mut self, items: &ArrayRef, count: impl Fn(usize) -> i64) -> Result<()> {
        let rows = self
            .converter
            .convert_columns(std::slice::from_ref(items))?;
        for (at, row) in rows.iter().enumerate() {
            self.add(row.as_ref(), count(at));
        }
        Ok(())
    }

    fn list(&self) -> Result<ScalarValue> {
        let parser = self.converter.parser();
        let rows = self.counts.keys().map(|item| parser.parse(item));
        let items = match self.converter.convert_rows(rows)?.pop() {
            Some(items) => items,
            None => datafusion::arrow::array::new_empty_array(self.item.data_type()),
        };
        let offsets = OffsetBuffer::from_lengths([items.len()]);
        let list = ListArray::try_new(Arc::clone(&self.item), offsets, items, None)?;
        Ok(ScalarValue::List(Arc::new(list)))
    }
}

impl Accumulator for Counts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for items in values {
            self.add_all(items, |_| 1)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.list()
    }

    fn size(&self) -> usize {
        let entry = size_of::<(Vec<u8>, i64)>();
        let bytes: usize = self.counts.keys().map(Vec::capacity).sum();
        size_of_val(self) + self.converter.size() + self.counts.len() * entry + bytes
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let counts: Vec<ScalarValue> = self
            .counts
            .values()
            .map(|count| ScalarValue::Int64(Some(*count)))
            .collect();
        let counts = ScalarValue::new_list(&counts, &DataType::Int64, false);
        let element = Arc::new(Field::new("element", DataType::Int64, false));
        let counts = ListArray::try_new(
            element,
            counts.offsets().clone(),
            Arc::clone(counts.values()),
            None,
        )?;
        Ok(vec![self.list()?, ScalarValue::List(Arc::new(counts))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [items, counts] = states else {
            return datafusion::common::internal_err!("a state of frequent items has two parts");
        };
        let (items, counts) = (items.as_list::<i32>(), counts.as_list::<i32>());
        for row in 0..items.len() {
            let counts = counts.value(row);
            let counts = counts.as_primitive::<Int64Type>();
            self.add_all(&items.value(row), |at| counts.value(at))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Int64Array;

    fn counts(size: usize) -> Counts {
        let list = list_of(DataType::Int64, true);
        let signature = Signature::any(1, Volatility::Immutable);
        Counts::new(&FrequentItems {
            size,
            list,
            signature,
        })
        .unwrap()
    }

    fn found(counts: &mut Counts) -> Vec<Option<i64>> {
        let ScalarValue::List(list) = counts.evaluate().unwrap() else {
            panic!("no list");
        };
        let mut items: Vec<_> = list.value(0).as_primitive::<Int64Type>().iter().collect();
        items.sort();
        items
    }

    #[test]
    fn an_item_of_more_than_its_share_is_always_found() {
        let mut counts = counts(2);
        let items: Vec<i64> = (0..3000).map(|n| if n % 2 == 0 { 7 } else { n }).collect();
        counts
            .update_batch(&[Arc::new(Int64Array::from(items))])
            .unwrap();
        assert!(found(&mut counts).contains(&Some(7)));
        assert!(counts.counts.len() <= 3);
    }

    #[test]
    fn states_of_parts_merge_and_null_is_an_item() {
        let mut whole = counts(10);
        for _ in 0..2 {
            let mut part = counts(10);
            let items = Int64Array::from(vec![None, Some(1), Some(1)]);
            part.update_batch(&[Arc::new(items)]).unwrap();
            let state: Vec<ArrayRef> = part
                .state()
                .unwrap()
                .iter()
                .map(|part| part.to_array().unwrap())
                .collect();
            whole.merge_batch(&state).unwrap();
        }
        assert_eq!(found(&mut whole), [None, Some(1)]);
        assert_eq!(whole.counts.values().copied().max(), Some(4));
    }

    #[test]
    fn nothing_gives_an_empty_list() {
        assert_eq!(found(&mut counts(3)), []);
    }
}
