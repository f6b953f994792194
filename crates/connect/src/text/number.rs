/// A double, as Java's `Double.toString` writes it (since Java 19: the fewest digits that tell it
/// from its neighbours).
pub(crate) fn double(value: f64) -> String {
    special(
        value.is_nan(),
        value.is_infinite(),
        value.is_sign_negative(),
    )
    .unwrap_or_else(|| {
        let shortest = format!("{value:e}");
        let two_digits = format!("{value:.1e}");
        java(
            shortest,
            two_digits.clone(),
            two_digits.parse() == Ok(value),
        )
    })
}

/// A float, as Java's `Float.toString` writes it.
pub(crate) fn float(value: f32) -> String {
    special(
        value.is_nan(),
        value.is_infinite(),
        value.is_sign_negative(),
    )
    .unwrap_or_else(|| {
        let shortest = format!("{value:e}");
        let two_digits = format!("{value:.1e}");
        java(
            shortest,
            two_digits.clone(),
            two_digits.parse() == Ok(value),
        )
    })
}

fn special(nan: bool, infinite: bool, negative: bool) -> Option<String> {
    match (nan, infinite, negative) {
        (true, ..) => Some("NaN".to_owned()),
        (_, true, false) => Some("Infinity".to_owned()),
        (_, true, true) => Some("-Infinity".to_owned()),
        _ => None,
    }
}

/// From `1.5e-7` to Java's form. Java always has a digit after the point, and where one digit would
/// do takes the nearest of two, if that is the same number: 4.9E-324.
fn java(shortest: String, two_digits: String, same: bool) -> String {
    let text = match shortest.contains('.') || !same {
        true => shortest,
        false => two_digits,
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let digits = digits.replace('.', "");
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    if (-3..7).contains(&exponent) {
        format!("{sign}{}", plain(digits, exponent))
    } else {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        format!("{sign}{first}.{rest}E{exponent}")
    }
}

fn plain(digits: &str, exponent: i32) -> String {
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("0.{zeros}{digits}");
    };
    if whole == 0 {
        format!("0.{digits}")
    } else if digits.len() <= whole {
        format!("{digits}{}.0", "0".repeat(whole - digits.len()))
    } else {
        format!("{}.{}", &digits[..whole], &digits[whole..])
    }
}
