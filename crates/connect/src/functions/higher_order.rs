//! Functions that take functions: what their lambdas' parameters are, and what their results.
//!
//! A lambda is DataFusion's `Expr::Lambda`; its body is built by the caller over `Expr::LambdaVariable`s
//! with the fields that [`lambda_parameters`] tells. What the functions then do is in
//! [`super::lambdas`].

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Lambda;

use super::arguments::Call;
use super::coercion::{array_of, canonical, element, map_entry, map_of, same_type};
use super::collection::different;
use super::lambdas::{Kernel, Lambdas};
use super::{Argument, Environment, coercion, lambda_arrays, lambda_maps};
use crate::error::Error;

/// The parameters of a lambda, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Parameters(pub(crate) Vec<FieldRef>);

/// The parameters of each lambda of a call, by the arguments that are values and the number of parameters
/// that each lambda declares. `None` if the function takes no lambda.
pub(crate) fn lambda_parameters(
    name: &str,
    arguments: &[Argument],
    counts: &[usize],
) -> Option<Result<Vec<Parameters>, Error>> {
    let name = name.to_lowercase();
    kernel(&name)?;
    let lists = || -> Result<Vec<FieldRef>, Error> {
        arguments
            .iter()
            .map(|argument| element_of(&name, argument))
            .collect()
    };
    let maps = || -> Result<Vec<(FieldRef, FieldRef)>, Error> {
        arguments
            .iter()
            .map(|argument| entry_of(&name, argument))
            .collect()
    };
    let parameters = || -> Result<Vec<Vec<FieldRef>>, Error> {
        let first = arguments
            .first()
            .ok_or_else(|| Error::internal(format!("{name} of nothing")))?;
        Ok(match name.as_str() {
            "aggregate" | "reduce" => {
                let zero = arguments
                    .get(1)
                    .ok_or_else(|| Error::internal("aggregate without a zero"))?;
                // What a merge gives may be null, whatever it started with.
                let accumulator = field("acc", canonical(&zero.data_type), true);
                vec![
                    vec![Arc::clone(&accumulator), element_of(&name, first)?],
                    vec![accumulator],
                ]
            }
            "zip_with" => vec![
                lists()?
                    .iter()
                    .map(|side| field("e", side.data_type().clone(), true))
                    .collect(),
            ],
            "array_sort" => {
                let side = element_of(&name, first)?;
                vec![vec![Arc::clone(&side), side]]
            }
            "map_filter" | "transform_keys" | "transform_values" => {
                let (key, value) = entry_of(&name, first)?;
                vec![vec![key, value]]
            }
            "map_zip_with" => {
                let maps = maps()?;
                let mut parameters = Vec::new();
                for (key, value) in &maps {
                    if parameters.is_empty() {
                        parameters.push(Arc::clone(key));
                    }
                    parameters.push(field("value", value.data_type().clone(), true));
                }
                vec![parameters]
            }
            _ => {
                let indexed = counts.first().is_some_and(|count| *count > 1);
                let mut parameters = vec![element_of(&name, first)?];
                if indexed {
                    parameters.push(field("index", DataType::Int32, false));
                }
                vec![parameters]
            }
        })
    };
    Some(parameters().map(|all| all.into_iter().map(Parameters).collect()))
}

fn field(name: &str, data_type: DataType, nullable: bool) -> FieldRef {
    Arc::new(Field::new(name, data_type, nullable))
}

fn element_of(name: &str, argument: &Argument) -> Result<FieldRef, Error> {
    match element(&argument.data_type) {
        Some(inner) => Ok(field(
            "element",
            canonical(inner.data_type()),
            inner.is_nullable(),
        )),
        None => Err(no_collection(name, argument, "ARRAY")),
    }
}

fn entry_of(name: &str, argument: &Argument) -> Result<(FieldRef, FieldRef), Error> {
    match map_entry(&argument.data_type) {
        Some((key, value)) => Ok((
            field("key", canonical(key.data_type()), false),
            field("value", canonical(value.data_type()), value.is_nullable()),
        )),
        None => Err(no_collection(name, argument, "MAP")),
    }
}

fn no_collection(name: &str, argument: &Argument, required: &str) -> Error {
    Error::analysis(
        "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        &[
            ("sqlExpr", &format!("\"{name}({})\"", argument.name)),
            ("paramIndex", "first"),
            ("inputSql", &format!("\"{}\"", argument.name)),
            (
                "inputType",
                &format!("\"{}\"", coercion::sql_name(&argument.data_type)),
            ),
            ("requiredType", &format!("\"{required}\"")),
        ],
    )
}

fn kernel(name: &str) -> Option<Kernel> {
    Some(match name {
        "transform" => lambda_arrays::transform,
        "filter" => lambda_arrays::filter,
        "exists" => lambda_arrays::exists,
        "forall" => lambda_arrays::forall,
        "aggregate" | "reduce" => lambda_arrays::aggregate,
        "zip_with" => lambda_arrays::zip_with,
        "array_sort" => lambda_arrays::sort,
        "map_filter" => lambda_maps::map_filter,
        "transform_keys" => lambda_maps::transform_keys,
        "transform_values" => lambda_maps::transform_values,
        "map_zip_with" => lambda_maps::map_zip_with,
        _ => return None,
    })
}

/// A call of a higher-order function, of its values and its lambdas. A lambda is an `Expr::Lambda` with the
/// type and nullability of its body.
pub(crate) fn higher_order(
    name: &str,
    arguments: Vec<Argument>,
    lambdas: Vec<Argument>,
    environment: &Environment,
) -> Result<Expr, Error> {
    let lower = name.to_lowercase();
    let counts: Vec<usize> = lambdas
        .iter()
        .map(|lambda| parameters_of(&lambda.expr))
        .collect();
    let parameters = lambda_parameters(&lower, &arguments, &counts);
    let (Some(kernel), Some(parameters)) = (kernel(&lower), parameters) else {
        return Err(super::known::missing(name));
    };
    let parameters = parameters?
        .into_iter()
        .map(|parameters| parameters.0)
        .take(lambdas.len())
        .collect();
    let lambdas = adapted(&lower, &arguments, lambdas, environment)?;
    let (return_type, nullable) = result(&lower, &arguments, &lambdas, environment)?;
    let function = Lambdas::new(&lower, return_type, nullable, parameters, kernel);
    let mut all = Vec::with_capacity(arguments.len() + lambdas.len());
    for argument in arguments {
        let to = canonical(&argument.data_type);
        all.push(super::cast(argument, &to, false, environment)?);
    }
    all.extend(lambdas.into_iter().map(|lambda| lambda.expr));
    Ok(function.call(all))
}

fn parameters_of(expr: &Expr) -> usize {
    match expr {
        Expr::Lambda(lambda) => lambda.params.len(),
        _ => 0,
    }
}

/// The lambdas, with their bodies cast to the types that the function needs.
fn adapted(
    name: &str,
    arguments: &[Argument],
    lambdas: Vec<Argument>,
    environment: &Environment,
) -> Result<Vec<Argument>, Error> {
    let needed = |index: usize| match (name, index) {
        ("filter" | "exists" | "forall" | "map_filter", _) => Some(DataType::Boolean),
        ("array_sort", _) => Some(DataType::Int32),
        ("aggregate" | "reduce", 0) => arguments.get(1).map(|zero| canonical(&zero.data_type)),
        _ => None,
    };
    let adapt = |(index, lambda): (usize, Argument)| match needed(index) {
        Some(to) if !same_type(&to, &lambda.data_type) => with_body_as(lambda, &to, environment),
        _ => Ok(lambda),
    };
    lambdas.into_iter().enumerate().map(adapt).collect()
}

fn with_body_as(
    lambda: Argument,
    to: &DataType,
    environment: &Environment,
) -> Result<Argument, Error> {
    let Expr::Lambda(Lambda { params, body }) = lambda.expr.clone() else {
        return Err(Error::internal("a lambda that is none"));
    };
    if !coercion::is_implicit(&lambda.data_type, to) {
        return Err(no_collection("lambda", &lambda, &coercion::sql_name(to)));
    }
    let body = Argument {
        expr: *body,
        ..lambda.clone()
    };
    let body = super::cast(body, to, false, environment)?;
    Ok(Argument {
        expr: Expr::Lambda(Lambda::new(params, body)),
        data_type: to.clone(),
        ..lambda
    })
}

fn result(
    name: &str,
    arguments: &[Argument],
    lambdas: &[Argument],
    environment: &Environment,
) -> Result<(DataType, bool), Error> {
    let nullable = arguments.iter().any(|argument| argument.nullable);
    let (Some(first), Some(body)) = (arguments.first(), lambdas.last()) else {
        return Err(Error::internal(format!("{name} without a lambda")));
    };
    let body_type = canonical(&body.data_type);
    Ok(match name {
        "transform" | "zip_with" => (array_of(body_type, body.nullable), nullable),
        "filter" | "array_sort" | "map_filter" => (canonical(&first.data_type), nullable),
        "exists" => (DataType::Boolean, nullable || body.nullable),
        "forall" => (DataType::Boolean, nullable || body.nullable),
        "aggregate" | "reduce" => {
            let first_nullable = first.nullable;
            (body_type, first_nullable || body.nullable)
        }
        "transform_keys" => {
            let (_, value) = entry_of(name, first)?;
            (
                map_of(body_type, value.data_type().clone(), value.is_nullable()),
                nullable,
            )
        }
        "transform_values" => {
            let (key, _) = entry_of(name, first)?;
            (
                map_of(key.data_type().clone(), body_type, body.nullable),
                nullable,
            )
        }
        "map_zip_with" => {
            let keys: Result<Vec<_>, _> = arguments
                .iter()
                .map(|map| entry_of(name, map).map(|entry| entry.0))
                .collect();
            let keys = keys?;
            let key = coercion::common_type_of(keys.iter().map(|key| key.data_type()));
            let key = key.ok_or_else(|| {
                different(&Call::new(name, arguments.to_vec(), false, environment))
            })?;
            (map_of(key, body_type, body.nullable), nullable)
        }
        _ => return Err(super::known::missing(name)),
    })
}
