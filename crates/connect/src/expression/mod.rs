//! Expressions: from the client's unresolved ones to DataFusion's, with the name and type that Spark
//! would give each.

mod extract;
mod literal;
mod star;
pub(crate) mod text;
mod window;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column as PlanColumn, DFSchema};
use datafusion::logical_expr::expr::{Lambda, LambdaVariable, Sort};
use datafusion::logical_expr::utils::{find_aggregate_exprs, find_window_exprs};
use datafusion::logical_expr::{Expr, ExprSchemable};
use spark_connect_proto as proto;
use spark_connect_proto::expression::ExprType;

use crate::error::Error;
use crate::frame::{Column, Frame};
use crate::functions::{self, Argument};
use crate::identifier;
use crate::plan::Planner;
use crate::types;

pub(crate) use literal::scalar;

/// A column that an expression of a projection gives.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) argument: Argument,
    /// The column that it is, if it is one as it stands: it keeps its id.
    pub(crate) column: Option<Column>,
    /// Spark's JSON of the alias.
    pub(crate) metadata: Option<String>,
    /// A function that makes rows, for the caller to plan.
    pub(crate) generator: Option<Generator>,
}

/// `explode(…)` and its kin, with the names that an alias gave to its columns.
#[derive(Debug, Clone)]
pub(crate) struct Generator {
    pub(crate) function: String,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) names: Vec<String>,
}

/// What Spark calls the parameters of lambdas, all of them, where it names columns.
const LAMBDA_VARIABLE: &str = "namedlambdavariable()";

/// A variable of a lambda that is being translated.
#[derive(Debug, Clone)]
struct Variable {
    name: String,
    argument: Argument,
}

/// A call's arguments with columns in place of what is computed. The type of a call does not depend on how
/// its arguments come about, and DataFusion derives a type by going through all that is below it: at each
/// level of a long chain of operators anew, if it were asked about the whole.
struct Shallow {
    arguments: Vec<Argument>,
    schema: DFSchema,
}

impl Shallow {
    /// `None` where there is nothing to gain, or where the arguments' own names matter.
    fn of(name: &str, arguments: &[Argument]) -> Result<Option<Self>, Error> {
        let is_leaf =
            |argument: &Argument| matches!(argument.expr, Expr::Column(_) | Expr::Literal(..));
        let names_matter = ["struct", "named_struct", "arrays_zip"]
            .iter()
            .any(|function| name.eq_ignore_ascii_case(function));
        let has_parts = arguments.iter().any(|argument| {
            matches!(
                argument.expr,
                Expr::Alias(_) | Expr::Lambda(_) | Expr::LambdaVariable(_)
            )
        });
        if names_matter || has_parts || arguments.iter().all(is_leaf) {
            return Ok(None);
        }
        let mut fields = Vec::new();
        let mut shallow = Vec::new();
        for (at, argument) in arguments.iter().enumerate() {
            let mut argument = argument.clone();
            if !matches!(argument.expr, Expr::Literal(..)) {
                let column = format!("argument {at}");
                fields.push(Field::new(
                    &column,
                    argument.data_type.clone(),
                    argument.nullable,
                ));
                argument.expr = Expr::Column(PlanColumn::new_unqualified(column));
            }
            shallow.push(argument);
        }
        Ok(Some(Self {
            arguments: shallow,
            schema: DFSchema::try_from(Schema::new(fields))?,
        }))
    }
}

/// Translates expressions over the columns of a frame.
pub(crate) struct Expressions<'a> {
    planner: &'a Planner,
    frame: &'a Frame,
    variables: Vec<Variable>,
}

impl<'a> Expressions<'a> {
    pub(crate) fn new(planner: &'a Planner, frame: &'a Frame) -> Self {
        Self {
            planner,
            frame,
            variables: Vec::new(),
        }
    }

    /// The expression that a filter, a key or an argument is.
    ///
    /// # Errors
    /// As Spark's analyzer has them.
    pub(crate) fn one(&self, expression: &proto::Expression) -> Result<Argument, Error> {
        match kind(expression)? {
            ExprType::Literal(value) => literal::literal(value, self.planner.time_zone()),
            ExprType::UnresolvedAttribute(attribute) => self.attribute(attribute),
            ExprType::UnresolvedFunction(function) => self.call(
                &function.function_name,
                &function.arguments,
                function.is_distinct,
            ),
            ExprType::CallFunction(function) => {
                let name = identifier::parts(&function.function_name)?;
                self.call(
                    name.last().map_or("", String::as_str),
                    &function.arguments,
                    false,
                )
            }
            ExprType::ExpressionString(string) => self.one(&text::parse(&string.expression)?),
            ExprType::Alias(alias) => self.alias(alias),
            ExprType::Cast(cast) => self.cast(cast),
            ExprType::SortOrder(order) => {
                self.one(needed(order.child.as_deref(), "a sort order's child")?)
            }
            ExprType::Window(window) => self.window(window),
            ExprType::UnresolvedExtractValue(extract) => self.extract_value(extract),
            ExprType::UpdateFields(update) => self.update_fields(update),
            ExprType::UnresolvedNamedLambdaVariable(variable) => {
                self.variable(&variable.name_parts)
            }
            ExprType::SubqueryExpression(subquery) => self.planner.subquery(self, subquery),
            ExprType::UnresolvedStar(_) | ExprType::UnresolvedRegex(_) => Err(Error::analysis(
                "INVALID_USAGE_OF_STAR_OR_REGEX",
                &[("elem", "'*'"), ("prettyName", "expression")],
            )),
            other => Err(unsupported(other)),
        }
    }

    pub(crate) fn all(&self, expressions: &[proto::Expression]) -> Result<Vec<Argument>, Error> {
        expressions
            .iter()
            .map(|expression| self.one(expression))
            .collect()
    }

    /// The expression as one that is true or false.
    pub(crate) fn condition(&self, expression: &proto::Expression) -> Result<Expr, Error> {
        let argument = self.one(expression)?;
        let inner = [&argument.expr];
        if !find_aggregate_exprs(inner).is_empty() || !find_window_exprs(inner).is_empty() {
            return Err(Error::analysis(
                "INVALID_WHERE_CONDITION",
                &[
                    ("condition", &format!("\"{}\"", argument.name)),
                    ("expressionList", &argument.name),
                ],
            ));
        }
        match argument.data_type {
            DataType::Boolean => Ok(argument.expr),
            DataType::Null | DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
                self.planner.cast(argument, &DataType::Boolean)
            }
            other => Err(Error::analysis(
                "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN",
                &[
                    ("sqlExpr", &format!("\"{}\"", argument.name)),
                    ("filter", &format!("\"{}\"", argument.name)),
                    ("type", &format!("\"{}\"", types::sql_string(&other))),
                ],
            )),
        }
    }

    /// What an expression of a projection gives: several columns for a star.
    pub(crate) fn outputs(&self, expression: &proto::Expression) -> Result<Vec<Output>, Error> {
        match kind(expression)? {
            ExprType::UnresolvedStar(star) => self.star(star),
            ExprType::UnresolvedRegex(regex) => self.regex(regex),
            ExprType::ExpressionString(string) => self.outputs(&text::parse(&string.expression)?),
            ExprType::UnresolvedAttribute(attribute) => {
                let argument = self.attribute(attribute)?;
                let column = self.column_of(&argument);
                Ok(vec![Output {
                    column,
                    ..Output::of(argument)
                }])
            }
            ExprType::Alias(alias) => {
                let inner = needed(alias.expr.as_deref(), "an alias's child")?;
                if let Some(generator) = self.generator(inner)? {
                    let generator = Generator {
                        names: alias.name.clone(),
                        ..generator
                    };
                    return Ok(vec![Output::generated(generator)]);
                }
                let argument = self.alias(alias)?;
                let metadata = alias.metadata.clone();
                Ok(vec![Output {
                    metadata,
                    ..Output::of(argument)
                }])
            }
            ExprType::UnresolvedFunction(_) | ExprType::CallFunction(_) => {
                match self.generator(expression)? {
                    Some(generator) => Ok(vec![Output::generated(generator)]),
                    None => Ok(vec![Output::unnamed(self.one(expression)?)]),
                }
            }
            ExprType::Window(_) | ExprType::UpdateFields(_) | ExprType::SubqueryExpression(_) => {
                Ok(vec![Output::unnamed(self.one(expression)?)])
            }
            ExprType::Cast(cast) => {
                let argument = self.one(expression)?;
                let of_column = matches!(
                    cast.expr
                        .as_deref()
                        .and_then(|inner| inner.expr_type.as_ref()),
                    Some(ExprType::UnresolvedAttribute(_) | ExprType::Alias(_))
                );
                Ok(vec![match of_column {
                    true => Output::of(argument),
                    false => Output::unnamed(argument),
                }])
            }
            _ => Ok(vec![Output::of(self.one(expression)?)]),
        }
    }

    /// A sort key. Spark's NULLs are smaller than any value.
    pub(crate) fn sort(&self, order: &proto::expression::SortOrder) -> Result<Sort, Error> {
        use proto::expression::sort_order::{NullOrdering, SortDirection};

        let child = needed(order.child.as_deref(), "a sort order's child")?;
        let expr = self.one(child)?.expr;
        let ascending = order.direction() != SortDirection::Descending;
        let nulls_first = match order.null_ordering() {
            NullOrdering::SortNullsFirst => true,
            NullOrdering::SortNullsLast => false,
            NullOrdering::SortNullsUnspecified => ascending,
        };
        Ok(Sort::new(expr, ascending, nulls_first))
    }

    fn attribute(
        &self,
        attribute: &proto::expression::UnresolvedAttribute,
    ) -> Result<Argument, Error> {
        let parts = identifier::parts(&attribute.unparsed_identifier)?;
        if parts.last().is_some_and(|part| part == "*") && parts.len() == 1 {
            return Err(Error::analysis(
                "INVALID_USAGE_OF_STAR_OR_REGEX",
                &[("elem", "'*'"), ("prettyName", "expression")],
            ));
        }
        if attribute.plan_id.is_none()
            && let Some(variable) = self.find_variable(&parts)
        {
            return Ok(variable);
        }
        let found = self
            .frame
            .find(&parts, attribute.plan_id)?
            .ok_or_else(|| self.frame.unknown_column(&parts))?;
        let mut argument = found.column.argument();
        // Under the name by which it was asked for, as in Spark.
        argument.name.clone_from(&parts[found.fields - 1]);
        parts[found.fields..]
            .iter()
            .try_fold(argument, |argument, field| {
                self.field_named(argument, field)
            })
    }

    /// The column that an argument is as it stands.
    fn column_of(&self, argument: &Argument) -> Option<Column> {
        let Expr::Column(wanted) = &argument.expr else {
            return None;
        };
        let column = self
            .frame
            .columns
            .iter()
            .find(|column| column.id == wanted.name)?;
        let mut column = column.clone();
        column.name.clone_from(&argument.name);
        column.hidden = false;
        Some(column)
    }

    fn call(
        &self,
        name: &str,
        arguments: &[proto::Expression],
        distinct: bool,
    ) -> Result<Argument, Error> {
        if arguments.iter().any(|argument| lambda(argument).is_some()) {
            return self.higher_order(name, arguments);
        }
        let arguments = self.arguments(name, arguments)?;
        if functions::is_generator(name) {
            return Err(Error::analysis(
                "UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS",
                &[(
                    "expression",
                    &functions::display_name(name, &arguments, distinct),
                )],
            ));
        }
        let display = functions::display_name(name, &arguments, distinct);
        if let Some(shallow) = Shallow::of(name, &arguments)? {
            let (field, expr) = (
                self.called(name, shallow.arguments, distinct)?
                    .to_field(&shallow.schema)?
                    .1,
                self.called(name, arguments, distinct)?,
            );
            return Ok(Argument {
                data_type: field.data_type().clone(),
                nullable: field.is_nullable(),
                expr,
                name: display,
            });
        }
        let expr = self.called(name, arguments, distinct)?;
        self.typed(expr, display)
    }

    fn called(&self, name: &str, arguments: Vec<Argument>, distinct: bool) -> Result<Expr, Error> {
        let environment = self.planner.environment();
        match functions::window(name, arguments.clone(), &environment) {
            Some(window) => window,
            None => functions::call(name, arguments, distinct, &environment),
        }
    }

    /// The arguments of a call, in which a star stands for all columns, or for 1 in `count(*)`.
    pub(crate) fn arguments(
        &self,
        name: &str,
        expressions: &[proto::Expression],
    ) -> Result<Vec<Argument>, Error> {
        let mut arguments = Vec::new();
        for expression in expressions {
            match kind(expression)? {
                ExprType::UnresolvedStar(_)
                    if name.eq_ignore_ascii_case("count") && expressions.len() == 1 =>
                {
                    arguments.push(literal::one());
                }
                ExprType::UnresolvedStar(star) => {
                    arguments.extend(self.star(star)?.into_iter().map(|output| output.argument));
                }
                // A struct's field is called as its alias says.
                ExprType::Alias(_) if name.eq_ignore_ascii_case("struct") => {
                    let argument = self.one(expression)?;
                    let expr = argument.expr.alias(&argument.name);
                    arguments.push(Argument { expr, ..argument });
                }
                ExprType::NamedArgumentExpression(named) => {
                    arguments.push(
                        self.one(needed(named.value.as_deref(), "a named argument's value")?)?,
                    );
                }
                _ => arguments.push(self.one(expression)?),
            }
        }
        Ok(arguments)
    }

    fn generator(&self, expression: &proto::Expression) -> Result<Option<Generator>, Error> {
        let (name, arguments) = match kind(expression)? {
            ExprType::UnresolvedFunction(call) => (&call.function_name, &call.arguments),
            ExprType::CallFunction(call) => (&call.function_name, &call.arguments),
            _ => return Ok(None),
        };
        if !functions::is_generator(name) {
            return Ok(None);
        }
        Ok(Some(Generator {
            function: name.to_lowercase(),
            arguments: self.arguments(name, arguments)?,
            names: Vec::new(),
        }))
    }

    /// A call with lambdas, each translated over parameters of the types that the values tell.
    fn higher_order(&self, name: &str, arguments: &[proto::Expression]) -> Result<Argument, Error> {
        let mut values = Vec::new();
        for argument in arguments
            .iter()
            .filter(|argument| lambda(argument).is_none())
        {
            values.push(self.one(argument)?);
        }
        let lambdas: Vec<_> = arguments.iter().filter_map(lambda).collect();
        let counts: Vec<usize> = lambdas
            .iter()
            .map(|lambda| lambda.arguments.len())
            .collect();
        let parameters =
            functions::lambda_parameters(name, &values, &counts).unwrap_or_else(|| {
                Err(Error::unsupported(format!(
                    "a lambda as an argument of {name}"
                )))
            })?;
        let mut bodies = Vec::new();
        for (lambda, parameters) in lambdas.into_iter().zip(parameters) {
            bodies.push(self.lambda(lambda, &parameters)?);
        }
        let mut shown: Vec<&str> = values
            .iter()
            .chain(&bodies)
            .map(|value| value.name.as_str())
            .collect();
        if let ("aggregate" | "reduce", 1) = (name.to_lowercase().as_str(), bodies.len()) {
            // What is aggregated is the result, and Spark has that written out.
            shown.push("lambdafunction(namedlambdavariable(), namedlambdavariable())");
        }
        let display = format!("{name}({})", shown.join(", "));
        let expr = functions::higher_order(name, values, bodies, &self.planner.environment())?;
        self.typed(expr, display)
    }

    fn lambda(
        &self,
        lambda: &proto::expression::LambdaFunction,
        parameters: &functions::Parameters,
    ) -> Result<Argument, Error> {
        let names: Vec<String> = lambda
            .arguments
            .iter()
            .map(|variable| variable.name_parts.join("."))
            .collect();
        // PySpark counts the parameters of all lambdas of a process (`x_0`, `x_1`), so that the same lambda is called
        // otherwise each time it is written. In the plan they are called after their place, to be the same there.
        let first = self.variables.len();
        let parameter = |at: usize| format!("parameter#{}", first + at);
        let mut inner = Expressions::new(self.planner, self.frame);
        inner.variables.clone_from(&self.variables);
        for (at, (name, field)) in names.iter().zip(&parameters.0).enumerate() {
            inner.variables.push(Variable {
                name: name.clone(),
                argument: Argument {
                    expr: Expr::LambdaVariable(LambdaVariable::new(
                        parameter(at),
                        Some(field.clone()),
                    )),
                    data_type: field.data_type().clone(),
                    nullable: field.is_nullable(),
                    name: LAMBDA_VARIABLE.to_owned(),
                },
            });
        }
        let body = inner.one(needed(lambda.function.as_deref(), "a lambda's body")?)?;
        let shown = vec![LAMBDA_VARIABLE; names.len()];
        Ok(Argument {
            name: format!("lambdafunction({}, {})", body.name, shown.join(", ")),
            expr: Expr::Lambda(Lambda::new(
                (0..names.len()).map(parameter).collect(),
                body.expr,
            )),
            ..body
        })
    }

    fn find_variable(&self, parts: &[String]) -> Option<Argument> {
        let name = parts.first()?;
        let variable = self
            .variables
            .iter()
            .rev()
            .find(|variable| variable.name == *name)?;
        parts[1..]
            .iter()
            .try_fold(variable.argument.clone(), |argument, field| {
                self.field_named(argument, field)
            })
            .ok()
    }

    fn variable(&self, parts: &[String]) -> Result<Argument, Error> {
        self.find_variable(parts)
            .ok_or_else(|| self.frame.unknown_column(parts))
    }

    fn alias(&self, alias: &proto::expression::Alias) -> Result<Argument, Error> {
        let argument = self.one(needed(alias.expr.as_deref(), "an alias's child")?)?;
        match alias.name.as_slice() {
            [name] => Ok(Argument {
                name: name.clone(),
                ..argument
            }),
            _ => Err(Error::analysis(
                "UNSUPPORTED_FEATURE.MULTI_ALIAS",
                &[("names", &alias.name.join(", "))],
            )),
        }
    }

    fn cast(&self, cast: &proto::expression::Cast) -> Result<Argument, Error> {
        use proto::expression::cast::{CastToType, EvalMode};

        let argument = self.one(needed(cast.expr.as_deref(), "a cast's child")?)?;
        let to = match &cast.cast_to_type {
            Some(CastToType::Type(data_type)) => types::to_arrow(data_type)?,
            Some(CastToType::TypeStr(text)) => crate::ddl::parse_type(text)?,
            None => return Err(Error::internal("a cast without a type")),
        };
        let to = self.planner.in_session_zone(to);
        let is_try = cast.eval_mode() == EvalMode::Try;
        let word = if is_try { "TRY_CAST" } else { "CAST" };
        // Spark leaves the cast of a column out of its name.
        let display = match &argument.expr {
            Expr::Column(_) => argument.name.clone(),
            _ => format!("{word}({} AS {})", argument.name, types::sql_string(&to)),
        };
        let expr = functions::cast(argument, &to, is_try, &self.planner.environment())?;
        self.typed(expr, display)
    }

    /// The expression with the type and nullability that DataFusion derives for it.
    pub(crate) fn typed(&self, expr: Expr, name: String) -> Result<Argument, Error> {
        let schema = self.frame.plan.schema();
        let (_, field) = expr.to_field(schema.as_ref())?;
        Ok(Argument {
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
            expr,
            name,
        })
    }

    pub(crate) fn planner(&self) -> &'a Planner {
        self.planner
    }
}

impl Output {
    pub(crate) fn of(argument: Argument) -> Self {
        Self {
            argument,
            column: None,
            metadata: None,
            generator: None,
        }
    }

    /// The output of an expression that the client gave no name, marked so as Spark marks it
    /// (`ResolveAliases.assignAliases`).
    fn unnamed(argument: Argument) -> Self {
        Self {
            metadata: Some(r#"{"__autoGeneratedAlias":"true"}"#.to_owned()),
            ..Self::of(argument)
        }
    }

    pub(crate) fn generated(generator: Generator) -> Self {
        Self {
            generator: Some(generator),
            ..Self::of(literal::one())
        }
    }
}

/// The kind of an expression.
///
/// # Errors
/// If it has none that this version knows.
pub(crate) fn kind(expression: &proto::Expression) -> Result<&ExprType, Error> {
    expression
        .expr_type
        .as_ref()
        .ok_or_else(|| Error::internal("an expression without a kind"))
}

/// A part of a message that has to be there.
///
/// # Errors
/// If it is not.
pub(crate) fn needed<'m, T>(part: Option<&'m T>, what: &str) -> Result<&'m T, Error> {
    part.ok_or_else(|| Error::internal(format!("{what} is missing in the plan")))
}

fn lambda(expression: &proto::Expression) -> Option<&proto::expression::LambdaFunction> {
    match &expression.expr_type {
        Some(ExprType::LambdaFunction(lambda)) => Some(lambda),
        _ => None,
    }
}

fn unsupported(kind: &ExprType) -> Error {
    Error::unsupported(match kind {
        ExprType::CommonInlineUserDefinedFunction(function) => format!(
            "user-defined functions ({}): write it with the functions of pyspark.sql.functions",
            function.function_name
        ),
        ExprType::TypedAggregateExpression(_) => "typed aggregate expressions".to_owned(),
        ExprType::MergeAction(_) => "MERGE INTO".to_owned(),
        ExprType::DirectShufflePartitionId(_) => "repartitionById".to_owned(),
        ExprType::LambdaFunction(_) => "a lambda outside a higher-order function".to_owned(),
        ExprType::NamedArgumentExpression(_) => "named arguments".to_owned(),
        _ => "this kind of expression".to_owned(),
    })
}
