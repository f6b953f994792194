//! Profiles: the settings that suit a kind of work, under one name.
//!
//! What a profile sets is weaker than anything that is set by other means, and stronger than the defaults alone.

use crate::conf::Conf;
use crate::kind::{Read, ValueError};
use crate::layout::MemoryLayout;
use crate::machine::Machine;
use crate::origin::{Origin, Setting};
use crate::property::{self as p, property};
use crate::size::fmt_bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A kind of work, `spark.plimsoll.profile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The same data are read again and again, and are kept in memory for it.
    Cache,
    /// Large joins, sorts and aggregations, with little that is kept.
    Shuffle,
}

static CACHE: [(&str, &str); 1] = [(p::STORAGE_FRACTION.name(), "0.6")];

static SHUFFLE: [(&str, &str); 2] = [
    (p::STORAGE_FRACTION.name(), "0.2"),
    (p::SHUFFLE_PARTITIONS.name(), "400"),
];

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 2] = [Profile::Cache, Profile::Shuffle];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Cache => "cache",
            Profile::Shuffle => "shuffle",
        }
    }

    /// When to use it, and what it sets, in one line.
    pub fn purpose(self) -> &'static str {
        match self {
            Profile::Cache => {
                "cache-heavy: the same cached tables are read again and again; queries can evict less of them \
                 (spark.memory.storageFraction=0.6)"
            }
            Profile::Shuffle => {
                "shuffle-heavy: large joins, sorts and aggregations, and little is cached; they can evict more of it, \
                 and spill in smaller pieces (spark.memory.storageFraction=0.2, spark.sql.shuffle.partitions=400)"
            }
        }
    }

    /// What it sets: names of properties, and their values.
    pub fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Profile::Cache => &CACHE,
            Profile::Shuffle => &SHUFFLE,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Profile {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::ALL
            .into_iter()
            .find(|profile| text.eq_ignore_ascii_case(profile.name()))
            .ok_or_else(|| ValueError::not(text, "cache or shuffle"))
    }
}

/// What the profile that `asked` names sets, by key.
pub(crate) fn layer(asked: &Setting<String>) -> BTreeMap<String, Setting<String>> {
    // What is in a Conf was checked when it came in.
    let Ok(profile) = p::PROFILE.kind.read(&asked.value) else {
        return BTreeMap::new();
    };
    let setting = |value: &str| Setting {
        value: value.to_owned(),
        origin: Origin::Profile {
            profile,
            by: Box::new(asked.origin.clone()),
        },
    };
    let settings = profile.settings().iter();
    settings
        .map(|(key, value)| ((*key).to_owned(), setting(value)))
        .collect()
}

/// What came of one setting of the profile; it displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileNotice {
    /// It has the profile's value.
    Changed {
        /// The profile, and where it was asked for.
        origin: Origin,
        /// The property.
        key: String,
        /// Its default.
        old: String,
        /// What it is by the profile.
        new: String,
        /// What that does.
        effect: String,
    },
    /// It was set by other means, which are stronger.
    Kept {
        /// The profile, and where it was asked for.
        origin: Origin,
        /// The property.
        key: String,
        /// What the profile would have.
        wanted: String,
        /// What it is.
        value: String,
        /// Where that was set.
        by: Origin,
    },
}

impl fmt::Display for ProfileNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProfileNotice::Changed {
                origin,
                key,
                old,
                new,
                effect,
            } => write!(f, "{origin}: {key} {old} -> {new}: {effect}"),
            ProfileNotice::Kept {
                origin,
                key,
                wanted,
                value,
                by,
            } => write!(
                f,
                "{origin}: {key} is kept at {value} by {by}, and not {wanted}"
            ),
        }
    }
}

impl Conf {
    /// What came of each setting of the profile, if there is one. Sizes are those of this machine.
    pub fn profile_notices(&self, machine: &Machine) -> Vec<ProfileNotice> {
        let layout = |conf: &Conf| MemoryLayout::new(&conf.settings().ok()?, machine).ok();
        // Settings that make no layout are an error that is told elsewhere.
        let layouts = layout(&self.without_profile()).zip(layout(self));
        self.notices(|key, old, new| match &layouts {
            Some((before, after)) if key == p::STORAGE_FRACTION.name() => storage(before, after),
            _ if key == p::SHUFFLE_PARTITIONS.name() => format!(
                "a join whose build side does not fit into memory is cut into {new} partitions rather than {old}"
            ),
            _ => property(key).map_or_else(String::new, |property| property.doc.to_owned()),
        })
    }

    /// The settings of the profile that are set by other means.
    pub(crate) fn kept_from_profile(&self) -> Vec<ProfileNotice> {
        let mut notices = self.notices(|_, _, _| String::new());
        notices.retain(|notice| matches!(notice, ProfileNotice::Kept { .. }));
        notices
    }

    fn notices(&self, effect: impl Fn(&str, &str, &str) -> String) -> Vec<ProfileNotice> {
        let notice = |(key, wanted): (&String, &Setting<String>)| {
            let in_force = self.setting(key)?;
            let (origin, key) = (wanted.origin.clone(), key.clone());
            Some(match in_force.origin == origin {
                true => {
                    let old = property(&key)?.default.to_string();
                    ProfileNotice::Changed {
                        effect: effect(&key, &old, &wanted.value),
                        new: wanted.value.clone(),
                        origin,
                        key,
                        old,
                    }
                }
                false => ProfileNotice::Kept {
                    origin,
                    key,
                    wanted: wanted.value.clone(),
                    value: in_force.value.clone(),
                    by: in_force.origin.clone(),
                },
            })
        };
        self.profile().iter().filter_map(notice).collect()
    }
}

/// What became of the storage region.
fn storage(before: &MemoryLayout, after: &MemoryLayout) -> String {
    let (before, after) = (&before.executor, &after.executor);
    let mut words = format!(
        "the storage region, where cached data are safe from execution: {} -> {}",
        fmt_bytes(before.storage_region.bytes),
        fmt_bytes(after.storage_region.bytes)
    );
    if after.off_heap.bytes > 0 {
        words.push_str(&format!(
            ", and off-heap {} -> {}",
            fmt_bytes(before.off_heap_storage_region.bytes),
            fmt_bytes(after.off_heap_storage_region.bytes)
        ));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::ConfBuilder;
    use crate::size::GIB;

    const STORAGE: &str = "spark.memory.storageFraction";
    const PARTITIONS: &str = "spark.sql.shuffle.partitions";

    fn with_profile(name: &str) -> ConfBuilder {
        ConfBuilder::default()
            .option("--memory", "spark.plimsoll.memory", "1g")
            .option("--profile", "spark.plimsoll.profile", name)
    }

    fn told(builder: ConfBuilder) -> Vec<String> {
        let notices = builder
            .build()
            .unwrap()
            .profile_notices(&Machine::with_memory(16 * GIB));
        notices.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_profile_sets_suits_its_property_and_is_not_the_default() {
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
            for (key, value) in profile.settings() {
                let property = property(key).unwrap();
                property.check(value).unwrap();
                assert_ne!(property.default.to_string(), *value, "{profile}: {key}");
            }
        }
    }

    #[test]
    fn a_wrong_name_is_told_the_right_ones() {
        let error = with_profile("cash").build().unwrap_err().to_string();
        assert_eq!(
            error,
            "spark.plimsoll.profile = cash (--profile) is refused: it must be cache or shuffle, which \"cash\" is not"
        );
    }

    #[test]
    fn each_change_is_told_with_old_and_new_and_what_it_does() {
        assert_eq!(
            told(with_profile("cache")),
            [
                "--profile cache: spark.memory.storageFraction 0.5 -> 0.6: the storage region, where cached data are \
                 safe from execution: 217.2 MiB -> 260.6 MiB"
            ]
        );
        assert_eq!(
            told(with_profile("shuffle")),
            [
                "--profile shuffle: spark.memory.storageFraction 0.5 -> 0.2: the storage region, where cached data are \
                 safe from execution: 217.2 MiB -> 86.9 MiB",
                "--profile shuffle: spark.sql.shuffle.partitions 200 -> 400: a join whose build side does not fit into \
                 memory is cut into 400 partitions rather than 200"
            ]
        );
        assert_eq!(told(ConfBuilder::default()), [""; 0]);
    }

    #[test]
    fn a_second_region_is_told_too() {
        let builder = with_profile("cache")
            .code("spark.memory.offHeap.enabled", "true")
            .code("spark.memory.offHeap.size", "1g");
        let told = told(builder);
        assert!(
            told[0].ends_with("217.2 MiB -> 260.6 MiB, and off-heap 512 MiB -> 614.4 MiB"),
            "{told:?}"
        );
    }

    #[test]
    fn what_is_set_by_other_means_is_kept_and_that_is_told() {
        let builder = with_profile("shuffle")
            .conf("--conf", "spark.memory.storageFraction=0.3")
            .unwrap();
        let told = told(builder);
        assert_eq!(
            told[0],
            "--profile shuffle: spark.memory.storageFraction is kept at 0.3 by --conf, and not 0.2"
        );
        assert!(told[1].contains(PARTITIONS), "{told:?}");
    }

    #[test]
    fn on_a_running_session_the_values_come_and_go_with_the_profile() {
        let mut conf = with_profile("shuffle").build().unwrap();
        let value = |conf: &Conf, key| conf.get(key).map(|(value, _)| value.to_owned()).unwrap();
        conf.set("spark.plimsoll.profile", "cache", Origin::Set)
            .unwrap();
        assert_eq!(value(&conf, STORAGE), "0.6");
        assert_eq!(value(&conf, PARTITIONS), "200");
        conf.set(STORAGE, "0.3", Origin::Set).unwrap();
        assert_eq!(value(&conf, STORAGE), "0.3");
        conf.unset(STORAGE).unwrap();
        assert_eq!(value(&conf, STORAGE), "0.6");
        conf.unset("spark.plimsoll.profile").unwrap();
        assert_eq!(value(&conf, STORAGE), "0.2");
        conf.set("spark.plimsoll.profile", "cache", Origin::Set)
            .unwrap();
        conf.unset_all();
        assert_eq!(value(&conf, PARTITIONS), "400");
    }

    #[test]
    fn setting_a_profile_that_another_setting_overrules_says_so() {
        let mut conf = Conf::default();
        conf.set(STORAGE, "0.3", Origin::Conf("--conf".into()))
            .unwrap();
        conf.set("spark.plimsoll.profile", "cache", Origin::Set)
            .unwrap();
        assert_eq!(
            conf.warning_about("spark.plimsoll.profile")
                .unwrap()
                .to_string(),
            "profile cache, SET: spark.memory.storageFraction is kept at 0.3 by --conf, and not 0.6"
        );
    }

    #[test]
    fn sessions_that_share_one_memory_share_its_profile() {
        let shared = with_profile("cache").build().unwrap();
        let mut mine = Conf::default();
        mine.set(PARTITIONS, "7", Origin::Set).unwrap();
        mine.adopt(&shared, p::memory_keys());
        assert_eq!(mine.get(STORAGE).unwrap().0, "0.6");
        assert_eq!(mine.get(PARTITIONS).unwrap().0, "7");
        mine.adopt(&Conf::default(), p::memory_keys());
        assert_eq!(mine.get(STORAGE), Some(("0.5", &Origin::Default)));
    }
}
