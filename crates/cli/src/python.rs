//! `plimsoll run job.py`: a PySpark script with the engine in this process.

mod interpreter;
mod launcher;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_connect::Server;
use plimsoll_driver::Session;
use tokio::process::Child;

use crate::args::RunArgs;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::interrupt::{Interrupt, Interrupts};
use crate::serve::Siblings;
use interpreter::Interpreter;
use launcher::Launcher;

/// How long a script has to end by itself after a signal, before it is passed on.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a script has to end after the signal was passed on, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Runs a script, and ends as it does.
///
/// # Errors
/// If there is no Python that can run it; and the script's own exit status.
pub fn run(args: &RunArgs, job: &[String]) -> Result<(), Failure> {
    let conf = crate::settings::conf(&args.settings)?;
    let python = Interpreter::find(&conf)?;
    let mut engine = Engine::start(
        &args.settings,
        args.io.tables.as_deref(),
        |conf, machine| Session::new(conf, machine, Vec::new()),
    )?;
    let outcome = with_engine(&mut engine, &python, job);
    engine.end(args.report);
    outcome
}

fn with_engine(engine: &mut Engine, python: &Interpreter, job: &[String]) -> Result<(), Failure> {
    let launcher = Launcher::unpack()?;
    let sessions = Arc::new(Siblings(Arc::clone(engine.session())));
    let workers = engine.workers();
    let session = Arc::clone(engine.session());
    engine.control(|interrupts| async move {
        // Whoever else is on this machine can reach the port, and not the engine.
        let token = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(address, Some(token.clone()), sessions)
            .await
            .map_err(|error| Failure::Error(error.to_string()))?
            .with_workers(workers);
        let mut script = launcher.start(python, server.local_addr(), &token, job)?;
        if let Some(pid) = script.id() {
            session.pressure().meter().watch_child(pid);
        }
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let until = async {
            // An end that was dropped is an end too.
            let _ = ended.await;
        };
        let wait = async {
            let status = wait(&mut script, interrupts).await;
            drop(end);
            status
        };
        let (served, status) = tokio::join!(server.serve(until), wait);
        served.map_err(|error| Failure::system("the server ended", &error))?;
        outcome(status?)
    })
}

/// Waits for the script. A signal of the terminal reaches it as well; one that was sent to this process
/// alone is passed on.
async fn wait(script: &mut Child, interrupts: &mut Interrupts) -> Result<ExitStatus, Failure> {
    let cannot = |error| Failure::system("cannot wait for the script", &error);
    let interrupt = tokio::select! {
        status = script.wait() => return status.map_err(cannot),
        interrupt = interrupts.next() => interrupt,
    };
    let patience = match interrupt {
        Interrupt::Interrupted => PATIENCE,
        Interrupt::Terminated | Interrupt::HungUp => Duration::ZERO,
    };
    if let Ok(status) = tokio::time::timeout(patience, script.wait()).await {
        return status.map_err(cannot);
    }
    launcher::signal(script, interrupt);
    if let Ok(status) = tokio::time::timeout(GRACE, script.wait()).await {
        return status.map_err(cannot);
    }
    script.kill().await.map_err(cannot)?;
    Err(interrupt.into())
}

/// The end of the command that belongs to the end of the script.
fn outcome(status: ExitStatus) -> Result<(), Failure> {
    use std::os::unix::process::ExitStatusExt;

    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Failure::Script(u8::try_from(code).unwrap_or(1))),
        (None, Some(signal)) => Err(Failure::Script(128 + u8::try_from(signal).unwrap_or(0))),
        (None, None) => Err(Failure::Script(1)),
    }
}
