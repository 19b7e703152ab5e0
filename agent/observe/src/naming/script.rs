//! Of an interpreter, the script it runs.

use pitot_common::user::Process;

/// The capture cuts the arguments here; one that may be cut names nothing.
const ARGS_CUT: usize = 256;

/// How the arguments of an interpreter are read.
struct Interpreter {
    /// Long options, and short ones with their dash, whose value is the next argument.
    valued: &'static [&'static str],
    /// Options whose value is the name.
    named: &'static [&'static str],
    /// Options after which there is no script: code as an argument.
    inline: &'static [&'static str],
    /// Words before the script that are no script.
    verbs: &'static [&'static str],
    /// Whether short options may be joined (`-um`), the last with its value attached.
    joined: bool,
}

const PYTHON: Interpreter = Interpreter {
    valued: &["-W", "-X", "--check-hash-based-pycs"],
    named: &["-m"],
    inline: &["-c", "-"],
    verbs: &[],
    joined: true,
};
const NODE: Interpreter = Interpreter {
    valued: &["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"],
    named: &[],
    inline: &["-e", "--eval", "-p", "--print", "-pe", "-"],
    verbs: &["inspect"],
    joined: false,
};
const DENO: Interpreter = Interpreter {
    valued: &["-c", "--config", "--import-map", "-L", "--log-level", "-r", "--preload"],
    named: &[],
    inline: &["-e", "--eval", "eval", "repl", "-"],
    verbs: &["run", "serve"],
    joined: false,
};
const RUBY: Interpreter = Interpreter {
    valued: &["-I", "-r", "-C", "-E"],
    named: &["-S"],
    inline: &["-e", "-"],
    verbs: &[],
    joined: true,
};
const PERL: Interpreter =
    Interpreter { valued: &["-I"], named: &["-S"], inline: &["-e", "-E", "-"], verbs: &[], joined: false };
const PHP: Interpreter = Interpreter {
    valued: &["-d", "-c", "-t", "-S", "-z"],
    named: &["-f", "--file"],
    inline: &["-r", "--run", "-"],
    verbs: &[],
    joined: false,
};
const JAVA: Interpreter = Interpreter {
    valued: &[
        "-cp",
        "-classpath",
        "--class-path",
        "-p",
        "--module-path",
        "--add-modules",
        "--add-opens",
        "--add-exports",
        "--add-reads",
        "--upgrade-module-path",
    ],
    named: &["-jar", "-m", "--module"],
    inline: &[],
    verbs: &[],
    joined: false,
};
const SHELL: Interpreter = Interpreter {
    valued: &["-o", "+o", "-O", "+O", "--rcfile", "--init-file"],
    named: &[],
    inline: &["-c", "-s", "-"],
    verbs: &[],
    joined: true,
};

/// The interpreter of this name; a version may follow it (`python3.11`, `php8.2`).
fn interpreter(name: &str) -> Option<&'static Interpreter> {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    match base {
        "python" | "pypy" => Some(&PYTHON),
        "node" | "nodejs" => Some(&NODE),
        "deno" | "bun" => Some(&DENO),
        "ruby" => Some(&RUBY),
        "perl" => Some(&PERL),
        "php" => Some(&PHP),
        "java" => Some(&JAVA),
        "sh" | "bash" | "dash" | "zsh" | "ksh" => Some(&SHELL),
        _ => None,
    }
}

/// What an option says of the argument after it.
enum Meaning<'a> {
    Flag,
    TakesValue,
    NextIsName,
    Name(&'a str),
    NoScript,
}

/// The name of the script, module, jar or class that an interpreter runs; `None` for any other process, for code given
/// as an argument, and where the argument may have been cut.
pub(super) fn name(process: &Process) -> Option<String> {
    let first = process.args.first().map(|a| base_name(a)).unwrap_or_default();
    let executable =
        [process.exe.as_str(), first, process.comm.as_str()].into_iter().find(|name| !name.is_empty())?;
    let interpreter = interpreter(executable)?;
    let (at, argument, by_option) = script_argument(interpreter, &process.args)?;
    let length: usize = process.args.iter().map(|a| a.len() + 1).sum();
    if at + 1 == process.args.len() && length >= ARGS_CUT {
        return None;
    }
    let is_module = by_option && std::ptr::eq(interpreter, &PYTHON);
    let is_class = std::ptr::eq(interpreter, &JAVA) && !has_extension(argument, "jar");
    let name = if is_module || is_class { base_name(argument) } else { stem(base_name(argument)) };
    (!name.is_empty()).then(|| name.to_owned())
}

/// The argument that names the script, where it stands, and whether an option announced it.
fn script_argument<'a>(interpreter: &Interpreter, args: &'a [String]) -> Option<(usize, &'a str, bool)> {
    let mut rest = args.iter().map(String::as_str).enumerate().skip(1);
    while let Some((at, argument)) = rest.next() {
        if argument == "--" {
            return rest.next().map(|(at, argument)| (at, argument, false));
        }
        match meaning(interpreter, argument) {
            None => return Some((at, argument, false)),
            Some(Meaning::Flag) => {}
            Some(Meaning::TakesValue) => {
                rest.next();
            }
            Some(Meaning::NextIsName) => return rest.next().map(|(at, argument)| (at, argument, true)),
            Some(Meaning::Name(name)) => return Some((at, name, true)),
            Some(Meaning::NoScript) => return None,
        }
    }
    None
}

/// What an argument means; `None`: it is the script.
fn meaning<'a>(interpreter: &Interpreter, argument: &'a str) -> Option<Meaning<'a>> {
    let exact = |option: &str| {
        if interpreter.inline.contains(&option) {
            Some(Meaning::NoScript)
        } else if interpreter.named.contains(&option) {
            Some(Meaning::NextIsName)
        } else if interpreter.valued.contains(&option) {
            Some(Meaning::TakesValue)
        } else {
            None
        }
    };
    if let Some(meaning) = exact(argument) {
        return Some(meaning);
    }
    if interpreter.verbs.contains(&argument) {
        return Some(Meaning::Flag);
    }
    if !argument.starts_with(['-', '+']) || argument.len() < 2 {
        return None;
    }
    if argument.starts_with("--") || !interpreter.joined {
        return Some(Meaning::Flag);
    }
    for (i, c) in argument.char_indices().skip(1) {
        let attached = argument.get(i + c.len_utf8()..).unwrap_or_default();
        match exact(&format!("-{c}")) {
            Some(Meaning::NextIsName) if !attached.is_empty() => return Some(Meaning::Name(attached)),
            Some(Meaning::TakesValue) if !attached.is_empty() => return Some(Meaning::Flag),
            Some(meaning) => return Some(meaning),
            None => {}
        }
    }
    Some(Meaning::Flag)
}

fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, e)| e.eq_ignore_ascii_case(extension))
}

fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::process;
    use super::*;

    #[test]
    fn scripts() {
        let check = |exe: &str, line: &str, expected: Option<&str>| {
            let args: Vec<&str> = line.split(' ').collect();
            assert_eq!(name(&process(exe, &args, "")).as_deref(), expected, "{line}");
        };
        check("python3", "python3 sync.py", Some("sync"));
        check("python3.11", "python3 -u -W ignore /srv/app/sync.py --x", Some("sync"));
        check("python3.11", "python3 -m http.server 8000", Some("http.server"));
        check("python3.11", "python3 -um http.server 8000", Some("http.server"));
        check("python3.11", "python3 -Xdev -OO -mhttp.server", Some("http.server"));
        check("python3.11", "python3 -c print(1) sync.py", None);
        check("python3.11", "python3 -", None);
        check("python3.11", "python3", None);
        check("python3.11", "/usr/bin/python3 /usr/bin/gunicorn app:app", Some("gunicorn"));
        check("", "/usr/bin/python3 a.py", Some("a"));
        check("node", "node /app/worker.js --x", Some("worker"));
        check("node", "node --max-old-space-size=512 -r dotenv/config worker.mjs", Some("worker"));
        check("node", "node --import ./t.js -- worker.js", Some("worker"));
        check("node", "node -e 1", None);
        check("node", "node inspect worker.js", Some("worker"));
        check("deno", "deno run --allow-net main.ts", Some("main"));
        check("bun", "bun index.ts", Some("index"));
        check("ruby", "ruby -I lib -rjson app.rb", Some("app"));
        check("ruby3.2", "ruby -S puma", Some("puma"));
        check("perl", "perl -w -I lib job.pl", Some("job"));
        check("perl", "perl -e 1", None);
        check("php8.2", "php -d a=b -S 0:80 -t pub router.php", Some("router"));
        check("php", "php -f x.php", Some("x"));
        check("java", "java -Xmx1g -jar /opt/shop-1.2.jar --server", Some("shop-1.2"));
        check("java", "java -cp a.jar:b.jar com.acme.Main x", Some("com.acme.Main"));
        check("java", "java -m shop/com.acme.Main", Some("com.acme.Main"));
        check("bash", "bash -eu -o pipefail /opt/run.sh", Some("run"));
        check("bash", "bash -c ./run.sh", None);
        check("bash", "bash -ec ./run.sh", None);
        check("dash", "sh", None);
        check("nginx", "nginx -c x.conf", None);
        check("node_exporter", "node_exporter --x", None);
        check("python3", "python3 .hidden", Some(".hidden"));
    }

    #[test]
    fn an_argument_that_may_be_cut_names_nothing() {
        let long = format!("/{}/sync.py", "x".repeat(300)).chars().take(247).collect::<String>();
        assert_eq!(name(&process("python3", &["python3", &long], "")), None);
        assert_eq!(name(&process("python3", &["python3", "sync.py", &long], "")).as_deref(), Some("sync"));
    }
}
