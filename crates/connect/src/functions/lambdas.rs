//! Higher-order functions as DataFusion calls them; their kernels are in `lambda_arrays` and `lambda_maps`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::expr::HigherOrderFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature,
    HigherOrderUDF, HigherOrderUDFImpl, LambdaArgument, LambdaParametersProgress, ValueOrLambda,
    Volatility,
};

/// What a function does with its values and lambdas.
pub(super) type Kernel = fn(&Inputs) -> Result<ArrayRef>;

/// A higher-order function that is bound to its types.
pub(super) struct Lambdas {
    name: String,
    return_type: DataType,
    nullable: bool,
    parameters: Vec<Vec<FieldRef>>,
    kernel: Kernel,
    signature: HigherOrderSignature,
}

impl Lambdas {
    pub(super) fn new(
        name: &str,
        return_type: DataType,
        nullable: bool,
        parameters: Vec<Vec<FieldRef>>,
        kernel: Kernel,
    ) -> Self {
        Self {
            name: name.to_owned(),
            return_type,
            nullable,
            parameters,
            kernel,
            signature: HigherOrderSignature::user_defined(Volatility::Immutable),
        }
    }

    pub(super) fn call(self, arguments: Vec<Expr>) -> Expr {
        let function = Arc::new(HigherOrderUDF::new_from_impl(self));
        Expr::HigherOrderFunction(HigherOrderFunction::new(function, arguments))
    }
}

impl std::fmt::Debug for Lambdas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lambdas")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

// The name stands for the kernel.
impl PartialEq for Lambdas {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.return_type == other.return_type
            && self.nullable == other.nullable
            && self.parameters == other.parameters
    }
}

impl Eq for Lambdas {}

impl Hash for Lambdas {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.return_type.hash(state);
    }
}

impl HigherOrderUDFImpl for Lambdas {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn lambda_parameters(
        &self,
        _: usize,
        _: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        Ok(LambdaParametersProgress::Complete(self.parameters.clone()))
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_field_from_args(&self, _: HigherOrderReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(
            &self.name,
            self.return_type.clone(),
            self.nullable,
        )))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let (mut values, mut lambdas) = (Vec::new(), Vec::new());
        for argument in &args.args {
            match argument {
                ValueOrLambda::Value(value) => values.push(value.to_array(args.number_rows)?),
                ValueOrLambda::Lambda(lambda) => lambdas.push(lambda),
            }
        }
        let indexed = self.parameters.first().map_or(0, Vec::len);
        let inputs = Inputs {
            values,
            lambdas,
            rows: args.number_rows,
            return_type: &self.return_type,
            parameters: indexed,
        };
        Ok(ColumnarValue::Array((self.kernel)(&inputs)?))
    }
}

/// The arguments of an invocation.
pub(super) struct Inputs<'a> {
    values: Vec<ArrayRef>,
    pub(super) lambdas: Vec<&'a LambdaArgument>,
    pub(super) rows: usize,
    pub(super) return_type: &'a DataType,
    /// How many parameters the first lambda has.
    pub(super) parameters: usize,
}

impl Inputs<'_> {
    pub(super) fn value(&self, index: usize) -> Result<&ArrayRef> {
        self.values
            .get(index)
            .ok_or_else(|| DataFusionError::Internal(format!("no argument {index}")))
    }

    /// The lambda for each entry of `rows`, which tells the row that its captures are of.
    pub(super) fn evaluate(
        &self,
        lambda: usize,
        parameters: &[ArrayRef],
        rows: &[u32],
    ) -> Result<ArrayRef> {
        let lambda = self
            .lambdas
            .get(lambda)
            .ok_or_else(|| DataFusionError::Internal("a lambda is missing".to_owned()))?;
        let closures: Vec<_> = parameters
            .iter()
            .map(|array| move || Ok(Arc::clone(array)))
            .collect();
        let closures: Vec<&dyn Fn() -> Result<ArrayRef>> = closures
            .iter()
            .map(|closure| closure as &dyn Fn() -> Result<ArrayRef>)
            .collect();
        let indexes = UInt32Array::from(rows.to_vec());
        let answer = lambda.evaluate(&closures, |captures| {
            captures
                .iter()
                .map(|capture| Ok(take(capture, &indexes, None)?))
                .collect()
        })?;
        answer.into_array(rows.len())
    }
}
