use plimsoll_conf::breakdown::Breakdown;
use plimsoll_conf::{Machine, MemoryLayout};

use crate::args::{Format, MemoryArgs};
use crate::failure::Failure;
use crate::output::print_text;
use crate::settings;
use crate::tell::tell;

/// `plimsoll memory`: the layout that settings come to, drawn or as JSON.
pub fn show(args: &MemoryArgs) -> Result<(), Failure> {
    let conf = settings::conf(&args.settings)?;
    let machine = Machine::detect()?;
    let layout = MemoryLayout::new(&conf.settings()?, &machine)?;
    settings::tell_profile(&conf, &machine);
    for warning in conf.warnings() {
        tell(format_args!("warning: {warning}"));
    }
    for warning in &layout.warnings {
        tell(format_args!("warning: {warning}"));
    }
    let text = match args.format {
        Format::Text => Breakdown(&layout).to_string(),
        Format::Json => serde_json::to_string_pretty(&layout)
            .map_err(|error| Failure::Error(format!("the layout cannot be written: {error}")))?,
    };
    print_text(&text)
}
