use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
};
use datafusion_spark::function::aggregate::avg::SparkAvg;

/// Spark's `avg` as `datafusion-spark` has it, which knows neither of frames that rows leave again nor of DISTINCT
/// beside another: for these it is DataFusion's own over the same doubles.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Average {
    spark: SparkAvg,
}

pub(crate) fn average() -> Arc<AggregateUDF> {
    let spark = SparkAvg::new();
    Arc::new(AggregateUDF::new_from_impl(Average { spark }))
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &str {
        self.spark.name()
    }

    fn signature(&self) -> &Signature {
        self.spark.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.spark.return_type(arguments)
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match arguments.is_distinct {
            true => avg_udaf().accumulator(arguments),
            false => self.spark.accumulator(arguments),
        }
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>> {
        avg_udaf().create_sliding_accumulator(arguments)
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        match arguments.is_distinct {
            true => avg_udaf().state_fields(arguments),
            false => self.spark.state_fields(arguments),
        }
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        self.spark.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.spark.create_groups_accumulator(arguments)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.spark.reverse_expr()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.spark.default_value(data_type)
    }
}
