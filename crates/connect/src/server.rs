//! The server: its address, its token, and its end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Status};

use crate::service::{Execute, Service, SparkConnectServiceServer};
use crate::sessions::{Engine, Sessions};

/// The largest message that is taken, as in Spark.
const MESSAGE_BYTES: usize = 128 << 20;
/// How often a connection is asked whether it is still there, and how long for an answer.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How often what was left alone is looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// How long clients have to hear that the server ends.
const GRACE: Duration = Duration::from_secs(3);

/// A Spark Connect server: what PySpark finds at `sc://localhost:15002`.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<Arc<str>>,
    sessions: Arc<Sessions>,
    workers: Handle,
    execute: Execute,
}

impl Server {
    /// Listens at `address`; port 0 stands for any that is free. Plans run on the current runtime, if
    /// [`Server::with_workers`] names no other.
    ///
    /// With a `token`, clients must send it. On this machine PySpark does so for
    /// `sc://localhost:15002/;token=…`. For another host it then wants TLS, which the server leaves to a
    /// proxy; without one, `sc://host:15002/;authorization=Bearer%20…` sends it in the clear.
    ///
    /// # Errors
    /// If the address is not free, or others than this machine could reach it without a token.
    pub async fn bind(
        address: SocketAddr,
        token: Option<String>,
        engine: Arc<dyn Engine>,
    ) -> io::Result<Self> {
        if token.as_deref() == Some("") {
            return Err(refused(
                "an empty token keeps nobody out: give one, or none",
            ));
        }
        if token.is_none() && !address.ip().is_loopback() {
            return Err(refused(&format!(
                "{address} can be reached from other machines, and whoever reaches it can read and write files: give a token (--token), or listen on 127.0.0.1"
            )));
        }
        let explained = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        };
        let listener = TcpListener::bind(address).await.map_err(explained)?;
        Ok(Self {
            address: listener.local_addr().map_err(explained)?,
            listener,
            token: token.map(Arc::from),
            sessions: Arc::new(Sessions::new(engine)),
            workers: Handle::current(),
            execute: |session, plan, responses| {
                Box::pin(crate::execute::execute(session, plan, responses))
            },
        })
    }

    /// Runs plans on another runtime than the transport, so that the transport answers whatever the
    /// plans do.
    #[must_use]
    pub fn with_workers(self, workers: Handle) -> Self {
        Self { workers, ..self }
    }

    /// Where the server listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `until` is over. Then what runs is canceled, clients are told, and connections
    /// that are not closed after a grace of seconds are dropped.
    ///
    /// # Errors
    /// If no more connections can be accepted.
    pub async fn serve(self, until: impl Future<Output = ()> + Send) -> io::Result<()> {
        let sessions = Arc::clone(&self.sessions);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let serving = self.transport(async {
            // An end that was dropped is an end too.
            let _ = ended.await;
        });
        tokio::pin!(serving);
        let sweeping = sweep(&sessions);
        tokio::select! {
            result = &mut serving => return result,
            () = sweeping => {}
            () = until => {}
        }
        sessions.close_all();
        // The receiver is gone only if the transport has ended already.
        let _ = end.send(());
        tokio::time::timeout(GRACE, serving).await.unwrap_or(Ok(()))
    }

    async fn transport(self, until: impl Future<Output = ()> + Send) -> io::Result<()> {
        let service = Service {
            sessions: self.sessions,
            workers: self.workers,
            execute: self.execute,
        };
        let service = SparkConnectServiceServer::new(service)
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        let token = self.token;
        let service = InterceptedService::new(service, move |request| {
            match is_allowed(&request, token.as_deref()) {
                true => Ok(request),
                false => Err(Status::unauthenticated(
                    "Invalid authentication token: connect to sc://localhost:15002/;token=… or sc://host:15002/;authorization=Bearer%20…",
                )),
            }
        });
        let incoming = TcpIncoming::from(self.listener)
            .with_nodelay(Some(true))
            .with_keepalive(Some(KEEPALIVE));
        tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, until)
            .await
            .map_err(io::Error::other)
    }
}

async fn sweep(sessions: &Sessions) {
    loop {
        tokio::time::sleep(SWEEP).await;
        sessions.sweep(Instant::now());
    }
}

/// Whether a request carries the token, if there is one.
fn is_allowed(request: &Request<()>, token: Option<&str>) -> bool {
    let Some(token) = token else {
        return true;
    };
    let header = request.metadata().get("authorization");
    let given = header
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    given
        .is_some_and(|given| constant_time_eq::constant_time_eq(given.as_bytes(), token.as_bytes()))
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.to_owned())
}

#[cfg(test)]
mod tests;
