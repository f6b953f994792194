//! Spark's functions for SQL text: those that DataFusion's planner does not find by itself.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::utils::find_aggregate_exprs;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use plimsoll_driver::Session;

use super::known::NAMES;
use super::{Argument, Environment, call, is_generator};
use crate::error::Error;

/// Gives the session's SQL the scalar functions of Spark that it has not yet.
pub fn register_functions(session: &Arc<Session>) {
    let state = session.state();
    let is_there = |name: &str| {
        state.scalar_functions().contains_key(name)
            || state.aggregate_functions().contains_key(name)
            || state.window_functions().contains_key(name)
            || state.table_functions().contains_key(name)
            || state.higher_order_functions().contains_key(name)
    };
    for name in NAMES {
        let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_word && !is_there(name) && !is_generator(name) {
            session.register_engine_function(ScalarUDF::new_from_impl(InSql {
                name,
                signature: Signature::variadic_any(Volatility::Immutable),
                session: Arc::downgrade(session),
            }));
        }
    }
}

/// A function by its name. It is gone once a query is planned: in its place is what the call comes to.
struct InSql {
    name: &'static str,
    signature: Signature,
    /// Whose settings it goes by. Weak, because the session holds its functions.
    session: Weak<Session>,
}

impl fmt::Debug for InSql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for InSql {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.session.ptr_eq(&other.session)
    }
}

impl Eq for InSql {}

impl Hash for InSql {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl InSql {
    /// What a call with these arguments comes to.
    fn call(&self, arguments: Vec<Argument>) -> Result<Expr> {
        let session = self.session.upgrade().ok_or_else(|| {
            DataFusionError::Internal(format!("{} outlived its session", self.name))
        })?;
        let (state, conf) = (session.state(), session.conf());
        let setting = |key: &str| conf.get(key).map(|(value, _)| value.to_owned());
        let time_zone = setting("spark.sql.session.timeZone").unwrap_or_else(|| "UTC".to_owned());
        let environment = Environment {
            registry: &state,
            ansi: setting("spark.sql.ansi.enabled").as_deref() != Some("false"),
            time_zone: &time_zone,
        };
        let outside = |error: Error| DataFusionError::External(Box::new(error));
        let expr = call(self.name, arguments, false, &environment).map_err(outside)?;
        match find_aggregate_exprs([&expr]).is_empty() {
            true => Ok(expr),
            false => Err(outside(Error::unsupported(format!(
                "the aggregate {} in SQL text (DataFrames have it)",
                self.name
            )))),
        }
    }
}

impl ScalarUDFImpl for InSql {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Err(DataFusionError::Internal(format!(
            "the type of {} alone",
            self.name
        )))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let mut fields = Vec::new();
        let mut arguments = Vec::new();
        for (at, (field, value)) in args
            .arg_fields
            .iter()
            .zip(args.scalar_arguments)
            .enumerate()
        {
            let expr = match value {
                Some(value) => Expr::Literal((*value).clone(), None),
                None => {
                    let column = format!("argument {at}");
                    fields.push(Field::new(
                        &column,
                        field.data_type().clone(),
                        field.is_nullable(),
                    ));
                    Expr::Column(Column::new_unqualified(column))
                }
            };
            arguments.push(argument(
                expr,
                field.data_type().clone(),
                field.is_nullable(),
            ));
        }
        let schema = DFSchema::try_from(Schema::new(fields))?;
        let (_, field) = self.call(arguments)?.to_field(&schema)?;
        Ok(Arc::new(field.as_ref().clone().with_name(self.name)))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let arguments = args
            .into_iter()
            .map(|expr| {
                let (data_type, nullable) = (info.get_data_type(&expr)?, info.nullable(&expr)?);
                Ok(argument(expr, data_type, nullable))
            })
            .collect::<Result<_>>()?;
        Ok(ExprSimplifyResult::Simplified(self.call(arguments)?))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal(format!(
            "{} was not planned",
            self.name
        )))
    }
}

/// An argument; a whole number that is written out is an INT, as Spark's parser types it.
fn argument(expr: Expr, data_type: DataType, nullable: bool) -> Argument {
    let narrow = match &expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => i32::try_from(*value).ok(),
        _ => None,
    };
    let (expr, data_type) = match narrow {
        Some(value) => (
            Expr::Literal(ScalarValue::Int32(Some(value)), None),
            DataType::Int32,
        ),
        None => (expr, data_type),
    };
    Argument {
        name: expr.to_string(),
        expr,
        data_type,
        nullable,
    }
}
