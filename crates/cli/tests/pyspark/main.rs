//! Real PySpark clients against the engine: a script as it stands, each setting's effect, the programs of
//! `tests/pyspark`.
//!
//! The clients come from PyPI, into environments below the target directory that are made once.

mod caching;
mod docs;
mod environment;
mod programs;
mod results;
mod script;
mod serve;
mod settings;
