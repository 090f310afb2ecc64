//! Values that the configuration does not hold itself: secrets in files of their own
//! (`requirepass-file`, `masterauth-file`), and `${NAME}` of the environment, where `--env` asks
//! for that.
//!
//! CONFIG GET does not show such a secret, and CONFIG REWRITE leaves the line that led to it, until
//! CONFIG SET replaces the value.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::directive::{Directive, Flags};
use super::table::{Config, find};
use super::words::Text;
use russet_base::given_file;

/// A longer file holds no password.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// A directive's value as it came from elsewhere.
#[derive(Clone, PartialEq)]
pub struct ExternalValue {
    pub(super) name: &'static str,
    pub(super) text: Vec<u8>,
}

impl fmt::Debug for ExternalValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The directives of secrets, and the directives that name a file with a secret.
const SECRETS: [(&str, &str); 2] = [
    ("requirepass", "requirepass-file"),
    ("masterauth", "masterauth-file"),
];

impl Config {
    /// Whether the directive of this name still has the value that came from elsewhere.
    pub fn is_given_from_elsewhere(&self, name: &str) -> bool {
        find(name.as_bytes()).is_some_and(|directive| self.is_given(directive))
    }

    /// Whether the directive names a file whose secret CONFIG SET or another line has replaced.
    pub(super) fn is_replaced_file(&self, name: &str) -> bool {
        let mut secrets = SECRETS.iter();
        let secret = secrets.find(|(_, by)| *by == name);
        secret.is_some_and(|(secret, _)| !self.is_given_from_elsewhere(secret))
    }

    /// The files that secrets are read from.
    pub fn secret_files(&self) -> impl Iterator<Item = PathBuf> {
        let files = [&self.requirepass_file, &self.masterauth_file].into_iter();
        let named = files.filter(|file| !file.is_empty());
        named.map(|file| place_of(file, self.dir.0.path()))
    }

    /// Whether the directive still has the value that came from elsewhere.
    pub(super) fn is_given(&self, directive: &Directive) -> bool {
        let mut given = self.given.iter();
        given.any(|given| given.name == directive.name && given.text == directive.text(self))
    }

    /// The value as CONFIG GET shows it.
    pub(super) fn shown(&self, directive: &Directive) -> Vec<u8> {
        if directive.flags.contains(Flags::SENSITIVE) && self.is_given(directive) {
            Vec::new()
        } else {
            directive.text(self)
        }
    }

    /// The values that came from elsewhere are now `other`'s.
    pub fn take_given(&mut self, other: &Config) {
        self.given.clone_from(&other.given);
    }

    /// Reads the secrets' files into the directives that the files stand for. `is_set`: whether a
    /// line sets a directive. Returns for each file the directive's name, or the reason why the
    /// file cannot be read.
    pub(super) fn read_secrets(
        &mut self,
        is_set: impl Fn(&str) -> bool,
        writer_wait: Duration,
    ) -> Vec<Result<&'static str, String>> {
        let dir = self.dir.0.path().to_owned();
        let mut found = Vec::new();
        let places = [
            (&self.requirepass_file, &mut self.requirepass),
            (&self.masterauth_file, &mut self.masterauth),
        ];
        for ((name, by), (file, secret)) in SECRETS.into_iter().zip(places) {
            if file.is_empty() {
                continue;
            }
            if is_set(name) {
                found.push(Err(format!("{name} and {by} exclude each other")));
                continue;
            }
            let read = read_secret(&place_of(file, &dir), writer_wait);
            found.push(match read {
                Ok(text) => {
                    *secret = text;
                    Ok(name)
                }
                Err(why) => Err(format!("{by}: {why}")),
            });
        }
        found
    }
}

/// A bare name is first looked for among the credentials that systemd has loaded; else a relative
/// name is relative to `dir`.
fn place_of(file: &Text, dir: &Path) -> PathBuf {
    let name = file.path();
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let credential = credentials.map(|folder| folder.join(name));
    let is_bare = name.components().count() == 1;
    match credential.filter(|path| is_bare && path.exists()) {
        Some(path) => path,
        None => dir.join(name),
    }
}

/// The file's content without the line break at its end.
fn read_secret(path: &Path, writer_wait: Duration) -> Result<Text, String> {
    let shown = path.display();
    let bytes = given_file::read(path, SECRET_BYTES_MAX, writer_wait)
        .map_err(|why| format!("can't read '{shown}': {why}"))?;
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    match bytes {
        b"" => Err(format!("'{shown}' is empty")),
        _ if bytes.contains(&0) => Err(format!("'{shown}' holds a NUL byte")),
        _ => Ok(Text::from(bytes)),
    }
}

/// `word` with each `${NAME}` replaced by the environment's value; `None`: there is none in it.
pub(super) fn expand(
    word: &[u8],
    environment: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>, String> {
    let mut text = Vec::new();
    let mut rest = word;
    let mut has_any = false;
    while let Some(at) = rest.windows(2).position(|two| two == b"${") {
        let Some(length) = rest[at + 2..].iter().position(|&b| b == b'}') else {
            break;
        };
        let name = &rest[at + 2..at + 2 + length];
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let name = std::str::from_utf8(name).unwrap_or_default();
        if name.is_empty() || !name.bytes().all(|b| is_name(&b)) {
            return Err("'${' does not begin the name of an environment variable".to_owned());
        }
        let value = environment(name).ok_or(format!("the environment has no {name}"))?;
        text.extend_from_slice(&rest[..at]);
        text.extend(value);
        rest = &rest[at + 3 + length..];
        has_any = true;
    }
    text.extend_from_slice(rest);
    Ok(has_any.then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_are_replaced() {
        let environment = |name: &str| (name == "A_1").then(|| b"x y".to_vec());
        let expanded = |word: &str| expand(word.as_bytes(), environment);
        assert_eq!(expanded("a$b{c}"), Ok(None));
        assert_eq!(expanded("<${A_1}>${A_1}"), Ok(Some(b"<x y>x y".to_vec())));
        assert_eq!(expanded("${B}"), Err("the environment has no B".to_owned()));
        assert!(expanded("${}").is_err() && expanded("${a b}").is_err());
        assert_eq!(expanded("${open"), Ok(None));
    }

    #[test]
    fn a_secret_is_a_file_without_its_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            read_secret(&path, Duration::ZERO).map(|text| text.to_vec())
        };
        assert_eq!(read(b"s3cret\n"), Ok(b"s3cret".to_vec()));
        assert_eq!(read(b" a b \r\n"), Ok(b" a b ".to_vec()));
        assert!(read(b"\n").is_err() && read(b"a\0b").is_err());
        assert!(read(&vec![b'x'; 70_000]).is_err());
        assert!(read_secret(Path::new("/nosuch"), Duration::ZERO).is_err());
    }
}
