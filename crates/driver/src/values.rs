//! Values as text, read as Java reads them.

use std::str::FromStr;

/// A number as Java's `Double.parseDouble` reads it: `1e5`, ` 7 `, `5f`, `NaN`, `-Infinity`, but not
/// `inf` or `0x10`. `T` is `f32` or `f64`.
pub(crate) fn parse_float<T: FromStr>(text: &str) -> Option<T> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "NaN" {
        return "NaN".parse().ok();
    }
    if unsigned == "Infinity" {
        return text.parse().ok();
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    (plain && number.bytes().any(|byte| byte.is_ascii_digit()))
        .then(|| number.parse().ok())
        .flatten()
}

/// A decimal number of any size, as Java's `BigDecimal` reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Without leading zeros; empty for zero.
    digits: String,
    /// How many of the digits are behind the point. Negative if zeros follow them.
    scale: i64,
}

impl Decimal {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            negative,
            digits: digits.trim_start_matches('0').to_owned(),
            scale: fraction.len() as i64 - i64::from(exponent),
        })
    }

    /// Whether it is written without a fraction and without an exponent.
    pub(crate) fn is_plain(&self) -> bool {
        self.scale == 0
    }

    /// How many digits it has when written without an exponent, if it is whole.
    pub(crate) fn whole_digits(&self) -> Option<u8> {
        let digits = self.digits.len().max(1) as i64 - self.scale;
        (self.scale <= 0)
            .then(|| u8::try_from(digits).ok())
            .flatten()
    }

    /// The precision and scale of the smallest decimal type that holds it.
    pub(crate) fn size(&self) -> Option<(u8, i8)> {
        let scale = self.scale.max(0);
        let precision = (self.digits.len() as i64 - self.scale + scale)
            .max(scale)
            .max(1);
        Some((u8::try_from(precision).ok()?, i8::try_from(scale).ok()?))
    }

    /// The number in units of `10^-scale`, rounded half up; none if it has more than `precision` digits.
    pub(crate) fn unscaled(&self, precision: u8, scale: i8) -> Option<i128> {
        let surplus = self.scale - i64::from(scale);
        let kept = self.digits.len() as i64 - surplus;
        if kept < 0 || self.digits.is_empty() {
            return Some(0);
        }
        if kept > 39 {
            return None;
        }
        let kept = usize::try_from(kept).ok()?;
        let (digits, rest) = self.digits.split_at(kept.min(self.digits.len()));
        let zeros = "0".repeat(kept - digits.len());
        let mut value: i128 = format!("0{digits}{zeros}").parse().ok()?;
        if rest.starts_with(|digit| digit >= '5') {
            value += 1;
        }
        let fits = value < 10_i128.checked_pow(u32::from(precision))?;
        fits.then_some(if self.negative { -value } else { value })
    }
}

/// Bytes from Base64 as Java's decoder reads it.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let end = text.trim_end_matches('=');
    if text.len() - end.len() > 2 || (text.len() != end.len() && !text.len().is_multiple_of(4)) {
        return None;
    }
    let mut bytes = Vec::with_capacity(end.len() * 3 / 4);
    for group in end.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for &byte in group {
            bits = bits << 6 | u32::from(value(byte)?);
        }
        bits <<= 6 * (4 - group.len());
        if group.len() == 1 {
            return None;
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

/// Bytes as Base64.
pub(crate) fn encode_base64(bytes: &[u8], to: &mut String) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte));
        let bits = bits << (8 * (3 - group.len()));
        for at in 0..4 {
            match at <= group.len() {
                true => to.push(LETTERS[(bits >> (18 - 6 * at)) as usize & 63] as char),
                false => to.push('='),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_as_java_reads_them() {
        for (text, expected) in [
            ("1e5", Some(1e5)),
            (" 7 ", Some(7.0)),
            ("5f", Some(5.0)),
            ("1d", Some(1.0)),
            ("+.5", Some(0.5)),
            ("1E+2", Some(100.0)),
            ("1e400", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("infinity", None),
            ("nan", None),
            ("inf", None),
            ("0x10", None),
            ("1_000", None),
            ("d", None),
            ("", None),
        ] {
            assert_eq!(parse_float::<f64>(text), expected, "{text}");
        }
        assert!(parse_float::<f32>("-NaN").is_some_and(f32::is_nan));
    }

    #[test]
    fn decimals_are_rounded_half_up_and_bounded() {
        let unscaled = |text: &str| Decimal::parse(text).and_then(|d| d.unscaled(5, 2));
        for (text, expected) in [
            ("1.005", Some(101)),
            ("-0.005", Some(-1)),
            ("1e2", Some(10000)),
            ("1e-3", Some(0)),
            ("5e-3", Some(1)),
            ("999.99", Some(99999)),
            ("999.995", None),
            ("1000", None),
            ("1.", Some(100)),
            (".5", Some(50)),
            ("0", Some(0)),
            ("1e2000000000", None),
            (" 1", None),
            ("abc", None),
            (".", None),
        ] {
            assert_eq!(unscaled(text), expected, "{text}");
        }
        assert_eq!(Decimal::parse("1e3").unwrap().whole_digits(), Some(4));
        assert_eq!(Decimal::parse("1.5").unwrap().whole_digits(), None);
        assert_eq!(Decimal::parse("0.05").unwrap().size(), Some((2, 2)));
    }

    #[test]
    fn base64_goes_back_and_forth() {
        for bytes in [&b""[..], b"a", b"ab", b"abc", b"\xff\xfe\xfd\xfc"] {
            let mut text = String::new();
            encode_base64(bytes, &mut text);
            assert_eq!(decode_base64(&text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(decode_base64("YWJj").as_deref(), Some(&b"abc"[..]));
        assert_eq!(decode_base64("x"), None);
        assert_eq!(decode_base64("Y?=="), None);
    }
}
