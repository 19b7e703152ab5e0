//! [`Settings`]: where to and how, from the `OTEL_*` variables.
//!
//! Source: OpenTelemetry specification, "SDK environment variables", "OTLP exporter" and "Resource SDK". For
//! each setting the variable of the signal (`OTEL_EXPORTER_OTLP_LOGS_*`, `_METRICS_*`) goes before the general one; an empty value is as none; a
//! value that is not understood is ignored with a warning ([`Settings::warnings`]). TLS is not built in, so
//! `_CERTIFICATE` and `_CLIENT_*` have nothing to act on: an endpoint that asks for TLS is an error.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tonic::codegen::http::Uri;

use crate::error::{ExportError, quoted};

/// How OTLP is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `http/protobuf`, the default.
    HttpProtobuf,
    /// `grpc`.
    Grpc,
}

/// A variable whose value was ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The variable.
    pub variable: &'static str,
    /// What would have been understood.
    pub expected: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: value ignored; it takes {}", self.variable, self.expected)
    }
}

/// Where to and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `OTEL_SDK_DISABLED`: nothing is exported.
    pub disabled: bool,
    /// How OTLP is carried.
    pub protocol: Protocol,
    /// Complete URL: for HTTP with its path, for gRPC without.
    pub endpoint: Uri,
    /// Sent with every request; secret as a rule.
    pub headers: Vec<(String, String)>,
    /// For one request and its answer.
    pub timeout: Duration,
    /// Whether requests are compressed with gzip.
    pub gzip: bool,
    /// Resource attributes, `service.name` included.
    pub resource: Vec<(String, String)>,
    /// Variables whose value was ignored.
    pub warnings: Vec<Warning>,
}

impl Settings {
    /// Reads this process' environment.
    ///
    /// # Errors
    /// [`ExportError::Endpoint`], [`ExportError::Tls`].
    pub fn from_env() -> Result<Self, ExportError> {
        Self::from_vars(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads variables from `lookup`.
    ///
    /// # Errors
    /// [`ExportError::Endpoint`], [`ExportError::Tls`].
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ExportError> {
        Self::of_signal(&LOGS, &mut Vars::new(lookup))
    }

    fn of_signal<L: Fn(&str) -> Option<String>>(
        names: &'static SignalNames,
        vars: &mut Vars<L>,
    ) -> Result<Self, ExportError> {
        let protocol = vars.protocol(names);
        let mut settings = Self {
            disabled: vars.boolean("OTEL_SDK_DISABLED"),
            protocol,
            endpoint: vars.endpoint(names, protocol)?,
            headers: vars.headers(names),
            timeout: vars.timeout(names),
            gzip: vars.gzip(names),
            resource: vars.resource(),
            warnings: Vec::new(),
        };
        settings.warnings = std::mem::take(&mut vars.warnings);
        Ok(settings)
    }

    /// The endpoint, fit for a log: without credentials and query.
    #[must_use]
    pub fn shown_endpoint(&self) -> String {
        let (host, path) = (self.endpoint.host().unwrap_or_default(), self.endpoint.path());
        match self.endpoint.port_u16() {
            Some(port) => format!("http://{host}:{port}{path}"),
            None => format!("http://{host}{path}"),
        }
    }
}

/// What was given as an endpoint, escaped, without what may be credentials.
fn shown(given: &str) -> String {
    quoted(given.rsplit_once('@').map_or(given, |(_, after)| after))
}

/// Where and how often metrics are exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Where to and how; [`Settings::disabled`] too by `OTEL_METRICS_EXPORTER=none`. Its warnings are those that are not
    /// about events as well.
    pub settings: Settings,
    /// `OTEL_METRIC_EXPORT_INTERVAL`.
    pub interval: Duration,
}

impl MetricsSettings {
    /// Reads this process' environment.
    ///
    /// # Errors
    /// [`ExportError::Endpoint`], [`ExportError::Tls`].
    pub fn from_env() -> Result<Self, ExportError> {
        Self::from_vars(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads variables from `lookup`.
    ///
    /// # Errors
    /// [`ExportError::Endpoint`], [`ExportError::Tls`].
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ExportError> {
        let mut vars = Vars::new(lookup);
        let mut settings = Settings::of_signal(&METRICS, &mut vars)?;
        // What is wrong with the others is said where events are exported.
        settings.warnings.retain(|warning| warning.variable.contains("METRICS"));
        settings.disabled |= vars.no_metrics();
        let interval = vars.milliseconds(
            [INTERVAL; 2],
            Duration::from_secs(60),
            "whole milliseconds above 0 (60000 is used now)",
        );
        vars.only_cumulative();
        settings.warnings.append(&mut vars.warnings);
        Ok(Self { settings, interval })
    }
}

/// The variable of the signal, then that of all signals.
type Names = [&'static str; 2];

/// The variables of one signal, and its path at the general endpoint.
struct SignalNames {
    path: &'static str,
    protocol: Names,
    endpoint: Names,
    headers: Names,
    timeout: Names,
    compression: Names,
    insecure: Names,
}

macro_rules! names {
    ($signal:literal, $path:literal) => {
        SignalNames {
            path: $path,
            protocol: [concat!("OTEL_EXPORTER_OTLP_", $signal, "_PROTOCOL"), "OTEL_EXPORTER_OTLP_PROTOCOL"],
            endpoint: [concat!("OTEL_EXPORTER_OTLP_", $signal, "_ENDPOINT"), "OTEL_EXPORTER_OTLP_ENDPOINT"],
            headers: [concat!("OTEL_EXPORTER_OTLP_", $signal, "_HEADERS"), "OTEL_EXPORTER_OTLP_HEADERS"],
            timeout: [concat!("OTEL_EXPORTER_OTLP_", $signal, "_TIMEOUT"), "OTEL_EXPORTER_OTLP_TIMEOUT"],
            compression: [
                concat!("OTEL_EXPORTER_OTLP_", $signal, "_COMPRESSION"),
                "OTEL_EXPORTER_OTLP_COMPRESSION",
            ],
            insecure: [concat!("OTEL_EXPORTER_OTLP_", $signal, "_INSECURE"), "OTEL_EXPORTER_OTLP_INSECURE"],
        }
    };
}

static LOGS: SignalNames = names!("LOGS", "/v1/logs");
static METRICS: SignalNames = names!("METRICS", "/v1/metrics");
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
const METRICS_EXPORTER: &str = "OTEL_METRICS_EXPORTER";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

/// The environment, and what was wrong in it.
struct Vars<L> {
    lookup: L,
    warnings: Vec<Warning>,
}

impl<L: Fn(&str) -> Option<String>> Vars<L> {
    fn new(lookup: L) -> Self {
        Self { lookup, warnings: Vec::new() }
    }

    fn one(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn first(&self, names: Names) -> Option<(&'static str, String)> {
        names.into_iter().find_map(|name| Some((name, self.one(name)?)))
    }

    fn ignore(&mut self, variable: &'static str, expected: &'static str) {
        self.warnings.push(Warning { variable, expected });
    }

    fn boolean(&mut self, name: &'static str) -> bool {
        match self.one(name).map(|value| value.to_ascii_lowercase()).as_deref() {
            Some("true") => true,
            None | Some("false") => false,
            Some(_) => {
                self.ignore(name, "true or false");
                false
            }
        }
    }

    fn protocol(&mut self, names: &SignalNames) -> Protocol {
        match self.first(names.protocol) {
            Some((_, value)) if value == "grpc" => Protocol::Grpc,
            Some((_, value)) if value == "http/protobuf" => Protocol::HttpProtobuf,
            None => Protocol::HttpProtobuf,
            Some((name, _)) => {
                self.ignore(name, "http/protobuf (used now) or grpc");
                Protocol::HttpProtobuf
            }
        }
    }

    fn endpoint(&mut self, names: &SignalNames, protocol: Protocol) -> Result<Uri, ExportError> {
        let [_, general] = names.endpoint;
        let (variable, given) = self.first(names.endpoint).unwrap_or_else(|| {
            let port = if protocol == Protocol::Grpc { 4317 } else { 4318 };
            (general, format!("http://localhost:{port}"))
        });
        let insecure =
            self.first(names.insecure).is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"));
        let url = match protocol {
            // The signal's variable is taken as it is; the general one is a base URL.
            Protocol::HttpProtobuf if variable == general => {
                format!("{}{}", given.trim_end_matches('/'), names.path)
            }
            Protocol::Grpc if !given.contains("://") => {
                format!("{}://{given}", if insecure { "http" } else { "https" })
            }
            _ => given.clone(),
        };
        let invalid = || ExportError::Endpoint { variable, endpoint: shown(&given) };
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(host)) if !host.is_empty() => Ok(uri),
            (Some("https"), Some(_)) => Err(ExportError::Tls { variable, endpoint: shown(&given) }),
            _ => Err(invalid()),
        }
    }

    fn headers(&mut self, names: &SignalNames) -> Vec<(String, String)> {
        let Some((name, text)) = self.first(names.headers) else { return Vec::new() };
        self.pairs(name, &text).into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value)).collect()
    }

    fn timeout(&mut self, names: &SignalNames) -> Duration {
        let expected = "whole milliseconds above 0 (10000 is used now)";
        self.milliseconds(names.timeout, Duration::from_secs(10), expected)
    }

    fn milliseconds(&mut self, names: Names, default: Duration, expected: &'static str) -> Duration {
        let Some((name, text)) = self.first(names) else { return default };
        match text.trim().parse() {
            Ok(milliseconds) if milliseconds > 0 => Duration::from_millis(milliseconds),
            _ => {
                self.ignore(name, expected);
                default
            }
        }
    }

    /// Whether metrics are not to be exported.
    fn no_metrics(&mut self) -> bool {
        match self.one(METRICS_EXPORTER).as_deref() {
            Some("none") => true,
            None | Some("otlp") => false,
            Some(_) => {
                self.ignore(METRICS_EXPORTER, "otlp (used now) or none");
                false
            }
        }
    }

    fn only_cumulative(&mut self) {
        let asked = self.one(TEMPORALITY).map(|value| value.to_ascii_lowercase());
        if asked.is_some_and(|asked| asked != "cumulative") {
            self.ignore(TEMPORALITY, "cumulative");
        }
    }

    fn gzip(&mut self, names: &SignalNames) -> bool {
        match self.first(names.compression) {
            Some((_, value)) if value == "gzip" => true,
            Some((_, value)) if value == "none" => false,
            None => false,
            Some((name, _)) => {
                self.ignore(name, "gzip or none (used now)");
                false
            }
        }
    }

    /// `OTEL_SERVICE_NAME` goes before `service.name` in `OTEL_RESOURCE_ATTRIBUTES`.
    fn resource(&mut self) -> Vec<(String, String)> {
        let name = "OTEL_RESOURCE_ATTRIBUTES";
        let mut attributes = self.one(name).map(|text| self.pairs(name, &text)).unwrap_or_default();
        let service = self.one("OTEL_SERVICE_NAME");
        if service.is_some() || !attributes.iter().any(|(key, _)| key == "service.name") {
            attributes.retain(|(key, _)| key != "service.name");
            attributes.push(("service.name".to_owned(), service.unwrap_or_else(|| "pitot".to_owned())));
        }
        attributes
    }

    /// `k1=v1,k2=v2`, both percent-encoded. One bad entry makes the whole value void, as the specification says.
    fn pairs(&mut self, variable: &'static str, text: &str) -> Vec<(String, String)> {
        let pair = |entry: &str| {
            let (key, value) = entry.split_once('=')?;
            let key = percent_decode_str(key.trim()).decode_utf8().ok()?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            (!key.is_empty()).then(|| (key.into_owned(), value.into_owned()))
        };
        let entries = text.split(',').filter(|entry| !entry.trim().is_empty());
        let pairs: Option<Vec<_>> = entries.map(pair).collect();
        pairs.unwrap_or_else(|| {
            self.ignore(variable, "KEY=VALUE,KEY=VALUE, percent-encoded");
            Vec::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Result<Settings, ExportError> {
        Settings::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    fn good(vars: &[(&str, &str)]) -> Settings {
        settings(vars).unwrap()
    }

    #[test]
    fn defaults_are_the_specifications() {
        let s = good(&[]);
        assert_eq!((s.disabled, s.protocol, s.gzip), (false, Protocol::HttpProtobuf, false));
        assert_eq!(s.endpoint, "http://localhost:4318/v1/logs");
        assert_eq!(s.timeout, Duration::from_secs(10));
        assert_eq!(s.resource, [("service.name".to_owned(), "pitot".to_owned())]);
        assert!(s.headers.is_empty() && s.warnings.is_empty());
        assert_eq!(good(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).endpoint, "http://localhost:4317");
    }

    #[test]
    fn endpoints() {
        let check =
            |vars: &[(&str, &str)], expected: &str| assert_eq!(good(vars).endpoint, expected, "{vars:?}");
        const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const LOGS: &str = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
        const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        check(&[(ALL, "http://c:1")], "http://c:1/v1/logs");
        check(&[(ALL, "http://c:1/")], "http://c:1/v1/logs");
        check(&[(ALL, "http://c:1/base/")], "http://c:1/base/v1/logs");
        check(&[(ALL, "http://c:1"), (LOGS, "http://l:2/own")], "http://l:2/own");
        check(&[(ALL, "http://c:1"), (LOGS, "http://l:2")], "http://l:2/");
        check(&[(ALL, "http://c:1"), (LOGS, "")], "http://c:1/v1/logs");
        check(&[GRPC, (ALL, "http://c:1")], "http://c:1/");
        check(&[GRPC, (ALL, "c:1"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")], "http://c:1/");
        check(&[GRPC, (ALL, "http://[::1]:1")], "http://[::1]:1/");
    }

    #[test]
    fn bad_endpoints_say_what_to_do() {
        let check = |vars: &[(&str, &str)], expected: &str| {
            let line = settings(vars).unwrap_err().to_string();
            assert!(line.contains(expected) && !line.contains('\n'), "{line}");
        };
        check(
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "c:1")],
            "OTEL_EXPORTER_OTLP_ENDPOINT: `c:1` is not an OTLP endpoint",
        );
        check(&[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "ftp://c")], "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT");
        check(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "a b\n")], "not an OTLP endpoint");
        check(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:1")], "TLS");
        check(
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:1")],
            "INSECURE=true",
        );
    }

    #[test]
    fn credentials_in_an_endpoint_are_not_shown() {
        let s = good(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@c:1")]);
        assert_eq!(s.shown_endpoint(), "http://c:1/v1/logs");
        let line =
            settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:secret@c:1")]).unwrap_err().to_string();
        assert!(line.contains("`c:1`") && !line.contains("secret"), "{line}");
    }

    #[test]
    fn the_rest() {
        let s = good(&[
            ("OTEL_SDK_DISABLED", "TRUE"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x=0"),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "Authorization=Bearer%20a%3Db, x-b = c=d ,"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment.name=b%2Cc"),
        ]);
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert!(s.disabled && s.gzip && s.warnings.is_empty());
        assert_eq!(s.headers, [pair("authorization", "Bearer a=b"), pair("x-b", "c=d")]);
        assert_eq!(s.timeout, Duration::from_millis(500));
        assert_eq!(s.resource, [pair("service.name", "a"), pair("deployment.environment.name", "b,c")]);
        let named = good(&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,k=v"), ("OTEL_SERVICE_NAME", "b")]);
        assert_eq!(named.resource, [pair("k", "v"), pair("service.name", "b")]);
    }

    fn metrics(vars: &[(&str, &str)]) -> MetricsSettings {
        MetricsSettings::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
            .unwrap()
    }

    #[test]
    fn metrics_have_their_own() {
        const ALL: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1");
        let m = metrics(&[ALL, ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://l:2")]);
        assert_eq!(m.settings.endpoint, "http://c:1/v1/metrics");
        assert_eq!((m.interval, m.settings.disabled), (Duration::from_secs(60), false));
        let m = metrics(&[
            ALL,
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m:3/own"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1500"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Cumulative"),
        ]);
        assert_eq!(
            (m.interval, m.settings.endpoint.to_string().as_str()),
            (Duration::from_millis(1500), "http://m:3/own")
        );
        assert!(metrics(&[("OTEL_METRICS_EXPORTER", "none")]).settings.disabled);
        assert!(metrics(&[("OTEL_SDK_DISABLED", "true")]).settings.disabled);
        // Of events too, and said there.
        assert!(metrics(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "0")]).settings.warnings.is_empty());
        for (name, value) in [
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "x"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ] {
            let warnings = metrics(&[(name, value)]).settings.warnings;
            assert_eq!(warnings.iter().map(|w| w.variable).collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn what_is_not_understood_is_ignored_and_said() {
        let check = |name: &'static str, value: &str| {
            let s = good(&[(name, value)]);
            assert_eq!(s.warnings.len(), 1, "{name}={value}");
            assert_eq!(s.warnings[0].variable, name);
            assert_eq!(Settings { warnings: Vec::new(), ..s }, good(&[]));
        };
        check("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
        check("OTEL_EXPORTER_OTLP_TIMEOUT", "10s");
        check("OTEL_EXPORTER_OTLP_TIMEOUT", "0");
        check("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd");
        check("OTEL_EXPORTER_OTLP_HEADERS", "secret");
        check("OTEL_RESOURCE_ATTRIBUTES", "a=b,c");
        check("OTEL_SDK_DISABLED", "1");
    }
}
