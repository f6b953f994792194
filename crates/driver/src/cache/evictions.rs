//! Evictions of cached plans, told as events.

use std::sync::Arc;

use plimsoll_storage::{BlockStore, Evicted};

use super::CacheManager;
use crate::event::EventKind;
use crate::status::AppStatus;

/// Tells of the blocks that leave the memory of a store, under the names of the plans that they are of. One that is cached no
/// longer has none, and nobody misses its blocks.
pub(crate) fn tell_evictions(
    store: &BlockStore,
    cache: &Arc<CacheManager>,
    status: &Arc<AppStatus>,
) {
    // Readers may keep the store for longer than there are sessions, whose events end with them.
    let (cache, status) = (Arc::downgrade(cache), Arc::downgrade(status));
    store.on_eviction(move |evicted: Evicted| {
        let (Some(cache), Some(status)) = (cache.upgrade(), status.upgrade()) else {
            return;
        };
        if let Some(name) = cache.name_of(evicted.dataset) {
            status.events.tell(|| EventKind::BlocksEvicted {
                name,
                blocks: evicted.blocks,
                blocks_on_disk: evicted.blocks_on_disk,
                bytes: evicted.bytes,
            });
        }
    });
}
