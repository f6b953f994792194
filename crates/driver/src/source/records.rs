use std::io::{self, Read};
use std::ops::Range;

use plimsoll_conf::fmt_bytes;

use super::csv::Dialect;
use super::csv::tokens::Tokens;

/// Bytes that are read from a file at once.
const READ_AT_ONCE: usize = 256 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What separates the records of a file.
#[derive(Debug, Clone)]
pub(crate) enum Split {
    /// `\n`, `\r\n` or `\r`.
    Lines,
    /// The option `lineSep`.
    Separator(Vec<u8>),
    /// Lines, but for those that end within a quoted CSV value.
    QuotedLines(Dialect),
    /// The elements of a JSON array, or the first JSON value.
    Elements,
    /// Nothing: the file is one record.
    Whole,
}

impl Split {
    /// Whether a reader can find the beginning of a record from anywhere in a file.
    pub(crate) fn can_start_anywhere(&self) -> bool {
        match self {
            Split::Lines => true,
            Split::Separator(separator) => separator.len() == 1,
            Split::QuotedLines(_) | Split::Elements | Split::Whole => false,
        }
    }
}

/// The records of a file, one after the other. No more of it is in memory than is read at once, or than
/// one record is long.
pub(crate) struct Records<R> {
    from: R,
    split: Split,
    buffer: Vec<u8>,
    /// The bytes in the buffer that have been read and not been passed over.
    unread: Range<usize>,
    at_end: bool,
    /// Where in the file the unread bytes begin.
    position: u64,
    /// Records that begin here or later belong to another reader.
    end: u64,
    elements: Elements,
    /// Bytes of the longest record that is read.
    longest: usize,
}

/// Where in a JSON array a reader is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Elements {
    Before,
    Within,
    After,
}

/// What was found in the unread bytes.
enum Found {
    /// A record at this place, and how far it is to the next.
    Record(Range<usize>, usize),
    /// It takes more bytes to see where the record ends.
    Part,
    /// There are no more records.
    Nothing,
}

impl<R: Read> Records<R> {
    /// The records of a whole file.
    pub(crate) fn new(from: R, split: Split) -> Self {
        Self::starting_at(from, split, 0, u64::MAX)
    }

    fn starting_at(from: R, split: Split, position: u64, end: u64) -> Self {
        Self {
            from,
            split,
            buffer: Vec::new(),
            unread: 0..0,
            at_end: false,
            position,
            end,
            elements: Elements::Before,
            longest: usize::MAX,
        }
    }

    /// The same, but for an error at a record of more bytes.
    pub(crate) fn bounded(mut self, longest: usize) -> Self {
        self.longest = longest;
        self
    }

    /// The records that begin in `range`. `from` is at the byte before it, unless it begins with the file.
    pub(crate) fn in_range(from: R, split: Split, range: Range<u64>) -> io::Result<Self> {
        if range.start == 0 {
            return Ok(Self::starting_at(from, split, 0, range.end));
        }
        let mut records = Self::starting_at(from, split, range.start - 1, u64::MAX);
        // The record that the byte before belongs to.
        records.next()?;
        records.end = range.end;
        Ok(records)
    }

    /// The next record, without what separates it from others.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if self.position >= self.end {
            return Ok(None);
        }
        if self.position == 0 && self.unread.is_empty() {
            self.skip_byte_order_mark()?;
        }
        loop {
            match self.find() {
                Found::Record(record, length) => {
                    let start = self.unread.start;
                    self.unread.start += length;
                    self.position += length as u64;
                    return Ok(Some(&self.buffer[start + record.start..start + record.end]));
                }
                Found::Part => self.read_more()?,
                Found::Nothing => return Ok(None),
            }
        }
    }

    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        while self.unread.len() < BYTE_ORDER_MARK.len() && !self.at_end {
            self.read_more()?;
        }
        if self.buffer[self.unread.clone()].starts_with(BYTE_ORDER_MARK) {
            self.unread.start += BYTE_ORDER_MARK.len();
            self.position += BYTE_ORDER_MARK.len() as u64;
        }
        Ok(())
    }

    fn read_more(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.unread.len() > self.longest {
            return Err(self.too_long());
        }
        // A record that fills the buffer makes it a half larger, and its end as small as it was.
        let wanted = self.unread.end + READ_AT_ONCE.max(self.unread.len() / 2);
        if self.buffer.len() < wanted {
            self.buffer.reserve_exact(wanted - self.buffer.len());
            self.buffer.resize(wanted, 0);
        } else if self.buffer.len() > 4 * wanted {
            self.buffer.truncate(wanted);
            self.buffer.shrink_to_fit();
        }
        let read = loop {
            match self.from.read(&mut self.buffer[self.unread.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome?,
            }
        };
        self.unread.end += read;
        self.at_end = read == 0;
        Ok(())
    }

    fn too_long(&self) -> io::Error {
        io::Error::other(format!(
            "the record that begins at byte {} is longer than {}, which is the longest that is read: \
             check that the file is what it is read as, with the right separator of records",
            self.position,
            fmt_bytes(self.longest as u64)
        ))
    }

    fn find(&mut self) -> Found {
        let unread = &self.buffer[self.unread.clone()];
        if unread.is_empty() {
            return if self.at_end {
                Found::Nothing
            } else {
                Found::Part
            };
        }
        let end = match &self.split {
            Split::Lines => end_of_line(unread, self.at_end),
            Split::Separator(separator) => unread
                .windows(separator.len())
                .position(|window| window == separator)
                .map(|at| (at, at + separator.len())),
            Split::QuotedLines(dialect) => {
                let mut tokens = Tokens::default();
                tokens
                    .read(unread, dialect, true, self.at_end)
                    .map(|length| (length, length))
            }
            Split::Elements => return self.find_element(),
            Split::Whole => None,
        };
        match end {
            Some((end, next)) => Found::Record(0..end, next),
            None if self.at_end => Found::Record(0..unread.len(), unread.len()),
            None => Found::Part,
        }
    }

    fn find_element(&mut self) -> Found {
        let unread = &self.buffer[self.unread.clone()];
        if self.elements == Elements::After {
            return Found::Nothing;
        }
        let mut start = 0;
        loop {
            start += unread[start..]
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count();
            match unread.get(start) {
                None if self.at_end => return Found::Nothing,
                None => return Found::Part,
                Some(b'[') if self.elements == Elements::Before => {
                    self.elements = Elements::Within;
                    self.unread.start += start + 1;
                    self.position += start as u64 + 1;
                    return self.find();
                }
                Some(b']') if self.elements == Elements::Within => return Found::Nothing,
                Some(b',') if self.elements == Elements::Within => start += 1,
                Some(_) => break,
            }
        }
        match end_of_value(&unread[start..]) {
            Some(length) => {
                if self.elements == Elements::Before {
                    self.elements = Elements::After;
                }
                Found::Record(start..start + length, start + length)
            }
            None if self.at_end => {
                self.elements = Elements::After;
                Found::Record(start..unread.len(), unread.len())
            }
            None => Found::Part,
        }
    }
}

/// Where a line ends, and where the next begins.
fn end_of_line(bytes: &[u8], at_end: bool) -> Option<(usize, usize)> {
    let end = bytes
        .iter()
        .position(|byte| matches!(byte, b'\n' | b'\r'))?;
    match (bytes[end], bytes.get(end + 1)) {
        (b'\r', Some(b'\n')) => Some((end, end + 2)),
        (b'\r', None) if !at_end => None,
        _ => Some((end, end + 1)),
    }
}

/// The length of the JSON value at the beginning; none if it does not end here.
fn end_of_value(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) if byte == open => {
                quote = None;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{' | b'[') => depth += 1,
            (None, b'}' | b']') if depth > 1 => depth -= 1,
            (None, b'}' | b']') if depth == 1 => return Some(at + 1),
            (None, b'}' | b']' | b',') if depth == 0 => return Some(at.max(1)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let length = to.len().min(1).min(self.0.len());
            to[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn all(mut records: Records<impl Read>) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(record) = records.next().unwrap() {
            texts.push(String::from_utf8_lossy(record).into_owned());
        }
        texts
    }

    #[test]
    fn lines_end_in_three_ways_wherever_reads_end() {
        let text = b"\xef\xbb\xbfa\nb\r\nc\rd\n\ne";
        let expected = ["a", "b", "c", "d", "", "e"];
        assert_eq!(all(Records::new(&text[..], Split::Lines)), expected);
        assert_eq!(all(Records::new(Slowly(text), Split::Lines)), expected);
        let split = Split::Separator(b";;".to_vec());
        assert_eq!(all(Records::new(Slowly(b"a;b;;c;;"), split)), ["a;b", "c"]);
    }

    #[test]
    fn a_record_that_is_too_long_is_an_error_and_a_long_one_leaves_a_small_buffer() {
        let mut text = vec![b'a'; 5 << 20];
        text.extend_from_slice(b"\nshort\n");
        text.resize(12 << 20, b'\n');
        let mut records = Records::new(&text[..], Split::Lines).bounded(6 << 20);
        assert_eq!(records.next().unwrap().unwrap().len(), 5 << 20);
        assert_eq!(records.next().unwrap(), Some(&b"short"[..]));
        while records.next().unwrap().is_some() {}
        assert!(records.buffer.capacity() < 2 << 20);
        let mut records = Records::new(&text[..], Split::Lines).bounded(1 << 20);
        let error = records.next().unwrap_err().to_string();
        assert!(
            error.contains("longer than 1 MiB") && error.contains("separator"),
            "{error}"
        );
    }

    #[test]
    fn every_line_belongs_to_exactly_one_range() {
        let text = b"a,1\nbb,2\r\nccc,3\n\rlast";
        let expected = all(Records::new(&text[..], Split::Lines));
        for cut in 0..=text.len() {
            let mut found = Vec::new();
            for range in [0..cut as u64, cut as u64..text.len() as u64] {
                if range.is_empty() {
                    continue;
                }
                let from = &text[range.start.saturating_sub(1) as usize..];
                found.extend(all(Records::in_range(from, Split::Lines, range).unwrap()));
            }
            assert_eq!(found, expected, "cut at {cut}");
        }
    }

    #[test]
    fn elements_of_an_array_are_records() {
        let text = br#" [{"a":"]}\""}, 3 ,[1,[2]]] x"#;
        let expected = [r#"{"a":"]}\""}"#, "3 ", "[1,[2]]"];
        assert_eq!(all(Records::new(Slowly(text), Split::Elements)), expected);
        let one = b"{\"a\":1,\n\"b\":{}} {}";
        assert_eq!(
            all(Records::new(Slowly(one), Split::Elements)),
            ["{\"a\":1,\n\"b\":{}}"]
        );
        assert_eq!(
            all(Records::new(&b"[{\"a\":]"[..], Split::Elements)),
            ["{\"a\":]"]
        );
    }
}
