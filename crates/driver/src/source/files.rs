//! Which files a source reads: Spark's `InMemoryFileIndex`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use super::glob;
use crate::error::Error;
use crate::options::Options;

/// A file to be read, and the `key=value` directories that it is in.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    pub(crate) path: PathBuf,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
    pub(crate) keys: Vec<(String, String)>,
}

/// The files below these paths, in order.
///
/// Names that begin with `_` or `.` are passed over. Directories that are called `key=value` make
/// partition columns; files in others are read only if they are right below a path, or with the option
/// `recursiveFileLookup`.
///
/// # Errors
/// If there is nothing at a path, or partition directories do not fit together.
pub(crate) fn list(paths: &[String], options: &Options) -> Result<Vec<DataFile>, Error> {
    options.refuse(&[("modifiedbefore", ""), ("modifiedafter", "")])?;
    let recursive = options.boolean("recursivefilelookup", false)?;
    let mut roots = Vec::new();
    for path in paths {
        roots.extend(resolve(path)?);
    }
    let mut found = Vec::new();
    for root in &roots {
        walk(root, &mut found)?;
    }
    if let Some(pattern) = options.get("pathglobfilter") {
        found.retain(|file| name_of(&file.path).is_some_and(|name| glob::matches(pattern, name)));
    }
    if recursive {
        return Ok(found);
    }
    let bases: BTreeSet<PathBuf> = match options.get("basepath") {
        Some(base) => resolve(base)?.into_iter().collect(),
        None => roots.iter().map(|root| directory_of(root)).collect(),
    };
    partitioned(found, &roots, &bases)
}

/// The local path that a path or URL names.
///
/// # Errors
/// If it is a URL of another file system.
pub(crate) fn local_path(path: &str) -> Result<PathBuf, Error> {
    let local = match path.split_once(':') {
        Some(("file", rest)) => rest.strip_prefix("//").unwrap_or(rest),
        Some((scheme, rest)) if rest.starts_with('/') && is_scheme(scheme) => {
            return Err(Error::NotSupported(format!(
                "there is no file system for {scheme}: {path} is not supported, only local files are"
            )));
        }
        _ => path,
    };
    std::path::absolute(local).map_err(|source| Error::System {
        what: format!("cannot find {path}"),
        source,
    })
}

fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// A path as Spark names it in its messages.
pub(crate) fn url(path: &Path) -> String {
    format!("file:{}", path.display())
}

/// The files and directories that a path, which may be a pattern, stands for.
pub(super) fn resolve(path: &str) -> Result<Vec<PathBuf>, Error> {
    let local = local_path(path)?;
    let found = match glob::is_pattern(path) {
        true => glob::expand(&local.to_string_lossy()),
        false if local.exists() => vec![local.clone()],
        false => vec![],
    };
    if found.is_empty() {
        return Err(Error::PathNotFound(url(&local)));
    }
    found.into_iter().map(without_dots).collect()
}

/// The path without `..`, which object stores do not have.
fn without_dots(path: PathBuf) -> Result<PathBuf, Error> {
    match path.components().any(|part| part == Component::ParentDir) {
        true => path
            .canonicalize()
            .map_err(|error| unreadable(&path, &error)),
        false => Ok(path),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Table(format!("cannot read {}: {error}", path.display()))
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// Files and directories that Spark does not read either: `_SUCCESS`, `.crc` and the like.
fn is_hidden(path: &Path) -> bool {
    name_of(path).is_none_or(|name| {
        let hidden = name.starts_with('_') && !name.contains('=');
        hidden || name.starts_with('.') || name.ends_with("._COPYING_")
    })
}

fn directory_of(root: &Path) -> PathBuf {
    match root.is_dir() {
        true => root.to_owned(),
        false => root.parent().unwrap_or(root).to_owned(),
    }
}

/// Collects the files below a path, in order of their names.
fn walk(path: &Path, found: &mut Vec<DataFile>) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !metadata.is_dir() {
        if !is_hidden(path) {
            found.push(DataFile {
                path: path.to_owned(),
                size: metadata.len(),
                modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                keys: Vec::new(),
            });
        }
        return Ok(());
    }
    let entries: Result<BTreeSet<PathBuf>, _> =
        fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    for entry in entries.map_err(|error| unreadable(path, &error))? {
        if !is_hidden(&entry) {
            walk(&entry, found)?;
        }
    }
    Ok(())
}

/// Gives files their partition values, and takes away those that are in no partition while others are.
fn partitioned(
    mut files: Vec<DataFile>,
    roots: &[PathBuf],
    bases: &BTreeSet<PathBuf>,
) -> Result<Vec<DataFile>, Error> {
    let mut tables = BTreeSet::new();
    for file in &mut files {
        let (table, keys) = keys_of(&file.path, bases);
        if !keys.is_empty() {
            tables.insert(table);
        }
        file.keys = keys;
    }
    if tables.is_empty() {
        let is_root = |path: &Path| roots.iter().any(|root| root == path);
        files.retain(|file| is_root(&file.path) || file.path.parent().is_some_and(is_root));
        return Ok(files);
    }
    files.retain(|file| !file.keys.is_empty());
    if tables.len() > 1 {
        let tables: Vec<String> = tables.iter().map(|table| url(table)).collect();
        return Err(Error::Table(format!(
            "conflicting directory structures: {}. Name the directory above them all with the option basePath, or read them one by one",
            tables.join(", ")
        )));
    }
    let names: BTreeSet<String> = files.iter().map(|file| names_of(&file.keys)).collect();
    if names.len() > 1 {
        let names: Vec<String> = names.into_iter().collect();
        return Err(Error::Table(format!(
            "conflicting partition column names: {}. Directories at the same level need the same column name",
            names.join(" and ")
        )));
    }
    Ok(files)
}

fn names_of(keys: &[(String, String)]) -> String {
    let names: Vec<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}

/// The `key=value` directories that a file is in, up to a base path or a directory of another name; and
/// that directory.
fn keys_of(file: &Path, bases: &BTreeSet<PathBuf>) -> (PathBuf, Vec<(String, String)>) {
    let mut keys = Vec::new();
    let mut directory = file.parent().unwrap_or(file);
    while !bases.contains(directory) {
        let key = name_of(directory).and_then(|name| name.split_once('='));
        let (Some((name, value)), Some(parent)) = (key, directory.parent()) else {
            break;
        };
        if name.is_empty() || value.is_empty() {
            break;
        }
        keys.push((unescaped(name), unescaped(value)));
        directory = parent;
    }
    keys.reverse();
    (directory.to_owned(), keys)
}

/// A name with Hive's escapes such as `%3A` undone.
fn unescaped(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| u8::from_str_radix(name.get(at + 1..at + 3)?, 16).ok())
            .flatten();
        match code {
            Some(code) => {
                text.push(code);
                at += 3;
            }
            None => {
                text.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in paths {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    fn listed(root: &tempfile::TempDir, path: &str, option: &[(&str, &str)]) -> Vec<String> {
        let options: BTreeMap<String, String> = option
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let path = root.path().join(path).display().to_string();
        let files = list(&[path], &Options::new(&options)).unwrap();
        let name = |file: &DataFile| file.path.strip_prefix(root).unwrap().display().to_string();
        files.iter().map(name).collect()
    }

    /// As Spark 4.1 reads the same trees.
    #[test]
    fn files_are_listed_as_spark_lists_them() {
        let root = tree(&["_x.csv", ".y.csv", "z.csv", "_d/q.csv", "n/x.csv"]);
        assert_eq!(listed(&root, "", &[]), ["z.csv"]);
        let all = listed(&root, "", &[("recursiveFileLookup", "true")]);
        assert_eq!(all, ["n/x.csv", "z.csv"]);
        let root = tree(&["f.csv", "a=1/f.csv", "a=x%2Fy/f.txt", "_k=1/f.csv"]);
        assert_eq!(listed(&root, "a=1", &[]), ["a=1/f.csv"]);
        assert_eq!(
            listed(&root, "a=*", &[("pathGlobFilter", "*.txt")]),
            ["a=x%2Fy/f.txt"]
        );
    }

    #[test]
    fn directories_give_partition_values() {
        let root = tree(&[
            "f.csv",
            "a=1/b=x%2Fy/f.csv",
            "a=2/b=__HIVE_DEFAULT_PARTITION__/f.csv",
        ]);
        let path = root.path().display().to_string();
        let files = list(std::slice::from_ref(&path), &Options::default()).unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!(files[0].keys[1], ("b".to_owned(), "x/y".to_owned()));
        let base = Options::new(&BTreeMap::from([("basePath".to_owned(), path.clone())]));
        let files = list(&[format!("{path}/a=1")], &base).unwrap();
        assert_eq!(files[0].keys.len(), 2);
        let root = tree(&["a=1/f.csv", "b=1/f.csv"]);
        let path = root.path().display().to_string();
        let error = list(&[path], &Options::default()).unwrap_err().to_string();
        assert!(
            error.contains("conflicting partition column names: a and b"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_path_is_named_as_spark_names_it() {
        let error = list(&["/nowhere/q*.csv".to_owned()], &Options::default());
        assert!(matches!(error, Err(Error::PathNotFound(path)) if path == "file:/nowhere/q*.csv"));
        let error = list(&["s3://bucket/x".to_owned()], &Options::default()).unwrap_err();
        assert!(matches!(error, Error::NotSupported(_)), "{error}");
        assert!(local_path("file:///a b%z").unwrap() == Path::new("/a b%z"));
    }
}
