use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;

/// How a text file is compressed, by the ending of its name.
///
/// # Errors
/// If it is compressed in a way that is not read.
fn of(path: &Path) -> Result<FileCompressionType> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending.unwrap_or_default() {
        "gz" => Ok(FileCompressionType::GZIP),
        "bz2" => Ok(FileCompressionType::BZIP2),
        "zst" => Ok(FileCompressionType::ZSTD),
        "xz" => Ok(FileCompressionType::XZ),
        "deflate" | "lz4" | "snappy" => Err(DataFusionError::NotImplemented(format!(
            "text files compressed like {} are not read",
            path.display()
        ))),
        _ => Ok(FileCompressionType::UNCOMPRESSED),
    }
}

/// Whether a text file is compressed, by the ending of its name.
pub(crate) fn is_compressed(path: &Path) -> bool {
    of(path).is_ok_and(|compression| compression.is_compressed())
}

/// The text of a file.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    of(path)?.convert_read(open_file(path)?)
}

/// The bytes of a file from a place on.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn open_at(path: &Path, position: u64) -> Result<File> {
    let mut file = open_file(path)?;
    file.seek(SeekFrom::Start(position))?;
    Ok(file)
}

fn open_file(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| {
        DataFusionError::Execution(format!("cannot read {}: {error}", path.display()))
    })
}
