//! The server as a client meets it, with work that does as it is told in place of an engine.

mod ends;

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use proto::execute_plan_response::{ArrowBatch, ResponseType};
use proto::interrupt_request::{Interrupt, InterruptType};
use proto::release_execute_request::{Release, ReleaseAll, ReleaseUntil};
use proto::spark_connect_service_client::SparkConnectServiceClient;
use spark_connect_proto as proto;
use tonic::transport::Channel;
use tonic::{Code, Streaming};
use tonic_types::StatusExt;
use uuid::Uuid;

use super::*;
use crate::error::Error;
use crate::operations::Responses;
use crate::sessions::ClientSession;
use crate::testing::OneEngine;

type Client = SparkConnectServiceClient<Channel>;
type Stream = Streaming<proto::ExecutePlanResponse>;

/// What the work of a plan does once it has sent its batches.
#[derive(Clone, Copy)]
enum Then {
    End,
    Fail,
    Panic,
    Hang,
}

/// How many batches each operation has sent.
static SENT: LazyLock<Mutex<HashMap<String, i64>>> = LazyLock::new(Mutex::default);

fn work(
    _: Arc<ClientSession>,
    plan: proto::Plan,
    responses: Responses,
) -> BoxFuture<'static, Result<(), Error>> {
    let Some(proto::plan::OpType::Root(proto::Relation {
        rel_type: Some(proto::relation::RelType::Range(range)),
        ..
    })) = plan.op_type
    else {
        panic!("a range says what to do");
    };
    async move {
        for row_count in 0..range.end {
            let batch = ArrowBatch {
                row_count,
                data: vec![0; range.step as usize].into(),
                ..Default::default()
            };
            responses
                .send(ResponseType::ArrowBatch(batch), None)
                .await?;
            let id = responses.operation_id().to_owned();
            SENT.lock().insert(id, row_count + 1);
        }
        match range.start {
            Some(start) if start == Then::Fail as i64 => Err(Error::analysis(
                "TABLE_OR_VIEW_NOT_FOUND",
                &[("relationName", "`t`")],
            )),
            Some(start) if start == Then::Panic as i64 => panic!("a fault"),
            Some(start) if start == Then::Hang as i64 => std::future::pending().await,
            _ => Ok(()),
        }
    }
    .boxed()
}

/// A server on a port of its own, and a session on it.
struct Served {
    client: Client,
    session_id: String,
    end: tokio::sync::oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<io::Result<()>>,
}

impl Served {
    async fn new() -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let engine = Arc::new(OneEngine::new());
        let mut server = Server::bind(address, None, engine).await.unwrap();
        server.execute = work;
        let address = server.local_addr();
        let (end, ended) = tokio::sync::oneshot::channel();
        let serving = tokio::spawn(server.serve(ended.map(|_| ())));
        let client = Client::connect(format!("http://{address}")).await.unwrap();
        Self {
            client,
            session_id: Uuid::new_v4().to_string(),
            end,
            serving,
        }
    }

    fn request(&self, batches: i64, bytes: i64, then: Then) -> proto::ExecutePlanRequest {
        let range = proto::Range {
            start: Some(then as i64),
            end: batches,
            step: bytes,
            ..Default::default()
        };
        proto::ExecutePlanRequest {
            session_id: self.session_id.clone(),
            operation_id: Some(Uuid::new_v4().to_string()),
            plan: Some(proto::Plan {
                op_type: Some(proto::plan::OpType::Root(proto::Relation {
                    rel_type: Some(proto::relation::RelType::Range(range)),
                    ..Default::default()
                })),
            }),
            tags: vec!["tag".into()],
            ..Default::default()
        }
    }

    /// Runs a request as PySpark does, so that it can be reattached to.
    async fn run(&mut self, mut request: proto::ExecutePlanRequest) -> Result<Stream, Status> {
        use proto::execute_plan_request::{RequestOption, request_option};
        let options = proto::ReattachOptions { reattachable: true };
        request.request_options.push(RequestOption {
            request_option: Some(request_option::RequestOption::ReattachOptions(options)),
        });
        Ok(self.client.execute_plan(request).await?.into_inner())
    }

    async fn reattach(&mut self, id: &str, after: Option<&str>) -> Result<Stream, Status> {
        let request = proto::ReattachExecuteRequest {
            session_id: self.session_id.clone(),
            operation_id: id.to_owned(),
            last_response_id: after.map(str::to_owned),
            ..Default::default()
        };
        Ok(self.client.reattach_execute(request).await?.into_inner())
    }

    async fn release(&mut self, id: &str, release: Release) -> Option<String> {
        let request = proto::ReleaseExecuteRequest {
            session_id: self.session_id.clone(),
            operation_id: id.to_owned(),
            release: Some(release),
            ..Default::default()
        };
        let response = self.client.release_execute(request).await.unwrap();
        response.into_inner().operation_id
    }

    async fn interrupt(&mut self, kind: InterruptType, which: Option<Interrupt>) -> Vec<String> {
        let request = proto::InterruptRequest {
            session_id: self.session_id.clone(),
            interrupt_type: kind.into(),
            interrupt: which,
            ..Default::default()
        };
        let response = self.client.interrupt(request).await.unwrap();
        response.into_inner().interrupted_ids
    }
}

/// The row counts of the batches of a stream, up to its end or to `most`, and the last id.
async fn read(stream: &mut Stream, most: usize) -> Result<(Vec<i64>, String, bool), Status> {
    let (mut rows, mut id, mut is_complete) = (Vec::new(), String::new(), false);
    while rows.len() < most {
        let Some(response) = stream.message().await? else {
            break;
        };
        id = response.response_id;
        match response.response_type {
            Some(ResponseType::ArrowBatch(batch)) => rows.push(batch.row_count),
            Some(ResponseType::ResultComplete(_)) => is_complete = true,
            _ => {}
        }
    }
    Ok((rows, id, is_complete))
}

async fn error_of(stream: Result<Stream, Status>) -> (String, Status) {
    let status = match stream {
        Ok(mut stream) => read(&mut stream, usize::MAX).await.unwrap_err(),
        Err(status) => status,
    };
    let info = status.get_error_details().error_info().cloned();
    let condition = info.and_then(|info| info.metadata.get("errorClass").cloned());
    (condition.unwrap_or_default(), status)
}

fn sent(id: &str) -> i64 {
    SENT.lock().get(id).copied().unwrap_or_default()
}

async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it comes to hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_goes_on_without_loss_or_repeat() {
    let mut served = Served::new().await;
    let request = served.request(100, 1000, Then::End);
    let id = request.operation_id.clone().unwrap();
    let mut stream = served.run(request).await.unwrap();
    let mut all = Vec::new();
    loop {
        let (rows, last, is_complete) = read(&mut stream, 7).await.unwrap();
        all.extend(rows);
        if is_complete {
            break;
        }
        drop(stream);
        let until = Release::ReleaseUntil(ReleaseUntil {
            response_id: last.clone(),
        });
        assert!(served.release(&id, until).await.is_some());
        stream = served.reattach(&id, Some(&last)).await.unwrap();
    }
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    let all = || Release::ReleaseAll(ReleaseAll {});
    assert_eq!(served.release(&id, all()).await, Some(id.clone()));
    assert_eq!(served.release(&id, all()).await, None);
    let (condition, _) = error_of(served.reattach(&id, None).await).await;
    assert_eq!(condition, "INVALID_HANDLE.OPERATION_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_stops_the_work_and_nothing_else() {
    let mut served = Served::new().await;
    let request = served.request(200, 1 << 20, Then::End);
    let id = request.operation_id.clone().unwrap();
    let mut slow = served.run(request).await.unwrap();
    until(|| sent(&id) >= 8).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = sent(&id);
    assert!(before < 40, "{before} batches of 200 wait");
    let request = served.request(3, 10, Then::End);
    let mut quick = served.run(request).await.unwrap();
    assert_eq!(read(&mut quick, usize::MAX).await.unwrap().0, [0, 1, 2]);
    assert_eq!(sent(&id), before);
    let (rows, _, is_complete) = read(&mut slow, usize::MAX).await.unwrap();
    assert_eq!((rows.len(), is_complete), (200, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_larger_than_the_bound_passes() {
    let mut served = Served::new().await;
    served.client = served
        .client
        .clone()
        .max_decoding_message_size(MESSAGE_BYTES);
    let request = served.request(2, 40 << 20, Then::End);
    let mut stream = served.run(request).await.unwrap();
    assert_eq!(read(&mut stream, usize::MAX).await.unwrap().0, [0, 1]);
    let request = served.request(1, 130 << 20, Then::End);
    let (_, status) = error_of(served.run(request).await).await;
    assert!(status.message().contains("at most 127 MiB"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_without_reattaching_ends_with_its_stream() {
    let mut served = Served::new().await;
    let request = served.request(1000, 1 << 20, Then::End);
    let id = request.operation_id.clone().unwrap();
    let stream = served.client.execute_plan(request).await.unwrap();
    until(|| sent(&id) >= 8).await;
    drop(stream);
    let request = proto::GetStatusRequest {
        session_id: served.session_id.clone(),
        operation_status: Some(proto::get_status_request::OperationStatusRequest {
            operation_ids: vec![id],
            ..Default::default()
        }),
        ..Default::default()
    };
    let canceled =
        i32::from(proto::get_status_response::operation_status::OperationState::Cancelled);
    loop {
        let response = served.client.get_status(request.clone()).await.unwrap();
        if response.into_inner().operation_statuses[0].state == canceled {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
