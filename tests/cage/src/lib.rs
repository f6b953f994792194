//! Runs a program in a memory cgroup limited to exactly its line, with swap off, and says whether it stayed inside.
//!
//! ```text
//!  Cage::new(line)                  a group whose limit is the line            group, place
//!     └── spawn(command)            the child enters it before it runs
//!           ├── every 5 ms          RssAnon + RssShmem of all in the group     resident
//!           ├── stdout, stderr      kept, up to a bound                        capture
//!           └── finish(time limit)  a Run: how it ended, OOM kills, the peak
//!                 └── judge(…)      a Verdict: right, refused, or a failure    verdict
//! ```
//!
//! The kernel kills what goes over the limit and cannot be reclaimed, so this is the test of "never over the line" that
//! cannot be fooled. The samples add what the kernel does not tell: how close it came. Page cache is charged to the group
//! too, and may be reclaimed; it is in [`Run::peak_charged`] and not in [`Run::peak_resident`].
//!
//! Both versions of cgroups are spoken. Making a group needs rights that not everybody has: [`Cage::or_skip`] then says
//! why and lets a test be skipped, except in CI (`CI` in the environment), where a skipped proof is a failed one.
//!
//! The crate `cgroups-rs` makes groups as well; it was not taken, because three files to write and two to read are all
//! there is to it, and entering a group before `exec`, counting kills alike in both versions and removing what a killed
//! test left behind would still be ours.

mod cage;
mod capture;
mod group;
mod place;
mod resident;
mod size;
mod verdict;

pub use cage::{Cage, Caged, Exit, Run};
pub use capture::Captured;
pub use size::{human, spelled};
pub use verdict::{Verdict, judge, names_line};
