use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::functions::core::nullif;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Division as Spark has it: `/` takes doubles and decimals, so between integers it gives a double;
/// `DIV` gives a whole number.
///
/// Follows Spark's `Divide` and `IntegralDivide`. A double divided by zero is NULL, as in Spark with
/// `spark.sql.ansi.enabled=false`; decimals and `DIV` raise an error, as with `true`.
#[derive(Debug)]
pub(crate) struct SparkDivision;

impl ExprPlanner for SparkDivision {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let (left, right) = match expr.op {
            BinaryOperator::Divide if gives_double(&expr, schema)? => {
                let divisor = cast(expr.right, DataType::Float64);
                let divisor = nullif().call(vec![divisor, lit(0.0)]);
                (cast(expr.left, DataType::Float64), divisor)
            }
            BinaryOperator::MyIntegerDivide => (
                cast(expr.left, DataType::Int64),
                cast(expr.right, DataType::Int64),
            ),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let quotient = BinaryExpr::new(Box::new(left), Operator::Divide, Box::new(right));
        Ok(PlannerResult::Planned(Expr::BinaryExpr(quotient)))
    }
}

/// Whether neither side is a decimal that stays one, nor something that is no number at all.
fn gives_double(division: &RawBinaryExpr, schema: &DFSchema) -> Result<bool> {
    let left = division.left.get_type(schema)?;
    let right = division.right.get_type(schema)?;
    let integers = left.is_integer() && right.is_integer();
    let numbers = left.is_numeric() && right.is_numeric();
    Ok(integers || (numbers && (left.is_floating() || right.is_floating())))
}
