//! Cached DataFrames: which plans are cached ([`manager`]), and how one is found in the plan of a query
//! ([`canonical`]). Their rows are in `plimsoll_storage`.

mod canonical;
mod evictions;
mod manager;

pub(crate) use self::evictions::tell_evictions;
pub use self::manager::CachedPlan;
pub(crate) use self::manager::{CacheManager, Compared, root_of};
