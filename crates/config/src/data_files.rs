//! `--data-files`: the folder and the names of the files that a configuration gives to its data.
//!
//! Scripts that look for the data of another installation ask here, because only the reader knows
//! all ways to set a directive: included files, options, quotes, the last line of several. Each
//! line is a directive, a tab and its value; the value is the last part of the line, so it may
//! contain spaces.

use std::path::Path;

use super::cli::Startup;
use super::problem::{Check, Problem};
use super::table::Config;

/// The first argument that asks for the list.
pub(super) const OPTION: &[u8] = b"--data-files";

/// The directives of the list, in its order. Values of those that do not name files decide which
/// of the files a server loads.
const DIRECTIVES: [&[u8]; 9] = [
    b"dbfilename",
    b"appendonly",
    b"appenddirname",
    b"appendfilename",
    b"cluster-enabled",
    b"cluster-config-file",
    b"aclfile",
    b"port",
    b"dialect",
];

/// The list, as a request to print it with status 0. `here`: the folder that a relative `dir` is
/// relative to.
///
/// A line that does not load leaves its directive as it was: the files are those of the other
/// lines, because data must not be overlooked for a mistake elsewhere. If a file cannot be read at
/// all, the request fails.
pub(super) fn list(check: Check, here: Option<&Path>) -> Startup {
    let is_unreadable = |problem: &Problem| matches!(problem, Problem::Unreadable { .. });
    if let Some(problem) = check.problems.into_iter().find(is_unreadable) {
        return Startup::Fail(problem);
    }
    Startup::Print {
        text: text(&check.whole, here),
        code: 0,
    }
}

fn text(config: &Config, here: Option<&Path>) -> String {
    let dir = here.unwrap_or(Path::new("/")).join(config.dir.0.path());
    let dir = dir.canonicalize().unwrap_or(dir);
    let mut text = format!("dir\t{}\n", dir.display());
    for name in DIRECTIVES {
        for (name, value) in config.get(&[name]) {
            let (name, value) = (
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(&value),
            );
            text += &format!("{name}\t{value}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::cli::{NameDefaults, Startup, start};
    use std::ffi::OsString;
    use std::fs;

    fn list(words: &[&str]) -> Result<String, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        match start(&words, NameDefaults::default(), || Ok(Vec::new())) {
            Startup::Print { text, code: 0 } => Ok(text),
            Startup::Fail(problem) => Err(problem.to_string()),
            other => panic!("{other:?}"),
        }
    }

    /// A search that knew only the usual names left data of 40 GB where it was, and an empty
    /// server took its place.
    #[test]
    fn data_is_where_any_line_of_any_file_puts_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::create_dir(at("srv")).unwrap();
        let lines = format!("dir {}\ndbfilename \"main data.rdb\"\n", at("srv"));
        fs::write(at("more.conf"), lines).unwrap();
        let lines = format!("include {}\nappenddirname log\n", at("more.conf"));
        fs::write(at("redis.conf"), lines).unwrap();
        let listed = list(&["--data-files", &at("redis.conf"), "--appendonly", "yes"]).unwrap();
        let srv = folder.path().canonicalize().unwrap().join("srv");
        for line in [
            format!("dir\t{}", srv.display()),
            "dbfilename\tmain data.rdb".to_owned(),
            "appendonly\tyes".to_owned(),
            "appenddirname\tlog".to_owned(),
            "appendfilename\tappendonly.aof".to_owned(),
            "dialect\tredis".to_owned(),
        ] {
            assert!(listed.lines().any(|its| its == line), "{line}: {listed}");
        }
        assert_eq!(listed.lines().count(), 10);
    }

    #[test]
    fn a_mistake_elsewhere_hides_no_data() {
        let listed = list(&["--data-files", "--dbfilename", "x.rdb", "--maxmemroy", "1"]);
        assert!(listed.unwrap().contains("\ndbfilename\tx.rdb\n"));
        let missing = list(&["--data-files", "/nosuch/redis.conf"]);
        assert!(missing.unwrap_err().contains("/nosuch/redis.conf"));
    }
}
