//! The table of the properties that Plimsoll knows: the single source of their names, kinds, defaults and effects.
//!
//! A property that the program reads is a static [`Key`], which ties its name to the Rust type of its value; one that
//! is only recorded or shown is a row of the table and no more.

mod cluster;
mod engine;
mod history;
mod memory;
mod spill;
mod sql;
mod storage;

use crate::kind::{Kind, Read, ValueError};
pub use cluster::*;
pub use engine::*;
pub use history::*;
pub use memory::*;
pub use spill::*;
pub use sql::*;
use std::fmt;

/// The keys of the properties that make the line and divide it: of the engine, and not of one session.
pub fn memory_keys() -> impl Iterator<Item = &'static str> + Clone {
    memory::TABLE.iter().map(|property| property.key)
}

/// The keys of all properties that belong to the engine and not to one session: those of memory, and those that bound what
/// the driver remembers, which is one history for all sessions.
pub fn shared_keys() -> impl Iterator<Item = &'static str> + Clone {
    let bounds = [
        RETAINED_EXECUTIONS.name(),
        RETAINED_JOBS.name(),
        RETAINED_STAGES.name(),
        TRUNCATE_LENGTH.name(),
    ];
    memory_keys().chain(bounds)
}

/// When a property has its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `SET` on a running session changes it.
    Live,
    /// Read when the session starts.
    Start,
    /// Matters to a cluster manager alone, and to the breakdown that compares containers.
    Deploy,
    /// Taken and recorded, without effect so far.
    NotYet,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Effect::Live => "live",
            Effect::Start => "at start",
            Effect::Deploy => "cluster manager",
            Effect::NotYet => "not yet",
        })
    }
}

/// What a property is when nobody sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// This text.
    Is(&'static str),
    /// Worked out from other things; the text says how.
    Derived(&'static str),
    /// Nothing.
    Unset,
}

impl fmt::Display for DefaultValue {
    /// The text itself, how it is worked out, or nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DefaultValue::Is(text) | DefaultValue::Derived(text) => text,
            DefaultValue::Unset => "",
        })
    }
}

/// One property: name, kind, default, effect, and a line of what it does.
#[derive(Debug)]
pub struct Property {
    /// The name that Spark uses, or ours below `spark.plimsoll.`.
    pub key: &'static str,
    /// What its values may be.
    pub kind: &'static dyn Kind,
    /// What it is when nobody sets it.
    pub default: DefaultValue,
    /// When it has its effect.
    pub effect: Effect,
    /// One line of what it does.
    pub doc: &'static str,
}

impl Property {
    const fn new(
        key: &'static str,
        kind: &'static dyn Kind,
        default: DefaultValue,
        effect: Effect,
        doc: &'static str,
    ) -> Self {
        Property {
            key,
            kind,
            default,
            effect,
            doc,
        }
    }

    /// Whether `text` may be this property's value.
    ///
    /// # Errors
    /// [`ValueError`] says why not.
    pub fn check(&self, text: &str) -> Result<(), ValueError> {
        self.kind.check(text)
    }
}

/// The name of a property that the program reads, the kind of its values, and what it is when unset: `D` is a text
/// for a property that always has a value, [`Missing`] for one that may have none.
#[derive(Debug)]
pub struct Key<K: 'static, D = &'static str> {
    pub(crate) name: &'static str,
    pub(crate) kind: K,
    pub(crate) default: D,
}

/// No default: the property may have no value. The field says what stands in for it, if anything.
#[derive(Clone, Copy, Debug)]
pub struct Missing(DefaultValue);

impl<K: 'static, D> Key<K, D> {
    /// The property's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<K: Read> Key<K> {
    const fn new(name: &'static str, kind: K, default: &'static str) -> Self {
        Key {
            name,
            kind,
            default,
        }
    }

    const fn property(&'static self, effect: Effect, doc: &'static str) -> Property {
        Property::new(
            self.name,
            &self.kind,
            DefaultValue::Is(self.default),
            effect,
            doc,
        )
    }
}

impl<K: Read> Key<K, Missing> {
    const fn unset(name: &'static str, kind: K) -> Self {
        Key {
            name,
            kind,
            default: Missing(DefaultValue::Unset),
        }
    }

    const fn derived(name: &'static str, kind: K, how: &'static str) -> Self {
        Key {
            name,
            kind,
            default: Missing(DefaultValue::Derived(how)),
        }
    }

    const fn property(&'static self, effect: Effect, doc: &'static str) -> Property {
        Property::new(self.name, &self.kind, self.default.0, effect, doc)
    }
}

/// The table, a slice for each file of it.
static TABLE: [&[Property]; 7] = [
    memory::TABLE,
    engine::TABLE,
    spill::TABLE,
    cluster::TABLE,
    sql::TABLE,
    storage::TABLE,
    history::TABLE,
];

/// Every property that Plimsoll knows, memory first.
pub fn properties() -> impl Iterator<Item = &'static Property> {
    TABLE.into_iter().flatten()
}

/// The property of that name, if Plimsoll knows it.
pub fn property(key: &str) -> Option<&'static Property> {
    properties().find(|property| property.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct() {
        let mut seen = BTreeSet::new();
        for property in properties() {
            assert!(seen.insert(property.key), "{} is there twice", property.key);
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_property() {
        for property in properties() {
            if let DefaultValue::Is(text) = property.default {
                property
                    .check(text)
                    .unwrap_or_else(|error| panic!("{}: {error}", property.key));
            }
        }
    }

    #[test]
    fn every_doc_is_one_line_that_ends_without_a_stop() {
        for Property { key, doc, .. } in properties() {
            assert!(
                !doc.is_empty() && !doc.contains('\n') && !doc.ends_with('.'),
                "{key}: {doc}"
            );
            assert!(
                doc.chars().count() <= 110,
                "{key}: {} characters",
                doc.chars().count()
            );
        }
    }
}
