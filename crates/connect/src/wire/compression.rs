use datafusion::arrow::ipc::CompressionType;
use plimsoll_conf::Conf;

use crate::error::{Error, Kind};

/// What rows are compressed with on their way to a client.
const CODEC: &str = "spark.sql.execution.arrow.compression.codec";

/// What rows are compressed with on their way to a client; `None` for not at all.
///
/// Spark's default is `none`, for results that go to Python as Arrow batches. But classic Spark counts what `collect` sends
/// against `spark.driver.maxResultSize` as its tasks send it, rows compressed with LZ4, and what is counted here is what is
/// sent: without compression a job that passes there would fail here. So it is LZ4 where it is not set, for clients whose Arrow
/// is sure to read it, which PySpark's is.
///
/// # Errors
/// If the setting is none of Spark's values.
pub(crate) fn compression(
    conf: &Conf,
    reads_compressed: bool,
) -> Result<Option<CompressionType>, Error> {
    let set = conf.get(CODEC).map(|(value, _)| value);
    match set.map(str::to_ascii_lowercase).as_deref() {
        None => Ok(reads_compressed.then_some(CompressionType::LZ4_FRAME)),
        Some("lz4") => Ok(Some(CompressionType::LZ4_FRAME)),
        Some("zstd") => Ok(Some(CompressionType::ZSTD)),
        Some("none") => Ok(None),
        Some(other) => Err(Error::of_message(
            Kind::IllegalArgument,
            format!("'{other}' is no value of \"{CODEC}\": it is lz4, zstd or none"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_conf::Origin;

    #[test]
    fn pyspark_is_sent_lz4_and_whoever_says_otherwise_that() {
        let mut conf = Conf::default();
        let lz4 = Some(CompressionType::LZ4_FRAME);
        assert_eq!(compression(&conf, true), Ok(lz4));
        assert_eq!(compression(&conf, false), Ok(None));
        for (value, expected) in [
            ("LZ4", lz4),
            ("zstd", Some(CompressionType::ZSTD)),
            ("none", None),
        ] {
            conf.set(CODEC, value, Origin::Set).unwrap();
            assert_eq!(compression(&conf, true), Ok(expected));
            assert_eq!(compression(&conf, false), Ok(expected));
        }
        conf.set(CODEC, "snappy", Origin::Set).unwrap();
        let error = compression(&conf, true).unwrap_err();
        assert_eq!(error.kind, Kind::IllegalArgument);
    }
}
