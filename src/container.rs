//! The container image: its defaults, its arguments, and variables that other images read.
//!
//!     defaults -> a file -> standard input -> options -> variables of the environment
//!
//! The defaults come before everything, as in Redis's image, which has them built in: a mounted
//! file that says nothing of `protected-mode` serves other containers. A variable by which another
//! image sets a password, or options, is obeyed, or the start is refused: a server that its
//! operator believes to be closed is never open.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Lines before any file: reachable from other containers, data in the volume; no client
/// without a password takes the machine over.
pub(crate) const DEFAULTS: &str = "\
bind * -::*
protected-mode no
remote-admin-without-auth no
dir /data
";

/// The image sets it, so that a server by any of its names has the image's defaults.
const IMAGE_VARIABLE: &str = "RUSSET_IMAGE";

const SERVER_NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// Programs that other images have, and this one has not.
const SHELLS: [&str; 9] = [
    "sh",
    "/bin/sh",
    "ash",
    "bash",
    "/bin/bash",
    "/usr/bin/env",
    "env",
    "docker-entrypoint.sh",
    "/usr/local/bin/docker-entrypoint.sh",
];

fn name_of(program: &OsStr) -> &str {
    let name = Path::new(program).file_name().and_then(OsStr::to_str);
    name.unwrap_or_default()
}

/// Whether the program is the image's entry point.
pub(crate) fn is_entry(program: &OsStr) -> bool {
    name_of(program) == "russet-container"
}

/// Whether it is a server in an image, by the entry point or by a name that people call.
pub(crate) fn is_server(program: &OsStr) -> bool {
    let name = name_of(program);
    let is_named = SERVER_NAMES.contains(&name) || SENTINEL_NAMES.contains(&name);
    is_entry(program) || is_named && std::env::var_os(IMAGE_VARIABLE).is_some()
}

/// Refuses what needs a shell, with what to do instead.
pub(crate) fn check_first(arguments: &[OsString]) -> Result<(), String> {
    let first = arguments.first().and_then(|first| first.to_str());
    let Some(first) = first.filter(|first| SHELLS.contains(first)) else {
        return Ok(());
    };
    Err(format!(
        "This image has no {first}: it is one program, and starts it by itself. Options come right after the \
         image's name (docker run IMAGE --requirepass PASSWORD), a health check is [\"CMD\", \"redis-cli\", \
         \"ping\"]. The tag with -debian has a shell, redis-cli and docker-entrypoint.sh.\n"
    ))
}

/// The meaning of a variable of another image.
enum Meaning {
    /// The value of a directive.
    Directive(&'static str),
    /// Options as on the command line.
    Options,
    /// Refused, unless it is empty or `no`; with what to do instead.
    Refused(&'static str),
}

const AS_DIRECTIVES: &str =
    "the modules' settings are directives: --search-timeout 500, --bf-error-rate 0.01";
const AS_OPTIONS: &str = "give its directives as options after the image's name, or in a file";

const VARIABLES: &[(&str, Meaning)] = &[
    ("REDIS_PASSWORD", Meaning::Directive("requirepass")),
    ("VALKEY_PASSWORD", Meaning::Directive("requirepass")),
    (
        "REDIS_PASSWORD_FILE",
        Meaning::Directive("requirepass-file"),
    ),
    (
        "VALKEY_PASSWORD_FILE",
        Meaning::Directive("requirepass-file"),
    ),
    ("REDIS_PORT_NUMBER", Meaning::Directive("port")),
    ("VALKEY_PORT_NUMBER", Meaning::Directive("port")),
    ("REDIS_AOF_ENABLED", Meaning::Directive("appendonly")),
    ("VALKEY_AOF_ENABLED", Meaning::Directive("appendonly")),
    ("REDIS_ARGS", Meaning::Options),
    ("REDIS_EXTRA_FLAGS", Meaning::Options),
    ("VALKEY_EXTRA_FLAGS", Meaning::Options),
    ("REDISEARCH_ARGS", Meaning::Refused(AS_DIRECTIVES)),
    ("REDISJSON_ARGS", Meaning::Refused(AS_DIRECTIVES)),
    ("REDISTIMESERIES_ARGS", Meaning::Refused(AS_DIRECTIVES)),
    ("REDISBLOOM_ARGS", Meaning::Refused(AS_DIRECTIVES)),
    ("REDIS_ACLFILE", Meaning::Refused(AS_OPTIONS)),
    ("REDIS_DISABLE_COMMANDS", Meaning::Refused(AS_OPTIONS)),
    ("REDIS_MASTER_HOST", Meaning::Refused(AS_OPTIONS)),
    ("REDIS_MASTER_PASSWORD", Meaning::Refused(AS_OPTIONS)),
    ("REDIS_REPLICATION_MODE", Meaning::Refused(AS_OPTIONS)),
    ("REDIS_TLS_ENABLED", Meaning::Refused(AS_OPTIONS)),
    ("VALKEY_ACLFILE", Meaning::Refused(AS_OPTIONS)),
    ("VALKEY_DISABLE_COMMANDS", Meaning::Refused(AS_OPTIONS)),
    ("VALKEY_PRIMARY_HOST", Meaning::Refused(AS_OPTIONS)),
    ("VALKEY_REPLICATION_MODE", Meaning::Refused(AS_OPTIONS)),
    ("VALKEY_TLS_ENABLED", Meaning::Refused(AS_OPTIONS)),
];

/// Adds options for the variables to the arguments of a server; an option that is already given
/// wins. An error is why the start is refused.
pub(crate) fn add_variables(
    arguments: &mut Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(), String> {
    if !starts_a_server(arguments) {
        return Ok(());
    }
    for (name, meaning) in VARIABLES {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        match meaning {
            Meaning::Directive(directive) => {
                let option = OsString::from(format!("--{directive}"));
                let family = directive.trim_end_matches("-file");
                let is_given = arguments.iter().any(|word| {
                    let word = word.to_string_lossy();
                    let word = word.split([' ', '=']).next().unwrap_or_default();
                    word.trim_start_matches("--").trim_end_matches("-file") == family
                });
                if !is_given {
                    arguments.extend([option, value]);
                }
            }
            Meaning::Options => {
                let text = value.to_string_lossy();
                if text.contains(['"', '\'', '\\', '$', '`']) {
                    return Err(format!(
                        "{name}: quotes and the like are not read; {AS_OPTIONS}\n"
                    ));
                }
                arguments.extend(text.split_whitespace().map(OsString::from));
            }
            Meaning::Refused(instead) => {
                let text = value.to_string_lossy();
                if !["no", "false"].contains(&text.to_lowercase().as_str()) {
                    return Err(format!("{name} has no effect here: {instead}\n"));
                }
            }
        }
    }
    Ok(())
}

/// Whether these are the arguments of a server: not of a tool, nor a question.
fn starts_a_server(arguments: &[OsString]) -> bool {
    let Some(first) = arguments.first().map(|first| first.to_string_lossy()) else {
        return true;
    };
    let is_question = ["--help", "-h", "--version", "-v"].contains(&first.as_ref());
    // A subcommand is a plain word.
    !is_question && (first.starts_with('-') || first.contains(['/', '.']))
}

/// The configuration file of a container image.
const CONTAINER_FILE: &str = "/etc/russet/russet.conf";

/// A Sentinel's file in a container: in the volume, because it is the Sentinel's state as well.
const CONTAINER_SENTINEL_FILE: &str = "/data/sentinel.conf";

/// The initial content of that file.
const CONTAINER_SENTINEL_MODEL: &str = "/etc/russet/sentinel.conf";

pub(crate) const SENTINEL_NAMES: [&str; 3] =
    ["redis-sentinel", "valkey-sentinel", "russet-sentinel"];

/// The arguments after a container image's name, as Redis's image reads them: nothing or directives
/// for the image's own configuration, otherwise a file, or a server's name before either. A
/// Sentinel's name or `--sentinel` as the first word asks for a Sentinel.
pub(crate) fn in_container(
    mut arguments: Vec<OsString>,
    exists: impl Fn(&Path) -> bool,
) -> Vec<OsString> {
    let is_one_of = |first: &OsString, names: &[&str]| names.contains(&name_of(first));
    let servers = ["redis-server", "valkey-server", "russet"];
    if arguments
        .first()
        .is_some_and(|first| is_one_of(first, &servers))
    {
        arguments.remove(0);
    }
    if arguments
        .first()
        .is_some_and(|first| first == "--sentinel" || is_one_of(first, &SENTINEL_NAMES))
    {
        return sentinel_in_container(arguments.split_off(1), exists);
    }
    if names_no_file(&arguments) {
        arguments.insert(0, CONTAINER_FILE.into());
    }
    arguments
}

/// Whether these are directives or nothing.
fn names_no_file(arguments: &[OsString]) -> bool {
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"--");
    let Some(first) = arguments.first() else {
        return true;
    };
    let asks = first == "--help" || first == "--version";
    let checks_a_file =
        first == "--check-config" && arguments.get(1).is_some_and(|word| !is_option(word));
    is_option(first) && !asks && !checks_a_file
}

/// The arguments of a Sentinel. `--sentinel` directives for the image's file count only at its
/// first start: from then on they are in the file, with later changes.
fn sentinel_in_container(
    arguments: Vec<OsString>,
    exists: impl Fn(&Path) -> bool,
) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["--sentinel".into()];
    if !names_no_file(&arguments) {
        all.extend(arguments);
        return all;
    }
    all.push(CONTAINER_SENTINEL_FILE.into());
    let has_state = exists(Path::new(CONTAINER_SENTINEL_FILE));
    let mut is_known = false;
    for word in arguments {
        if word.as_encoded_bytes().starts_with(b"--") {
            is_known = has_state && word == "--sentinel";
        }
        if !is_known {
            all.push(word);
        }
    }
    all
}

/// Makes the file of a container's Sentinel, if that is to be used and does not exist. `false`: it
/// cannot be made; the reason is printed.
pub(crate) fn make_sentinel_file(arguments: &[OsString]) -> bool {
    let file = Path::new(CONTAINER_SENTINEL_FILE);
    let is_asked = arguments.first().is_some_and(|first| first == "--sentinel")
        && arguments
            .get(1)
            .is_some_and(|word| word == file.as_os_str());
    if !is_asked || file.exists() {
        return true;
    }
    let made = std::fs::read(CONTAINER_SENTINEL_MODEL).and_then(|text| std::fs::write(file, text));
    made.map_err(|error| eprintln!("{CONTAINER_SENTINEL_FILE} cannot be written: {error}"))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_takes_directives_a_file_or_a_server_in_front() {
        let taken = |words: &[&str]| {
            let words = in_container(words.iter().map(OsString::from).collect(), |_| false);
            words.join(OsStr::new(" ")).into_string().expect("UTF-8")
        };
        assert_eq!(taken(&[]), CONTAINER_FILE);
        assert_eq!(taken(&["redis-server"]), CONTAINER_FILE);
        let own = format!("{CONTAINER_FILE} --port 7");
        assert_eq!(taken(&["--port", "7"]), own);
        assert_eq!(taken(&["valkey-server", "--port", "7"]), own);
        assert_eq!(taken(&["/my.conf", "--port", "7"]), "/my.conf --port 7");
        assert_eq!(taken(&["redis-server", "/my.conf"]), "/my.conf");
        assert_eq!(taken(&["redis-server", "--version"]), "--version");
        assert_eq!(taken(&["ping"]), "ping");
        let checks = ["--check-config", "/my.conf"];
        assert_eq!(taken(&checks), "--check-config /my.conf");
    }

    #[test]
    fn an_image_is_a_sentinel_by_its_first_word() {
        let taken = |words: &str, has_file: bool| {
            let words = words.split(' ').map(OsString::from).collect();
            let words = in_container(words, |_| has_file);
            words.join(OsStr::new(" ")).into_string().expect("UTF-8")
        };
        let own = format!("--sentinel {CONTAINER_SENTINEL_FILE}");
        for words in [
            "--sentinel",
            "russet-sentinel",
            "redis-sentinel",
            "valkey-sentinel",
            "russet --sentinel",
            "redis-server --sentinel",
        ] {
            assert_eq!(taken(words, false), own, "{words}");
            let with_file = format!("{words} /my.conf --port 7");
            assert_eq!(taken(&with_file, false), "--sentinel /my.conf --port 7");
        }
        let all = "--sentinel --sentinel monitor m 10.0.0.1 6379 2 --port 7";
        let first = format!("{own} --sentinel monitor m 10.0.0.1 6379 2 --port 7");
        assert_eq!(taken(all, false), first);
        let later = format!("{own} --port 7");
        assert_eq!(taken(all, true), later, "the file has them");
        let after_file = "redis-server /my.conf --sentinel";
        assert_eq!(taken(after_file, false), "/my.conf --sentinel");
    }

    fn with(words: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let mut words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        let variable = |name: &str| {
            let found = variables.iter().find(|(its, _)| *its == name);
            found.map(|(_, value)| OsString::from(value))
        };
        add_variables(&mut words, variable)?;
        Ok(words.join(OsStr::new(" ")).into_string().expect("UTF-8"))
    }

    #[test]
    fn a_password_of_another_images_variable_is_obeyed() {
        for name in ["REDIS_PASSWORD", "VALKEY_PASSWORD"] {
            let said = with("/my.conf", &[(name, "se cret")]);
            assert_eq!(said, Ok("/my.conf --requirepass se cret".to_owned()));
        }
        let said = with("--requirepass own", &[("REDIS_PASSWORD", "x")]);
        assert_eq!(said, Ok("--requirepass own".to_owned()));
        let said = with("--requirepass-file /f", &[("REDIS_PASSWORD", "x")]);
        assert_eq!(said, Ok("--requirepass-file /f".to_owned()));
        let said = with(
            "",
            &[
                ("VALKEY_EXTRA_FLAGS", "--save 60 1"),
                ("ALLOW_EMPTY_PASSWORD", "yes"),
            ],
        );
        assert_eq!(said, Ok("--save 60 1".to_owned()));
        for words in ["ping", "doctor", "--version"] {
            assert_eq!(
                with(words, &[("REDIS_PASSWORD", "x")]),
                Ok(words.to_owned())
            );
        }
    }

    #[test]
    fn a_variable_without_effect_stops_the_start() {
        for name in ["REDISEARCH_ARGS", "REDIS_ACLFILE", "REDIS_REPLICATION_MODE"] {
            let said = with("", &[(name, "x")]).expect_err("refused");
            assert!(
                said.starts_with(&format!("{name} has no effect here: ")),
                "{said}"
            );
        }
        assert!(with("", &[("REDIS_ARGS", "--requirepass \"a b\"")]).is_err());
        assert_eq!(with("", &[("REDIS_TLS_ENABLED", "no")]), Ok(String::new()));
    }

    #[test]
    fn a_shell_is_refused_with_what_serves_instead() {
        for word in ["sh", "/bin/bash", "docker-entrypoint.sh"] {
            let said = check_first(&[word.into()]).expect_err("no shell");
            assert!(said.contains(word) && said.contains("-debian"), "{said}");
        }
        assert_eq!(check_first(&["redis-server".into()]), Ok(()));
    }
}
