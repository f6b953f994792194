use std::fmt;

/// The file formats that can be read as tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values.
    Csv,
    /// JSON lines: one object a line.
    Json,
    /// Lines of text, each a row of one column.
    Text,
}

impl FileFormat {
    /// All formats, by the names Spark has for them.
    pub const ALL: [FileFormat; 4] = [
        FileFormat::Parquet,
        FileFormat::Csv,
        FileFormat::Json,
        FileFormat::Text,
    ];

    /// Spark's name of the format, as in `USING parquet`.
    pub fn name(self) -> &'static str {
        match self {
            FileFormat::Parquet => "parquet",
            FileFormat::Csv => "csv",
            FileFormat::Json => "json",
            FileFormat::Text => "text",
        }
    }

    /// The format of this name, in any case.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// The endings of file names that tell the format; text formats may be compressed (`.csv.gz`).
    pub(crate) fn endings(self) -> &'static [&'static str] {
        match self {
            FileFormat::Parquet => &["parquet"],
            FileFormat::Csv => &["csv"],
            FileFormat::Json => &["json", "jsonl", "ndjson"],
            // Any text is one, so that no ending tells it.
            FileFormat::Text => &[],
        }
    }

    /// The format that a file's name tells.
    pub(crate) fn of_file_name(name: &str) -> Option<Self> {
        let (_, endings) = name.rsplit('/').next()?.split_once('.')?;
        let mut endings = endings.rsplit('.');
        let mut ending = endings.next()?;
        if ["gz", "bz2", "zst", "xz"].contains(&ending) {
            ending = endings.next()?;
        }
        Self::ALL
            .into_iter()
            .find(|format| format.endings().contains(&ending.to_lowercase().as_str()))
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileFormat::Parquet => "Parquet",
            FileFormat::Csv => "CSV",
            FileFormat::Json => "JSON",
            FileFormat::Text => "text",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_tells_the_format_compressed_or_not() {
        assert_eq!(FileFormat::of_file_name("a.b.CSV"), Some(FileFormat::Csv));
        assert_eq!(
            FileFormat::of_file_name("x.ndjson.zst"),
            Some(FileFormat::Json)
        );
        assert_eq!(FileFormat::of_file_name("x.gz"), None);
        assert_eq!(FileFormat::of_file_name("a.csv/parquet"), None);
    }
}
