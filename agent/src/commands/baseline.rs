//! `pitot baseline`

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::anyhow;

use crate::baseline::{self, Described, diff, openapi, schema, show};
use crate::cli::{Baseline, BaselineDo, Document, Learnt};
use crate::config::{self, Config};
use crate::control::{self, Request};
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::pipeline::Learned;
use crate::terminal;

pub(super) fn execute(arguments: &Baseline) -> Outcome {
    match &arguments.what {
        BaselineDo::Show { of, flow, json } => show(of, flow, *json),
        BaselineDo::Export { of, flow, format, server, output } => {
            export(of, flow, *format, server.as_deref(), output)
        }
        BaselineDo::Diff { before, after, state, json } => difference(before, after.as_deref(), state, *json),
        BaselineDo::Approve { id, state } => {
            control::ask(state, &Request::Approve { id: id.clone() })?;
            Ok(())
        }
        BaselineDo::Reset { flow, all, state } => {
            let names = control::ask(state, &Request::Reset { flow: flow.clone(), all: *all })?;
            write("-".as_ref(), [String::from_utf8_lossy(&names).into_owned()])
        }
    }
}

fn show(of: &Learnt, part: &str, json: bool) -> Outcome {
    let flows = described(&read(of.baseline.as_deref(), &of.state)?, part)?;
    if json {
        return write("-".as_ref(), flows.iter().map(|flow| flow.json().to_string()));
    }
    write("-".as_ref(), flows.iter().map(show::table))
}

fn export(of: &Learnt, part: &str, format: Document, server: Option<&str>, output: &Path) -> Outcome {
    let flows = described(&read(of.baseline.as_deref(), &of.state)?, part)?;
    let document = match format {
        Document::JsonSchema => schema::document(&flows),
        Document::Openapi => {
            let (server, flows) = of_server(flows, server)?;
            let (document, left_out) = openapi::document(&server, &flows);
            for name in left_out {
                terminal::say(&format!("`{name}` is left out: OpenAPI has no place for its method or route"));
            }
            document
        }
    };
    let text = serde_json::to_string_pretty(&document).map_err(anyhow::Error::new)?;
    write(output, [text])
}

/// The flows of one server, which must be named where there are several.
fn of_server(flows: Vec<Described>, server: Option<&str>) -> anyhow::Result<(String, Vec<Described>)> {
    let servers: BTreeSet<String> = flows.iter().map(|flow| flow.flow.server.clone()).collect();
    let known = || servers.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let server = match (server, servers.len()) {
        (Some(server), _) if servers.contains(server) => server.to_owned(),
        (Some(server), _) => return Err(anyhow!("no flow goes to `{server}`; these are known: {}", known())),
        (None, 1) => servers.first().cloned().unwrap_or_default(),
        (None, _) => {
            return Err(anyhow!(
                "an OpenAPI document describes one server; give --server, one of: {}",
                known()
            ));
        }
    };
    let flows = flows.into_iter().filter(|flow| flow.flow.server == server).collect();
    Ok((server, flows))
}

fn difference(before: &Path, after: Option<&Path>, state: &Path, json: bool) -> Outcome {
    let config = config::load(None)?;
    let of = |learned: &Learned| baseline::described(learned, &config, "");
    let differences = diff::differences(&of(&Learned::read(before)?), &of(&read(after, state)?));
    write("-".as_ref(), differences.iter().map(|one| if json { one.json().to_string() } else { one.line() }))
}

/// What a file holds, or without one what the agent has learned.
fn read(file: Option<&Path>, state: &Path) -> anyhow::Result<Learned> {
    file.map_or_else(|| baseline::of_agent(state), Learned::read)
}

/// The flows that are asked for, which must be some.
fn described(learned: &Learned, part: &str) -> Result<Vec<Described>, Failure> {
    let config: Config = config::load(None)?;
    let flows = baseline::described(learned, &config, part);
    if flows.is_empty() && !part.is_empty() {
        return Err(Failure::input(anyhow!(
            "no flow has `{part}` in its name; `pitot baseline show` lists them"
        )));
    }
    Ok(flows)
}

fn write(path: &Path, lines: impl IntoIterator<Item = String>) -> Outcome {
    let mut out = Output::open(path)?;
    lines.into_iter().try_for_each(|line| out.line(line.trim_end()))?;
    out.flush()
}
