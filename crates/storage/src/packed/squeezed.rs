use datafusion::arrow::buffer::Buffer;
use datafusion::common::config::SpillCompression;
use datafusion::common::{Result, exec_datafusion_err};

/// Bytes, compressed where that saves some.
pub(super) enum Squeezed {
    AsIs(Buffer),
    /// With their length before.
    Lz4(Box<[u8]>, usize),
    Zstd(Box<[u8]>, usize),
}

/// zstd's default.
const ZSTD_LEVEL: i32 = 3;

impl Squeezed {
    /// # Errors
    /// If the compressor fails.
    pub(super) fn new(bytes: Vec<u8>, compression: SpillCompression) -> Result<Self> {
        let length = bytes.len();
        let squeezed = match compression {
            SpillCompression::Lz4Frame => {
                let squeezed = lz4_flex::block::compress(&bytes);
                Squeezed::Lz4(squeezed.into_boxed_slice(), length)
            }
            SpillCompression::Zstd => {
                let squeezed = zstd::bulk::compress(&bytes, ZSTD_LEVEL)?;
                Squeezed::Zstd(squeezed.into_boxed_slice(), length)
            }
            SpillCompression::Uncompressed => return Ok(Squeezed::AsIs(bytes.into())),
        };
        // What saves less than a tenth is not worth the time.
        Ok(match squeezed.bytes() < length / 10 * 9 {
            true => squeezed,
            false => Squeezed::AsIs(bytes.into()),
        })
    }

    /// The bytes.
    ///
    /// # Errors
    /// If they are not what was compressed.
    pub(super) fn expand(&self) -> Result<Buffer> {
        Ok(match self {
            Squeezed::AsIs(bytes) => bytes.clone(),
            Squeezed::Lz4(squeezed, length) => {
                let bytes = lz4_flex::block::decompress(squeezed, *length);
                let bytes = bytes.map_err(|error| exec_datafusion_err!("{error}"))?;
                checked(bytes, *length)?
            }
            Squeezed::Zstd(squeezed, length) => {
                checked(zstd::bulk::decompress(squeezed, *length)?, *length)?
            }
        })
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Squeezed::AsIs(bytes) => bytes.capacity(),
            Squeezed::Lz4(squeezed, _) | Squeezed::Zstd(squeezed, _) => squeezed.len(),
        }
    }
}

fn checked(bytes: Vec<u8>, length: usize) -> Result<Buffer> {
    match bytes.len() == length {
        true => Ok(bytes.into()),
        false => Err(exec_datafusion_err!(
            "texts of a cached table have {} bytes and not {length}: REFRESH TABLE or CLEAR CACHE lets go of it",
            bytes.len()
        )),
    }
}
