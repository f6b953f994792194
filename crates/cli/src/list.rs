use comfy_table::{ContentArrangement, Table, presets};
use plimsoll_conf::property::DefaultValue;
use plimsoll_conf::{Conf, Effect, Entry, Machine};
use serde_json::json;

use crate::args::{ConfArgs, Format};
use crate::failure::Failure;
use crate::output::print_text;
use crate::settings;
use crate::tell::tell;

/// `plimsoll conf`: the settings and where each came from.
pub fn show(args: &ConfArgs) -> Result<(), Failure> {
    let conf = settings::conf(&args.settings)?;
    settings::tell_profile(&conf, &Machine::detect()?);
    for warning in conf.warnings() {
        tell(format_args!("warning: {warning}"));
    }
    let entries: Vec<Entry<'_>> = conf
        .all()
        .filter(|entry| args.all || has_effect(entry) || entry.origin.is_explicit())
        .collect();
    match args.format {
        Format::Text => print_text(&table(&conf, &entries)),
        Format::Json => print_text(&format!("{:#}", as_json(&entries))),
    }
}

fn has_effect(entry: &Entry<'_>) -> bool {
    matches!(entry.property.effect, Effect::Live | Effect::Start)
}

fn table(conf: &Conf, entries: &[Entry<'_>]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "setting",
            "value",
            "default",
            "from",
            "effect",
            "what it does",
        ]);
    for entry in entries {
        table.add_row([
            entry.property.key.to_owned(),
            entry.value.unwrap_or("").to_owned(),
            default(entry),
            entry.origin.to_string(),
            entry.property.effect.to_string(),
            entry.property.doc.to_owned(),
        ]);
    }
    let others: Vec<String> = conf
        .explicit()
        .filter(|(key, ..)| plimsoll_conf::property::property(key).is_none())
        .map(|(key, value, origin)| format!("{key} = {value} ({origin})"))
        .collect();
    match others.is_empty() {
        true => table.to_string(),
        false => format!(
            "{table}\nSet, and not a setting of Plimsoll:\n  {}",
            others.join("\n  ")
        ),
    }
}

fn default(entry: &Entry<'_>) -> String {
    match entry.property.default {
        DefaultValue::Is(value) => value.to_owned(),
        DefaultValue::Derived(how) => format!("({how})"),
        DefaultValue::Unset => String::new(),
    }
}

fn as_json(entries: &[Entry<'_>]) -> serde_json::Value {
    let entry = |entry: &Entry<'_>| {
        json!({
            "key": entry.property.key,
            "value": entry.value,
            "default": match entry.property.default {
                DefaultValue::Is(value) => Some(value),
                DefaultValue::Derived(_) | DefaultValue::Unset => None,
            },
            "origin": entry.origin.to_string(),
            "effect": entry.property.effect.to_string(),
            "doc": entry.property.doc,
        })
    };
    entries.iter().map(entry).collect()
}
