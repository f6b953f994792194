//! Parts of nested values: `s.field`, `a[0]`, `m["key"]`, `withField`.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::lit;
use spark_connect_proto as proto;
use spark_connect_proto::expression::ExprType;
use spark_connect_proto::expression::literal::LiteralType;

use super::{Expressions, kind, needed};
use crate::error::Error;
use crate::frame::same;
use crate::functions::{self, Argument};
use crate::types;

impl Expressions<'_> {
    /// `child[extraction]`, `child.extraction`.
    pub(super) fn extract_value(
        &self,
        extract: &proto::expression::UnresolvedExtractValue,
    ) -> Result<Argument, Error> {
        let child = self.one(needed(
            extract.child.as_deref(),
            "the value to extract from",
        )?)?;
        let extraction = needed(extract.extraction.as_deref(), "what to extract")?;
        if let ExprType::Literal(literal) = kind(extraction)?
            && let Some(LiteralType::String(name)) = &literal.literal_type
            && !matches!(child.data_type, DataType::Map(..))
        {
            let shown = format!("{}.{name}", child.name);
            return Ok(Argument {
                name: shown,
                ..self.field_named(child, name)?
            });
        }
        let key = self.one(extraction)?;
        let shown = format!("{}[{}]", child.name, key.name);
        let environment = self.planner().environment();
        let expr = match &child.data_type {
            // Spark counts from 0 here, and from 1 in element_at.
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
                functions::call("[]", vec![child, key], false, &environment)?
            }
            DataType::Map(..) => {
                functions::call("element_at", vec![child, key], false, &environment)?
            }
            other => return Err(not_extractable(&child, other)),
        };
        self.typed(expr, shown)
    }

    /// The field of a struct, in any case, or the value of a map's key.
    pub(crate) fn field_named(&self, argument: Argument, name: &str) -> Result<Argument, Error> {
        match &argument.data_type {
            DataType::Struct(fields) => {
                let mut found = fields.iter().filter(|field| same(field.name(), name));
                let field = match (found.next(), found.next()) {
                    (Some(field), None) => field.name().clone(),
                    (None, _) => return Err(no_field(fields, name)),
                    (Some(_), Some(_)) => {
                        return Err(Error::analysis(
                            "AMBIGUOUS_REFERENCE_TO_FIELDS",
                            &[("field", &format!("`{name}`")), ("count", "2")],
                        ));
                    }
                };
                let expr =
                    datafusion::functions::core::get_field().call(vec![argument.expr, lit(field)]);
                self.typed(expr, name.to_owned())
            }
            DataType::Map(..) => {
                let key = Argument {
                    expr: lit(name),
                    data_type: DataType::Utf8,
                    nullable: false,
                    name: name.to_owned(),
                };
                let expr = functions::call(
                    "element_at",
                    vec![argument, key],
                    false,
                    &self.planner().environment(),
                )?;
                self.typed(expr, name.to_owned())
            }
            DataType::List(item) if matches!(item.data_type(), DataType::Struct(_)) => {
                Err(Error::unsupported(format!(
                    "the field {name} of an array of structs: transform(column, lambda x: x[\"{name}\"]) gives it"
                )))
            }
            other => Err(not_extractable(&argument, other)),
        }
    }

    /// `withField` and `dropFields`: the struct with one field added, replaced or left out.
    pub(super) fn update_fields(
        &self,
        update: &proto::expression::UpdateFields,
    ) -> Result<Argument, Error> {
        let child = self.one(needed(
            update.struct_expression.as_deref(),
            "the struct to update",
        )?)?;
        let DataType::Struct(fields) = child.data_type.clone() else {
            return Err(not_extractable(&child, &child.data_type));
        };
        if update.field_name.contains('.') {
            return Err(Error::unsupported(
                "withField and dropFields of a nested field",
            ));
        }
        let value = match update.value_expression.as_deref() {
            Some(expression) => Some(self.one(expression)?),
            None => None,
        };
        let shown = format!("update_fields({})", child.name);
        let mut entries: Vec<(String, Argument)> = Vec::new();
        let mut replaced = false;
        for field in &fields {
            if !same(field.name(), &update.field_name) {
                let inner = self.field_named(child.clone(), field.name())?;
                entries.push((field.name().clone(), inner));
            } else if let Some(value) = &value {
                entries.push((update.field_name.clone(), value.clone()));
                replaced = true;
            }
        }
        if let (Some(value), false) = (value, replaced) {
            entries.push((update.field_name.clone(), value));
        }
        let arguments = entries
            .into_iter()
            .map(|(name, value)| Argument {
                expr: value.expr.alias(name),
                ..value
            })
            .collect();
        let environment = self.planner().environment();
        let updated = functions::call("struct", arguments, false, &environment)?;
        // NULL has no fields to update.
        let expr = match child.nullable {
            false => updated,
            true => {
                let updated = self.typed(updated, String::new())?;
                let there = functions::call("isnotnull", vec![child], false, &environment)?;
                let there = self.typed(there, String::new())?;
                functions::call("when", vec![there, updated], false, &environment)?
            }
        };
        self.typed(expr, shown)
    }
}

fn no_field(fields: &datafusion::arrow::datatypes::Fields, name: &str) -> Error {
    let names: Vec<String> = fields
        .iter()
        .map(|field| format!("`{}`", field.name()))
        .collect();
    Error::analysis(
        "FIELD_NOT_FOUND",
        &[
            ("fieldName", &format!("`{name}`")),
            ("fields", &names.join(", ")),
        ],
    )
}

fn not_extractable(child: &Argument, data_type: &DataType) -> Error {
    Error::analysis(
        "INVALID_EXTRACT_BASE_FIELD_TYPE",
        &[
            ("base", &format!("\"{}\"", child.name)),
            ("other", &format!("\"{}\"", types::sql_string(data_type))),
        ],
    )
}
