use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{cast, filter, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, UInt64Type};
use datafusion::common::{Result, internal_err, resources_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

/// `count(DISTINCT text)` by group: one set of the pairs of group and text.
///
/// DataFusion has a set for each group, which has room for 512 texts before the first one comes and does not count that
/// among what it takes: 10,000 groups hold 180 MB that nobody knows of.
pub(crate) struct CountDistinct {
    /// The columns of a pair.
    schema: SchemaRef,
    /// What the lists of a state consist of.
    item: FieldRef,
    pairs: Box<dyn GroupValues>,
    groups: usize,
    /// The pair of each row of the latest batch.
    indices: Vec<usize>,
}

impl CountDistinct {
    /// `None` if that is not what the function is.
    pub(crate) fn of(function: &AggregateFunctionExpr) -> Result<Option<Self>> {
        let is_it = function.is_distinct() && function.fun().name() == "count";
        if !is_it || function.expressions().len() != 1 {
            return Ok(None);
        }
        match function.state_fields()?.as_slice() {
            [state] => match state.data_type() {
                DataType::List(item) if is_text(item.data_type()) => Self::new(item).map(Some),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn new(item: &FieldRef) -> Result<Self> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("group", DataType::UInt64, false),
            Field::new("value", item.data_type().clone(), false),
        ]));
        Ok(Self {
            pairs: new_group_values(Arc::clone(&schema), &GroupOrdering::None)?,
            schema,
            item: Arc::clone(item),
            groups: 0,
            indices: Vec::new(),
        })
    }

    /// The texts themselves, where they come as a dictionary.
    fn texts(&self, values: &ArrayRef) -> Result<ArrayRef> {
        match values.data_type() == self.item.data_type() {
            true => Ok(Arc::clone(values)),
            false => Ok(cast(values, self.item.data_type())?),
        }
    }

    fn add(&mut self, groups: Vec<u64>, values: ArrayRef) -> Result<()> {
        let groups: ArrayRef = Arc::new(UInt64Array::from(groups));
        self.pairs.intern(&[groups, values], &mut self.indices)
    }

    /// The pairs of the groups that are to go; those that stay are counted from 0.
    fn take(&mut self, emit_to: EmitTo) -> Result<Pairs> {
        let all = Pairs::of(self.pairs.emit(EmitTo::All)?)?;
        self.pairs = new_group_values(Arc::clone(&self.schema), &GroupOrdering::None)?;
        self.indices = Vec::new();
        let of = match emit_to {
            EmitTo::All => std::mem::take(&mut self.groups),
            EmitTo::First(first) => first,
        };
        if let EmitTo::First(first) = emit_to {
            self.groups -= first;
            let stays = |group: &u64| *group >= first as u64;
            let mask: BooleanArray = all.groups.iter().map(|group| Some(stays(group))).collect();
            let staying = all.groups.iter().filter(|group| stays(group));
            let groups = staying.map(|group| group - first as u64).collect();
            self.add(groups, filter(&all.values, &mask)?)?;
        }
        Ok(Pairs { of, ..all })
    }
}

fn is_text(data_type: &DataType) -> bool {
    data_type.is_string() || data_type.is_binary()
}

impl GroupsAccumulator for CountDistinct {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups = total_num_groups;
        let groups = group_indices.iter().map(|group| *group as u64);
        let values = self.texts(&values[0])?;
        match counted(&values, opt_filter) {
            None => self.add(groups.collect(), values),
            Some(mask) => {
                let groups = groups.zip(mask.values()).filter(|(_, counts)| *counts);
                let groups = groups.map(|(group, _)| group).collect();
                self.add(groups, filter(&values, &mask)?)
            }
        }
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups = total_num_groups;
        let lists = values[0].as_list::<i32>();
        let mut groups = Vec::new();
        for (list, group) in group_indices.iter().enumerate() {
            let length = lists.value_length(list) as usize;
            groups.resize(groups.len() + length, *group as u64);
        }
        let Range { start, end } = held_by(lists);
        self.add(groups, lists.values().slice(start, end - start))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let counts = self.take(emit_to)?.counts();
        Ok(Arc::new(Int64Array::from(counts)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let item = Arc::clone(&self.item);
        Ok(vec![Arc::new(self.take(emit_to)?.lists(item)?)])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = self.texts(&values[0])?;
        let rows = values.len();
        let (values, lengths) = match counted(&values, opt_filter) {
            None => (values, vec![1; rows]),
            Some(mask) => {
                let lengths = mask.values().iter().map(usize::from).collect();
                (filter(&values, &mask)?, lengths)
            }
        };
        let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
        let lists = ListArray::try_new(Arc::clone(&self.item), offsets, values, None)?;
        Ok(vec![Arc::new(lists)])
    }

    fn size(&self) -> usize {
        self.pairs.size() + self.indices.capacity() * size_of::<usize>()
    }
}

/// The rows that count, if not all of them do.
fn counted(values: &ArrayRef, filter: Option<&BooleanArray>) -> Option<BooleanArray> {
    let passes = filter.map(|filter| match filter.nulls() {
        Some(nulls) => filter.values() & nulls.inner(),
        None => filter.values().clone(),
    });
    let nulls = values.logical_nulls().map(NullBuffer::into_inner);
    let counts = match (passes, nulls) {
        (Some(passes), Some(valid)) => &passes & &valid,
        (passes, valid) => passes.or(valid)?,
    };
    Some(BooleanArray::new(counts, None))
}

/// The values that lists refer to: of a slice, not all there are.
fn held_by(lists: &ListArray) -> Range<usize> {
    let offsets = lists.value_offsets();
    let first = offsets.first().map_or(0, |first| *first as usize);
    let last = offsets.last().map_or(0, |last| *last as usize);
    first..last
}

/// Groups and their values, each pair once.
struct Pairs {
    groups: Vec<u64>,
    values: ArrayRef,
    /// How many of the groups are meant.
    of: usize,
}

impl Pairs {
    fn of(columns: Vec<ArrayRef>) -> Result<Self> {
        let [groups, values] = columns.as_slice() else {
            return internal_err!("a pair has two columns, and not {}", columns.len());
        };
        Ok(Self {
            groups: groups.as_primitive::<UInt64Type>().values().to_vec(),
            values: Arc::clone(values),
            of: 0,
        })
    }

    /// How many values each group has.
    fn counts(&self) -> Vec<i64> {
        let mut counts = vec![0; self.of];
        for group in &self.groups {
            if let Some(count) = counts.get_mut(*group as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// A list of values for each group.
    fn lists(&self, item: FieldRef) -> Result<ListArray> {
        let counts = self.counts();
        let values: i64 = counts.iter().sum();
        if i32::try_from(values).is_err() {
            return resources_err!("{values} DISTINCT texts are more than a state can hold");
        }
        let offsets = OffsetBuffer::<i32>::from_lengths(counts.iter().map(|count| *count as usize));
        let mut next: Vec<i32> = offsets.iter().copied().take(self.of).collect();
        let mut order = vec![0_u32; values as usize];
        for (pair, group) in self.groups.iter().enumerate() {
            if let Some(next) = next.get_mut(*group as usize) {
                order[*next as usize] = pair as u32;
                *next += 1;
            }
        }
        let values = take(&self.values, &UInt32Array::from(order), None)?;
        Ok(ListArray::try_new(item, offsets, values, None)?)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{DictionaryArray, StringViewArray};
    use datafusion::arrow::datatypes::{Int8Type, Int64Type};

    use super::*;

    fn count() -> CountDistinct {
        let item = Arc::new(Field::new_list_field(DataType::Utf8View, true));
        CountDistinct::new(&item).unwrap()
    }

    fn texts(texts: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringViewArray::from_iter(texts.iter().copied()))
    }

    fn counts(array: &ArrayRef) -> Vec<i64> {
        array.as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn each_text_counts_once_for_a_group_and_null_for_none() {
        let mut count = count();
        let values = texts(&[Some("a"), Some("b"), Some("a"), None, Some("a"), Some("c")]);
        let mask = BooleanArray::from(vec![
            Some(true),
            Some(true),
            Some(true),
            Some(true),
            Some(true),
            None,
        ]);
        count
            .update_batch(&[values], &[0, 0, 0, 1, 2, 2], Some(&mask), 4)
            .unwrap();
        let rest = texts(&[Some("a text that is longer than a view"), Some("b")]);
        count.update_batch(&[rest], &[2, 0], None, 5).unwrap();
        assert_eq!(
            counts(&count.evaluate(EmitTo::All).unwrap()),
            [2, 0, 2, 0, 0]
        );
        assert_eq!(
            counts(&count.evaluate(EmitTo::All).unwrap()),
            Vec::<i64>::new()
        );
    }

    #[test]
    fn a_dictionary_counts_by_its_texts() {
        let mut count = count();
        let texts: DictionaryArray<Int8Type> = [Some("a"), None, Some("b"), Some("a")]
            .into_iter()
            .collect();
        count
            .update_batch(&[Arc::new(texts)], &[0, 0, 0, 0], None, 1)
            .unwrap();
        assert_eq!(counts(&count.evaluate(EmitTo::All).unwrap()), [2]);
    }

    #[test]
    fn states_merge_and_the_first_groups_go_alone() {
        let mut first = count();
        let values = texts(&[Some("a"), Some("b"), Some("c"), None]);
        let values = [values];
        first.update_batch(&values, &[0, 2, 2, 1], None, 3).unwrap();
        let beginning = first.state(EmitTo::First(1)).unwrap();
        let rest = first.state(EmitTo::All).unwrap();
        let single = first.convert_to_state(&values, None).unwrap();
        let mut merged = count();
        merged.merge_batch(&beginning, &[1], 2).unwrap();
        merged.merge_batch(&rest, &[0, 1], 2).unwrap();
        merged
            .merge_batch(&[single[0].slice(1, 3)], &[1, 0, 0], 2)
            .unwrap();
        // Group 0: NULL and what "c" alone gives; group 1: "a", "b" and "c".
        assert_eq!(counts(&merged.evaluate(EmitTo::First(1)).unwrap()), [1]);
        assert_eq!(counts(&merged.evaluate(EmitTo::All).unwrap()), [3]);
    }

    #[test]
    fn many_groups_of_few_texts_are_small() {
        let mut count = count();
        let groups: Vec<usize> = (0..10_000).collect();
        let values: ArrayRef = Arc::new(StringViewArray::from_iter_values(
            groups.iter().map(|group| format!("text {group}")),
        ));
        count
            .update_batch(&[values], &groups, None, 10_000)
            .unwrap();
        assert!(count.size() < 4 << 20, "{}", count.size());
        assert_eq!(counts(&count.evaluate(EmitTo::All).unwrap()), [1; 10_000]);
    }
}
