//! Time zones by the names that Spark knows (`DateTimeUtils.getZoneId`).

use datafusion::arrow::array::timezone::Tz;

/// Java's `ZoneId.SHORT_IDS`.
const SHORT: [(&str, &str); 28] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
    ("EST", "-05:00"),
    ("MST", "-07:00"),
    ("HST", "-10:00"),
];

/// The time zone of that name, if there is one.
pub(crate) fn zone(name: &str) -> Option<Tz> {
    arrow_name(name)?.parse().ok()
}

/// The name by which Arrow knows a zone: `Europe/Berlin` or `+01:00`. Spark also takes `UTC+1`,
/// `GMT+1:00` and `PST`.
pub(crate) fn arrow_name(name: &str) -> Option<String> {
    let name = name.trim();
    if let Some((_, long)) = SHORT.iter().find(|(short, _)| *short == name) {
        return Some((*long).to_owned());
    }
    let offset = ["UTC", "GMT", "UT"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    if name.is_empty() {
        return None;
    }
    if offset.is_empty() || offset == "Z" {
        return Some("UTC".to_owned());
    }
    if offset.starts_with(['+', '-']) {
        return self::offset(offset);
    }
    name.parse::<Tz>().ok().map(|_| name.to_owned())
}

/// `+1`, `+1:30`, `-0130` or `+01:30:00` as `+01:30`; at most 18 hours, as in Java.
fn offset(text: &str) -> Option<String> {
    let (sign, digits) = text.split_at(1);
    let parts: Vec<&str> = match digits.contains(':') {
        true => digits.split(':').collect(),
        false if digits.len() > 2 => vec![digits.get(..2)?, digits.get(2..)?],
        false => vec![digits],
    };
    let number = |part: Option<&&str>| part.map_or(Some(0), |part| part.parse::<u8>().ok());
    let (hours, minutes) = (number(parts.first())?, number(parts.get(1))?);
    let seconds = number(parts.get(2))?;
    let within = hours < 18 || (hours == 18 && minutes == 0);
    (within && minutes < 60 && seconds == 0 && parts.len() <= 3)
        .then(|| format!("{sign}{hours:02}:{minutes:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparks_ways_to_name_an_offset_come_down_to_one() {
        for name in ["+1:30", "UTC+01:30", "GMT+1:30", "+0130", "+01:30:00"] {
            assert_eq!(arrow_name(name).as_deref(), Some("+01:30"), "{name}");
        }
        assert_eq!(arrow_name("Z").as_deref(), Some("UTC"));
        assert_eq!(arrow_name("GMT").as_deref(), Some("UTC"));
        assert_eq!(arrow_name("PST").as_deref(), Some("America/Los_Angeles"));
        assert_eq!(arrow_name("EST").as_deref(), Some("-05:00"));
    }

    #[test]
    fn what_java_does_not_know_is_no_zone() {
        for name in ["+19:00", "+1:75", "Nowhere/City", "", "+é"] {
            assert!(zone(name).is_none(), "{name}");
        }
        assert!(zone("Asia/Tokyo").is_some());
    }
}
