//! The containers that Spark would ask a cluster manager for, to show beside the one that Plimsoll needs.
//!
//! Follows `ResourceProfile.getResourcesForClusterManager`, `BasicDriverFeatureStep` and YARN's `Client`: all in whole
//! MiB, cut off, as those classes count.

use super::Part;
use crate::origin::Origin;
use crate::property as p;
use crate::settings::{DeploySettings, OverheadSettings};
use crate::size::{MIB, fmt_bytes};
use serde::Serialize;

/// Who is asked for the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Hadoop YARN.
    Yarn,
    /// Kubernetes.
    Kubernetes,
}

/// What the job is written in. Kubernetes gives more to what is not on the JVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Scala, Java or SQL.
    Jvm,
    /// Python.
    Python,
}

/// A container that Spark would ask for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContainerRequest {
    /// What Spark adds to the memory that was asked for.
    pub overhead: Part,
    /// The whole container, in bytes.
    pub container: u64,
}

/// Spark's share of overhead on Kubernetes for what is not on the JVM, `NON_JVM_MEMORY_OVERHEAD_FACTOR`.
const NON_JVM_FACTOR: f64 = 0.4;

/// The names of the three settings that size an overhead.
struct Names {
    fixed: &'static str,
    factor: &'static str,
    minimum: &'static str,
}

/// The container of an executor with `memory` and `off_heap` bytes.
pub fn executor(
    memory: u64,
    off_heap: u64,
    deploy: &DeploySettings,
    manager: Manager,
    language: Language,
) -> ContainerRequest {
    let names = Names {
        fixed: p::EXECUTOR_OVERHEAD.name(),
        factor: p::EXECUTOR_OVERHEAD_FACTOR.name(),
        minimum: p::EXECUTOR_MIN_OVERHEAD.name(),
    };
    let (factor, origin) = factor(&deploy.executor_overhead, &names, deploy, manager, language);
    let overhead = overhead(memory, &deploy.executor_overhead, &names, factor, origin);
    let pyspark = match (language, &deploy.pyspark) {
        (Language::Python, Some(pyspark)) => pyspark.value,
        _ => 0,
    };
    request(memory, overhead, [off_heap, pyspark])
}

/// The container of a driver with `memory` bytes, in cluster mode.
pub fn driver(
    memory: u64,
    deploy: &DeploySettings,
    manager: Manager,
    language: Language,
) -> ContainerRequest {
    let names = Names {
        fixed: p::DRIVER_OVERHEAD.name(),
        factor: p::DRIVER_OVERHEAD_FACTOR.name(),
        minimum: p::DRIVER_MIN_OVERHEAD.name(),
    };
    let (factor, origin) = factor(&deploy.driver_overhead, &names, deploy, manager, language);
    let overhead = overhead(memory, &deploy.driver_overhead, &names, factor, origin);
    request(memory, overhead, [])
}

fn request<const N: usize>(memory: u64, overhead: Part, others: [u64; N]) -> ContainerRequest {
    let mebibytes = others
        .iter()
        .fold(memory / MIB + overhead.bytes / MIB, |sum, part| {
            sum + part / MIB
        });
    ContainerRequest {
        overhead,
        container: mebibytes.saturating_mul(MIB),
    }
}

/// The share of memory that is added, and which setting says so.
fn factor(
    settings: &OverheadSettings,
    names: &Names,
    deploy: &DeploySettings,
    manager: Manager,
    language: Language,
) -> (f64, Origin) {
    let own = || {
        (
            settings.factor.value,
            named(names.factor, &settings.factor.origin),
        )
    };
    match (manager, &deploy.kubernetes_factor, language) {
        _ if settings.factor.origin.is_explicit() => own(),
        (Manager::Yarn, _, _) => own(),
        (Manager::Kubernetes, Some(factor), _) => (
            factor.value,
            named(p::KUBERNETES_OVERHEAD_FACTOR.name(), &factor.origin),
        ),
        (Manager::Kubernetes, None, Language::Jvm) => own(),
        (Manager::Kubernetes, None, Language::Python) => (
            NON_JVM_FACTOR,
            Origin::Derived("Spark's share for Python on Kubernetes".into()),
        ),
    }
}

fn overhead(
    memory: u64,
    settings: &OverheadSettings,
    names: &Names,
    factor: f64,
    factor_origin: Origin,
) -> Part {
    if let Some(fixed) = &settings.fixed {
        return Part::new(fixed.value, names.fixed, fixed.origin.clone());
    }
    // Spark's `(factor * memoryMiB).toInt`: cut off, and stopped at the largest Int.
    let share = (factor * (memory / MIB) as f64) as i32;
    let share = u64::from(share.unsigned_abs()) * MIB;
    if share > settings.minimum {
        Part::new(
            share,
            &format!("{} × {factor}", fmt_bytes(memory)),
            factor_origin,
        )
    } else {
        Part::new(
            settings.minimum,
            "the least that is added",
            Origin::Derived(names.minimum.into()),
        )
    }
}

fn named(key: &str, origin: &Origin) -> Origin {
    match origin {
        Origin::Default => Origin::Derived(format!("{key}, default")),
        origin => Origin::Derived(format!("{key}, {origin}")),
    }
}
