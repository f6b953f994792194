//! Functions that count or draw on from one batch to the next.
//!
//! In a plan such a function is what it does: two of the same seed are the same, or no plan with one in it would
//! ever be found in the cache. Each query has its own instance, so that it begins at the beginning, and two calls
//! that look alike do not draw on from each other.

use std::hash::{Hash, Hasher};

use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::datatypes::{Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use parking_lot::Mutex;
use std::sync::Arc;

use super::misc::{counted, numbers};
use super::random::Random;

/// The rows of a query, counted from 0.
pub(super) fn increasing() -> Expr {
    stateful(
        "monotonically_increasing_id",
        DataType::Int64,
        State::Next(0),
    )
}

/// Random numbers of a seed.
pub(super) fn random(seed: i64, normal: bool) -> Expr {
    let name = format!("{}({seed})", if normal { "randn" } else { "rand" });
    stateful(
        &name,
        DataType::Float64,
        State::Random {
            random: Random::new(seed),
            normal,
        },
    )
}

fn stateful(name: &str, to: DataType, state: State) -> Expr {
    ScalarUDF::new_from_impl(Stateful {
        name: name.to_owned(),
        to,
        instance: None,
        start: state.clone(),
        state: Mutex::new(state),
        signature: Signature::nullary(Volatility::Volatile),
    })
    .call(vec![])
}

#[derive(Debug, Clone)]
enum State {
    Next(i64),
    Random { random: Random, normal: bool },
}

/// A function with a state, which all batches of a query share.
#[derive(Debug)]
struct Stateful {
    /// It tells what the function starts from: the seed is in it.
    name: String,
    to: DataType,
    /// None in a plan, and one of its own in a query that is being planned.
    instance: Option<uuid::Uuid>,
    start: State,
    state: Mutex<State>,
    signature: Signature,
}

impl PartialEq for Stateful {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.instance == other.instance
    }
}

impl Eq for Stateful {}

impl Hash for Stateful {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.instance.hash(state);
    }
}

impl ScalarUDFImpl for Stateful {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(&self.name, self.to.clone(), false)))
    }

    /// The optimizer runs for each query, and for each plan that one tries.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if self.instance.is_some() {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let instance = ScalarUDF::new_from_impl(Self {
            name: self.name.clone(),
            to: self.to.clone(),
            instance: Some(uuid::Uuid::new_v4()),
            start: self.start.clone(),
            state: Mutex::new(self.start.clone()),
            signature: self.signature.clone(),
        });
        Ok(ExprSimplifyResult::Simplified(instance.call(args)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        Ok(ColumnarValue::Array(match &mut *self.state.lock() {
            State::Next(next) => {
                let from = *next;
                *next += rows as i64;
                counted(from, rows)
            }
            State::Random { random, normal } => numbers(random, rows, *normal),
        }))
    }
}
