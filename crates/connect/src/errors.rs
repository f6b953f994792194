//! Errors on their way to the client: as a gRPC status that says the most important, and by its id
//! until the client has asked for all of it.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use proto::fetch_error_details_response as details;
use spark_connect_proto as proto;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use uuid::Uuid;

use crate::conditions;
use crate::error::{Error, Kind};

/// How many errors are kept until they are asked for; Spark keeps 20.
const KEPT: usize = 20;
/// How many bytes of a message go with the status. It stands in the header twice: as text with
/// escapes, and in the details, in base 64.
const MESSAGE_BYTES: usize = 1536;
/// How many bytes of parameters go with the status: Spark's
/// `spark.connect.grpc.maxMetadataSize`. The header may not exceed 8 KiB in all.
const PARAMETER_BYTES: usize = 1024;
/// How many bytes of a message are kept.
const KEPT_BYTES: usize = 64 << 10;

/// The last errors of a session.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    kept: Mutex<VecDeque<(String, Error)>>,
}

impl Errors {
    /// The status of an error, which is kept so that the client can ask for all of it.
    pub(crate) fn status(&self, error: &Error) -> Status {
        let id = Uuid::new_v4().to_string();
        let mut kept = self.kept.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let message = abbreviated(&error.message, KEPT_BYTES);
        kept.push_back((
            id.clone(),
            Error {
                message,
                ..error.clone()
            },
        ));
        drop(kept);
        status_of(error, Some(id))
    }

    /// What `FetchErrorDetails` answers: nothing but an empty message if the error is not kept.
    pub(crate) fn details(&self, id: &str) -> proto::FetchErrorDetailsResponse {
        let kept = self.kept.lock();
        let error = kept.iter().find(|(kept, _)| kept == id);
        let Some((_, error)) = error else {
            return proto::FetchErrorDetailsResponse::default();
        };
        proto::FetchErrorDetailsResponse {
            root_error_idx: Some(0),
            errors: vec![detailed(error)],
            ..Default::default()
        }
    }
}

impl From<Error> for Status {
    /// The status of an error that no session keeps.
    fn from(error: Error) -> Self {
        status_of(&error, None)
    }
}

fn detailed(error: &Error) -> details::Error {
    let spark_throwable = details::SparkThrowable {
        error_class: error.condition.clone(),
        message_parameters: error.parameters.clone().into_iter().collect(),
        sql_state: sql_state(error).map(str::to_owned),
        ..Default::default()
    };
    details::Error {
        error_type_hierarchy: classes(error.kind).map(str::to_owned).collect(),
        message: error.message.clone(),
        spark_throwable: Some(spark_throwable),
        ..Default::default()
    }
}

/// The status as Spark's `ErrorUtils` makes it: INTERNAL whatever it is, with the exception's class
/// and condition as details.
fn status_of(error: &Error, id: Option<String>) -> Status {
    let classes: Vec<&str> = classes(error.kind).collect();
    let mut metadata = HashMap::from([("classes".to_owned(), json(&classes))]);
    let mut put = |name: &str, value: String| metadata.insert(name.to_owned(), value);
    if let Some(state) = sql_state(error) {
        put("sqlState", state.to_owned());
    }
    if let Some(condition) = &error.condition {
        put("errorClass", condition.clone());
        let parameters = json(&error.parameters);
        if parameters.len() <= PARAMETER_BYTES {
            put("messageParameters", parameters);
        }
    }
    if let Some(id) = id {
        put("errorId", id);
    }
    let reason = classes.first().copied().unwrap_or_default();
    Status::with_error_details(
        Code::Internal,
        abbreviated(&error.message, MESSAGE_BYTES),
        ErrorDetails::with_error_info(reason, "org.apache.spark", metadata),
    )
}

fn classes(kind: Kind) -> impl Iterator<Item = &'static str> {
    kind.classes()
        .iter()
        .copied()
        .chain(["java.lang.Throwable", "java.lang.Object"])
}

fn sql_state(error: &Error) -> Option<&'static str> {
    conditions::sql_state(error.condition.as_deref()?)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A text cut so that it takes no more than `bytes` with the escapes of a header.
fn abbreviated(text: &str, bytes: usize) -> String {
    let escaped = |character: char| match character {
        '%' => 3,
        ' '..='~' => 1,
        other => 3 * other.len_utf8(),
    };
    let mut size = 0;
    let cut = text.char_indices().find(|(_, character)| {
        size += escaped(*character);
        size > bytes
    });
    match cut {
        None => text.to_owned(),
        Some((at, _)) => format!("{}...", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_class_condition_and_where_the_rest_is() {
        let errors = Errors::default();
        let error = Error::analysis("TABLE_OR_VIEW_NOT_FOUND", &[("relationName", "`t`")]);
        let status = errors.status(&error);
        assert_eq!(status.code(), Code::Internal);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            info.reason,
            "org.apache.spark.sql.catalyst.ExtendedAnalysisException"
        );
        assert_eq!(info.metadata["sqlState"], "42P01");
        assert_eq!(
            info.metadata["messageParameters"],
            r#"{"relationName":"`t`"}"#
        );
        let fetched = errors.details(&info.metadata["errorId"]);
        assert_eq!(fetched.errors[0].message, error.message);
        assert_eq!(errors.details("unknown"), Default::default());
    }

    #[test]
    fn a_long_error_fits_the_header_and_is_kept_whole() {
        let errors = Errors::default();
        let name = "é".repeat(5_000);
        let error = Error::analysis("TABLE_OR_VIEW_NOT_FOUND", &[("relationName", &name)]);
        let status = errors.status(&error);
        let info = status.get_error_details().error_info().unwrap().clone();
        assert!(6 * status.message().chars().filter(|c| *c == 'é').count() < MESSAGE_BYTES);
        assert!(status.message().ends_with("..."));
        assert!(!info.metadata.contains_key("messageParameters"));
        let fetched = errors.details(&info.metadata["errorId"]);
        assert_eq!(fetched.errors[0].message, error.message);
    }

    #[test]
    fn only_the_last_errors_are_kept() {
        let errors = Errors::default();
        for _ in 0..100 {
            errors.status(&Error::internal("x"));
        }
        assert_eq!(errors.kept.lock().len(), KEPT);
    }
}
