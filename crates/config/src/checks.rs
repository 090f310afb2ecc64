//! Checks of values: the functions that rows of `table` name for a directive's text or number.
//!
//! A check sees the new value, and for a number the other settings too; it changes nothing, and a
//! refused value leaves the setting as it was. Limits of numbers stand in the rows, the words of
//! refusals in `refusal`. Only `locale` asks the system; no check opens a file or socket.
//! Cost: O(length of the value).

use super::Config;
use super::problem::refusal::ValueError;
use russet_base::{processors, sys};

type CheckResult = Result<(), ValueError>;

/// A file name for the RDB file: no directory in it.
pub(crate) fn db_filename(text: &[u8]) -> CheckResult {
    refuse_if(is_path(text), ValueError::DbFilenameIsPath)
}

/// A file name for the append only file: neither empty nor a path.
pub(crate) fn aof_filename(text: &[u8]) -> CheckResult {
    refuse_if(text.is_empty(), ValueError::AofFilenameEmpty)?;
    refuse_if(is_path(text), ValueError::AofFilenameIsPath)
}

/// A directory name for append only files: neither empty nor a path.
pub(crate) fn aof_dirname(text: &[u8]) -> CheckResult {
    refuse_if(text.is_empty(), ValueError::AofDirnameEmpty)?;
    refuse_if(is_path(text), ValueError::AofDirnameIsPath)
}

/// One byte.
pub(crate) fn one_byte(text: &[u8]) -> CheckResult {
    refuse_if(text.len() != 1, ValueError::NotOneByte)
}

/// A directory name for backups: neither empty nor a path.
pub(crate) fn backup_dirname(text: &[u8]) -> CheckResult {
    refuse_if(text.is_empty(), ValueError::BackupDirnameEmpty)?;
    refuse_if(is_path(text), ValueError::BackupDirnameIsPath)
}

/// A file to be loaded at start, by its absolute path: `aof:/PATH.EXTENSION` or
/// `rdb:/PATH.EXTENSION`; may be empty.
pub fn preload_file(text: &[u8]) -> CheckResult {
    if text.is_empty() {
        return Ok(());
    }
    let name = text.strip_prefix(b"aof:").or(text.strip_prefix(b"rdb:"));
    let name = name.filter(|name| name.starts_with(b"/"));
    let name = name.ok_or(ValueError::PreloadForm)?;
    let has_extension = name.contains(&b'.') && !name.ends_with(b".");
    refuse_if(!has_extension, ValueError::PreloadExtension)
}

/// A host name to announce: letters, digits, hyphens, dots; may be empty.
pub fn hostname(text: &[u8]) -> CheckResult {
    refuse_if(text.len() >= 256, ValueError::HostnameTooLong)?;
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    refuse_if(!text.iter().all(allowed), ValueError::HostnameCharacter)
}

/// An address or host name that a node of a cluster announces; may be empty.
pub fn announced_ip(text: &[u8]) -> CheckResult {
    refuse_if(text.len() >= 46, ValueError::AnnouncedIpTooLong)?;
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':');
    refuse_if(!text.iter().all(allowed), ValueError::HostnameCharacter)
}

/// An IPv4 address, or nothing.
pub fn ipv4(text: &[u8]) -> CheckResult {
    refuse_if(
        !is_empty_or::<std::net::Ipv4Addr>(text),
        ValueError::NotIpv4,
    )
}

/// An IPv6 address, or nothing.
pub fn ipv6(text: &[u8]) -> CheckResult {
    refuse_if(
        !is_empty_or::<std::net::Ipv6Addr>(text),
        ValueError::NotIpv6,
    )
}

fn is_empty_or<T: std::str::FromStr>(text: &[u8]) -> bool {
    let parses = |text: &str| text.parse::<T>().is_ok();
    text.is_empty() || std::str::from_utf8(text).is_ok_and(parses)
}

/// A node name to announce: without blanks, control characters and characters that are special in
/// `nodes.conf`.
pub(crate) fn node_name(text: &[u8]) -> CheckResult {
    let is_special = |b: &u8| b.is_ascii_punctuation() && !b"-./_`".contains(b);
    let taken = |b: &u8| is_special(b) || b.is_ascii_control() || *b == b' ';
    refuse_if(text.iter().any(taken), ValueError::NodeNameCharacter)
}

/// A process title: only known `{variables}`, and not empty after expansion.
pub fn proc_title_template(text: &[u8]) -> CheckResult {
    // As in Redis, the title itself counts as empty here: `{title}` alone fails.
    match expand_title(text, |name| match name {
        b"title" | b"server-mode" | b"unixsocket" => Some(Vec::new()),
        b"listen-addr" | b"config-file" | b"port" | b"tls-port" => Some(b"-".to_vec()),
        _ => None,
    }) {
        Some(title) if !title.is_empty() => Ok(()),
        _ => Err(ValueError::BadTemplate),
    }
}

/// Expands a process title template, trimming spaces at both ends; `{{` is a brace.
///
/// `None` if a variable is unknown or a brace is not closed.
pub fn expand_title(
    template: &[u8],
    variable: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut title = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.iter().position(|&b| b == b'{') {
        title.extend_from_slice(&rest[..open]);
        rest = &rest[open + 1..];
        if let [b'{', after @ ..] = rest {
            title.push(b'{');
            rest = after;
            continue;
        }
        let close = rest.iter().position(|&b| b == b'}')?;
        title.extend(variable(&rest[..close])?);
        rest = &rest[close + 1..];
    }
    title.extend_from_slice(rest);
    let start = title.iter().take_while(|&&b| b == b' ').count();
    title.drain(..start);
    let end = title.iter().rev().take_while(|&&b| b == b' ').count();
    title.truncate(title.len() - end);
    Some(title)
}

/// A locale known to the system; empty is the environment's.
pub fn locale(text: &[u8]) -> CheckResult {
    refuse_if(!sys::locale::is_known(text), ValueError::NoSuchLocale)
}

/// A list of processors; empty is none.
pub fn processors(text: &[u8]) -> CheckResult {
    let is_list = text.is_empty() || processors::parse(text).is_some();
    refuse_if(!is_list, ValueError::NoProcessors)
}

/// Whether the name could leave its directory.
fn is_path(text: &[u8]) -> bool {
    text.contains(&b'/') || text.contains(&b'\\')
}

/// 0, a version of Redis's, or Valkey's own.
pub fn rdb_version(_: &Config, version: i128) -> CheckResult {
    refuse_if(!matches!(version, 0..=15 | 80 | 81), ValueError::RdbVersion)
}

pub fn array_slice_size(_: &Config, size: i128) -> CheckResult {
    refuse_if(size & (size - 1) != 0, ValueError::SliceSize)
}

/// 0 has no sparse slices.
pub fn array_sparse_kmax(config: &Config, values: i128) -> CheckResult {
    let is_low = values != 0 && values <= config.array_sparse_kmin as i128;
    refuse_if(is_low, ValueError::SparseMax)
}

pub fn array_sparse_kmin(config: &Config, values: i128) -> CheckResult {
    let most = config.array_sparse_kmax as i128;
    refuse_if(most != 0 && values >= most, ValueError::SparseMin)
}

fn refuse_if(wrong: bool, error: ValueError) -> CheckResult {
    if wrong { Err(error) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_not_a_path() {
        assert_eq!(db_filename(b"dump.rdb"), Ok(()));
        assert_eq!(
            db_filename(b"../dump.rdb"),
            Err(ValueError::DbFilenameIsPath)
        );
        assert_eq!(aof_filename(b""), Err(ValueError::AofFilenameEmpty));
    }

    #[test]
    fn a_title_needs_known_variables_and_some_text() {
        assert_eq!(
            proc_title_template(b"{title} {listen-addr} {server-mode}"),
            Ok(())
        );
        assert_eq!(proc_title_template(b"--my--title--template"), Ok(()));
        for bad in [&b""[..], b"{title}", b"{nope}", b"{port"] {
            assert_eq!(proc_title_template(bad), Err(ValueError::BadTemplate));
        }
        assert_eq!(expand_title(b" {{x} ", |_| None).unwrap(), b"{x}");
    }

    #[test]
    fn a_locale_is_one_that_the_system_has() {
        for good in [&b""[..], b"C", b"POSIX"] {
            assert_eq!(locale(good), Ok(()));
        }
        assert_eq!(locale(b"nope"), Err(ValueError::NoSuchLocale));
        assert_eq!(locale(b"C\0"), Err(ValueError::NoSuchLocale));
    }

    #[test]
    fn a_host_name_has_no_blanks() {
        assert_eq!(hostname(b"host-1.example"), Ok(()));
        assert_eq!(hostname(b"a b"), Err(ValueError::HostnameCharacter));
        assert_eq!(hostname(&[b'a'; 256]), Err(ValueError::HostnameTooLong));
        assert_eq!(announced_ip(b"fe80::1"), Ok(()));
        assert_eq!(
            announced_ip(b"10.0.0.1\n"),
            Err(ValueError::HostnameCharacter)
        );
        assert_eq!(
            announced_ip(&[b'1'; 46]),
            Err(ValueError::AnnouncedIpTooLong)
        );
        assert_eq!(node_name("shop-1/a_b.`\u{fc}".as_bytes()), Ok(()));
        for taken in [
            "a b", "a:b", "a\nb", "a,b", "a\"b", "a=b", "a\\b", "a\u{7f}",
        ] {
            let refused = Err(ValueError::NodeNameCharacter);
            assert_eq!(node_name(taken.as_bytes()), refused, "{taken:?}");
        }
    }
}
