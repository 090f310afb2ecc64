//! The checks of `--check-config` beyond the configuration itself, on the files and addresses that
//! a start opens: `dir`, the log file, the addresses, the socket's folder, the files of TLS and
//! their dates, a cluster's file. Nothing is created or changed. The check runs with the rights of
//! the user who starts it; a process of root becomes the user of the service first
//! ([`become_service_user`]).

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Access, OFlags, access};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::parts::{clients::tls, observe::audit};
use crate::{cluster, process::listen};
use russet_base::text::system_text;
use russet_config::Config;

/// The reasons why a start would fail or could keep nothing, each after the directive whose value
/// is at fault, if it is one directive's, and a colon.
pub fn faults(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let dir = config.dir.0.path();
    // From here on relative names resolve as the server's do.
    match std::env::set_current_dir(dir) {
        Err(error) => {
            found.push(format!("dir: {}", no_entry("can't", dir, &error)));
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
            // The first start makes the file.
            Err(_) => {}
        }
    }
    let of_tls = tls::faults(config).into_iter();
    found.extend(of_tls.map(|(directive, error)| format!("{directive}: {error}")));
    found
}

/// Root may open everything, so that its check would find nothing wrong: this thread becomes the
/// user of the service, which the file's folder is named after (`/etc/russet/russet.conf`). Returns
/// the user's name; `None`: the process is not root's, or there is no such user.
pub(crate) fn become_service_user(file: &Path) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let folder = file
        .parent()
        .filter(|its| its.parent() == Some(Path::new("/etc")))?;
    let name = folder.file_name()?.to_str()?;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (uid, gids) = account(&read("/etc/passwd"), &read("/etc/group"), name)?;
    let gids: Vec<Gid> = gids.into_iter().map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(uid), *gids.first()?);
    set_thread_groups(&gids).ok()?;
    set_thread_res_gid(gid, gid, gid).ok()?;
    set_thread_res_uid(uid, uid, uid).ok()?;
    Some(name.to_owned())
}

/// A user's id and groups, its own first, by the texts of `/etc/passwd` and `/etc/group`; `None`:
/// there is no such user, or it is root.
fn account(passwd: &str, group: &str, name: &str) -> Option<(u32, Vec<u32>)> {
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<String>>();
    let user = passwd.lines().map(fields).find(|its| its[0] == name)?;
    let uid: u32 = user.get(2)?.parse().ok().filter(|uid| *uid != 0)?;
    let mut gids = vec![user.get(3)?.parse().ok()?];
    let is_member = |its: &Vec<String>| {
        let members = its.get(3);
        members.is_some_and(|all| all.split(',').any(|member| member == name))
    };
    let others = group.lines().map(fields).filter(is_member);
    gids.extend(others.filter_map(|its| its.get(2)?.parse::<u32>().ok()));
    Some((uid, gids))
}

/// The configuration itself, if this user may not read it.
pub fn unreadable(file: &Path) -> Option<String> {
    let error = std::fs::File::open(file).err()?;
    let why = system_text(&error);
    Some(format!("the configuration '{}': {why}", file.display()))
}

/// Whether something is written to `dir`.
pub(crate) fn needs_dir(config: &Config) -> bool {
    // A Sentinel keeps all in its configuration file.
    !config.is_sentinel
        && (config.appendonly || !config.save.0.is_empty() || config.cluster_enabled)
}

pub(crate) fn is_writable(folder: &Path) -> bool {
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

/// Why a folder cannot be entered; whose it is, if that is why. `cannot`: as the sentence begins.
pub(crate) fn no_entry(cannot: &str, folder: &Path, error: &std::io::Error) -> String {
    let why = system_text(error);
    let text = format!("{cannot} chdir to '{}': {why}", folder.display());
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        format!("{text}. {}", owners_text(folder))
    } else {
        text
    }
}

/// The folder's owner, this process's user, and the two remedies.
pub(crate) fn owners_text(folder: &Path) -> String {
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

/// Whether the folder is missing, and systemd makes it before the start and removes it after the
/// stop (`RuntimeDirectory`).
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
    fn an_account_has_its_groups() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nrusset:x:101:102::/var/lib/russet:/bin/false\n";
        let group = "russet:x:102:\nssl-cert:x:110:postgres,russet\nredis:x:111:other\n";
        let of = |name| account(passwd, group, name);
        assert_eq!(of("russet"), Some((101, vec![102, 110])));
        assert_eq!(of("root"), None);
        assert_eq!(of("nobody"), None);
    }

    /// Regression: the packaged file of a Sentinel was refused to root, for the folder `/`.
    #[test]
    fn a_sentinel_writes_nothing_to_its_folder() {
        let mut config = Config::default();
        assert!(needs_dir(&config));
        config.is_sentinel = true;
        assert!(!needs_dir(&config));
    }

    #[test]
    fn a_folder_of_another_user_has_two_remedies() {
        let denied = std::io::ErrorKind::PermissionDenied.into();
        let said = no_entry("Can't", Path::new("/"), &denied);
        assert!(
            said.starts_with("Can't chdir to '/': ") && said.contains(". "),
            "{said}"
        );
        let missing = std::io::ErrorKind::NotFound.into();
        let said = no_entry("can't", Path::new("/nosuch"), &missing);
        assert!(!said.contains("this user"), "{said}");
        let said = owners(999, 65532);
        assert!(said.starts_with("It is owned by uid 999, and this process is uid 65532: "));
        assert!(said.contains("chown -R 65532:65532") && said.contains("--user 999:999"));
        assert!(!owners(0, 65532).contains("--user"), "not as root");
    }
}
