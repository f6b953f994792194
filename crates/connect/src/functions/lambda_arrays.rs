//! Higher-order functions of arrays: the lambda is evaluated for all elements of a batch at once.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, UInt32Array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::common::Result;

use super::lambdas::Inputs;
use super::lists::{Lists, Pick, Picked, elements};

/// The elements of the arrays that are not null, with their rows and their places.
struct Flat {
    elements: ArrayRef,
    rows: Vec<u32>,
    places: Vec<i32>,
    /// How many elements each row has; `None` for a null.
    lengths: Vec<Option<usize>>,
}

impl Flat {
    fn new(array: &ArrayRef) -> Result<Self> {
        let lists = Lists::new(array)?;
        let (mut indexes, mut rows, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut lengths = Vec::with_capacity(array.len());
        for row in 0..array.len() {
            if lists.is_null(row) {
                lengths.push(None);
                continue;
            }
            let range = lists.range(row);
            lengths.push(Some(range.len()));
            rows.extend(range.clone().map(|_| row as u32));
            places.extend(0..range.len() as i32);
            indexes.extend(range.map(|at| at as u32));
        }
        let elements = take(lists.values(), &UInt32Array::from(indexes), None)?;
        Ok(Self {
            elements,
            rows,
            places,
            lengths,
        })
    }

    /// The rows' answers, built of the positions of their elements.
    fn each(&self, mut of: impl FnMut(usize, Option<std::ops::Range<usize>>)) {
        let mut from = 0;
        for (row, length) in self.lengths.iter().enumerate() {
            of(row, length.map(|length| from..from + length));
            from += length.unwrap_or(0);
        }
    }

    /// The lambda for each element.
    fn evaluate(&self, inputs: &Inputs) -> Result<ArrayRef> {
        let mut parameters = vec![Arc::clone(&self.elements)];
        if inputs.parameters > 1 {
            parameters.push(Arc::new(Int32Array::from(self.places.clone())));
        }
        inputs.evaluate(0, &parameters, &self.rows)
    }
}

pub(super) fn transform(inputs: &Inputs) -> Result<ArrayRef> {
    let flat = Flat::new(inputs.value(0)?)?;
    let answers = flat.evaluate(inputs)?;
    let mut picked = Picked::default();
    flat.each(|_, range| match range {
        Some(range) => picked.row(range.map(|at| Some((0, at)))),
        None => picked.null(),
    });
    picked.finish(&[answers], inputs.return_type)
}

pub(super) fn filter(inputs: &Inputs) -> Result<ArrayRef> {
    let flat = Flat::new(inputs.value(0)?)?;
    let answers = flat.evaluate(inputs)?;
    let kept = answers.as_boolean();
    let mut picked = Picked::default();
    flat.each(|_, range| match range {
        Some(range) => {
            picked.row(
                range
                    .filter(|at| kept.is_valid(*at) && kept.value(*at))
                    .map(|at| Some((0, at))),
            );
        }
        None => picked.null(),
    });
    picked.finish(&[flat.elements], inputs.return_type)
}

pub(super) fn exists(inputs: &Inputs) -> Result<ArrayRef> {
    quantified(inputs, true)
}

pub(super) fn forall(inputs: &Inputs) -> Result<ArrayRef> {
    quantified(inputs, false)
}

/// Whether one element decides: null if none does and the lambda was null for one.
fn quantified(inputs: &Inputs, decisive: bool) -> Result<ArrayRef> {
    let flat = Flat::new(inputs.value(0)?)?;
    let answers = flat.evaluate(inputs)?;
    let answers = answers.as_boolean();
    let mut results = Vec::with_capacity(inputs.rows);
    flat.each(|_, range| {
        results.push(range.and_then(|range| {
            let decided = range
                .clone()
                .any(|at| answers.is_valid(at) && answers.value(at) == decisive);
            let unknown = range.clone().any(|at| answers.is_null(at));
            match (decided, unknown) {
                (true, _) => Some(decisive),
                (false, true) => None,
                (false, false) => Some(!decisive),
            }
        }));
    });
    Ok(Arc::new(BooleanArray::from(results)))
}

/// One step for the first elements of all rows, one for the second, and so on.
pub(super) fn aggregate(inputs: &Inputs) -> Result<ArrayRef> {
    let array = inputs.value(0)?;
    let lists = Lists::new(array)?;
    let zero = inputs.value(1)?;
    let mut accumulator = Arc::clone(zero);
    let longest = (0..inputs.rows)
        .filter(|row| !lists.is_null(*row))
        .map(|row| lists.range(row).len())
        .max();
    for step in 0..longest.unwrap_or(0) {
        let active: Vec<u32> = (0..inputs.rows)
            .filter(|row| !lists.is_null(*row) && lists.range(*row).len() > step)
            .map(|row| row as u32)
            .collect();
        let places: Vec<u32> = active
            .iter()
            .map(|row| (lists.range(*row as usize).start + step) as u32)
            .collect();
        let own = take(&accumulator, &UInt32Array::from(active.clone()), None)?;
        let next = take(lists.values(), &UInt32Array::from(places), None)?;
        let merged = cast(
            &inputs.evaluate(0, &[own, next], &active)?,
            zero.data_type(),
        )?;
        let mut picks: Vec<Option<Pick>> = (0..inputs.rows).map(|row| Some((0, row))).collect();
        for (at, row) in active.iter().enumerate() {
            picks[*row as usize] = Some((1, at));
        }
        accumulator = elements(&[accumulator, merged], &picks, zero.data_type())?;
    }
    if inputs.lambdas.len() > 1 {
        let rows: Vec<u32> = (0..inputs.rows as u32).collect();
        accumulator = inputs.evaluate(1, &[accumulator], &rows)?;
    }
    let picks: Vec<Option<Pick>> = (0..inputs.rows)
        .map(|row| (!lists.is_null(row)).then_some((0, row)))
        .collect();
    elements(
        &[cast(&accumulator, inputs.return_type)?],
        &picks,
        inputs.return_type,
    )
}

/// The shorter array goes on with nulls.
pub(super) fn zip_with(inputs: &Inputs) -> Result<ArrayRef> {
    let (left, right) = (inputs.value(0)?, inputs.value(1)?);
    let (left, right) = (Lists::new(left)?, Lists::new(right)?);
    let mut picked = Picked::default();
    let (mut ones, mut others, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..inputs.rows {
        if left.is_null(row) || right.is_null(row) {
            picked.null();
            continue;
        }
        let (one, other) = (left.range(row), right.range(row));
        let from = rows.len();
        for place in 0..one.len().max(other.len()) {
            ones.push((place < one.len()).then_some((0, one.start + place)));
            others.push((place < other.len()).then_some((0, other.start + place)));
            rows.push(row as u32);
        }
        picked.row((from..rows.len()).map(|at| Some((0, at))));
    }
    let one = elements(&[left.values().clone()], &ones, left.values().data_type())?;
    let other = elements(
        &[right.values().clone()],
        &others,
        right.values().data_type(),
    )?;
    let answers = inputs.evaluate(0, &[one, other], &rows)?;
    picked.finish(&[answers], inputs.return_type)
}

/// Every pair of a row's elements is compared at once; sorting then only looks the answers up.
pub(super) fn sort(inputs: &Inputs) -> Result<ArrayRef> {
    let lists = Lists::new(inputs.value(0)?)?;
    let (mut ones, mut others, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for row in (0..inputs.rows).filter(|row| !lists.is_null(*row)) {
        for one in lists.range(row) {
            for other in lists.range(row) {
                ones.push(one as u32);
                others.push(other as u32);
                rows.push(row as u32);
            }
        }
    }
    let side = |indexes: Vec<u32>| take(lists.values(), &UInt32Array::from(indexes), None);
    let answers = inputs.evaluate(0, &[side(ones)?, side(others)?], &rows)?;
    let orders = answers.as_primitive::<Int32Type>();
    if orders.null_count() > 0 {
        return Err(super::native::raise(crate::error::Error::new(
            crate::error::Kind::Runtime,
            "COMPARATOR_RETURNS_NULL",
            &[("firstValue", ""), ("secondValue", "")],
        )));
    }
    let mut picked = Picked::default();
    let mut base = 0;
    for row in 0..inputs.rows {
        if lists.is_null(row) {
            picked.null();
            continue;
        }
        let range = lists.range(row);
        let count = range.len();
        let order = |one: usize, other: usize| orders.value(base + one * count + other);
        // Inserting is safe with a comparator that contradicts itself.
        let mut sorted: Vec<usize> = Vec::with_capacity(count);
        for next in 0..count {
            let at = sorted
                .iter()
                .rposition(|other| order(*other, next) <= 0)
                .map_or(0, |at| at + 1);
            sorted.insert(at, next);
        }
        picked.row(
            sorted
                .into_iter()
                .map(|place| Some((0, range.start + place))),
        );
        base += count * count;
    }
    picked.finish(&[lists.values().clone()], inputs.return_type)
}
