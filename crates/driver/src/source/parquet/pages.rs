//! Where the pages of a column chunk are, for files whose writer did not say (in an offset index).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::parquet::basic::Encoding;
use datafusion::parquet::column::page::{Page, PageReader};
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::metadata::RowGroupMetaData;
use datafusion::parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};
use datafusion::parquet::file::reader::{ChunkReader, Length};
use datafusion::parquet::file::serialized_reader::SerializedPageReader;

/// The pages of a row group's columns, found by reading the headers of pages one after the other.
/// Columns that are not `wanted` are left without.
///
/// A page of a nested column in the first version of the format does not say how many rows begin in it.
/// Its values' levels do, so such pages are read whole, one at a time.
///
/// # Errors
/// If the file cannot be read, or is not what its footer says.
pub(super) fn find_pages(
    file: File,
    group: &RowGroupMetaData,
    wanted: impl Fn(usize) -> bool,
) -> Result<Vec<OffsetIndexMetaData>> {
    let file = Arc::new(Positions::new(file)?);
    let pages = |column: usize| {
        Ok(OffsetIndexMetaData {
            page_locations: match wanted(column) {
                true => pages_of(&file, group, column)?,
                false => Vec::new(),
            },
            unencoded_byte_array_data_bytes: None,
        })
    };
    (0..group.num_columns()).map(pages).collect()
}

fn pages_of(
    file: &Arc<Positions>,
    group: &RowGroupMetaData,
    column: usize,
) -> Result<Vec<PageLocation>> {
    let chunk = group.column(column);
    let levels = chunk.column_descr().max_rep_level();
    let rows = group.num_rows();
    let mut reader = SerializedPageReader::new(Arc::clone(file), chunk, rows as usize, None)?;
    let mut pages: Vec<PageLocation> = Vec::new();
    let mut first_row = 0;
    while let Some(page) = reader.peek_next_page()? {
        let offset = file.last_header() as i64;
        let rows_in_it = match (page.is_dict, page.num_rows, page.num_levels) {
            (true, ..) => {
                reader.skip_next_page()?;
                continue;
            }
            (_, Some(rows), _) => {
                reader.skip_next_page()?;
                rows
            }
            (_, None, Some(values)) if levels == 0 => {
                reader.skip_next_page()?;
                values
            }
            _ => rows_begun(reader.get_next_page()?, levels)?,
        };
        pages.push(PageLocation {
            offset,
            compressed_page_size: 0,
            first_row_index: first_row,
        });
        first_row += rows_in_it as i64;
    }
    if first_row != rows {
        return Err(malformed("pages have other rows than their row group"));
    }
    let (start, length) = chunk.byte_range();
    let mut end = (start + length) as i64;
    for page in pages.iter_mut().rev() {
        page.compressed_page_size =
            i32::try_from(end - page.offset).map_err(|_| malformed("a page is over 2 GiB"))?;
        end = page.offset;
    }
    Ok(pages)
}

/// The rows that begin in a page of a column that repeats up to `levels` deep: as many as have the
/// repetition level 0.
fn rows_begun(page: Option<Page>, levels: i16) -> Result<usize> {
    let Some(Page::DataPage {
        buf,
        num_values,
        rep_level_encoding: Encoding::RLE,
        ..
    }) = page
    else {
        return Err(malformed("a page has levels of an unknown encoding"));
    };
    let width = 16 - (levels as u16).leading_zeros();
    let short = || malformed("the levels of a page break off");
    let length = buf.first_chunk::<4>().ok_or_else(short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let levels = buf.get(4..4 + length).ok_or_else(short)?;
    zeros(levels, num_values as usize, width).ok_or_else(short)
}

/// How many of the first `count` numbers are 0, of those that `bytes` hold in Parquet's hybrid of
/// run-length encoding and bit packing, `width` bits each; none if there are fewer.
fn zeros(mut bytes: &[u8], count: usize, width: u32) -> Option<usize> {
    let (mut left, mut zeros) = (count, 0);
    while left > 0 {
        let header = var_int(&mut bytes)?;
        let numbers = (header >> 1) as usize;
        if header & 1 == 0 {
            let value;
            (value, bytes) = bytes.split_at_checked(width.div_ceil(8) as usize)?;
            let run = numbers.min(left);
            zeros += run * usize::from(value.iter().all(|byte| *byte == 0));
            left -= run;
        } else {
            let packed;
            (packed, bytes) = bytes.split_at_checked(numbers.checked_mul(width as usize)?)?;
            let run = numbers.checked_mul(8)?.min(left);
            let bit = |at: usize| packed[at / 8] >> (at % 8) & 1;
            let width = width as usize;
            let is_zero = |at: &usize| (at * width..(at + 1) * width).all(|at| bit(at) == 0);
            zeros += (0..run).filter(is_zero).count();
            left -= run;
        }
    }
    Some(zeros)
}

fn var_int(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn malformed(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// A file that remembers where it was last asked for a page's header, which the reader of pages does not
/// tell.
struct Positions {
    file: Arc<File>,
    length: u64,
    header: AtomicU64,
}

impl Positions {
    fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            length: file.metadata()?.len(),
            file: Arc::new(file),
            header: AtomicU64::new(0),
        })
    }

    fn last_header(&self) -> u64 {
        self.header.load(Ordering::Relaxed)
    }
}

impl Length for Positions {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Positions {
    type T = io::BufReader<At>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.header.store(start, Ordering::Relaxed);
        let at = At {
            file: Arc::clone(&self.file),
            position: start,
        };
        // A header is a few dozen bytes, and a few hundred with statistics.
        Ok(io::BufReader::with_capacity(512, at))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// Reads a file from a place on, whoever else reads it.
struct At {
    file: Arc<File>,
    position: u64,
}

impl Read for At {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(to, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_counted_in_runs_and_in_packed_bits() {
        // Five zeros, then eight packed numbers of one bit: 0b0110_1010.
        let bytes = [5 << 1, 0, 3, 0b0110_1010];
        assert_eq!(zeros(&bytes, 13, 1), Some(5 + 4));
        assert_eq!(zeros(&bytes, 7, 1), Some(5 + 1));
        assert_eq!(zeros(&bytes, 14, 1), None);
        // A run of 200 ones in two bits.
        assert_eq!(zeros(&[0x90, 0x03, 1], 200, 2), Some(0));
        assert_eq!(zeros(&[3, 0b1101_0000, 0], 8, 2), Some(6));
    }
}
