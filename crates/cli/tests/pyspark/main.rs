//! Real PySpark clients against the engine: a script as it stands, each setting's effect, the programs of
//! `tests/pyspark`.
//!
//! The clients come from PyPI, into environments below the target directory that are made once.

mod caching;
mod environment;
mod programs;
mod script;
mod serve;
mod settings;
