//! What the rules put into a plan answers as what they took out of it.

#[path = "rules/aggregate.rs"]
mod aggregate;
#[path = "rules/dynamic_filter.rs"]
mod dynamic_filter;
#[path = "rules/merge.rs"]
mod merge;
#[path = "rules/pieces.rs"]
mod pieces;
#[path = "rules/recursion.rs"]
mod recursion;
#[path = "rules/session.rs"]
mod session;
#[path = "rules/window.rs"]
mod window;
#[path = "rules/window_views.rs"]
mod window_views;
