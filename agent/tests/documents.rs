//! What `pitot baseline` makes of a baseline file: tables, JSON Schema, OpenAPI, differences.

// clippy.toml's exemption covers test functions, not their helpers.
#![allow(clippy::expect_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

fn body(number: u64, later: bool) -> Value {
    let mut body = json!({
        "id": format!("o-{number}"),
        "total": if later { json!("9.50") } else { json!(9.5) },
        "note": if number.is_multiple_of(4) { Value::Null } else { json!("n") },
        "lines": (0..number % 3).map(|i| json!({"sku": i, "it's \"odd\"": true})).collect::<Vec<_>>(),
        "labels": {"a@b": 1},
        "amount": 1_000 + number * 7_919 % 3_000,
        "state": if number.is_multiple_of(3) { "open" } else { "paid" },
        "at": format!("2025-11-22T08:26:{:02}Z", 40 - number * 7 % 20),
    });
    if number.is_multiple_of(2) {
        body["coupon"] = json!("c");
    }
    if later {
        body["trace"] = json!({"span": number});
    }
    body
}

struct Case {
    directory: TempDir,
}

impl Case {
    fn new() -> Self {
        let case = Self { directory: TempDir::new().expect("a temporary directory") };
        case.learn("before", false);
        case.learn("after", true);
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Learns orders of two clients, and their answers, into a baseline file.
    fn learn(&self, name: &str, later: bool) {
        let mut file = String::new();
        for number in 0..300 {
            let client = if number % 5 == 0 { "cron" } else { "shop" };
            let (t_ns, body) = (1_763_800_000_000_000_000 + number * 10_000_000, body(number, later));
            let both = format!(
                r#""client":"{client}","server":"billing","exchange":"{number}","headers":{{"content-type":"application/json"}}"#
            );
            let target = format!("/v1/orders/{}/lines?page={number}", 4_711_000 + number);
            writeln!(file, r#"{{"t_ns":{t_ns},{both},"side":"request","method":"POST","target":"{target}","body":{body}}}"#)
                .expect("memory");
            writeln!(file, r#"{{"t_ns":{t_ns},{both},"side":"response","status":201,"body":{{"ok":true}}}}"#)
                .expect("memory");
        }
        let input = self.path("input");
        fs::write(&input, file).expect("writable");
        let input = input.to_str().expect("UTF-8");
        let learned = self.run(&["replay", input, "--save-baseline", &self.name(name)]);
        assert!(learned.status.success(), "{learned:?}");
    }

    fn name(&self, file: &str) -> String {
        self.path(file).to_str().expect("UTF-8").to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pitot"));
        command.args(arguments).env_clear().output().expect("the program starts")
    }

    /// Standard output of `pitot baseline` with the file `before`.
    fn of(&self, command: &str, arguments: &[&str]) -> String {
        let file = self.name("before");
        let output = self.run(&[&["baseline", command, "--baseline", &file], arguments].concat());
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

const REQUEST: &str = "shop -> billing POST /v1/orders/{id}/lines request";

#[test]
fn flows_are_shown() {
    let case = Case::new();
    let shown = case.of("show", &["--flow", "shop"]);
    assert!(shown.starts_with(&format!("{REQUEST}: 240 messages\n  PATH")), "{shown}");
    assert!(shown.contains("/lines response 2xx: 240 messages\n"), "{shown}");
    let line = |path: &str| -> Vec<String> {
        let line = shown.lines().find(|line| line.trim_start().starts_with(&format!("{path} ")));
        line.expect(path)
            .split("  ")
            .map(|cell| cell.trim().to_owned())
            .filter(|cell| !cell.is_empty())
            .collect()
    };
    assert_eq!(line("$"), ["$", "object", "-", "0 %", "-", "-"]);
    assert_eq!(line("$.id")[..5], ["$.id", "string", "100 %", "0 %", "texts"]);
    assert_eq!(line("$.coupon")[..5], ["$.coupon", "string", "50.2 %", "0 %", "1 code"]);
    assert!(line("$.coupon")[5].starts_with("values "), "{:?}", line("$.coupon"));
    assert_eq!(line("$.state")[4], "2 codes");
    assert!(line("$.amount")[4].starts_with("numbers, half in 1"), "{:?}", line("$.amount"));
    assert!(line("$.at")[4].ends_with(" s before the message"), "{:?}", line("$.at"));
    assert_eq!(line("$.note")[..4], ["$.note", "string", "100 %", "25.3 %"]);
    let cron = case.of("show", &["--flow", "cron -> billing POST /v1/orders/{id}/lines request"]);
    assert!(cron.contains("60 messages, learning for 140 more\n"), "{cron}");
    assert!(cron.contains("  presence "), "what a channel still needs: {cron}");
    let first: Value =
        serde_json::from_str(case.of("show", &["--json"]).lines().next().expect("a line")).expect("JSON");
    assert_eq!(
        (&first["flow"]["client"], &first["messages"], &first["needs"]),
        (&json!("cron"), &json!(60), &json!(140))
    );
    let request: Value =
        serde_json::from_str(&case.of("show", &["--json", "--flow", REQUEST])).expect("JSON");
    let values = |path: &str| {
        let paths = request["paths"].as_array().expect("paths");
        paths.iter().find(|of| of["path"] == path).expect(path)["values"].clone()
    };
    assert_eq!(values("$"), Value::Null);
    assert_eq!((&values("$.state")["are"], &values("$.state")["count"]), (&json!("codes"), &json!(2)));
    let middle: Vec<f64> = serde_json::from_value(values("$.amount")["middle"].clone()).expect("numbers");
    assert!(
        middle.iter().all(|bound| (1_000.0..=4_000.0).contains(bound) && bound % 100.0 == 0.0),
        "{middle:?}"
    );
}

#[test]
fn json_schema_takes_what_was_learned_and_no_more() {
    let case = Case::new();
    let schema: Value = serde_json::from_str(&case.of("export", &["--flow", REQUEST])).expect("JSON");
    jsonschema::meta::validate(&schema).expect("a schema");
    assert_eq!(schema["title"], json!(REQUEST));
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for number in 0..30 {
        validator.validate(&body(number, false)).expect("it was learned from this");
    }
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut body = body(2, false);
        change(&mut body);
        assert!(!validator.is_valid(&body), "{body}");
    };
    assert_eq!(schema["properties"]["at"], json!({"type": "string", "format": "date-time"}));
    refused(&|body| body["total"] = json!("9.5"));
    refused(&|body| drop(body.as_object_mut().expect("an object").remove("id")));
    refused(&|body| body["lines"][0]["it's \"odd\""] = json!(1));
    refused(&|body| body["labels"]["c@d"] = json!("x"));

    let all: Value = serde_json::from_str(&case.of("export", &[])).expect("JSON");
    jsonschema::meta::validate(&all).expect("a schema");
    assert_eq!(all["$defs"].as_object().expect("definitions").len(), 4);
    assert_eq!(all["$defs"][REQUEST]["properties"], schema["properties"]);
}

#[test]
fn openapi_is_valid() {
    let case = Case::new();
    let document: Value = serde_json::from_str(&case.of("export", &["--format", "openapi"])).expect("JSON");
    assert_eq!((&document["openapi"], &document["info"]["title"]), (&json!("3.1.0"), &json!("billing")));
    let operation = &document["paths"]["/v1/orders/{id}/lines"]["post"];
    assert_eq!(operation["description"], "Called by cron, shop: 300 requests.");
    assert_eq!(operation["parameters"][0]["name"], "id");
    let request = &operation["requestBody"]["content"]["application/json"]["schema"];
    let response = &operation["responses"]["2XX"]["content"]["application/json"]["schema"];
    for schema in [request, response] {
        jsonschema::meta::validate(schema).expect("a schema");
    }
    assert!(jsonschema::validator_for(request).expect("a schema").is_valid(&body(7, false)));
    let wrong = case.run(&[
        "baseline",
        "export",
        "--baseline",
        &case.name("before"),
        "--format",
        "openapi",
        "--server",
        "x",
    ]);
    assert_eq!(
        (wrong.status.code(), stderr(&wrong)),
        (Some(2), "pitot: no flow goes to `x`; these are known: billing\n".into())
    );
}

#[test]
fn differences_are_named() {
    let case = Case::new();
    let diff = |before: &str, after: &str, more: &[&str]| {
        let output = case.run(&[&["baseline", "diff", &case.name(before), &case.name(after)], more].concat());
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert_eq!(diff("before", "before", &[]), "");
    let text = diff("before", "after", &[]);
    let expected: String = ["cron", "shop"]
        .iter()
        .flat_map(|client| {
            ["$.total types: number -> string", "+ $.trace object", "+ $.trace.span number"]
                .map(|line| format!("~ {}: {line}\n", REQUEST.replace("shop", client)))
        })
        .collect();
    assert_eq!(text, expected);
    let json: Vec<Value> = diff("after", "before", &["--json"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(json.len(), 6);
    assert_eq!(
        json[1],
        json!({"flow": REQUEST.replace("shop", "cron"), "difference": "path_removed", "path": "$.trace", "before": ["object"], "after": null})
    );
}

#[test]
fn without_an_agent_it_is_said_how_to_reach_one() {
    let case = Case::new();
    for command in [&["show"][..], &["approve", "85ba1388f33441bf"], &["reset", "shop"]] {
        let output = case.run(&[&["baseline"], command, &["--state", &case.name("")]].concat());
        assert_eq!(output.status.code(), Some(2));
        let expected = format!(
            "pitot: {}: no agent can be reached; start `pitot run`, or name its directory with --state",
            case.name("control")
        );
        assert!(stderr(&output).starts_with(&expected), "{}", stderr(&output));
    }
}
