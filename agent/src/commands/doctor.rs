//! `pitot doctor`

use anyhow::anyhow;
use pitot_capture::preflight;
use pitot_export::Settings;
use serde_json::json;

use crate::cli::Doctor;
use crate::config;
use crate::exit::{Failure, Outcome};
use crate::live;
use crate::output::Output;
use crate::terminal::escape;

/// One thing that was looked at.
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
    fix: Option<String>,
}

pub(super) fn execute(arguments: &Doctor) -> Outcome {
    let config = config::load(arguments.config.file.as_deref())?;
    let mut checks: Vec<Check> = preflight::report(&live::options(&config, &arguments.kernel))
        .into_iter()
        .map(|preflight::Check { name, ok, detail, fix }| Check { name, ok, detail, fix })
        .collect();
    if config.export.otlp.enabled {
        checks.push(otlp());
    }
    print(&checks, arguments.json)?;
    match checks.iter().filter(|check| !check.ok).count() {
        0 => Ok(()),
        misses => Err(Failure::machine(anyhow!("{misses} of {} checks failed", checks.len()))),
    }
}

fn otlp() -> Check {
    let name = "OTLP endpoint";
    let probed = Settings::from_env().and_then(|settings| {
        pitot_export::probe(&settings)?;
        Ok(settings.shown_endpoint())
    });
    match probed {
        Ok(endpoint) => Check { name, ok: true, detail: format!("{endpoint} takes findings"), fix: None },
        Err(error) => Check {
            name,
            ok: false,
            detail: error.to_string(),
            fix: Some(
                "start a collector there, set OTEL_EXPORTER_OTLP_ENDPOINT, or set export.otlp.enabled to false".into(),
            ),
        },
    }
}

fn print(checks: &[Check], json: bool) -> Outcome {
    let mut out = Output::stdout();
    if json {
        let list = |Check { name, ok, detail, fix }: &Check| json!({"name": name, "ok": ok, "detail": detail, "fix": fix});
        let ok = checks.iter().all(|check| check.ok);
        out.line(&json!({"ok": ok, "checks": checks.iter().map(list).collect::<Vec<_>>()}).to_string())?;
        return out.flush();
    }
    for Check { name, ok, detail, fix } in checks {
        out.line(&format!("{}  {name}: {}", if *ok { "ok  " } else { "MISS" }, escape(detail)))?;
        if let Some(fix) = fix {
            out.line(&format!("      fix: {}", escape(fix)))?;
        }
    }
    out.flush()
}
