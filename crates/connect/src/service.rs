//! The Spark Connect service: what each method finds its session for, and passes on.

mod request;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use spark_connect_proto as proto;
use tokio::runtime::Handle;
use tonic::{Request, Response, Status, Streaming};

use crate::artifacts::Receiver;
use crate::codec::on_deep_stack;
use crate::compressed::{plain, plain_analysis};
use crate::error::Error;
use crate::operations::Responses;
use crate::sessions::{ClientSession, Sessions, check_uuid};
use request::{about, key, missing, which};

mod generated {
    #![allow(missing_docs, clippy::all, clippy::pedantic)]
    include!(concat!(
        env!("OUT_DIR"),
        "/spark.connect.SparkConnectService.rs"
    ));
}

pub(crate) use generated::spark_connect_service_server::{
    SparkConnectService, SparkConnectServiceServer,
};

/// What runs a plan.
pub(crate) type Execute =
    fn(Arc<ClientSession>, proto::Plan, Responses) -> BoxFuture<'static, Result<(), Error>>;

type ResponseStream =
    Pin<Box<dyn Stream<Item = Result<proto::ExecutePlanResponse, Status>> + Send + 'static>>;

/// The service over the sessions of a server.
pub(crate) struct Service {
    pub(crate) sessions: Arc<Sessions>,
    /// Where plans are analyzed and run, so that the transport answers whatever they do.
    pub(crate) workers: Handle,
    pub(crate) execute: Execute,
}

impl Service {
    async fn open(
        &self,
        user: Option<proto::UserContext>,
        session_id: &str,
        observed: Option<&str>,
    ) -> Result<Arc<ClientSession>, Error> {
        self.sessions
            .get_or_open(&key(user, session_id), observed)
            .await
    }

    fn find(
        &self,
        user: Option<proto::UserContext>,
        session_id: &str,
        observed: Option<&str>,
    ) -> Result<Arc<ClientSession>, Error> {
        self.sessions.get(&key(user, session_id), observed)
    }

    /// Does the work of a request among the workers.
    async fn work<T: Send + 'static>(
        &self,
        session: &ClientSession,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Status> {
        let work = on_deep_stack(AssertUnwindSafe(work).catch_unwind());
        let task = self.workers.spawn(work);
        let result = match task.await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(Error::panicked(&*panic)),
            Err(_) => Err(Error::canceled()),
        };
        result.map_err(|error| session.errors.status(&error))
    }
}

#[tonic::async_trait]
impl SparkConnectService for Service {
    type ExecutePlanStream = ResponseStream;
    type ReattachExecuteStream = ResponseStream;

    async fn execute_plan(
        &self,
        request: Request<proto::ExecutePlanRequest>,
    ) -> Result<Response<ResponseStream>, Status> {
        let request = request.into_inner();
        let observed = request.client_observed_server_side_session_id.as_deref();
        let session = self
            .open(request.user_context.clone(), &request.session_id, observed)
            .await?;
        let about = about(&session, &request)?;
        let execute = self.execute;
        let running = Arc::clone(&session);
        let stream = session
            .operations
            .start(about, &self.workers, move |responses| async move {
                let plan = request.plan.ok_or_else(|| missing("a plan"))?;
                on_deep_stack(execute(running, plain(plan)?, responses)).await
            })
            .map_err(|error| session.errors.status(&error))?;
        Ok(Response::new(Box::pin(stream)))
    }

    async fn reattach_execute(
        &self,
        request: Request<proto::ReattachExecuteRequest>,
    ) -> Result<Response<ResponseStream>, Status> {
        let request = request.into_inner();
        let observed = request.client_observed_server_side_session_id.as_deref();
        let session = self.find(request.user_context, &request.session_id, observed)?;
        let stream = session
            .operations
            .reattach(&request.operation_id, request.last_response_id.as_deref())
            .map_err(|error| session.errors.status(&error))?;
        Ok(Response::new(Box::pin(stream)))
    }

    async fn release_execute(
        &self,
        request: Request<proto::ReleaseExecuteRequest>,
    ) -> Result<Response<proto::ReleaseExecuteResponse>, Status> {
        use proto::release_execute_request::Release;
        let request = request.into_inner();
        let observed = request.client_observed_server_side_session_id.as_deref();
        let session = self.find(request.user_context, &request.session_id, observed)?;
        let id = request.operation_id;
        let operations = &session.operations;
        let was_there = match request.release {
            Some(Release::ReleaseUntil(until)) => operations.release_until(&id, &until.response_id),
            Some(Release::ReleaseAll(_)) => operations.release(&id),
            None => return Err(missing("what to release").into()),
        };
        Ok(Response::new(proto::ReleaseExecuteResponse {
            session_id: request.session_id,
            server_side_session_id: session.server_side_session_id.clone(),
            operation_id: was_there.then_some(id),
        }))
    }

    async fn analyze_plan(
        &self,
        request: Request<proto::AnalyzePlanRequest>,
    ) -> Result<Response<proto::AnalyzePlanResponse>, Status> {
        let request = request.into_inner();
        let observed = request.client_observed_server_side_session_id.as_deref();
        let session = self
            .open(request.user_context, &request.session_id, observed)
            .await?;
        let asked = Arc::clone(&session);
        let result = self
            .work(&session, async move {
                let question = request.analyze.ok_or_else(|| missing("a question"))?;
                crate::analyze::analyze(asked, plain_analysis(question)?).await
            })
            .await?;
        Ok(Response::new(proto::AnalyzePlanResponse {
            session_id: request.session_id,
            server_side_session_id: session.server_side_session_id.clone(),
            result: Some(result),
        }))
    }

    async fn config(
        &self,
        request: Request<proto::ConfigRequest>,
    ) -> Result<Response<proto::ConfigResponse>, Status> {
        let request = request.into_inner();
        let observed = request.client_observed_server_side_session_id.as_deref();
        let session = self
            .open(request.user_context, &request.session_id, observed)
            .await?;
        // At once and not among the workers, which may be busy for long.
        let settings = request
            .operation
            .ok_or_else(|| missing("an operation"))
            .and_then(|operation| crate::config::config(&session, operation))
            .map_err(|error| session.errors.status(&error))?;
        Ok(Response::new(proto::ConfigResponse {
            session_id: request.session_id,
            server_side_session_id: session.server_side_session_id.clone(),
            pairs: settings.pairs,
            warnings: settings.warnings,
        }))
    }

    async fn add_artifacts(
        &self,
        request: Request<Streaming<proto::AddArtifactsRequest>>,
    ) -> Result<Response<proto::AddArtifactsResponse>, Status> {
        let mut requests = request.into_inner();
        let first = requests
            .message()
            .await?
            .ok_or_else(|| missing("an artifact"))?;
        let observed = first.client_observed_server_side_session_id.as_deref();
        let session = self
            .open(first.user_context, &first.session_id, observed)
            .await?;
        let failed = |error| session.errors.status(&error);
        let mut receiver = Receiver::new(&session.artifacts);
        let mut payload = first.payload;
        loop {
            if let Some(payload) = payload.take() {
                receiver.take(payload).map_err(failed)?;
            }
            match requests.message().await? {
                Some(next) => payload = next.payload,
                None => break,
            }
        }
        Ok(Response::new(proto::AddArtifactsResponse {
            session_id: first.session_id,
            server_side_session_id: session.server_side_session_id.clone(),
            artifacts: receiver.finish().map_err(failed)?,
        }))
    }

    async fn artifact_status(
        &self,
        request: Request<proto::ArtifactStatusesRequest>,
    ) -> Result<Response<proto::ArtifactStatusesResponse>, Status> {
        use proto::artifact_statuses_response::ArtifactStatus;
        let request = request.into_inner();
        let observed = request.client_observed_server_side_session_id.as_deref();
        let session = self
            .open(request.user_context, &request.session_id, observed)
            .await?;
        let status = |name: String| {
            let exists = session.artifacts.exists(&name);
            (name, ArtifactStatus { exists })
        };
        Ok(Response::new(proto::ArtifactStatusesResponse {
            session_id: request.session_id,
            server_side_session_id: session.server_side_session_id.clone(),
            statuses: request.names.into_iter().map(status).collect(),
        }))
    }

    async fn interrupt(
        &self,
        request: Request<proto::InterruptRequest>,
    ) -> Result<Response<proto::InterruptResponse>, Status> {
        let request = request.into_inner();
        let observed = request.client_observed_server_side_session_id.as_deref();
        let session = self
            .open(request.user_context.clone(), &request.session_id, observed)
            .await?;
        let which = which(&request).map_err(|error| session.errors.status(&error))?;
        Ok(Response::new(proto::InterruptResponse {
            interrupted_ids: session.operations.interrupt(which),
            session_id: request.session_id,
            server_side_session_id: session.server_side_session_id.clone(),
        }))
    }

    async fn release_session(
        &self,
        request: Request<proto::ReleaseSessionRequest>,
    ) -> Result<Response<proto::ReleaseSessionResponse>, Status> {
        let request = request.into_inner();
        check_uuid(&request.session_id)?;
        let key = key(request.user_context, &request.session_id);
        let closed = self.sessions.close(&key, request.allow_reconnect);
        Ok(Response::new(proto::ReleaseSessionResponse {
            session_id: request.session_id,
            server_side_session_id: closed
                .map(|session| session.server_side_session_id.clone())
                .unwrap_or_default(),
        }))
    }

    async fn fetch_error_details(
        &self,
        request: Request<proto::FetchErrorDetailsRequest>,
    ) -> Result<Response<proto::FetchErrorDetailsResponse>, Status> {
        let request = request.into_inner();
        let observed = request.client_observed_server_side_session_id.as_deref();
        let session = self.find(request.user_context, &request.session_id, observed)?;
        Ok(Response::new(proto::FetchErrorDetailsResponse {
            session_id: request.session_id,
            server_side_session_id: session.server_side_session_id.clone(),
            ..session.errors.details(&request.error_id)
        }))
    }

    async fn clone_session(
        &self,
        request: Request<proto::CloneSessionRequest>,
    ) -> Result<Response<proto::CloneSessionResponse>, Status> {
        let request = request.into_inner();
        let observed = request.client_observed_server_side_session_id.as_deref();
        let session = self.find(request.user_context, &request.session_id, observed)?;
        let error = Error::unsupported("SparkSession.cloneSession");
        Err(session.errors.status(&error))
    }

    async fn get_status(
        &self,
        request: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::GetStatusResponse>, Status> {
        use proto::get_status_response::OperationStatus;
        let request = request.into_inner();
        let observed = request.client_observed_server_side_session_id.as_deref();
        let session = self.find(request.user_context, &request.session_id, observed)?;
        let outcomes = request
            .operation_status
            .map(|asked| session.operations.outcomes(&asked.operation_ids))
            .unwrap_or_default();
        let status = |(operation_id, state)| OperationStatus {
            operation_id,
            state: i32::from(state),
            ..Default::default()
        };
        Ok(Response::new(proto::GetStatusResponse {
            session_id: request.session_id,
            server_side_session_id: session.server_side_session_id.clone(),
            operation_statuses: outcomes.into_iter().map(status).collect(),
            ..Default::default()
        }))
    }
}
