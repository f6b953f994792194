//! Quantiles of numbers in bounded memory: the sketch of Greenwald and Khanna, as in Spark's
//! `QuantileSummaries`, as an aggregate function.

mod sketch;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray, StringArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use crate::text;
use crate::types::list_of;
use sketch::Sketch;

/// What a quantile is given as.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Answer {
    /// A number; there are none of no values.
    Double,
    /// Text, as a value of this type has it; the list of no values is null.
    Text(DataType),
}

/// The quantiles at some probabilities, of numbers of type double, as a list.
#[derive(Debug, Clone)]
struct Quantiles {
    probabilities: Arc<[f64]>,
    relative_error: f64,
    answer: Answer,
    signature: Signature,
}

/// The quantiles as numbers.
pub(super) fn doubles(probabilities: &[f64], relative_error: f64) -> AggregateUDF {
    Quantiles::aggregate(probabilities, relative_error, Answer::Double)
}

/// The quantiles as texts.
pub(super) fn texts(
    probabilities: &[f64],
    relative_error: f64,
    written_as: &DataType,
) -> AggregateUDF {
    Quantiles::aggregate(
        probabilities,
        relative_error,
        Answer::Text(written_as.clone()),
    )
}

impl Quantiles {
    fn aggregate(probabilities: &[f64], relative_error: f64, answer: Answer) -> AggregateUDF {
        AggregateUDF::new_from_impl(Self {
            probabilities: probabilities.into(),
            relative_error,
            answer,
            signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable),
        })
    }

    fn bits(&self) -> (Vec<u64>, u64, &Answer) {
        let probabilities = self.probabilities.iter().map(|p| p.to_bits()).collect();
        (probabilities, self.relative_error.to_bits(), &self.answer)
    }
}

impl PartialEq for Quantiles {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for Quantiles {}

impl Hash for Quantiles {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
}

impl AggregateUDFImpl for Quantiles {
    fn name(&self) -> &str {
        "approx_quantiles"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.answer {
            Answer::Double => list_of(DataType::Float64, true),
            Answer::Text(_) => list_of(DataType::Utf8, true),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format!("{}[sketch]", args.name);
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Accumulating {
            sketch: Sketch::new(self.relative_error),
            probabilities: Arc::clone(&self.probabilities),
            answer: self.answer.clone(),
        }))
    }
}

#[derive(Debug)]
struct Accumulating {
    sketch: Sketch,
    probabilities: Arc<[f64]>,
    answer: Answer,
}

impl Accumulator for Accumulating {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values
            .iter()
            .flat_map(|array| array.as_primitive::<Float64Type>())
            .flatten()
        {
            self.sketch.insert(value);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let found = self.sketch.query(&self.probabilities);
        let items: ArrayRef = match &self.answer {
            Answer::Double => Arc::new(Float64Array::from(found.unwrap_or_default())),
            Answer::Text(data_type) => match found {
                Some(found) => Arc::new(StringArray::from_iter_values(
                    found.into_iter().map(|value| written(value, data_type)),
                )),
                None => return ScalarValue::try_from(&list_of(DataType::Utf8, true)),
            },
        };
        let item = Arc::new(Field::new("element", items.data_type().clone(), true));
        let offsets = OffsetBuffer::from_lengths([items.len()]);
        Ok(ScalarValue::List(Arc::new(ListArray::try_new(
            item, offsets, items, None,
        )?)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sketch.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(self.sketch.compressed()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for bytes in states
            .iter()
            .flat_map(|array| array.as_binary::<i32>())
            .flatten()
        {
            let other =
                Sketch::from_bytes(bytes, self.sketch.relative_error()).ok_or_else(|| {
                    DataFusionError::Internal("a sketch of quantiles cut short".into())
                })?;
            self.sketch.merge(other);
        }
        Ok(())
    }
}

/// The number as a value of this type is written.
fn written(value: f64, data_type: &DataType) -> String {
    match data_type {
        // Spark casts, which cuts off at the ends of the range.
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            (value as i64).to_string()
        }
        DataType::Float32 => text::float(value as f32),
        // Spark makes a decimal of the double, whatever its own scale.
        DataType::Decimal128(..) => plain(&text::double(value)),
        _ => text::double(value),
    }
}

/// A number without an exponent: Java's `BigDecimal.toPlainString`.
fn plain(number: &str) -> String {
    let Some((digits, exponent)) = number.split_once('E') else {
        return number.to_owned();
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i32 + exponent;
    match usize::try_from(point) {
        Err(_) | Ok(0) => format!(
            "{sign}0.{}{digits}",
            "0".repeat(point.unsigned_abs() as usize)
        ),
        Ok(point) if point >= digits.len() => {
            format!("{sign}{digits}{}", "0".repeat(point - digits.len()))
        }
        Ok(point) => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_without_an_exponent() {
        assert_eq!(plain("1.0E8"), "100000000");
        assert_eq!(plain("-1.25E7"), "-12500000");
        assert_eq!(plain("1.5E-5"), "0.000015");
        assert_eq!(plain("1.234567891E8"), "123456789.1");
        assert_eq!(plain("3.3"), "3.3");
    }
}
