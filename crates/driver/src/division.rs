use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Division as Spark has it: `/` between integers gives a double, `DIV` gives a whole number.
///
/// Follows Spark's `ImplicitTypeCasts`, where `Divide` takes doubles and decimals only, and
/// `IntegralDivide`.
#[derive(Debug)]
pub(crate) struct SparkDivision;

impl ExprPlanner for SparkDivision {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let integers =
            expr.left.get_type(schema)?.is_integer() && expr.right.get_type(schema)?.is_integer();
        let double = |side: Expr| cast(side, DataType::Float64);
        let bigint = |side: Expr| cast(side, DataType::Int64);
        let (left, right) = match expr.op {
            BinaryOperator::Divide if integers => (double(expr.left), double(expr.right)),
            BinaryOperator::MyIntegerDivide => (bigint(expr.left), bigint(expr.right)),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let quotient = BinaryExpr::new(Box::new(left), Operator::Divide, Box::new(right));
        Ok(PlannerResult::Planned(Expr::BinaryExpr(quotient)))
    }
}
