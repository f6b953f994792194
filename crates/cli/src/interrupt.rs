use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that ends what is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C.
    Interrupted,
    /// A polite `kill`.
    Terminated,
    /// The terminal was closed.
    HungUp,
}

impl Interrupt {
    /// The exit status that shells give a process ended by this signal: 128 and its number.
    pub fn exit_status(self) -> u8 {
        match self {
            Interrupt::Interrupted => 130,
            Interrupt::Terminated => 143,
            Interrupt::HungUp => 129,
        }
    }
}

/// Listens for signals; from when it is made they no longer end the process by themselves.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    /// # Errors
    /// If the system has no room for another handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal.
    pub async fn next(&mut self) -> Interrupt {
        tokio::select! {
            biased;
            Some(()) = self.interrupt.recv() => Interrupt::Interrupted,
            Some(()) = self.terminate.recv() => Interrupt::Terminated,
            Some(()) = self.hang_up.recv() => Interrupt::HungUp,
        }
    }

    /// Does `work`, or drops it half-way when a signal comes.
    ///
    /// # Errors
    /// The signal.
    pub async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Interrupt> {
        tokio::select! {
            biased;
            interrupt = self.next() => Err(interrupt),
            done = work => Ok(done),
        }
    }
}
