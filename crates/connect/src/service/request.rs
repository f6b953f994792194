//! What the requests say beside their plans.

use spark_connect_proto as proto;
use uuid::Uuid;

use crate::error::{Error, Kind};
use crate::operations::{About, Reader, Which};
use crate::sessions::{ClientSession, Key, check_uuid};

/// The largest chunk of a batch, and what one is if the client has no wish.
const CHUNK_BYTES: usize = 32 << 20;
/// The smallest chunk a client may wish for, as in Spark.
const LEAST_CHUNK_BYTES: usize = 1 << 10;

/// Which session a request is for.
pub(super) fn key(user: Option<proto::UserContext>, session_id: &str) -> Key {
    Key {
        user_id: user.map(|user| user.user_id).unwrap_or_default(),
        session_id: session_id.to_owned(),
    }
}

/// What is known of an operation from its request.
pub(super) fn about(
    session: &ClientSession,
    request: &proto::ExecutePlanRequest,
) -> Result<About, Error> {
    use proto::execute_plan_request::request_option::RequestOption;
    let id = match request.operation_id.as_deref() {
        None | Some("") => Uuid::new_v4().to_string(),
        Some(id) => check_uuid(id).map(|()| id.to_owned())?,
    };
    if let Some(tag) = request
        .tags
        .iter()
        .find(|tag| tag.is_empty() || tag.contains(','))
    {
        return Err(Error::of_message(
            Kind::IllegalArgument,
            format!("A tag may not be empty and may not contain ','; this is one: '{tag}'."),
        ));
    }
    let mut about = About {
        id,
        session_id: session.session_id.clone(),
        server_side_session_id: session.server_side_session_id.clone(),
        tags: request.tags.clone(),
        reattachable: false,
        chunk_bytes: None,
        reader: Reader::of(request),
    };
    for option in &request.request_options {
        match &option.request_option {
            Some(RequestOption::ReattachOptions(options)) => {
                about.reattachable = options.reattachable;
            }
            Some(RequestOption::ResultChunkingOptions(options)) => {
                let wished = options.preferred_arrow_chunk_size;
                let bytes = wished.and_then(|bytes| usize::try_from(bytes).ok());
                let bytes = bytes.map_or(CHUNK_BYTES, |b| b.clamp(LEAST_CHUNK_BYTES, CHUNK_BYTES));
                about.chunk_bytes = options.allow_arrow_batch_chunking.then_some(bytes);
            }
            Some(RequestOption::Extension(_)) | None => {}
        }
    }
    Ok(about)
}

/// Which operations a request is to interrupt.
pub(super) fn which(request: &proto::InterruptRequest) -> Result<Which<'_>, Error> {
    use proto::interrupt_request::{Interrupt, InterruptType};
    let lacking = |condition| {
        Error::new(
            Kind::IllegalArgument,
            condition,
            &[
                ("parameter", "`interrupt`"),
                ("functionName", "`interrupt`"),
            ],
        )
    };
    match (request.interrupt_type(), &request.interrupt) {
        (InterruptType::All, _) => Ok(Which::All),
        (InterruptType::Tag, Some(Interrupt::OperationTag(tag))) => Ok(Which::Tagged(tag)),
        (InterruptType::OperationId, Some(Interrupt::OperationId(id))) => Ok(Which::Id(id)),
        (InterruptType::Tag, _) => Err(lacking(
            "INVALID_PARAMETER_VALUE.INTERRUPT_TYPE_TAG_REQUIRES_TAG",
        )),
        (InterruptType::OperationId, _) => Err(lacking(
            "INVALID_PARAMETER_VALUE.INTERRUPT_TYPE_OPERATION_ID_REQUIRES_ID",
        )),
        (InterruptType::Unspecified, _) => Err(Error::new(
            Kind::UnsupportedOperation,
            "UNSUPPORTED_FEATURE.INTERRUPT_TYPE",
            &[("interruptType", "INTERRUPT_TYPE_UNSPECIFIED")],
        )),
    }
}

/// The error of a request that lacks what it is about.
pub(super) fn missing(what: &str) -> Error {
    Error::of_message(Kind::InvalidPlan, format!("The request has not {what}."))
}
