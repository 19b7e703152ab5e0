//! From file and environment to a [`Config`], or one line that says what is wrong and where.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use serde_saphyr::Error as YamlError;

use super::Config;

/// Variables with this prefix and [`LEVEL`] in their name are configuration.
const PREFIX: &str = "PITOT_";
/// Parts the levels of a key in a variable's name.
const LEVEL: &str = "__";

/// The configuration from `file` (defaults without one) and this process's environment.
///
/// # Errors
/// One line naming the file and line, or the variable, and what to do.
pub fn load(file: Option<&Path>) -> anyhow::Result<Config> {
    let config = match file {
        None => Config::default(),
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).with_context(|| {
                format!("{name}: the configuration cannot be read; give a readable file to --config")
            })?;
            load_text(&name, &text)?
        }
    };
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect();
    // The order of the environment is nobody's decision: the first wrong variable by name is reported.
    variables.sort();
    with_environment(config, &variables)
}

/// The configuration in `text`, which came from the file `name`.
///
/// # Errors
/// As [`load`].
pub fn load_text(name: &str, text: &str) -> anyhow::Result<Config> {
    match serde_saphyr::from_str::<Option<Config>>(text) {
        Ok(config) => Ok(config.unwrap_or_default()),
        Err(error) => {
            let error = error.without_snippet();
            let place = match error.location().filter(|l| l.line() > 0) {
                Some(location) => format!("{name}:{}:{}", location.line(), location.column()),
                None => name.to_owned(),
            };
            Err(anyhow!("{place}: {}", explain(error)))
        }
    }
}

fn explain(error: &YamlError) -> String {
    match error {
        YamlError::SerdeUnknownField { field, expected, .. } => unknown_key(field, expected.iter().copied()),
        YamlError::InvalidScalar { ty, .. } => format!("{} is expected", in_words(ty)),
        YamlError::Unexpected { expected: "mapping start", .. } => {
            "a section with keys is expected".to_owned()
        }
        YamlError::Unexpected { expected: "sequence start", .. } => "a list is expected".to_owned(),
        YamlError::DuplicateMappingKey { key, .. } => {
            format!("key `{}` is there twice; remove one", key.as_deref().unwrap_or_default())
        }
        YamlError::Message { msg, .. } => msg.clone(),
        // The place stands in front already, and a second line would be a picture of the source.
        other => {
            let text = other.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.rsplit_once(" at line ").map_or(first, |(what, _)| what).to_owned()
        }
    }
}

fn in_words(rust_type: &str) -> &str {
    match rust_type {
        "u8" | "u16" | "u32" | "u64" => "a whole number",
        "f32" | "f64" => "a number",
        "bool" | "boolean" => "true or false",
        other => other,
    }
}

fn unknown_key<'a>(key: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let nearest = known.clone().min_by_key(|k| (strsim::damerau_levenshtein(k, key), *k));
    match nearest {
        // More than half of it wrong is no misspelling: then all are named.
        Some(near) if strsim::damerau_levenshtein(near, key) <= key.len().max(2) / 2 => {
            format!("unknown key `{key}`; did you mean `{near}`?")
        }
        _ => format!("unknown key `{key}`; known here: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn with_environment(config: Config, variables: &[(String, String)]) -> anyhow::Result<Config> {
    let mut tree = serde_json::to_value(&config)?;
    let mut config = config;
    for (name, text) in variables {
        let Some(key) = name.strip_prefix(PREFIX).filter(|key| key.contains(LEVEL)) else { continue };
        let slot = find(&mut tree, key).with_context(|| name.clone())?;
        *slot = serde_saphyr::from_str(text).map_err(|_| anyhow!("{name}: `{text}` is not a YAML value"))?;
        // After each, so that the error names the variable.
        config = serde_json::from_value(tree.clone()).with_context(|| name.clone())?;
    }
    Ok(config)
}

/// The place of `key` (`LEARNING__MESSAGES`) in the configuration as a tree.
fn find<'t>(tree: &'t mut Value, key: &str) -> anyhow::Result<&'t mut Value> {
    let mut here = tree;
    for part in key.split(LEVEL) {
        let part = part.to_ascii_lowercase();
        let Value::Object(keys) = here else { bail!("`{part}` is below a key that holds a value") };
        if !keys.contains_key(&part) {
            bail!(unknown_key(&part, keys.keys().map(String::as_str)));
        }
        here = keys.get_mut(&part).context("the key is there")?;
    }
    Ok(here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Match, Rules};

    #[test]
    fn a_file_sets_what_it_names() {
        let check = |text: &str, expected: Config| {
            assert_eq!(load_text("p.yaml", text).expect(text), expected, "{text}");
        };
        check("", Config::default());
        check("# only a comment\n", Config::default());
        check("learning:\n", Config::default());
        let mut config = Config::default();
        config.learning.messages = 50;
        check("learning:\n  messages: 50\n", config.clone());
        let rule = Match { port: Some(22), address: Some("10.0.0.0/8".into()), ..Match::default() };
        config.capture.filter.exclude = vec![rule, Match { comm: Some("sshd".into()), ..Match::default() }];
        check(
            "capture: {filter: {exclude: [{port: 22, address: 10.0.0.0/8}, {comm: sshd}]}}\nlearning: {messages: 50}\n",
            config.clone(),
        );
        config.capture.filter = Rules::default();
        config.redaction.headers = vec!["x-api-key".into()];
        check("redaction: {headers: [x-api-key]}\nlearning: {messages: 50}\n", config);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let check = |text: &str, expected: &str| {
            let error = load_text("p.yaml", text).expect_err(text);
            assert_eq!(format!("{error:#}"), expected, "{text}");
        };
        check("learnin:\n  messages: 5\n", "p.yaml:1:1: unknown key `learnin`; did you mean `learning`?");
        check(
            "capture: {}\nlearning:\n  mesages: 5\n",
            "p.yaml:3:3: unknown key `mesages`; did you mean `messages`?",
        );
        check(
            "zzz: 1\n",
            "p.yaml:1:1: unknown key `zzz`; known here: learning, capture, fields, naming, state, limits, redaction, export",
        );
        check("learning:\n  messages: 0\n", "p.yaml:2:13: 0 is too few, the least is 1");
        check("learning:\n  messages: many\n", "p.yaml:2:13: a whole number is expected");
        check(
            "capture: {filter: {include: [{prt: 1}]}}\n",
            "p.yaml:1:31: unknown key `prt`; did you mean `port`?",
        );
        check(
            "capture: {filter: {include: [{}]}}\n",
            "p.yaml:1:29: a rule that names nothing would match everything; name a pid, comm, cgroup, namespace, port or \
             address",
        );
        check(
            "capture: {filter: {exclude: [{address: 10.0.0}]}}\n",
            "p.yaml:1:40: `10.0.0` is not a range of addresses; write it like 10.1.0.0/16 or 2001:db8::/32",
        );
        check(
            "fields: {headers: [x-tenant, Cookie]}\n",
            "p.yaml:1:19: the header Cookie is a secret and never read",
        );
        check("learning: 5\n", "p.yaml:1:11: a section with keys is expected");
        check("learning: {}\nlearning: {}\n", "p.yaml:2:1: key `learning` is there twice; remove one");
        check("redaction:\n  headers: [a\nlearning: {}\n", "p.yaml:3:9: illegal placement of ':' indicator");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let set = |name: &str, value: &str| {
            with_environment(Config::default(), &[(name.to_owned(), value.to_owned())])
        };
        assert_eq!(set("PITOT_LEARNING__MESSAGES", "7").expect("good").learning.messages, 7);
        assert!(!set("PITOT_EXPORT__OTLP__ENABLED", "false").expect("good").export.otlp.enabled);
        assert_eq!(set("PITOT_REDACTION__HEADERS", "[a, b]").expect("good").redaction.headers, ["a", "b"]);
        assert_eq!(set("PITOT_LOG", "debug").expect("not ours"), Config::default());
        let check = |name: &str, value: &str, expected: &str| {
            assert_eq!(format!("{:#}", set(name, value).expect_err(name)), expected);
        };
        check(
            "PITOT_LEARNING__MESAGES",
            "7",
            "PITOT_LEARNING__MESAGES: unknown key `mesages`; did you mean `messages`?",
        );
        check("PITOT_LEARNING__MESSAGES", "0", "PITOT_LEARNING__MESSAGES: 0 is too few, the least is 1");
        check(
            "PITOT_LEARNING__MESSAGES__X",
            "0",
            "PITOT_LEARNING__MESSAGES__X: `x` is below a key that holds a value",
        );
    }

    #[test]
    fn the_schema_checked_in_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.schema.json");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, crate::config::schema()).expect("writable");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            kept,
            crate::config::schema(),
            "run the test with UPDATE_GOLDEN=1 to renew {}",
            path.display()
        );
    }
}
