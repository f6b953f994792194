//! What is wrong with a query before it runs, as Spark says it.

use datafusion::common::DataFusionError;
use plimsoll_driver::{SqlError, SqlErrorKind};

use super::{Error, Kind};

/// Where Spark looks for functions.
pub(super) const SEARCH_PATH: &str =
    "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]";
/// How many columns Spark proposes in place of one that is not there.
const PROPOSALS: usize = 5;

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        match &error.kind {
            SqlErrorKind::Syntax => Error {
                message: format!("[PARSE_SYNTAX_ERROR] Syntax error: {error}. SQLSTATE: 42601"),
                ..syntax_error(&error.message)
            },
            kind => of_kind(kind, &error.message),
        }
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        let root = error.find_root();
        if let DataFusionError::External(inner) = root
            && let Some(own) = inner.downcast_ref::<Error>()
        {
            return own.clone();
        }
        let kind = SqlErrorKind::of(&error);
        let message = match root {
            DataFusionError::External(error) => error.to_string(),
            DataFusionError::ArrowError(error, _) => return Error::running(&error.to_string()),
            root => root.message().into_owned(),
        };
        let message = message
            .split(DataFusionError::BACK_TRACE_SEP)
            .next()
            .unwrap_or_default();
        match root {
            DataFusionError::SQL(..) => syntax_error(message),
            DataFusionError::NotImplemented(_) => Error::unsupported(message),
            DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::Configuration(_) => of_kind(&kind, message),
            _ => Error::running(message),
        }
    }
}

impl From<datafusion::arrow::error::ArrowError> for Error {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        Error::running(&error.to_string())
    }
}

fn of_kind(kind: &SqlErrorKind, message: &str) -> Error {
    match kind {
        SqlErrorKind::Syntax => syntax_error(message),
        SqlErrorKind::UnknownTable { name } => {
            let name = Error::quoted(name);
            Error::analysis("TABLE_OR_VIEW_NOT_FOUND", &[("relationName", &name)])
        }
        SqlErrorKind::UnknownColumn { name, valid } => unknown_column(name, valid),
        SqlErrorKind::AmbiguousColumn { name } => {
            let name = Error::quoted(name);
            let references = format!("[{name}, {name}]");
            Error::analysis(
                "AMBIGUOUS_REFERENCE",
                &[("name", &name), ("referenceNames", &references)],
            )
        }
        SqlErrorKind::UnknownFunction { name } => Error::analysis(
            "UNRESOLVED_ROUTINE",
            &[
                ("routineName", &Error::quoted([name])),
                ("searchPath", SEARCH_PATH),
            ],
        ),
        SqlErrorKind::Other => of_words(message),
    }
}

/// The error of a text that is not SQL; `words` are the parser's: `Expected: …, found: …`.
fn syntax_error(words: &str) -> Error {
    let words = words.split(" at Line: ").next().unwrap_or(words);
    let at = match words.rsplit_once("found: ") {
        Some((_, "EOF")) | None => "end of input".to_owned(),
        Some((_, found)) => format!("'{found}'"),
    };
    let hint = format!(": {words}");
    Error::new(
        Kind::Parse,
        "PARSE_SYNTAX_ERROR",
        &[("error", &at), ("hint", &hint)],
    )
}

/// A column that is not there, with those there are, the most alike first.
fn unknown_column(name: &[String], valid: &[Vec<String>]) -> Error {
    let object = Error::quoted(name);
    let proposal = proposal(&name.join("."), valid);
    match proposal.as_str() {
        "" => Error::analysis(
            "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
            &[("objectName", &object)],
        ),
        proposal => Error::analysis(
            "UNRESOLVED_COLUMN.WITH_SUGGESTION",
            &[("objectName", &object), ("proposal", proposal)],
        ),
    }
}

/// Up to five names that are most like `name`, without their table where all have the same.
pub(crate) fn proposal(name: &str, valid: &[Vec<String>]) -> String {
    let table = |parts: &[String]| parts.len().saturating_sub(1);
    let is_one_table = valid
        .iter()
        .all(|parts| parts[..table(parts)] == valid[0][..table(&valid[0])]);
    let mut names: Vec<&[String]> = valid
        .iter()
        .map(|parts| {
            if is_one_table {
                &parts[table(parts)..]
            } else {
                parts.as_slice()
            }
        })
        .collect();
    names.sort_by_cached_key(|parts| strsim::levenshtein(&parts.join("."), name));
    names.truncate(PROPOSALS);
    let names: Vec<String> = names.into_iter().map(Error::quoted).collect();
    names.join(", ")
}

/// The planner's errors that are told only by their words.
fn of_words(message: &str) -> Error {
    arity(message)
        .or_else(|| misplaced(message))
        .or_else(|| operands(message))
        .or_else(|| grouping(message))
        .or_else(|| Error::known_at_run(message))
        .unwrap_or_else(|| Error::of_message(Kind::Analysis, message))
}

/// Aggregates and subqueries where they cannot be.
fn misplaced(message: &str) -> Option<Error> {
    if message.contains("Aggregate function calls cannot be nested") {
        return Some(Error::analysis("NESTED_AGGREGATE_FUNCTION", &[]));
    }
    if message.contains("Too many columns! The subquery should only return one column") {
        return Some(Error::analysis(
            "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN",
            &[("number", "2")],
        ));
    }
    if message.contains("Aggregate functions are not allowed in the WHERE clause") {
        return Some(Error::analysis(
            "INVALID_WHERE_CONDITION",
            &[
                ("condition", "the condition"),
                ("expressionList", "aggregates"),
            ],
        ));
    }
    None
}

/// `Function 'upper' expects 1 arguments but received 0`.
fn arity(message: &str) -> Option<Error> {
    let (name, rest) = message
        .split_once("Function '")?
        .1
        .split_once("' expects ")?;
    let (expected, received) = rest.split_once(" arguments but received ")?;
    let received: String = received.chars().take_while(char::is_ascii_digit).collect();
    Some(Error::analysis(
        "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
        &[
            ("functionName", &Error::quoted([name])),
            ("expectedNum", expected),
            ("actualNum", &received),
            ("docroot", "https://spark.apache.org/docs/latest"),
        ],
    ))
}

/// `Cannot coerce arithmetic expression Int64 + Boolean to valid types`, and its like.
fn operands(message: &str) -> Option<Error> {
    let after = |words: &str| message.split_once(words).map(|(_, rest)| rest);
    let expression = after("Cannot coerce arithmetic expression ")
        .and_then(|rest| Some(rest.split_once(" to valid types")?.0))
        .or_else(|| after("Cannot infer common argument type for comparison operation "))
        .or_else(|| after("Cannot infer common argument type for logical boolean operation "))?;
    let operator = [
        " IS NOT DISTINCT FROM ",
        " IS DISTINCT FROM ",
        " != ",
        " <= ",
        " >= ",
        " = ",
        " < ",
        " > ",
        " + ",
        " - ",
        " * ",
        " / ",
        " % ",
        " AND ",
        " OR ",
    ]
    .into_iter()
    .find(|operator| expression.contains(operator))?;
    let (left, right) = expression.split_once(operator)?;
    Some(Error::analysis(
        "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
        &[
            ("sqlExpr", &format!("\"({expression})\"")),
            ("left", &format!("\"{}\"", super::running::spark_name(left))),
            (
                "right",
                &format!("\"{}\"", super::running::spark_name(right)),
            ),
        ],
    ))
}

/// `Column in SELECT must be in GROUP BY …: … column "id" must appear in the GROUP BY clause …`.
fn grouping(message: &str) -> Option<Error> {
    let rest = message.split_once("column \"")?.1;
    let (column, rest) = rest.split_once("\" must appear in the GROUP BY clause")?;
    let others = rest.split_once("currently only \"")?.1.split_once('"')?.0;
    let is_grouped = !others.is_empty() && others.split(", ").any(|other| !other.ends_with(')'));
    if !is_grouped {
        return Some(Error::analysis("MISSING_GROUP_BY", &[]));
    }
    let column = column.rsplit('.').next().unwrap_or(column);
    Some(Error::analysis(
        "MISSING_AGGREGATION",
        &[
            ("expression", &format!("\"{column}\"")),
            ("expressionAnyValue", &format!("\"any_value({column})\"")),
        ],
    ))
}
