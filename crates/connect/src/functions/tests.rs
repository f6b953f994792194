//! Calls with Spark's recorded answers: their names, types, nullability and values.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::expr::{Lambda, LambdaVariable, WindowFunction};
use datafusion::logical_expr::utils::find_aggregate_exprs;
use datafusion::logical_expr::{Expr, ExprSchemable, WindowFrame, WindowFunctionDefinition, lit};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use datafusion_spark::SessionStateBuilderSpark;
use serde_json::{Value, json};

use super::calendar::Zone;
use super::{Argument, Environment, call, cast, coercion, display_name};
use crate::error::Error;

const ZONE: &str = "America/New_York";

fn context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().execution.time_zone = Some(ZONE.to_owned());
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_spark_features()
        .build();
    SessionContext::new_with_state(state)
}

fn data_type(name: &str) -> DataType {
    match name {
        "void" => DataType::Null,
        "int" => DataType::Int32,
        "bigint" => DataType::Int64,
        "tinyint" => DataType::Int8,
        "smallint" => DataType::Int16,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "string" => DataType::Utf8,
        "binary" => DataType::Binary,
        "boolean" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp" => coercion::timestamp(ZONE),
        "timestamp_ntz" => coercion::TIMESTAMP_NTZ,
        other => match other.strip_prefix("array<") {
            Some(element) => coercion::array_of(data_type(element.trim_end_matches('>')), true),
            None => {
                let digits: Vec<_> = other
                    .trim_start_matches("decimal(")
                    .trim_end_matches(')')
                    .split(',')
                    .filter_map(|digits| digits.parse::<u8>().ok())
                    .collect();
                DataType::Decimal128(digits[0], digits[1] as i8)
            }
        },
    }
}

/// The table of the recording.
async fn table(context: &SessionContext) -> DataFrame {
    let columns = [
        ("i", "arrow_cast(column1, 'Int32')"),
        ("l", "arrow_cast(column2, 'Int64')"),
        ("d", "arrow_cast(column3, 'Float64')"),
        ("f", "arrow_cast(column4, 'Float32')"),
        ("s", "arrow_cast(column5, 'Utf8')"),
        ("b", "column6"),
        ("dec", "arrow_cast(column7, 'Decimal128(10, 2)')"),
        ("dt", "arrow_cast(column8, 'Date32')"),
        (
            "ts",
            "arrow_cast(arrow_cast(column9, 'Timestamp(us)'), 'Timestamp(us, \"America/New_York\")')",
        ),
        ("tn", "arrow_cast(column9, 'Timestamp(us)')"),
        ("t", "arrow_cast(column10, 'Int8')"),
        ("sh", "arrow_cast(column11, 'Int16')"),
        ("s2", "arrow_cast(column12, 'Utf8')"),
        ("s3", "arrow_cast(column13, 'Utf8')"),
        ("bin", "arrow_cast(column14, 'Binary')"),
        (
            "a",
            "arrow_cast(CASE column5 WHEN 'Hello World' THEN make_array(3,1,null,2) WHEN 'abc,def' THEN arrow_cast(make_array(), 'List(Int32)') END, 'List(Int32)')",
        ),
        (
            "as",
            "arrow_cast(CASE column5 WHEN 'Hello World' THEN make_array('a',null,'b') WHEN 'abc,def' THEN arrow_cast(make_array(), 'List(Utf8)') END, 'List(Utf8)')",
        ),
        (
            "m",
            "CASE column5 WHEN 'Hello World' THEN map(['a', 'b'], [arrow_cast(1, 'Int32'), null]) WHEN 'abc,def' THEN map(arrow_cast(make_array(), 'List(Utf8)'), arrow_cast(make_array(), 'List(Int32)')) END",
        ),
        (
            "st",
            "CASE column5 WHEN 'Hello World' THEN named_struct('x', arrow_cast(1, 'Int32'), 'y', arrow_cast('q', 'Utf8')) WHEN 'abc,def' THEN named_struct('x', arrow_cast(null, 'Int32'), 'y', arrow_cast(null, 'Utf8')) END",
        ),
        ("j", "arrow_cast(column15, 'Int32')"),
    ];
    let mut projection = String::new();
    for (name, sql) in columns {
        let _ = write!(projection, ", {sql} as \"{name}\"");
    }
    let sql = format!(
        "select {} from (values \
        (1, 2, 3.5, 1.25, 'Hello World', true, 1.50, '2024-02-29', '2024-02-29 12:34:56.789', 10, 3, '2024-01-02', '1.5', x'616263', 5), \
        (-7, 3000000000, -2.25, -0.1, 'abc,def', false, -12345.67, '1969-12-31', '2023-07-04 01:02:03', -5, -2, '1999-12-31', '2', x'', 6), \
        (null, null, null, null, null, null, null, null, null, null, null, null, null, null, 7))",
        &projection[2..]
    );
    let frame = context.sql(&sql).await.expect("the table");
    let schema = frame.schema().as_arrow().clone();
    let batches = frame.collect().await.expect("the table's rows");
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(field.name() != "j"))
        .collect();
    let schema = Arc::new(datafusion::arrow::datatypes::Schema::new(fields));
    let batch = datafusion::arrow::compute::concat_batches(&batches[0].schema(), &batches)
        .expect("one batch");
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()).expect("a batch");
    let provider =
        datafusion::datasource::MemTable::try_new(schema, vec![vec![batch]]).expect("a table");
    context.read_table(Arc::new(provider)).expect("a frame")
}

fn literal(node: &Value) -> (ScalarValue, String) {
    let value = &node["v"];
    let kind = node["l"].as_str().unwrap_or_default();
    let name = match value {
        Value::String(text) => text.clone(),
        Value::Null => "NULL".to_owned(),
        Value::Number(number) if kind == "double" => {
            super::cast::double_text(number.as_f64().unwrap_or(0.0))
        }
        other => other.to_string(),
    };
    let scalar = match kind {
        "void" => ScalarValue::Null,
        "boolean" => ScalarValue::Boolean(value.as_bool()),
        "int" => ScalarValue::Int32(value.as_i64().map(|value| value as i32)),
        "bigint" => ScalarValue::Int64(value.as_i64()),
        "double" => ScalarValue::Float64(value.as_f64()),
        "string" => ScalarValue::Utf8(value.as_str().map(str::to_owned)),
        decimal => ScalarValue::Utf8(value.as_str().map(str::to_owned))
            .cast_to(&data_type(decimal))
            .expect("a decimal"),
    };
    (scalar, name)
}

fn build(
    node: &Value,
    schema: &DFSchema,
    environment: &Environment,
    distinct: bool,
) -> Result<Argument, Error> {
    if let Some(name) = node["hof"].as_str() {
        return higher_order_call(name, node, schema, environment);
    }
    let typed = |expr: Expr, name: String| {
        let (_, field) = expr.to_field(schema)?;
        Ok(Argument {
            expr,
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
            name,
        })
    };
    if let (Some(variable), true) = (node["v"].as_str(), node["l"].is_null()) {
        return Ok(VARIABLES
            .with_borrow(|all| all.iter().find(|known| known.name == variable).cloned())
            .expect("a variable"));
    }
    if let Some(column) = node["c"].as_str() {
        return typed(
            Expr::Column(Column::new_unqualified(column)),
            column.to_owned(),
        );
    }
    if node["l"].is_string() {
        let (scalar, name) = literal(node);
        return typed(lit(scalar), name);
    }
    if let Some(to) = node["cast"].as_str() {
        let of = build(&node["of"], schema, environment, false)?;
        let name = match node["of"]["c"].is_string() {
            true => of.name.clone(),
            false => {
                let tries = if node["try"] == true { "TRY_" } else { "" };
                format!(
                    "{tries}CAST({} AS {})",
                    of.name,
                    coercion::sql_name(&data_type(to))
                )
            }
        };
        let expr = cast(of, &data_type(to), node["try"] == true, environment)?;
        return typed(expr, name);
    }
    let function = node["f"].as_str().unwrap_or_default();
    let arguments: Result<Vec<_>, Error> = node["a"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|argument| build(argument, schema, environment, false))
        .collect();
    let arguments = arguments?;
    let name = display_name(function, &arguments, distinct);
    let expr = match super::window(function, arguments.clone(), environment) {
        Some(window) => window?,
        None => call(function, arguments, distinct, environment)?,
    };
    typed(expr, name)
}

thread_local! {
    static VARIABLES: std::cell::RefCell<Vec<Argument>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn higher_order_call(
    name: &str,
    node: &Value,
    schema: &DFSchema,
    environment: &Environment,
) -> Result<Argument, Error> {
    let values = node["a"].as_array().into_iter().flatten();
    let values: Result<Vec<_>, _> = values
        .map(|value| build(value, schema, environment, false))
        .collect();
    let values = values?;
    let lambdas = node["lambdas"].as_array().cloned().unwrap_or_default();
    let counts: Vec<_> = lambdas
        .iter()
        .map(|lambda| lambda["p"].as_array().map_or(0, Vec::len))
        .collect();
    let parameters =
        super::lambda_parameters(name, &values, &counts).expect("a function of lambdas")?;
    let mut bodies = Vec::new();
    for (lambda, parameters) in lambdas.iter().zip(parameters) {
        let names: Vec<String> = lambda["p"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let variables = names
            .iter()
            .zip(&parameters.0)
            .map(|(name, field)| Argument {
                expr: Expr::LambdaVariable(LambdaVariable::new(name.clone(), Some(field.clone()))),
                data_type: field.data_type().clone(),
                nullable: field.is_nullable(),
                name: name.clone(),
            });
        VARIABLES.set(variables.collect());
        let body = build(&lambda["b"], schema, environment, false)?;
        bodies.push(Argument {
            expr: Expr::Lambda(Lambda::new(names, body.expr)),
            ..body
        });
    }
    let expr = super::higher_order(name, values, bodies, environment)?;
    let (_, field) = expr.to_field(schema)?;
    Ok(Argument {
        expr,
        data_type: field.data_type().clone(),
        nullable: field.is_nullable(),
        name: String::new(),
    })
}

fn simple(data_type: &DataType) -> String {
    let name = coercion::sql_name(data_type).to_lowercase();
    name.replace(": ", ":")
        .replace(", ", ",")
        .replace(" not null", "")
}

fn value(array: &ArrayRef, row: usize) -> Value {
    let canonical = coercion::canonical(array.data_type());
    let array = datafusion::arrow::compute::cast(array, &canonical).expect("a canonical type");
    if array.is_null(row) || canonical.is_null() {
        return Value::Null;
    }
    let utc = Zone::parse("UTC").expect("UTC");
    let number = |value: f64| match value.is_finite() {
        true => json!(value),
        false => {
            json!({"f": match value { v if v.is_nan() => "nan", v if v > 0.0 => "inf", _ => "-inf" }})
        }
    };
    match &canonical {
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Int8 => json!(array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => json!(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => number(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => number(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => {
            let _ = array.as_primitive::<Decimal128Type>();
            json!({"d": super::cast::text_of(&array, row, utc).expect("a text")})
        }
        DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
        DataType::Binary => {
            let hex: String = array
                .as_binary::<i32>()
                .value(row)
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            json!({"b": hex})
        }
        DataType::Date32 => json!({"dt": super::cast::text_of(&array, row, utc).expect("a text")}),
        DataType::Timestamp(_, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let zone = Zone::parse(if zone.is_some() { ZONE } else { "UTC" }).expect("a zone");
            let naive = datafusion::arrow::array::TimestampMicrosecondArray::from(vec![
                zone.to_local(micros),
            ]);
            let text =
                super::cast::text_of(&(Arc::new(naive) as ArrayRef), 0, utc).expect("a text");
            json!({"ts": match text.split_once('.') {
                Some((head, fraction)) => format!("{head}.{fraction:0<6}"),
                None => text,
            }})
        }
        DataType::Duration(_) => {
            json!({"us": array.as_primitive::<datafusion::arrow::datatypes::DurationMicrosecondType>().value(row)})
        }
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            Value::Array((0..values.len()).map(|row| value(&values, row)).collect())
        }
        DataType::Struct(_) => {
            json!({"s": array.as_struct().columns().iter().map(|column| value(column, row)).collect::<Vec<_>>()})
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let pairs: Vec<_> = (0..entries.len())
                .map(|row| json!([value(entries.column(0), row), value(entries.column(1), row)]))
                .collect();
            json!({"m": pairs})
        }
        other => json!({"?": other.to_string()}),
    }
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(0.0));
            one == other || (one - other).abs() <= 1e-12 * one.abs().max(other.abs())
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

async fn rows(frame: DataFrame, expr: Expr, aggregate: bool) -> Result<Vec<Value>, Error> {
    let frame = match aggregate {
        false => frame.select(vec![expr.alias("x")])?,
        true => {
            let aggregates = find_aggregate_exprs([&expr]);
            let named = |at: usize| format!("aggregate {at}");
            let outer = expr
                .transform(|node| {
                    Ok(
                        match aggregates.iter().position(|aggregate| *aggregate == node) {
                            Some(at) => {
                                Transformed::yes(Expr::Column(Column::new_unqualified(named(at))))
                            }
                            None => Transformed::no(node),
                        },
                    )
                })?
                .data;
            let aliased = aggregates
                .iter()
                .enumerate()
                .map(|(at, aggregate)| aggregate.clone().alias(named(at)));
            frame
                .aggregate(vec![], aliased.collect())?
                .select(vec![outer.alias("x")])?
        }
    };
    let batches = frame.collect().await?;
    Ok(batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(|row| value(batch.column(0), row)))
        .collect())
}

/// The function over the window that is ordered by `j`.
fn over(expr: Expr) -> Expr {
    let set = |mut function: WindowFunction| {
        function.params.order_by =
            vec![Expr::Column(Column::new_unqualified("j")).sort(true, true)];
        function.params.window_frame = WindowFrame::new(Some(false));
        Expr::WindowFunction(Box::new(function))
    };
    expr.transform_up(|node| {
        Ok(match node {
            Expr::AggregateFunction(aggregate) => {
                let function = WindowFunctionDefinition::AggregateUDF(aggregate.func);
                let mut function = WindowFunction::new(function, aggregate.params.args);
                function.params.null_treatment = aggregate.params.null_treatment;
                Transformed::yes(set(function))
            }
            Expr::WindowFunction(function) => Transformed::yes(set(*function)),
            node => Transformed::no(node),
        })
    })
    .expect("an expression")
    .data
}

/// What differs from Spark, in words.
async fn difference(
    case: &Value,
    frame: &DataFrame,
    environment: &Environment<'_>,
) -> Option<String> {
    let distinct = case["distinct"] == true;
    let built = match build(&case["call"], frame.schema(), environment, distinct) {
        Ok(built) => built,
        Err(error) => {
            let expected = case["error"].as_str().unwrap_or("");
            let condition = error.condition.clone().unwrap_or(error.message);
            return (condition != expected).then(|| format!("refused: {condition}"));
        }
    };
    let mut faults = Vec::new();
    if case["name"].is_string() && case["name"] != json!(built.name) {
        faults.push(format!("name {} is {}", built.name, case["name"]));
    }
    if case["type"].is_string() && case["type"] != json!(simple(&built.data_type)) {
        faults.push(format!(
            "type {} is {}",
            simple(&built.data_type),
            case["type"]
        ));
    }
    if case["nullable"].is_boolean() && case["nullable"] != json!(built.nullable) {
        faults.push(format!(
            "nullable {} is {}",
            built.nullable, case["nullable"]
        ));
    }
    let expr = match case["window"] == true {
        true => over(built.expr),
        false => built.expr,
    };
    match rows(frame.clone(), expr, case["agg"] == true).await {
        Ok(rows) => match case["rows"].as_array() {
            Some(expected)
                if expected.len() == rows.len()
                    && rows.iter().zip(expected).all(|(a, b)| same(a, b)) => {}
            Some(expected) => faults.push(format!("{} is {}", json!(rows), json!(expected))),
            None => faults.push(format!("{} is error {}", json!(rows), case["error"])),
        },
        Err(error) => {
            let error = super::raised(&error.message).unwrap_or(error);
            let condition = error.condition.clone().unwrap_or(error.message.clone());
            if Some(condition.as_str()) != case["error"].as_str() {
                let message: String = error.message.chars().take(160).collect();
                faults.push(format!(
                    "error {condition} {message} is {} {}",
                    case["error"], case["rows"]
                ));
            }
        }
    }
    (!faults.is_empty()).then(|| faults.join("; "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_answer_as_spark_does() {
    let context = context();
    let frame = table(&context).await;
    let state = context.state();
    let environment = Environment {
        registry: &state,
        ansi: true,
        time_zone: ZONE,
    };
    let mut report = String::new();
    let recorded = include_str!("recorded.jsonl");
    let mut differing = 0;
    for line in recorded.lines() {
        let case: Value = serde_json::from_str(line).expect("a recorded call");
        if let Some(difference) = difference(&case, &frame, &environment).await {
            differing += 1;
            let _ = writeln!(report, "{}\n    {difference}", case["call"]);
        }
    }
    if let Ok(path) = std::env::var("PLIMSOLL_FUNCTION_REPORT") {
        std::fs::write(path, &report).expect("a report");
    }
    assert_eq!(
        differing,
        0,
        "of {} calls:\n{report}",
        recorded.lines().count()
    );
}

#[test]
fn what_is_missing_is_known() {
    let context = context();
    let state = context.state();
    let environment = Environment {
        registry: &state,
        ansi: true,
        time_zone: ZONE,
    };
    let lambdas = [
        "transform",
        "filter",
        "exists",
        "forall",
        "aggregate",
        "reduce",
        "zip_with",
        "map_filter",
        "map_zip_with",
        "transform_keys",
        "transform_values",
    ];
    let missing: Vec<&str> = super::known::NAMES
        .iter()
        .copied()
        .filter(|name| !super::is_generator(name) && !lambdas.contains(name))
        .filter(|name| super::window(name, vec![], &environment).is_none())
        .filter(|name| {
            let error = call(name, vec![], false, &environment).err();
            *name != "decode"
                && error
                    .is_some_and(|error| error.message.contains(&format!("the function {name}")))
        })
        .collect();
    assert_eq!(missing, MISSING);
}

/// Functions that Spark has and this does not.
#[rustfmt::skip]
const MISSING: &[&str] = &[
    "aes_decrypt", "aes_encrypt", "approx_top_k", "approx_top_k_accumulate",
    "approx_top_k_combine", "approx_top_k_estimate", "bitmap_and_agg", "bitmap_construct_agg",
    "bitmap_or_agg", "cast", "collations", "count_min_sketch", "current_time", "from_avro",
    "from_csv", "from_protobuf", "from_xml", "histogram_numeric", "hll_sketch_agg",
    "hll_sketch_estimate", "hll_union", "hll_union_agg", "is_variant_null", "java_method",
    "kll_merge_agg_bigint", "kll_merge_agg_double", "kll_merge_agg_float",
    "kll_sketch_agg_bigint", "kll_sketch_agg_double", "kll_sketch_agg_float",
    "kll_sketch_get_n_bigint", "kll_sketch_get_n_double", "kll_sketch_get_n_float",
    "kll_sketch_get_quantile_bigint", "kll_sketch_get_quantile_double",
    "kll_sketch_get_quantile_float", "kll_sketch_get_rank_bigint", "kll_sketch_get_rank_double",
    "kll_sketch_get_rank_float", "kll_sketch_merge_bigint", "kll_sketch_merge_double",
    "kll_sketch_merge_float", "kll_sketch_to_string_bigint", "kll_sketch_to_string_double",
    "kll_sketch_to_string_float", "make_time", "parse_json", "percentile_cont", "percentile_disc",
    "python_worker_logs", "randstr", "range", "reflect", "schema_of_avro", "schema_of_csv",
    "schema_of_variant", "schema_of_variant_agg", "schema_of_xml", "sentences", "session_window",
    "sql_keywords", "st_asbinary", "st_geogfromwkb", "st_geomfromwkb", "st_setsrid", "st_srid",
    "theta_difference", "theta_intersection", "theta_intersection_agg", "theta_sketch_agg",
    "theta_sketch_estimate", "theta_union", "theta_union_agg", "time", "time_diff", "time_trunc",
    "to_avro", "to_char", "to_csv", "to_number", "to_protobuf", "to_time", "to_varchar",
    "to_variant_object", "to_xml", "try_aes_decrypt", "try_parse_json", "try_reflect",
    "try_to_number", "try_to_time", "try_variant_get", "variant_get", "xpath", "xpath_boolean",
    "xpath_double", "xpath_float", "xpath_int", "xpath_long", "xpath_number", "xpath_short",
    "xpath_string",
];
