//! `plimsoll serve`: a Spark Connect server.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use plimsoll_connect::Server;
use plimsoll_driver::{Error, Session};

use crate::args::ServeArgs;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::tell::tell;

/// Gives each client a session of its own beside the first.
pub struct Siblings(pub Arc<Session>);

#[async_trait]
impl plimsoll_connect::Engine for Siblings {
    async fn open(&self) -> Result<Arc<Session>, Error> {
        self.0.sibling().await.map(Arc::new)
    }
}

/// `plimsoll serve`.
pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    let mut engine = Engine::start(&args.settings, args.tables.as_deref(), Session::of_server)?;
    let outcome = serve(&mut engine, args.listen, args.token.clone());
    engine.end(args.report);
    match outcome {
        // Being told to end is how a server ends.
        Err(Failure::Interrupted(Interrupt::Interrupted | Interrupt::Terminated)) => Ok(()),
        outcome => outcome,
    }
}

fn serve(engine: &mut Engine, address: SocketAddr, token: Option<String>) -> Result<(), Failure> {
    let sessions = Arc::new(Siblings(Arc::clone(engine.session())));
    let workers = engine.workers();
    let hint = match token {
        Some(_) => "/;token=…",
        None => "",
    };
    engine.control(|interrupts| async move {
        let server = Server::bind(address, token, sessions)
            .await
            .map_err(|error| Failure::Error(error.to_string()))?
            .with_workers(workers);
        let address = server.local_addr();
        tell(format_args!(
            "Plimsoll serves Spark Connect at sc://{address}{hint}; in Python: SparkSession.builder.remote(\"sc://{address}{hint}\").getOrCreate(). Ctrl-C ends it"
        ));
        let mut interrupt = None;
        let until = async { interrupt = Some(interrupts.next().await) };
        server
            .serve(until)
            .await
            .map_err(|error| Failure::system("the server ended", &error))?;
        match interrupt {
            Some(interrupt) => Err(interrupt.into()),
            None => Ok(()),
        }
    })
}
