//! Spark Connect, so that a PySpark client is a client of Plimsoll.

mod analyze;
mod artifacts;
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

pub use server::Server;
pub use sessions::Engine;
