//! `spark.conf`.

use plimsoll_conf::Origin;
use spark_connect_proto as proto;
use spark_connect_proto::KeyValue;
use spark_connect_proto::config_request::operation::OpType;

use crate::error::{Error, Kind};
use crate::sessions::ClientSession;

/// What a request about settings comes to.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) pairs: Vec<KeyValue>,
    pub(crate) warnings: Vec<String>,
}

/// Reads or changes settings.
///
/// # Errors
/// If a key has no value, or a value does not suit its key.
pub(crate) fn config(
    session: &ClientSession,
    operation: proto::config_request::Operation,
) -> Result<Settings, Error> {
    let operation = operation
        .op_type
        .ok_or_else(|| Error::internal("a request about settings without a question"))?;
    let conf = session.engine.conf();
    let value = |key: &str| conf.get(key).map(|(value, _)| value.to_owned());
    let pairs = match operation {
        OpType::Set(set) => return change(session, set),
        OpType::Unset(unset) => return take_back(session, unset),
        OpType::Get(get) => get
            .keys
            .into_iter()
            .map(|key| match value(&key).or_else(|| of_spark(&key)) {
                Some(value) => Ok(pair(key, Some(value))),
                None => Err(Error::new(
                    Kind::NoSuchElement,
                    "SQL_CONF_NOT_FOUND",
                    &[("sqlConf", &format!("\"{key}\""))],
                )),
            })
            .collect::<Result<_, _>>()?,
        OpType::GetWithDefault(get) => get
            .pairs
            .into_iter()
            .map(|asked| {
                let found = match conf.get(&asked.key) {
                    Some((value, origin)) if origin.is_explicit() => Some(value.to_owned()),
                    _ => None,
                };
                let found = found.or(asked.value).or_else(|| value(&asked.key));
                pair(asked.key, found)
            })
            .collect(),
        OpType::GetOption(get) => get
            .keys
            .into_iter()
            .map(|key| {
                let found = value(&key).or_else(|| of_spark(&key));
                pair(key, found)
            })
            .collect(),
        OpType::GetAll(get) => {
            let prefix = get.prefix.unwrap_or_default();
            conf.explicit()
                .filter_map(|(key, value, _)| {
                    Some(pair(
                        key.strip_prefix(&prefix)?.to_owned(),
                        Some(value.to_owned()),
                    ))
                })
                .collect()
        }
        OpType::IsModifiable(asked) => asked
            .keys
            .into_iter()
            .map(|key| {
                let answer = conf.is_modifiable(&key).to_string();
                pair(key, Some(answer))
            })
            .collect(),
    };
    Ok(Settings {
        pairs,
        warnings: Vec::new(),
    })
}

fn pair(key: String, value: Option<String>) -> KeyValue {
    KeyValue { key, value }
}

/// Settings that the client itself reads and that have no effect here, with Spark's defaults.
fn of_spark(key: &str) -> Option<String> {
    let value = match key {
        "spark.sql.execution.arrow.maxRecordsPerBatch" => "10000",
        // Heard by `wire::compression`, which says why it is not Spark's default.
        "spark.sql.execution.arrow.compression.codec" => "lz4",
        "spark.sql.session.localRelationCacheThreshold" => "1048576",
        "spark.sql.session.localRelationChunkSizeRows" => "10000",
        "spark.sql.session.localRelationChunkSizeBytes" => "16777216",
        "spark.sql.session.localRelationBatchOfChunksSizeBytes" => "268435456",
        "spark.sql.session.localRelationSizeLimit" => "3221225472",
        "spark.sql.connect.serverStacktrace.enabled" => "false",
        "spark.sql.pyspark.jvmStacktrace.enabled" => "false",
        "spark.sql.execution.arrow.useLargeVarTypes" => "false",
        "spark.sql.execution.pandas.structHandlingMode" => "legacy",
        "spark.sql.execution.pandas.convertToArrowArraySafely" => "false",
        "spark.sql.execution.pandas.inferPandasDictAsMap" => "false",
        "spark.sql.pyspark.inferNestedDictAsStruct.enabled" => "false",
        "spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled" => "false",
        "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled" => "false",
        "spark.sql.session.timeZone" => "UTC",
        "spark.sql.timestampType" => "TIMESTAMP_LTZ",
        "spark.sql.ansi.enabled" => "true",
        "spark.sql.repl.eagerEval.enabled" => "false",
        "spark.sql.repl.eagerEval.maxNumRows" => "20",
        "spark.sql.repl.eagerEval.truncate" => "20",
        "spark.sql.pyspark.plotting.max_rows" => "1000",
        "spark.sql.execution.arrow.pyspark.enabled" => "true",
        "spark.sql.execution.arrow.pyspark.fallback.enabled" => "true",
        "spark.python.sql.dataFrameDebugging.enabled" => "true",
        "spark.sql.caseSensitive" => "false",
        "spark.sql.sources.default" => "parquet",
        "spark.sql.sources.partitionOverwriteMode" => "STATIC",
        _ => return None,
    };
    Some(value.to_owned())
}

fn change(session: &ClientSession, set: proto::config_request::Set) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    let is_start = set.silent();
    for KeyValue { key, value } in set.pairs {
        let value = value.unwrap_or_default();
        // A builder's settings are those that the session starts with.
        let origin = match is_start && !session.engine.conf().is_modifiable(&key) {
            true => Origin::Code,
            false => Origin::Set,
        };
        match session.engine.set_setting(&key, &value, origin) {
            Ok(changed) => {
                // What a builder sets is where the session begins: there is no old value that anybody knew.
                let sizes = told(&format!("{key} = {value}"), &changed.sizes);
                settings.warnings.extend(sizes.filter(|_| !is_start));
                // What is heard here need not be known to the engine.
                if of_spark(&key).is_none() {
                    settings.warnings.extend(changed.warnings);
                }
            }
            Err(error) => return Err(of_setting(error)),
        }
        settings.pairs.push(pair(key, Some(value)));
    }
    Ok(settings)
}

fn take_back(
    session: &ClientSession,
    unset: proto::config_request::Unset,
) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    for key in unset.keys {
        let changed = session.engine.unset_setting(&key).map_err(of_setting)?;
        let sizes = told(&format!("unset {key}"), &changed.sizes);
        settings.warnings.extend(sizes);
        settings.warnings.extend(changed.warnings);
        settings.pairs.push(pair(key, None));
    }
    Ok(settings)
}

/// What a change of a setting came to, old and new, in one line for the client and in the log.
fn told(what: &str, sizes: &[String]) -> Option<String> {
    let told = match sizes {
        [] => return None,
        // It names the setting itself.
        [only] if only.starts_with("spark.") => only.clone(),
        sizes => format!("{what}: {}", sizes.join("; ")),
    };
    tracing::info!("{told}");
    Some(told)
}

/// The error of a setting under the condition that Spark gives it.
fn of_setting(error: plimsoll_driver::Error) -> Error {
    use plimsoll_conf::ConfError;

    match &error {
        plimsoll_driver::Error::Setting(ConfError::ReadAtStart { key, .. }) => Error {
            message: format!("[CANNOT_MODIFY_CONFIG] {error}"),
            ..Error::analysis(
                "CANNOT_MODIFY_CONFIG",
                &[
                    ("key", &format!("\"{key}\"")),
                    ("docroot", "https://spark.apache.org/docs/latest"),
                ],
            )
        },
        plimsoll_driver::Error::Setting(ConfError::Value { .. }) => Error {
            kind: Kind::IllegalArgument,
            ..Error::internal(error.to_string())
        },
        plimsoll_driver::Error::Layout(_) | plimsoll_driver::Error::NotSupported(_) => Error {
            kind: Kind::IllegalArgument,
            ..Error::internal(error.to_string())
        },
        _ => error.into(),
    }
}
