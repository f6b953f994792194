use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal128Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::common::{NullEquality, Result};
use datafusion::physical_expr::PhysicalExprRef;
use datafusion::physical_expr_common::utils::evaluate_expressions_to_arrays;
use datafusion::physical_plan::joins::utils::JoinKeyComparator;

/// The values of the join keys for the rows of a batch.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) columns: Vec<ArrayRef>,
    /// Which rows can match at all, where some cannot: NULL equals nothing, unless the join says so.
    pub(crate) matchable: Option<NullBuffer>,
}

impl Keys {
    pub(crate) fn of(
        expressions: &[PhysicalExprRef],
        batch: &RecordBatch,
        equality: NullEquality,
    ) -> Result<Self> {
        let columns = evaluate_expressions_to_arrays(expressions, batch)?;
        let matchable = match equality {
            NullEquality::NullEqualsNull => None,
            NullEquality::NullEqualsNothing => {
                let nulls: Vec<_> = columns
                    .iter()
                    .map(|column| column.logical_nulls())
                    .collect();
                NullBuffer::union_many(nulls.iter().map(Option::as_ref))
                    .filter(|nulls| nulls.null_count() > 0)
            }
        };
        Ok(Self { columns, matchable })
    }

    pub(crate) fn is_matchable(&self, row: usize) -> bool {
        self.matchable
            .as_ref()
            .is_none_or(|valid| valid.is_valid(row))
    }

    /// A hash of each row into `hashes`. Each `depth` has a hash function of its own, so that rows that
    /// fell into one partition at one depth part at the next.
    pub(crate) fn hash(&self, depth: usize, hashes: &mut Vec<u64>) -> Result<()> {
        hash_columns(&self.columns, depth, hashes)
    }
}

/// As [`Keys::hash`], for columns of any length.
pub(crate) fn hash_columns(
    columns: &[ArrayRef],
    depth: usize,
    hashes: &mut Vec<u64>,
) -> Result<()> {
    // Not DataFusion's seeds: what an exchange has put into one partition is to spread here.
    const SEED: u64 = 0x9216_d5d9_8979_fb1b;
    let state = RandomState::with_seed(SEED.wrapping_add(depth as u64));
    let rows = columns.first().map_or(0, |column| column.len());
    hashes.clear();
    hashes.resize(rows, 0);
    create_hashes(columns, &state, hashes)?;
    Ok(())
}

/// The partition of a row among `partitions`. It takes other bits of the hash than an index does.
pub(crate) fn partition_of(hash: u64, partitions: usize) -> usize {
    let mixed = hash.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32;
    ((mixed * partitions as u64) >> 32) as usize
}

/// Numbers of at most 64 bits: the keys that most joins have.
#[derive(Clone)]
pub(crate) enum Numbers {
    Of32(ScalarBuffer<i32>),
    Of64(ScalarBuffer<i64>),
}

impl Numbers {
    /// The values of a column of whole numbers, dates or timestamps, whatever stands in its NULLs.
    pub(crate) fn of(column: &dyn Array) -> Option<Self> {
        Some(match column.data_type() {
            DataType::Int32 => Self::Of32(column.as_primitive::<Int32Type>().values().clone()),
            DataType::Date32 => Self::Of32(column.as_primitive::<Date32Type>().values().clone()),
            DataType::Int64 => Self::Of64(column.as_primitive::<Int64Type>().values().clone()),
            DataType::Date64 => Self::Of64(column.as_primitive::<Date64Type>().values().clone()),
            DataType::Timestamp(unit, _) => Self::Of64(match unit {
                TimeUnit::Second => column
                    .as_primitive::<TimestampSecondType>()
                    .values()
                    .clone(),
                TimeUnit::Millisecond => column
                    .as_primitive::<TimestampMillisecondType>()
                    .values()
                    .clone(),
                TimeUnit::Microsecond => column
                    .as_primitive::<TimestampMicrosecondType>()
                    .values()
                    .clone(),
                TimeUnit::Nanosecond => column
                    .as_primitive::<TimestampNanosecondType>()
                    .values()
                    .clone(),
            }),
            _ => return None,
        })
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> i64 {
        match self {
            Self::Of32(values) => i64::from(values[row]),
            Self::Of64(values) => values[row],
        }
    }
}

/// Says whether a build row and a probe row have equal keys.
pub(crate) enum Equality {
    Of32(ScalarBuffer<i32>, ScalarBuffer<i32>),
    Of64(ScalarBuffer<i64>, ScalarBuffer<i64>),
    Of128(ScalarBuffer<i128>, ScalarBuffer<i128>),
    Other(JoinKeyComparator),
    All(Vec<Equality>),
}

impl Equality {
    pub(crate) fn between(
        build: &[ArrayRef],
        probe: &[ArrayRef],
        equality: NullEquality,
    ) -> Result<Self> {
        let mut columns = Vec::with_capacity(build.len());
        for (build, probe) in build.iter().zip(probe) {
            columns.push(Self::between_columns(build, probe, equality)?);
        }
        Ok(match columns.pop() {
            Some(only) if columns.is_empty() => only,
            Some(last) => {
                columns.push(last);
                Self::All(columns)
            }
            None => Self::All(columns),
        })
    }

    fn between_columns(build: &ArrayRef, probe: &ArrayRef, equality: NullEquality) -> Result<Self> {
        // Where NULL equals nothing, rows with a NULL never come as far as being compared.
        let has_nulls = build.null_count() + probe.null_count() > 0;
        let by_value = equality == NullEquality::NullEqualsNothing || !has_nulls;
        if by_value && build.data_type() == probe.data_type() {
            match (Numbers::of(build), Numbers::of(probe)) {
                (Some(Numbers::Of32(build)), Some(Numbers::Of32(probe))) => {
                    return Ok(Self::Of32(build, probe));
                }
                (Some(Numbers::Of64(build)), Some(Numbers::Of64(probe))) => {
                    return Ok(Self::Of64(build, probe));
                }
                _ => {}
            }
            if let DataType::Decimal128(..) = build.data_type() {
                let values =
                    |array: &ArrayRef| array.as_primitive::<Decimal128Type>().values().clone();
                return Ok(Self::Of128(values(build), values(probe)));
            }
        }
        let (build, probe) = (std::slice::from_ref(build), std::slice::from_ref(probe));
        let order = [SortOptions::default()];
        JoinKeyComparator::new(build, probe, &order, equality).map(Self::Other)
    }

    #[inline]
    pub(crate) fn holds(&self, build: usize, probe: usize) -> bool {
        match self {
            Self::Of32(left, right) => left[build] == right[probe],
            Self::Of64(left, right) => left[build] == right[probe],
            Self::Of128(left, right) => left[build] == right[probe],
            Self::Other(comparator) => comparator.is_equal(build, probe),
            Self::All(columns) => columns.iter().all(|column| column.holds(build, probe)),
        }
    }
}
