//! Draws a [`MemoryLayout`] as a person would: boxes in boxes, each with its size, the formula behind it, and where the
//! setting came from; beneath, the containers that Spark would ask for beside the one that Plimsoll needs.

mod boxes;

use crate::layout::cluster::ContainerRequest;
use crate::layout::{ContainerRequests, MemoryLayout, Part, Shape};
use crate::property as p;
use crate::size::fmt_bytes;
use boxes::{DOUBLE, FRAME, Half, SINGLE, boxed, divided, halves, wrap};
use std::fmt;

/// How wide the drawing is, in columns.
const WIDTH: usize = 80;

/// The drawing of a layout; it displays as text of 80 columns.
#[derive(Clone, Copy, Debug)]
pub struct Breakdown<'a>(pub &'a MemoryLayout);

impl fmt::Display for Breakdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = self.0;
        for line in line_box(layout)
            .into_iter()
            .chain([String::new()])
            .chain(containers(layout))
        {
            writeln!(f, "{}", line.trim_end())?;
        }
        for warning in &layout.warnings {
            writeln!(f)?;
            for line in wrap(&format!("Warning: {warning}"), WIDTH) {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}

fn line_box(layout: &MemoryLayout) -> Vec<String> {
    let inside = WIDTH - FRAME;
    let mut body = wrap(
        "what this process and its children may have resident, all in all",
        inside,
    );
    body.extend(wrap(&format!("= {}", how(&layout.line, None)), inside));
    if layout.shape == Shape::DriverAndExecutor {
        body.extend(driver_box(layout, inside));
    }
    body.extend(executor_box(layout, inside));
    if layout.executor.off_heap.bytes > 0 {
        body.extend(off_heap_box(layout, inside));
    }
    boxed(&DOUBLE, "the line", &size(&layout.line), &body, WIDTH)
}

fn driver_box(layout: &MemoryLayout, width: usize) -> Vec<String> {
    let driver = &layout.driver;
    let mut body = wrap(&format!("= {}", how(&driver.total, None)), width - FRAME);
    let holds = "results being collected, broadcasts being built, plans and history";
    body.extend(wrap(holds, width - FRAME));
    boxed(&SINGLE, "driver", &size(&driver.total), &body, width)
}

fn executor_box(layout: &MemoryLayout, width: usize) -> Vec<String> {
    let executor = &layout.executor;
    let inside = width - FRAME;
    let part = |title, holds: &str, part: &Part, key| {
        let mut body = wrap(&format!("= {}", how(part, key)), inside - FRAME);
        body.extend(wrap(holds, inside - FRAME));
        boxed(&SINGLE, title, &size(part), &body, inside)
    };
    let (title, user) = match layout.shape {
        Shape::DriverAndExecutor => (
            "executor",
            "code of users, data structures, buffers that no one reserves",
        ),
        Shape::OnePool => (
            "driver and executor in one pool",
            "code of users, data structures, buffers that no one reserves; and what the driver holds: results being \
             collected, broadcasts being built, plans and history",
        ),
    };
    let mut body = wrap(&format!("= {}", how(&executor.total, None)), inside);
    body.extend(part(
        "reserved",
        "the engine itself",
        &executor.reserved,
        None,
    ));
    body.extend(unified_box(layout, inside));
    body.extend(part("user", user, &executor.user, None));
    boxed(&SINGLE, title, &size(&executor.total), &body, width)
}

fn unified_box(layout: &MemoryLayout, width: usize) -> Vec<String> {
    let executor = &layout.executor;
    let inside = width - FRAME;
    let mut body = wrap(
        &format!(
            "= {}",
            how(&executor.unified, Some(p::MEMORY_FRACTION.name()))
        ),
        inside,
    );
    let execution = executor.unified.bytes - executor.storage_region.bytes;
    let storage = how(&executor.storage_region, Some(p::STORAGE_FRACTION.name()));
    body.extend(regions(
        &storage,
        executor.storage_region.bytes,
        execution,
        inside,
    ));
    boxed(&SINGLE, "unified", &size(&executor.unified), &body, width)
}

fn off_heap_box(layout: &MemoryLayout, width: usize) -> Vec<String> {
    let executor = &layout.executor;
    let inside = width - FRAME;
    let mut body = wrap(&format!("= {}", how(&executor.off_heap, None)), inside);
    let region = &executor.off_heap_storage_region;
    let storage = how(region, Some(p::STORAGE_FRACTION.name()));
    body.extend(regions(
        &storage,
        region.bytes,
        executor.off_heap.bytes - region.bytes,
        inside,
    ));
    boxed(
        &SINGLE,
        "off-heap, a second unified region",
        &size(&executor.off_heap),
        &body,
        width,
    )
}

/// Storage and execution with the border between them that gives way.
fn regions(storage_is: &str, storage: u64, execution: u64, width: usize) -> Vec<String> {
    let [left, right] = halves(width);
    let mut storage_holds = wrap(&format!("= {storage_is}"), left);
    storage_holds.extend(wrap(
        "cached data and broadcasts; takes free execution memory ▶",
        left,
    ));
    storage_holds.extend(wrap(
        "execution evicts it down to this size and no further",
        left,
    ));
    let mut execution_holds = wrap("= what is left of it", right);
    execution_holds.extend(wrap("joins, sorts, aggregations, shuffles", right));
    execution_holds.extend(wrap(
        "◀ takes free storage memory; never evicted, it spills by itself",
        right,
    ));
    let (storage, execution) = (
        fmt_bytes(storage).to_string(),
        fmt_bytes(execution).to_string(),
    );
    divided(
        &Half {
            title: "storage",
            size: &storage,
            body: &storage_holds,
        },
        &Half {
            title: "execution",
            size: &execution,
            body: &execution_holds,
        },
        width,
    )
}

/// The table of containers: what Plimsoll needs, and what Spark would ask for to have the same memory to work with.
fn containers(layout: &MemoryLayout) -> Vec<String> {
    let columns = |name: &str, driver: &str, executor: &str, all: &str| {
        format!("  {name:<32}{driver:>14}{executor:>14}{all:>14}")
    };
    let mut lines = match layout.shape {
        Shape::DriverAndExecutor => vec![columns(
            "Container to ask for",
            "driver",
            "executor",
            "together",
        )],
        Shape::OnePool => vec![columns("Container to ask for", "", "", "all in one")],
    };
    lines.push(format!("  {}", "─".repeat(WIDTH - 4)));
    lines.push(columns(
        "Plimsoll, one process",
        "",
        "",
        &size(&layout.line),
    ));
    type Choice = fn(&ContainerRequests) -> &ContainerRequest;
    let spark: [(&str, Choice); 3] = [
        ("Spark on YARN", |requests| &requests.yarn),
        ("Spark on Kubernetes", |requests| &requests.kubernetes),
        ("Spark on Kubernetes, in Python", |requests| {
            &requests.kubernetes_python
        }),
    ];
    for (name, choose) in spark {
        let executor = choose(&layout.executor.requests).container;
        let bytes = |bytes| fmt_bytes(bytes).to_string();
        lines.push(match layout.shape {
            Shape::OnePool => columns(name, "", "", &bytes(executor)),
            Shape::DriverAndExecutor => {
                let driver = choose(&layout.driver.requests).container;
                columns(
                    name,
                    &bytes(driver),
                    &bytes(executor),
                    &bytes(driver.saturating_add(executor)),
                )
            }
        });
    }
    for note in notes(layout) {
        lines.extend(
            wrap(&note, WIDTH - FRAME)
                .into_iter()
                .map(|line| format!("  {line}")),
        );
    }
    lines
}

/// What stands beneath the table: where the differences come from.
fn notes(layout: &MemoryLayout) -> Vec<String> {
    let executor = &layout.executor;
    let overhead = &executor.requests.yarn.overhead;
    let mut notes = vec![format!(
        "Spark adds an overhead for what it does not manage, on YARN {} to the executor: {}. Plimsoll counts all that \
         is resident, so its line is the container.",
        fmt_bytes(overhead.bytes),
        how(overhead, None)
    )];
    if executor.pyspark.bytes > 0 {
        notes.push(format!(
            "For Python {} more are in it for all workers of the executor together: {}.",
            fmt_bytes(executor.pyspark.bytes),
            how(&executor.pyspark, None)
        ));
    }
    notes
}

/// The formula of a part, the setting in it if the formula does not name it, and where that was set.
fn how(part: &Part, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("{}   {key} ({})", part.formula, part.origin),
        None => format!("{} ({})", part.formula, part.origin),
    }
}

fn size(part: &Part) -> String {
    fmt_bytes(part.bytes).to_string()
}
