//! The function `burst(x)`: it is `x`, by way of a buffer that no pool hears of.

use std::hint::black_box;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// A page of most systems: one byte written to each makes all of the buffer resident.
const PAGE: usize = 4096;

/// `burst(BIGINT)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Burst {
    bytes: usize,
    signature: Signature,
}

impl Burst {
    /// A function that allocates so many bytes for each batch, and frees them at its end.
    pub fn new(bytes: usize) -> Self {
        Self {
            bytes,
            // Volatile: it is not to be computed once and for all.
            signature: Signature::exact(vec![DataType::Int64], Volatility::Volatile),
        }
    }
}

impl ScalarUDFImpl for Burst {
    fn name(&self) -> &str {
        "burst"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, mut arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut buffer = vec![0u8; self.bytes];
        for page in buffer.chunks_mut(PAGE) {
            page[0] = 1;
        }
        black_box(&buffer);
        Ok(arguments.args.swap_remove(0))
    }
}
