//! Whether advice is right: it is followed, and what comes of it is held against what it promised.
//!
//! [`draw`] makes pairs of a query and the settings it runs with, at random, from a seed. A [`Run`] is such a pair and
//! what is changed in it; [`follow`] runs it, makes the change that it is advised, runs it again and judges.

pub mod draw;
mod judge;
mod run;
pub mod table;

pub use judge::{Held, follow, least};
pub use run::{Engine, Outcome, Run, Seen};
