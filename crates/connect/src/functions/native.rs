//! Functions of our own: a kernel, bound to the types that the call was resolved with.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float64Array, Int32Array,
    Int64Array, StringArray, TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Field, FieldRef, Float64Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::Environment;
pub(super) use super::raised::raise;

/// What a function does. The kernels of single rows give null for a null argument by themselves.
#[derive(Clone, Copy)]
pub(super) enum Kernel {
    Text(fn(&Row) -> Result<Option<String>>),
    Binary(fn(&Row) -> Result<Option<Vec<u8>>>),
    Boolean(fn(&Row) -> Result<Option<bool>>),
    Int(fn(&Row) -> Result<Option<i32>>),
    Long(fn(&Row) -> Result<Option<i64>>),
    Double(fn(&Row) -> Result<Option<f64>>),
    /// Days since 1970.
    Date(fn(&Row) -> Result<Option<i32>>),
    /// Microseconds since 1970 in UTC.
    Timestamp(fn(&Row) -> Result<Option<i64>>),
    /// A string, where null arguments are seen by the kernel.
    LenientText(fn(&Row) -> Result<Option<String>>),
    /// All rows at once.
    Columns(fn(&Inputs) -> Result<ArrayRef>),
}

/// A function that is bound to its types.
pub(super) struct Native {
    name: String,
    kernel: Kernel,
    return_type: DataType,
    nullable: bool,
    time_zone: Arc<str>,
    ansi: bool,
    signature: Signature,
}

impl Native {
    pub(super) fn new(
        name: &str,
        kernel: Kernel,
        arguments: usize,
        return_type: DataType,
        nullable: bool,
    ) -> Self {
        Self {
            name: name.to_owned(),
            kernel,
            return_type,
            nullable,
            time_zone: Arc::from("UTC"),
            ansi: true,
            signature: signature(arguments, Volatility::Immutable),
        }
    }

    pub(super) fn in_session(mut self, environment: &Environment) -> Self {
        self.time_zone = Arc::from(environment.time_zone);
        self.ansi = environment.ansi;
        self
    }

    /// A function that may answer otherwise for each row.
    pub(super) fn volatile(mut self) -> Self {
        self.signature.volatility = Volatility::Volatile;
        self
    }

    pub(super) fn call(self, arguments: Vec<Expr>) -> Expr {
        ScalarUDF::new_from_impl(self).call(arguments)
    }
}

fn signature(arguments: usize, volatility: Volatility) -> Signature {
    match arguments {
        0 => Signature::nullary(volatility),
        n => Signature::any(n, volatility),
    }
}

/// The most bytes that one call may make of a batch: no value that a program means is larger, and one that
/// is would be built before anybody could refuse it memory.
const MOST_BYTES: usize = 256 << 20;

/// Whether so many items of this size may be made.
///
/// # Errors
/// If they are more than [`MOST_BYTES`].
pub(super) fn fits(count: usize, size: usize) -> Result<()> {
    match count.checked_mul(size) {
        Some(bytes) if bytes <= MOST_BYTES => Ok(()),
        _ => Err(super::raised::raise(crate::error::Error::of_message(
            crate::error::Kind::Runtime,
            format!(
                "a value of {count} items would be larger than {} MiB, the most that a function makes",
                MOST_BYTES >> 20
            ),
        ))),
    }
}

/// The expression with another nullability (and a type that its values already have).
pub(crate) fn declared(expr: Expr, return_type: DataType, nullable: bool) -> Expr {
    Native::new(
        "as",
        Kernel::Columns(|inputs| {
            let array = inputs.array(0)?;
            if array.data_type() == inputs.return_type {
                return Ok(array);
            }
            Ok(datafusion::arrow::compute::cast(
                &array,
                inputs.return_type,
            )?)
        }),
        1,
        return_type,
        nullable,
    )
    .call(vec![expr])
}

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Native")
            .field("name", &self.name)
            .field("return_type", &self.return_type)
            .finish_non_exhaustive()
    }
}

// The name stands for the kernel.
impl PartialEq for Native {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.return_type == other.return_type
            && self.nullable == other.nullable
            && self.time_zone == other.time_zone
            && self.ansi == other.ansi
    }
}

impl Eq for Native {}

impl Hash for Native {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.return_type.hash(state);
    }
}

impl ScalarUDFImpl for Native {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.return_type.clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(
            &self.name,
            self.return_type.clone(),
            self.nullable,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = self.signature.volatility == Volatility::Immutable
            && args
                .args
                .iter()
                .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let inputs = Inputs {
            rows: if constant { 1 } else { args.number_rows },
            arguments: &args.args,
            return_type: &self.return_type,
            time_zone: &self.time_zone,
            ansi: self.ansi,
        };
        let answer = self.kernel.apply(&inputs)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &answer, 0,
            )?));
        }
        Ok(ColumnarValue::Array(answer))
    }
}

impl Kernel {
    fn apply(self, inputs: &Inputs) -> Result<ArrayRef> {
        if let Self::Columns(kernel) = self {
            return kernel(inputs);
        }
        let columns = inputs.columns()?;
        let strict = !matches!(self, Self::LenientText(_));
        if strict
            && columns
                .iter()
                .any(|column| matches!(column.values, Values::Null))
        {
            return Ok(new_null_array(inputs.return_type, inputs.rows));
        }
        let table = Table {
            inputs,
            columns: &columns,
            strict,
        };
        let array: ArrayRef = match self {
            Self::Text(kernel) | Self::LenientText(kernel) => {
                Arc::new(table.map(kernel)?.into_iter().collect::<StringArray>())
            }
            Self::Binary(kernel) => {
                Arc::new(table.map(kernel)?.into_iter().collect::<BinaryArray>())
            }
            Self::Boolean(kernel) => Arc::new(BooleanArray::from(table.map(kernel)?)),
            Self::Int(kernel) => Arc::new(Int32Array::from(table.map(kernel)?)),
            Self::Long(kernel) => Arc::new(Int64Array::from(table.map(kernel)?)),
            Self::Double(kernel) => Arc::new(Float64Array::from(table.map(kernel)?)),
            Self::Date(kernel) => Arc::new(Date32Array::from(table.map(kernel)?)),
            Self::Timestamp(kernel) => {
                let instants = TimestampMicrosecondArray::from(table.map(kernel)?);
                match inputs.return_type {
                    DataType::Timestamp(_, zone) => {
                        Arc::new(instants.with_timezone_opt(zone.clone()))
                    }
                    _ => Arc::new(instants),
                }
            }
            Self::Columns(_) => {
                return Err(DataFusionError::Internal("no kernel of rows".to_owned()));
            }
        };
        Ok(array)
    }
}

/// The arguments of an invocation.
pub(super) struct Inputs<'a> {
    pub(super) rows: usize,
    pub(super) arguments: &'a [ColumnarValue],
    pub(super) return_type: &'a DataType,
    pub(super) time_zone: &'a str,
    pub(super) ansi: bool,
}

impl Inputs<'_> {
    /// The argument with a value for each row.
    pub(super) fn array(&self, index: usize) -> Result<ArrayRef> {
        self.argument(index)?.to_array(self.rows)
    }

    pub(super) fn arrays(&self) -> Result<Vec<ArrayRef>> {
        self.arguments
            .iter()
            .map(|argument| argument.to_array(self.rows))
            .collect()
    }

    pub(super) fn argument(&self, index: usize) -> Result<&ColumnarValue> {
        self.arguments
            .get(index)
            .ok_or_else(|| DataFusionError::Internal(format!("no argument {index}")))
    }

    fn columns(&self) -> Result<Vec<Column>> {
        self.arguments.iter().map(Column::new).collect()
    }
}

struct Table<'a> {
    inputs: &'a Inputs<'a>,
    columns: &'a [Column],
    strict: bool,
}

impl Table<'_> {
    fn map<T>(&self, kernel: fn(&Row) -> Result<Option<T>>) -> Result<Vec<Option<T>>> {
        (0..self.inputs.rows)
            .map(|index| {
                let row = Row {
                    columns: self.columns,
                    inputs: self.inputs,
                    index,
                };
                if self.strict && (0..self.columns.len()).any(|column| row.is_null(column)) {
                    return Ok(None);
                }
                kernel(&row)
            })
            .collect()
    }
}

struct Column {
    values: Values,
    constant: bool,
}

enum Values {
    Null,
    Text(StringArray),
    Binary(BinaryArray),
    Boolean(BooleanArray),
    Int(Int32Array),
    Long(Int64Array),
    Double(Float64Array),
    Date(Date32Array),
    Timestamp(TimestampMicrosecondArray),
    Other(ArrayRef),
}

impl Column {
    fn new(argument: &ColumnarValue) -> Result<Self> {
        let constant = matches!(argument, ColumnarValue::Scalar(_));
        let array = argument.to_array(1)?;
        let values = match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Utf8 => Values::Text(array.as_string::<i32>().clone()),
            DataType::Utf8View | DataType::LargeUtf8 => {
                let array = datafusion::arrow::compute::cast(&array, &DataType::Utf8)?;
                Values::Text(array.as_string::<i32>().clone())
            }
            DataType::Binary => Values::Binary(array.as_binary::<i32>().clone()),
            DataType::BinaryView | DataType::LargeBinary => {
                let array = datafusion::arrow::compute::cast(&array, &DataType::Binary)?;
                Values::Binary(array.as_binary::<i32>().clone())
            }
            DataType::Boolean => Values::Boolean(array.as_boolean().clone()),
            DataType::Int32 => Values::Int(array.as_primitive::<Int32Type>().clone()),
            DataType::Int64 => Values::Long(array.as_primitive::<Int64Type>().clone()),
            DataType::Float64 => Values::Double(array.as_primitive::<Float64Type>().clone()),
            DataType::Date32 => Values::Date(array.as_primitive::<Date32Type>().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Values::Timestamp(array.as_primitive::<TimestampMicrosecondType>().clone())
            }
            _ => Values::Other(array),
        };
        Ok(Self { values, constant })
    }

    fn is_null(&self, index: usize) -> bool {
        match &self.values {
            Values::Null => true,
            Values::Text(array) => array.is_null(index),
            Values::Binary(array) => array.is_null(index),
            Values::Boolean(array) => array.is_null(index),
            Values::Int(array) => array.is_null(index),
            Values::Long(array) => array.is_null(index),
            Values::Double(array) => array.is_null(index),
            Values::Date(array) => array.is_null(index),
            Values::Timestamp(array) => array.is_null(index),
            Values::Other(array) => array.is_null(index),
        }
    }
}

/// One row of arguments. Getters of another type than the argument's are an error.
pub(super) struct Row<'a> {
    columns: &'a [Column],
    inputs: &'a Inputs<'a>,
    index: usize,
}

macro_rules! getter {
    ($name:ident, $variant:ident, $type:ty) => {
        pub(super) fn $name(&self, column: usize) -> Result<$type> {
            match self.column(column)? {
                (Values::$variant(array), index) => Ok(array.value(index)),
                _ => Err(DataFusionError::Internal(format!(
                    "argument {column} is no {}",
                    stringify!($name)
                ))),
            }
        }
    };
}

impl<'a> Row<'a> {
    getter!(text, Text, &'a str);
    getter!(binary, Binary, &'a [u8]);
    getter!(boolean, Boolean, bool);
    getter!(int, Int, i32);
    getter!(long, Long, i64);
    getter!(double, Double, f64);
    getter!(date, Date, i32);
    getter!(timestamp, Timestamp, i64);

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn is_null(&self, column: usize) -> bool {
        self.columns
            .get(column)
            .is_none_or(|column| column.is_null(if column.constant { 0 } else { self.index }))
    }

    pub(super) fn time_zone(&self) -> &'a str {
        self.inputs.time_zone
    }

    pub(super) fn ansi(&self) -> bool {
        self.inputs.ansi
    }

    /// The array that holds an argument of another type than there are getters for, and its row in it.
    pub(super) fn other(&self, column: usize) -> Result<(&'a ArrayRef, usize)> {
        match self.column(column)? {
            (Values::Other(array), index) => Ok((array, index)),
            _ => Err(DataFusionError::Internal(format!(
                "argument {column} has a getter"
            ))),
        }
    }

    fn column(&self, column: usize) -> Result<(&'a Values, usize)> {
        let column = self
            .columns
            .get(column)
            .ok_or_else(|| DataFusionError::Internal(format!("no argument {column}")))?;
        Ok((&column.values, if column.constant { 0 } else { self.index }))
    }
}
