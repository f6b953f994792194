//! The names of columns that nobody named: Spark's `toPrettySQL`.

use super::Argument;
use super::arguments::literal;
use super::coercion::{self, is_interval};

/// The name that Spark gives to the column of a call.
pub(crate) fn display_name(name: &str, arguments: &[Argument], distinct: bool) -> String {
    let lower = name.to_lowercase();
    let names: Vec<&str> = arguments
        .iter()
        .map(|argument| argument.name.as_str())
        .collect();
    typed(&lower, arguments)
        .or_else(|| operator(&lower, &names))
        .or_else(|| with_defaults(&lower, &names, distinct))
        .or_else(|| first_or_last(&lower, &names))
        .unwrap_or_else(|| plain(&lower, &names, distinct))
}

fn plain(lower: &str, names: &[&str], distinct: bool) -> String {
    let distinct = if distinct { "DISTINCT " } else { "" };
    format!("{}({distinct}{})", pretty(lower), names.join(", "))
}

/// Operators, and functions that Spark shows in a syntax of their own.
fn operator(lower: &str, names: &[&str]) -> Option<String> {
    let name = match (lower, names) {
        ("==" | "=", [left, right]) => format!("({left} = {right})"),
        ("!=" | "<>", [left, right]) => format!("(NOT ({left} = {right}))"),
        ("and", [left, right]) => format!("({left} AND {right})"),
        ("or", [left, right]) => format!("({left} OR {right})"),
        ("-", [value]) => format!("(- {value})"),
        ("+" | "positive", [value]) => format!("(+ {value})"),
        ("not" | "!", [value]) => format!("(NOT {value})"),
        ("~", [value]) => format!("~{value}"),
        ("isnull", [value]) => format!("({value} IS NULL)"),
        ("isnotnull", [value]) => format!("({value} IS NOT NULL)"),
        ("like", [value, pattern]) => format!("{value} LIKE {pattern}"),
        ("like", [value, pattern, escape]) => format!("{value} LIKE {pattern} ESCAPE '{escape}'"),
        ("ilike", [value, pattern, escape]) => format!("ilike({value}, {pattern}, {escape})"),
        ("in", [value, list @ ..]) => format!("({value} IN ({}))", list.join(", ")),
        ("when" | "case", branches) => case(branches),
        ("if", [condition, then, otherwise]) => format!("(IF({condition}, {then}, {otherwise}))"),
        ("between", [value, low, high]) => format!("between({value}, {low}, {high})"),
        ("trim", [characters, value]) => format!("TRIM(BOTH {characters} FROM {value})"),
        ("ltrim", [characters, value]) => format!("TRIM(LEADING {characters} FROM {value})"),
        ("rtrim", [characters, value]) => format!("TRIM(TRAILING {characters} FROM {value})"),
        ("extract" | "datepart", [part, source]) => format!("{lower}({part} FROM {source})"),
        ("convert_timezone", [to, source]) => {
            format!("convert_timezone(current_timezone(), {to}, {source})")
        }
        (
            "+" | "-" | "*" | "/" | "%" | "<" | "<=" | ">" | ">=" | "<=>" | "&" | "|" | "^" | "div"
            | "<<" | ">>" | ">>>" | "||",
            [left, right],
        ) => format!("({left} {lower} {right})"),
        _ => return None,
    };
    Some(name)
}

fn case(branches: &[&str]) -> String {
    let mut name = "CASE".to_owned();
    for branch in branches.chunks(2) {
        match branch {
            [condition, value] => name += &format!(" WHEN {condition} THEN {value}"),
            [otherwise] => name += &format!(" ELSE {otherwise}"),
            _ => {}
        }
    }
    name + " END"
}

/// Functions that show arguments which were left out.
fn with_defaults(lower: &str, names: &[&str], distinct: bool) -> Option<String> {
    let (name, least, defaults): (&str, usize, &[&str]) = match lower {
        "round" | "bround" => (lower, 1, &["0"]),
        "split" => (lower, 2, &["-1"]),
        "locate" | "position" => (lower, 2, &["1"]),
        "regexp_replace" => (lower, 3, &["1"]),
        "regexp_extract" | "regexp_extract_all" => (lower, 2, &["1"]),
        "regexp_instr" => (lower, 2, &["0"]),
        "replace" => (lower, 2, &[""]),
        "substr" | "substring" => (lower, 2, &["2147483647"]),
        "unix_timestamp" if names.is_empty() => {
            return Some("unix_timestamp(current_timestamp(), yyyy-MM-dd HH:mm:ss)".to_owned());
        }
        "unix_timestamp" | "from_unixtime" | "to_unix_timestamp" => {
            (lower, 1, &["yyyy-MM-dd HH:mm:ss"])
        }
        "months_between" => (lower, 2, &["true"]),
        "lag" | "lead" => (lower, 1, &["1", "NULL"]),
        "percentile" => (lower, 2, &["1"]),
        "percentile_approx" | "approx_percentile" => (lower, 2, &["10000"]),
        "listagg" | "string_agg" => (lower, 1, &["NULL"]),
        "sort_array" => (lower, 1, &["true"]),
        "overlay" => (lower, 3, &["-1"]),
        "lpad" | "rpad" => (lower, 2, &[" "]),
        "str_to_map" => (lower, 1, &[",", ":"]),
        "mask" => (lower, 1, &["X", "x", "n", "NULL"]),
        "make_interval" | "try_make_interval" => {
            (lower, 0, &["0", "0", "0", "0", "0", "0", "0.000000"])
        }
        "make_dt_interval" => (lower, 0, &["0", "0", "0", "0.000000"]),
        "make_ym_interval" => (lower, 0, &["0", "0"]),
        "nth_value" => (lower, 2, &[]),
        _ => return None,
    };
    let mut names = names.to_vec();
    let given = names.len().saturating_sub(least);
    names.extend(defaults.iter().skip(given));
    Some(plain(name, &names, distinct))
}

/// `ignoreNulls` is an attribute of these and no argument.
fn first_or_last(lower: &str, names: &[&str]) -> Option<String> {
    match (lower, names) {
        ("raise_error", [message]) => Some(format!(
            "raise_error(USER_RAISED_EXCEPTION, map(errorMessage, {message}))"
        )),
        ("first" | "last" | "first_value" | "last_value" | "any_value", [value, ..]) => {
            Some(format!("{lower}({value})"))
        }
        ("approx_count_distinct", [value, ..]) => Some(format!("{lower}({value})")),
        ("nth_value", [value, offset, ..]) => Some(format!("nth_value({value}, {offset})")),
        ("window", [_, _, ..]) => Some("window".to_owned()),
        ("mode", [value, ..]) => Some(format!("mode({value})")),
        ("assert_true", [value]) => Some(format!("assert_true({value}, '{value}' is not true!)")),
        ("from_json" | "from_csv" | "schema_of_json" | "to_json" | "to_csv", [value, ..]) => {
            Some(format!("{lower}({value})"))
        }
        _ => None,
    }
}

/// Names that depend on the arguments' values.
fn typed(lower: &str, arguments: &[Argument]) -> Option<String> {
    match (lower, arguments) {
        ("ceil" | "floor", [value]) => Some(format!("{}({})", lower.to_uppercase(), value.name)),
        (
            "boolean" | "tinyint" | "smallint" | "int" | "bigint" | "float" | "double" | "decimal"
            | "string" | "binary" | "date" | "timestamp",
            [value],
        ) => Some(value.name.clone()),
        ("from_json", [_, schema]) if schema.name.to_lowercase().starts_with("map<") => {
            Some("entries".to_owned())
        }
        ("array_sort", [value]) => {
            Some(format!("array_sort({}, {DEFAULT_COMPARATOR})", value.name))
        }
        ("+", [left, right]) if is_date(left) && is_count(right) => {
            Some(format!("date_add({}, {})", left.name, right.name))
        }
        ("+", [left, right]) if is_count(left) && is_date(right) => {
            Some(format!("date_add({}, {})", right.name, left.name))
        }
        ("-", [left, right]) if is_date(left) && is_count(right) => {
            Some(format!("date_sub({}, {})", left.name, right.name))
        }
        ("+" | "-", [left, right]) if is_time(left) && is_interval(&right.data_type) => {
            Some(format!("{} {lower} {}", left.name, right.name))
        }
        ("+", [left, right]) if is_interval(&left.data_type) && is_time(right) => {
            Some(format!("{} + {}", right.name, left.name))
        }
        ("count", [value])
            if value.name == "*" || literal(&value.expr).is_some_and(|v| v.is_null()) =>
        {
            Some(format!(
                "count({})",
                if value.name == "*" { "1" } else { "NULL" }
            ))
        }
        _ => None,
    }
}

fn is_date(argument: &Argument) -> bool {
    coercion::is_date(&argument.data_type)
}

fn is_time(argument: &Argument) -> bool {
    is_date(argument) || coercion::is_timestamp(&argument.data_type)
}

fn is_count(argument: &Argument) -> bool {
    argument.data_type.is_integer()
}

const DEFAULT_COMPARATOR: &str = "lambdafunction((IF(((namedlambdavariable() IS NULL) AND \
(namedlambdavariable() IS NULL)), 0, (IF((namedlambdavariable() IS NULL), 1, \
(IF((namedlambdavariable() IS NULL), -1, (IF((namedlambdavariable() < namedlambdavariable()), -1, \
(IF((namedlambdavariable() > namedlambdavariable()), 1, 0)))))))))), namedlambdavariable(), \
namedlambdavariable())";

/// The name of the function itself: Spark's `prettyName` where it is not the name it was called by.
fn pretty(lower: &str) -> String {
    const SHOUTED: [&str; 36] = [
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "cbrt",
        "cos",
        "cosh",
        "cot",
        "csc",
        "degrees",
        "e",
        "exp",
        "expm1",
        "hypot",
        "log",
        "log10",
        "log1p",
        "log2",
        "pi",
        "power",
        "pow",
        "radians",
        "regexp",
        "regexp_like",
        "rlike",
        "sec",
        "signum",
        "sin",
        "sinh",
        "spark_partition_id",
        "sqrt",
        "tan",
        "tanh",
    ];
    match lower {
        "dateadd" => "date_add".to_owned(),
        "array_agg" => "collect_list".to_owned(),
        "random" => "rand".to_owned(),
        "negate" => "negative".to_owned(),
        "pow" => "pow".to_owned(),
        name if SHOUTED.contains(&name) => name.to_uppercase(),
        name => name.to_owned(),
    }
}
