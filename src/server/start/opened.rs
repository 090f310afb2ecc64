//! The checks of `--check-config` beyond the configuration itself, on the files and addresses that
//! a start opens: `dir`, the log file, the addresses, the socket's folder, the files of TLS and
//! their dates, a cluster's file. Nothing is created or changed; the rights are those of the user
//! who checks.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Access, OFlags, access};

use crate::server::parts::{clients::tls, observe::audit};
use crate::server::{cluster, process::listen};
use russet_base::text::system_text;
use russet_config::Config;

/// The reasons why a start would fail or could keep nothing, one each.
pub(in crate::server) fn faults(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let dir = config.dir.0.path();
    // From here on relative names are those of the server.
    match std::env::set_current_dir(dir) {
        Err(error) => {
            let why = system_text(&error);
            found.push(format!("dir: can't chdir to '{}': {why}", dir.display()));
        }
        Ok(()) if needs_dir(config) => {
            found.extend(read_only("dir", Path::new("."), dir));
        }
        Ok(()) => {}
    }
    if !config.logfile.is_empty() {
        let path = config.logfile.path();
        if let Err(error) = can_append(path) {
            let why = system_text(&error);
            found.push(format!("logfile: can't open '{}': {why}", path.display()));
        }
    }
    if !config.audit_log.is_empty() && config.audit_log[..] != *audit::SYSLOG {
        let path = config.audit_log.path();
        if let Err(error) = can_append(path) {
            let why = system_text(&error);
            found.push(format!("audit-log: can't open '{}': {why}", path.display()));
        }
    }
    if !config.unixsocket.is_empty() {
        let folder = folder_of(config.unixsocket.path());
        if !is_made_by_the_start(folder) {
            found.extend(read_only("unixsocket", folder, folder));
        }
    }
    found.extend(listen::faults(config, cluster::bus_port_of(config)));
    found.extend(cluster::fault(config));
    if config.appendonly {
        let folder = config.appenddirname.path();
        match folder.metadata() {
            Ok(meta) if !meta.is_dir() => {
                found.push(format!(
                    "appenddirname: '{}' is no folder",
                    folder.display()
                ));
            }
            Ok(_) => found.extend(read_only("appenddirname", folder, folder)),
            // The first start makes it.
            Err(_) => {}
        }
    }
    if let Err(error) = tls::build(config) {
        found.push(format!("TLS: {error}"));
    }
    found
}

/// Whether something is written to `dir`.
pub(in crate::server) fn needs_dir(config: &Config) -> bool {
    config.appendonly || !config.save.0.is_empty() || config.cluster_enabled
}

pub(in crate::server) fn is_writable(folder: &Path) -> bool {
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn read_only(what: &str, folder: &Path, shown: &Path) -> Option<String> {
    let error = access(folder, Access::WRITE_OK | Access::EXEC_OK).err()?;
    let why = system_text(&error.into());
    Some(format!(
        "{what}: '{}' cannot be written to: {why}. {}",
        shown.display(),
        owners_text(folder)
    ))
}

/// Whose a folder is, who this process is, and the two ways out.
pub(in crate::server) fn owners_text(folder: &Path) -> String {
    let own = rustix::process::geteuid().as_raw();
    match std::fs::metadata(folder) {
        Ok(meta) if meta.uid() != own => owners(meta.uid(), own),
        _ => "Set dir, or give it to this user.".to_owned(),
    }
}

fn owners(owner: u32, own: u32) -> String {
    // Root is no remedy.
    let second = match owner {
        0 => "set dir".to_owned(),
        owner => format!("run as uid {owner} (docker run --user {owner}:{owner})"),
    };
    format!(
        "It is owned by uid {owner}, and this process is uid {own}: give it to this user (chown -R {own}:{own}), or {second}."
    )
}

/// Whether the folder is missing and one of those that systemd makes before the start and removes
/// after the stop (`RuntimeDirectory`).
fn is_made_by_the_start(folder: &Path) -> bool {
    let is_runtime = ["/run", "/var/run"]
        .iter()
        .any(|at| folder.parent() == Some(Path::new(at)));
    is_runtime && !folder.exists()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether a line could be appended to this file, which may be missing.
fn can_append(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // A pipe would wait for a reader.
    options.custom_flags(OFlags::NONBLOCK.bits() as i32);
    match options.append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(access(folder_of(path), Access::WRITE_OK | Access::EXEC_OK)?)
        }
        opened => opened.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_another_user_has_two_remedies() {
        let said = owners(999, 65532);
        assert!(said.starts_with("It is owned by uid 999, and this process is uid 65532: "));
        assert!(said.contains("chown -R 65532:65532") && said.contains("--user 999:999"));
        assert!(!owners(0, 65532).contains("--user"), "not as root");
    }
}
