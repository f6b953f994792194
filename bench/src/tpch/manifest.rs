//! The manifest: what a complete directory holds, and whether it still does.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use parquet::file::metadata::ParquetMetaDataReader;
use serde::{Deserialize, Serialize};

use super::{Data, Scale, Table};

/// The manifest's name. Engines skip names with an underscore, as they do Spark's `_SUCCESS`, and its ending is not one
/// that a folder of tables is searched for.
pub(super) const NAME: &str = "_MANIFEST";

/// Counts the changes of how files are cut and written; data of another layout is made again.
const LAYOUT: u32 = 1;

/// The generator, whose rows may differ from version to version.
const GENERATOR: &str = "tpchgen 4.0.0";

/// What was made, by what, for which scale.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    layout: u32,
    generator: String,
    scale: f64,
    pub(super) files: Vec<DataFile>,
}

/// A Parquet file, its path relative to the directory, with `/` between folder and name.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DataFile {
    pub(super) path: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// What [`inspect`] found.
#[derive(Debug)]
pub(super) enum Found {
    /// No such directory, or an empty one.
    Nothing,
    /// All that the manifest lists, and no more.
    Complete(Manifest),
    /// Something else, and what is wrong with it.
    Unusable(String),
}

/// Looks whether `dir` holds complete data at `scale`: the manifest, and each file with its size and, in its footer,
/// its rows. Reads no data.
pub(super) fn inspect(dir: &Path, scale: Scale) -> Found {
    // A directory that cannot be listed is not empty: the reason will be that of the attempt to read it.
    let empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if empty || !dir.exists() {
        return Found::Nothing;
    }
    let checked = Manifest::read(dir).and_then(|manifest| {
        manifest.check(dir, scale)?;
        Ok(manifest)
    });
    match checked {
        Ok(manifest) => Found::Complete(manifest),
        Err(error) => Found::Unusable(format!("{error:#}")),
    }
}

impl Manifest {
    /// A manifest of files just written.
    pub(super) fn new(scale: Scale, files: Vec<DataFile>) -> Self {
        Self {
            layout: LAYOUT,
            generator: GENERATOR.to_owned(),
            scale: scale.factor(),
            files,
        }
    }

    /// Rows and bytes of all files.
    pub(super) fn data(&self, reused: bool) -> Data {
        Data {
            rows: self.files.iter().map(|file| file.rows).sum(),
            bytes: self.files.iter().map(|file| file.bytes).sum(),
            reused,
        }
    }

    /// Writes the manifest into `dir`. The last thing to be written there.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(NAME);
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn read(dir: &Path) -> Result<Self> {
        let text = fs::read_to_string(dir.join(NAME)).context("its manifest cannot be read")?;
        serde_json::from_str(&text).context("its manifest is damaged")
    }

    fn check(&self, dir: &Path, scale: Scale) -> Result<()> {
        ensure!(self.scale == scale.factor(), "its scale is {}", self.scale);
        ensure!(
            self.layout == LAYOUT && self.generator == GENERATOR,
            "it was made by {}, layout {}, and not by {GENERATOR}, layout {LAYOUT}",
            self.generator,
            self.layout
        );
        let listed: BTreeSet<String> = self.files.iter().map(|file| file.path.clone()).collect();
        if let Some(path) = present(dir)?.symmetric_difference(&listed).next() {
            let what = if listed.contains(path) {
                "missing"
            } else {
                "not in its manifest"
            };
            bail!("{path} is {what}");
        }
        self.files.iter().try_for_each(|file| file.check(dir))
    }
}

impl DataFile {
    fn check(&self, dir: &Path) -> Result<()> {
        let cannot = || format!("{} cannot be read", self.path);
        let file = File::open(dir.join(&self.path)).with_context(cannot)?;
        let bytes = file.metadata().with_context(cannot)?.len();
        ensure!(
            bytes == self.bytes,
            "{} has {bytes} bytes and not {}",
            self.path,
            self.bytes
        );
        let footer = ParquetMetaDataReader::new()
            .parse_and_finish(&file)
            .with_context(cannot)?;
        let rows = footer.file_metadata().num_rows();
        ensure!(
            u64::try_from(rows) == Ok(self.rows),
            "{} has {rows} rows and not {}",
            self.path,
            self.rows
        );
        Ok(())
    }
}

/// The files in the tables' folders: an engine would read every one of them.
fn present(dir: &Path) -> Result<BTreeSet<String>> {
    let mut paths = BTreeSet::new();
    for table in Table::ALL {
        let name = table.name();
        let entries =
            fs::read_dir(dir.join(name)).with_context(|| format!("{name} cannot be read"))?;
        for entry in entries {
            paths.insert(format!("{name}/{}", entry?.file_name().to_string_lossy()));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::GENERATOR;

    #[test]
    fn the_generator_named_is_the_one_that_is_linked() {
        let (name, version) = GENERATOR.split_once(' ').unwrap();
        let lock = include_str!("../../../Cargo.lock");
        assert!(
            lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")),
            "Cargo.lock has another version of {name}: change GENERATOR, and data is made again"
        );
    }
}
