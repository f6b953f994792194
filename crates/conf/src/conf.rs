//! The values that were asked for, each with where it came from.

mod error;

use crate::known::{Class, classify};
use crate::origin::{Origin, Setting};
use crate::profile;
use crate::property::{DefaultValue, Effect, PROFILE, Property, properties, property};
use crate::warning::Warning;
pub use error::{ConfError, RefusedValue};
use std::collections::BTreeMap;

/// The values that were asked for, each with where it came from.
///
/// There are two layers: what the session started with, built by [`ConfBuilder`](crate::builder::ConfBuilder), and what
/// `SET` has changed since, which [`Conf::unset`] takes back as `RESET` does. Beneath both is what the profile sets.
/// Values are checked when they come in, so that what is inside suits its property.
#[derive(Clone, Debug, Default)]
pub struct Conf {
    start: BTreeMap<String, Setting<String>>,
    live: BTreeMap<String, Setting<String>>,
    /// Follows `spark.plimsoll.profile`: made anew whenever that may have changed.
    profile: BTreeMap<String, Setting<String>>,
    notes: Vec<Warning>,
}

/// One line of [`Conf::all`].
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The property.
    pub property: &'static Property,
    /// Its value, if it has one.
    pub value: Option<&'a str>,
    /// Where the value, or its absence, came from.
    pub origin: &'a Origin,
}

impl Conf {
    /// The settings to start with. `notes` are warnings that only their reader could know of.
    ///
    /// # Errors
    /// [`ConfError::Value`] for the first value that does not suit its property.
    pub(crate) fn starting_with(
        start: BTreeMap<String, Setting<String>>,
        notes: Vec<Warning>,
    ) -> Result<Self, ConfError> {
        for (key, setting) in &start {
            check(key, &setting.value, &setting.origin)?;
        }
        let mut conf = Conf {
            start,
            notes,
            ..Conf::default()
        };
        conf.follow_profile();
        Ok(conf)
    }

    /// The value of `key` and where it came from, defaults included; `None` when it has none.
    pub fn get(&self, key: &str) -> Option<(&str, &Origin)> {
        if let Some(setting) = self.setting(key) {
            return Some((&setting.value, &setting.origin));
        }
        match property(key)?.default {
            DefaultValue::Is(text) => Some((text, &Origin::Default)),
            DefaultValue::Derived(_) | DefaultValue::Unset => None,
        }
    }

    /// Sets `key` to `value`. With [`Origin::Set`] the value goes into the layer that [`Conf::unset`] takes back.
    ///
    /// Keys that nobody knows are taken, as in Spark; [`Conf::warning_about`] has something to say about them.
    ///
    /// # Errors
    /// [`ConfError::Value`] when the value does not suit the property, and [`ConfError::ReadAtStart`] for `SET` of a
    /// property that is not read again, where Spark says `CANNOT_MODIFY_CONFIG`. Nothing is changed then.
    pub fn set(&mut self, key: &str, value: &str, origin: Origin) -> Result<(), ConfError> {
        check(key, value, &origin)?;
        let live = origin == Origin::Set;
        if live {
            may_change(key)?;
        }
        let layer = if live {
            &mut self.live
        } else {
            &mut self.start
        };
        let setting = Setting {
            value: value.to_owned(),
            origin,
        };
        layer.insert(key.to_owned(), setting);
        self.follow_profile();
        Ok(())
    }

    /// Takes back what `SET` did to `key`, so that it is again what the session started with: `RESET key`.
    ///
    /// # Errors
    /// [`ConfError::ReadAtStart`] for a property that `SET` cannot change.
    pub fn unset(&mut self, key: &str) -> Result<(), ConfError> {
        may_change(key)?;
        self.live.remove(key);
        self.follow_profile();
        Ok(())
    }

    /// Takes back all that `SET` did: `RESET`.
    pub fn unset_all(&mut self) {
        self.live.clear();
        self.follow_profile();
    }

    /// Whether `SET` can change `key`: Spark's `RuntimeConfig.isModifiable`, which is false for keys that nobody knows.
    pub fn is_modifiable(&self, key: &str) -> bool {
        match classify(key) {
            Class::Known(property) => matches!(property.effect, Effect::Live | Effect::NotYet),
            Class::SparkElsewhere { family } => family == "spark.sql",
            Class::Free | Class::Unknown { .. } => false,
        }
    }

    /// Takes over what `from` has for `keys`: for sessions that share one memory.
    pub fn adopt(&mut self, from: &Conf, keys: impl Iterator<Item = &'static str>) {
        for key in keys {
            for (mine, theirs) in [(&mut self.start, &from.start), (&mut self.live, &from.live)] {
                match theirs.get(key) {
                    Some(setting) => mine.insert(key.to_owned(), setting.clone()),
                    None => mine.remove(key),
                };
            }
        }
        self.follow_profile();
    }

    /// What somebody set, by themselves or by a profile: key, value, and where it came from.
    pub fn explicit(&self) -> impl Iterator<Item = (&str, &str, &Origin)> {
        // Of two layers that have a key the later wins.
        let layers = [&self.profile, &self.start, &self.live];
        let merged: BTreeMap<_, _> = layers.into_iter().flatten().collect();
        merged
            .into_iter()
            .map(|(key, setting)| (key.as_str(), setting.value.as_str(), &setting.origin))
    }

    /// Every property of the table, in its order, with the value it has.
    pub fn all(&self) -> impl Iterator<Item = Entry<'_>> {
        properties().map(|property| {
            let found = self.get(property.key);
            Entry {
                property,
                value: found.map(|(value, _)| value),
                origin: found.map_or(&Origin::Default, |(_, origin)| origin),
            }
        })
    }

    /// What somebody set `key` to, if anybody did, or else the profile.
    pub(crate) fn setting(&self, key: &str) -> Option<&Setting<String>> {
        let layers = [&self.live, &self.start, &self.profile];
        layers.into_iter().find_map(|layer| layer.get(key))
    }

    /// What the profile sets, whether something stronger does too or not.
    pub(crate) fn profile(&self) -> &BTreeMap<String, Setting<String>> {
        &self.profile
    }

    /// The same settings, but for what the profile sets.
    pub(crate) fn without_profile(&self) -> Conf {
        Conf {
            profile: BTreeMap::new(),
            ..self.clone()
        }
    }

    fn follow_profile(&mut self) {
        let asked = self.setting(PROFILE.name());
        self.profile = asked.map(profile::layer).unwrap_or_default();
    }

    pub(crate) fn notes(&self) -> &[Warning] {
        &self.notes
    }
}

fn check(key: &str, value: &str, origin: &Origin) -> Result<(), ConfError> {
    let Some(property) = property(key) else {
        return Ok(());
    };
    property
        .check(value)
        .map_err(|reason| ConfError::value(property.key, value, origin, reason))
}

fn may_change(key: &str) -> Result<(), ConfError> {
    let Some(property) = property(key) else {
        return Ok(());
    };
    let when = match property.effect {
        Effect::Live | Effect::NotYet => return Ok(()),
        Effect::Start => "the session starts",
        Effect::Deploy => "a cluster manager starts containers",
    };
    Err(ConfError::ReadAtStart {
        key: property.key,
        when,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_changes_a_live_setting_and_reset_takes_it_back() {
        let mut conf = Conf::default();
        conf.set("spark.memory.fraction", "0.7", Origin::Code)
            .unwrap();
        conf.set("spark.memory.fraction", "0.8", Origin::Set)
            .unwrap();
        assert_eq!(
            conf.get("spark.memory.fraction"),
            Some(("0.8", &Origin::Set))
        );
        conf.unset("spark.memory.fraction").unwrap();
        assert_eq!(
            conf.get("spark.memory.fraction"),
            Some(("0.7", &Origin::Code))
        );
    }

    #[test]
    fn a_value_that_does_not_suit_is_refused_and_changes_nothing() {
        let mut conf = Conf::default();
        for (key, value) in [
            ("spark.executor.memory", "1.5g"),
            ("spark.executor.memory", "0"),
            ("spark.memory.fraction", "0"),
            ("spark.memory.fraction", "1.01"),
            ("spark.memory.fraction", "NaN"),
            ("spark.memory.storageFraction", "1"),
            ("spark.memory.storageFraction", "-0.1"),
            ("spark.memory.offHeap.enabled", "yes"),
            ("spark.log.level", "LOUD"),
        ] {
            let error = conf.set(key, value, Origin::Set).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{key} = {value} (SET) is refused: ")),
                "{error}"
            );
        }
        assert_eq!(conf.explicit().count(), 0);
    }

    #[test]
    fn what_is_read_at_start_cannot_be_set_later() {
        let mut conf = Conf::default();
        for key in ["spark.master", "spark.local.dir"] {
            let value = conf.get(key).unwrap().0.to_owned();
            assert!(matches!(
                conf.set(key, &value, Origin::Set),
                Err(ConfError::ReadAtStart { .. })
            ));
        }
        assert!(matches!(
            conf.set("spark.executor.memoryOverhead", "1g", Origin::Set),
            Err(ConfError::ReadAtStart { .. })
        ));
    }

    #[test]
    fn a_user_key_is_taken_and_listed_with_its_origin() {
        let mut conf = Conf::default();
        conf.set("my.key", "x", Origin::Set).unwrap();
        assert_eq!(
            conf.explicit().collect::<Vec<_>>(),
            [("my.key", "x", &Origin::Set)]
        );
        assert_eq!(conf.warning_about("my.key"), None);
    }
}
