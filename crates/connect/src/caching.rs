//! Cached DataFrames and tables: what clients call a storage level, and what the engine does.

use plimsoll_conf::settings::StorageLevel;
use spark_connect_proto as proto;

use crate::error::Error;
use crate::frame::Frame;
use crate::plan::Planner;

impl Planner {
    /// Caches the rows of a frame, from when they are first read; `name` stands for it in `SHOW CACHE`.
    ///
    /// The hidden columns are cached too: what is built on the frame has all of its plan in it, and would not find
    /// one without them.
    pub(crate) fn persist(
        &mut self,
        frame: &Frame,
        name: &str,
        level: Option<&proto::StorageLevel>,
    ) -> Result<(), Error> {
        let level = level.map(level_of);
        let reads = self.take_reads();
        let session = self.session();
        let persisted = match session.engine.persist(&frame.plan, Some(name), level) {
            // Spark can cache it. A script is better off without the cache than without its rows.
            Err(plimsoll_driver::Error::NotSupported(why)) => {
                tracing::warn!("{why}");
                return Ok(());
            }
            persisted => persisted?,
        };
        session.known_files.remember(reads);
        for notice in persisted.notices {
            // There is nowhere in the answer that it could be told.
            tracing::warn!("{notice}");
        }
        Ok(())
    }

    /// How the rows of a frame are cached, if they are.
    pub(crate) fn storage_level(&self, frame: &Frame) -> Result<Option<StorageLevel>, Error> {
        Ok(self.session().engine.storage_level(&frame.plan)?)
    }

    /// Caches the rows of a frame no longer.
    pub(crate) fn unpersist(&self, frame: &Frame) -> Result<(), Error> {
        self.session().engine.unpersist(&frame.plan)?;
        Ok(())
    }
}

/// Any combination of flags is a level, with a name or without.
fn level_of(level: &proto::StorageLevel) -> StorageLevel {
    /// Spark takes no more copies than this.
    const MOST_COPIES: i32 = 39;
    StorageLevel {
        disk: level.use_disk,
        memory: level.use_memory,
        off_heap: level.use_off_heap,
        deserialized: level.deserialized,
        replication: level.replication.clamp(1, MOST_COPIES) as u8,
    }
}

/// The level of what is not cached is Spark's `StorageLevel.NONE`, which says that there is one copy.
pub(crate) fn level_to_proto(level: Option<StorageLevel>) -> proto::StorageLevel {
    match level {
        Some(level) => proto::StorageLevel {
            use_disk: level.disk,
            use_memory: level.memory,
            use_off_heap: level.off_heap,
            deserialized: level.deserialized,
            replication: level.replication.into(),
        },
        None => proto::StorageLevel {
            replication: 1,
            ..proto::StorageLevel::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_comes_back_as_it_was_asked_for() {
        let flags = [false, true];
        for (use_disk, use_memory, use_off_heap, deserialized) in flags
            .into_iter()
            .flat_map(|disk| flags.map(|memory| (disk, memory)))
            .flat_map(|(disk, memory)| flags.map(|off_heap| (disk, memory, off_heap)))
            .flat_map(|(disk, memory, off_heap)| flags.map(|it| (disk, memory, off_heap, it)))
        {
            let asked = proto::StorageLevel {
                use_disk,
                use_memory,
                use_off_heap,
                deserialized,
                replication: 3,
            };
            assert_eq!(level_to_proto(Some(level_of(&asked))), asked);
        }
    }

    #[test]
    fn what_is_not_cached_is_at_sparks_none() {
        let none: StorageLevel = "NONE".parse().unwrap();
        assert_eq!(level_of(&level_to_proto(None)), none);
    }
}
