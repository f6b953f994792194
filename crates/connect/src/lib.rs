//! Spark Connect, so that a PySpark client is a client of Plimsoll.
//!
//! A [`Server`] listens; an [`Engine`] gives each client a `plimsoll_driver::Session`. On the way in, a
//! client's plan becomes a DataFusion plan, by Spark's rules for names, types and functions (`plan`,
//! `expression`, `functions`); on the way out, rows, schemas and errors become what Spark would have sent
//! (`wire`, `types`, `error`).
//!
//! ```no_run
//! use std::sync::Arc;
//! use plimsoll_connect::{Engine, Server};
//! use plimsoll_driver::{Error, Session};
//!
//! struct Siblings(Arc<Session>);
//!
//! #[async_trait::async_trait]
//! impl Engine for Siblings {
//!     async fn open(&self) -> Result<Arc<Session>, Error> {
//!         self.0.sibling().await.map(Arc::new)
//!     }
//! }
//!
//! # async fn serve(session: Arc<Session>) -> std::io::Result<()> {
//! let server = Server::bind("127.0.0.1:15002".parse().unwrap(), None, Arc::new(Siblings(session))).await?;
//! server.serve(std::future::pending()).await
//! # }
//! ```

mod analyze;
mod artifacts;
mod caching;
mod codec;
mod compressed;
mod conditions;
mod config;
mod ddl;
mod describe;
mod error;
mod errors;
mod execute;
mod expression;
mod frame;
mod functions;
mod identifier;
mod known_files;
mod operations;
mod parameters;
mod plan;
mod server;
mod service;
mod sessions;
mod show;
#[cfg(test)]
mod testing;
mod text;
mod tree;
mod types;
mod wire;
mod zone;

pub use functions::register_functions;
pub use server::Server;
pub use sessions::Engine;
