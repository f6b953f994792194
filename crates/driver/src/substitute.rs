use plimsoll_conf::Conf;

use crate::error::Error;

/// Replaces `${…}` in SQL text, as Spark's `VariableSubstitution` does: `${env:NAME}` by an
/// environment variable, `${spark.key}` by a setting; and, ours, `${1}` by the first argument that
/// follows the script on the command line. A name that stands for nothing is left as it is.
///
/// # Errors
/// If the text asks for an argument that was not given.
pub(crate) fn substitute(text: &str, conf: &Conf, arguments: &[String]) -> Result<String, Error> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        let (name, end) = (&rest[start + 2..start + length], start + length + 1);
        result.push_str(&rest[..start]);
        match value(name, conf, arguments)? {
            Some(value) => result.push_str(&value),
            None => result.push_str(&rest[start..end]),
        }
        rest = &rest[end..];
    }
    result.push_str(rest);
    Ok(result)
}

fn value(name: &str, conf: &Conf, arguments: &[String]) -> Result<Option<String>, Error> {
    if let Ok(position) = name.parse::<usize>() {
        let argument = position.checked_sub(1).and_then(|at| arguments.get(at));
        return argument.cloned().map(Some).ok_or_else(|| {
            Error::NotSupported(format!(
                "the statement uses ${{{position}}}, but {} argument(s) followed the script",
                arguments.len()
            ))
        });
    }
    if let Some(variable) = name.strip_prefix("env:") {
        return Ok(std::env::var(variable).ok());
    }
    let key = name.strip_prefix("sparkconf:").unwrap_or(name);
    Ok(conf.get(key).map(|(value, _)| value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_conf::Origin;

    #[test]
    fn arguments_and_settings_are_put_in_and_the_unknown_is_left() {
        let mut conf = Conf::default();
        conf.set("spark.app.name", "job", Origin::Code).unwrap();
        let arguments = ["7".to_owned()];
        let text = "SELECT ${1}, '${spark.app.name}', '${x.y}', '$1', '${open";
        assert_eq!(
            substitute(text, &conf, &arguments).unwrap(),
            "SELECT 7, 'job', '${x.y}', '$1', '${open"
        );
        assert!(substitute("${2}", &conf, &arguments).is_err());
        assert!(substitute("${0}", &conf, &arguments).is_err());
    }
}
