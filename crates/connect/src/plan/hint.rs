//! Hints on how a DataFrame is to be run: `df.hint(…)`, `functions.broadcast(df)`.

use plimsoll_driver::hints::{Meaning, broadcast, say};
use spark_connect_proto as proto;
use spark_connect_proto::expression::ExprType;
use spark_connect_proto::expression::literal::LiteralType;

use super::Planner;
use crate::error::Error;
use crate::frame::Frame;
use crate::identifier;

/// A relation that a hint around what is being planned is on.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    parts: Vec<String>,
    is_found: bool,
}

impl Wanted {
    /// Whether a relation of this name is meant, which may have more parts.
    fn is(&self, name: &[String]) -> bool {
        let Some(start) = name.len().checked_sub(self.parts.len()) else {
            return false;
        };
        let pairs = name[start..].iter().zip(&self.parts);
        let mut differing = pairs.filter(|(name, part)| name.to_lowercase() != part.to_lowercase());
        differing.next().is_none()
    }
}

impl Planner {
    pub(super) async fn hint(&mut self, hint: &proto::Hint) -> Result<Frame, Error> {
        let names: Vec<_> = hint.parameters.iter().map(name).collect();
        let told = told(&hint.name, &names);
        match Meaning::of(&hint.name, &told) {
            Meaning::None(why) => {
                // There is nowhere in the answer that it could be told.
                say(why);
                self.input(&hint.input).await
            }
            Meaning::Broadcast if names.is_empty() => {
                Ok(broadcasting(self.input(&hint.input).await?))
            }
            Meaning::Broadcast => {
                let outer = self.wanted.len();
                for name in names.iter().flatten() {
                    self.wanted.push(Wanted {
                        parts: identifier::parts(name)?,
                        is_found: false,
                    });
                }
                let frame = self.input(&hint.input).await;
                for missing in self.wanted.drain(outer..).filter(|name| !name.is_found) {
                    let name = missing.parts.join(".");
                    say(format!(
                        "could not find relation '{name}' specified in hint '{told}'"
                    ));
                }
                frame
            }
        }
    }

    /// The frame of a relation of this name, with the hint that is on it.
    pub(super) fn as_hinted(&mut self, frame: Frame, name: &[String]) -> Frame {
        let mut is_hinted = false;
        for wanted in self.wanted.iter_mut().filter(|wanted| wanted.is(name)) {
            wanted.is_found = true;
            is_hinted = true;
        }
        match is_hinted {
            true => broadcasting(frame),
            false => frame,
        }
    }

    /// Puts aside what hints outside are on, for as long as the inside of an alias is planned: they do not see that.
    pub(super) fn hints_aside(&mut self) -> Vec<Wanted> {
        std::mem::take(&mut self.wanted)
    }

    /// Takes up again what was put aside.
    pub(super) fn hints_again(&mut self, wanted: Vec<Wanted>) {
        self.wanted = wanted;
    }
}

fn broadcasting(frame: Frame) -> Frame {
    let plan = broadcast(frame.plan.clone());
    frame.over(plan)
}

/// The name in a hint's parameter, if it is one.
fn name(parameter: &proto::Expression) -> Option<String> {
    match parameter.expr_type.as_ref()? {
        ExprType::UnresolvedAttribute(attribute) => Some(attribute.unparsed_identifier.clone()),
        ExprType::Literal(literal) => match literal.literal_type.as_ref()? {
            LiteralType::String(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The hint as it would be written.
fn told(hint: &str, names: &[Option<String>]) -> String {
    let names: Vec<&str> = names
        .iter()
        .map(|name| name.as_deref().unwrap_or("…"))
        .collect();
    match names.is_empty() {
        true => hint.to_owned(),
        false => format!("{hint}({})", names.join(", ")),
    }
}
