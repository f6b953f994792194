//! A Rust program with the engine in it, in a memory cgroup of exactly its line: settings that change while queries run, and
//! several queries at once.

mod process;
mod settings;
mod several;
mod sorts;
