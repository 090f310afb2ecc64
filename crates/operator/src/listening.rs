//! Finds where a process on this machine listens, from the kernel's tables: for health checks that
//! know a server by its process and not by its settings, for example in a container.
//!
//!     /proc/PID/fd          inodes of its sockets
//!     /proc/PID/net/...     listening sockets with their inodes: tcp, tcp6, unix
//!
//! A process's own tables are the tables of its network namespace. A wildcard address becomes a
//! local address. Only Linux has these files; a table that is missing counts as empty, and a table
//! is read up to 16 MiB.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::Target;

/// Maximum bytes read from a table.
const TABLE_BYTES_MAX: u64 = 16 << 20;
/// `TCP_LISTEN`, and its counterpart in `/proc/net/unix`.
const LISTENS: &str = "0A";
const UNIX_LISTENS: &str = "00010000";

/// Copies of `like`, for each place where the process listens, Unix sockets first. If it listens
/// nowhere, where the processes listen that it has started, and those started by them: the server
/// of a container whose first process is a shell.
///
/// Fails if there is no such process, or it belongs to another user.
pub fn places(pid: u32, like: &Target) -> io::Result<Vec<Target>> {
    let found = places_of(pid, like)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let started = descendants(pid, &parents());
    // A process of another user, or one that has ended, has nothing to show.
    let places = started.into_iter().map(|pid| places_of(pid, like));
    Ok(places.flatten().flatten().collect())
}

/// All processes that can be seen, each with its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let process = |entry: io::Result<fs::DirEntry>| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = read(&PathBuf::from(format!("/proc/{pid}/stat")));
        Some((pid, parent_of(&stat)?))
    };
    entries.filter_map(process).collect()
}

/// The parent's id in `/proc/PID/stat`: the second word after the name, which is in parentheses
/// and may contain any character.
fn parent_of(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The processes that this one has started, directly or not. O(processes squared) at most.
fn descendants(pid: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        let children = parents.iter().filter(|(_, parent)| *parent == found[at]);
        let new: Vec<u32> = children
            .map(|(child, _)| *child)
            .filter(|child| !found.contains(child))
            .collect();
        found.extend(new);
        at += 1;
    }
    found.split_off(1)
}

fn places_of(pid: u32, like: &Target) -> io::Result<Vec<Target>> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let own = sockets(&process)?;
    let table = |name: &str| read(&process.join("net").join(name));
    let mut found = Vec::new();
    for path in unix_paths(&table("unix"), &own) {
        found.push(Target {
            socket: Some(path),
            ..like.clone()
        });
    }
    for (address, port) in ["tcp", "tcp6"]
        .iter()
        .flat_map(|name| addresses(&table(name), &own))
    {
        found.push(Target {
            host: address.to_string(),
            port,
            socket: None,
            ..like.clone()
        });
    }
    Ok(found)
}

/// The name and the id of the process of this machine that listens on the port. `None`: no process
/// listens, or this user may not see the process's files.
pub fn holder(port: u16) -> Option<(String, u32)> {
    let mut inodes = HashSet::new();
    for name in ["tcp", "tcp6"] {
        let table = read(&Path::new("/proc/net").join(name));
        inodes.extend(table.lines().filter_map(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let (local, state, inode) = (*words.get(1)?, *words.get(3)?, *words.get(9)?);
            let (_, at) = address(local)?;
            (state == LISTENS && at == port).then(|| inode.to_owned())
        }));
    }
    if inodes.is_empty() {
        return None;
    }
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    pids.into_iter().find_map(|pid| {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let open = sockets(&process).ok()?;
        let name = read(&process.join("comm"));
        (!open.is_disjoint(&inodes)).then(|| (name.trim_end().to_owned(), pid))
    })
}

/// The inodes of a process's open sockets.
fn sockets(process: &Path) -> io::Result<HashSet<String>> {
    let mut found = HashSet::new();
    for open in fs::read_dir(process.join("fd"))? {
        // Skip files closed meanwhile.
        let Ok(to) = fs::read_link(open?.path()) else {
            continue;
        };
        let inode = to.to_str().and_then(|to| to.strip_prefix("socket:["));
        found.extend(inode.map(|inode| inode.trim_end_matches(']').to_owned()));
    }
    Ok(found)
}

/// The text of a kernel table; empty if there is none.
fn read(path: &Path) -> String {
    use io::Read;
    let mut text = String::new();
    let file = fs::File::open(path).ok();
    let read = file.map(|file| file.take(TABLE_BYTES_MAX).read_to_string(&mut text));
    match read {
        Some(Ok(_)) => text,
        _ => String::new(),
    }
}

/// Paths of listening sockets in `own`: `Num RefCount Protocol Flags Type St Inode Path`.
fn unix_paths(table: &str, own: &HashSet<String>) -> Vec<PathBuf> {
    let row = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(3);
        let (flags, _kind, _state) = (words.next()?, words.next()?, words.next()?);
        let (inode, path) = (words.next()?, words.next()?);
        let listens = flags == UNIX_LISTENS && own.contains(inode) && path.starts_with('/');
        listens.then(|| PathBuf::from(path))
    };
    table.lines().filter_map(row).collect()
}

/// Addresses of listening sockets in `own`:
/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode`. A wildcard address
/// is replaced by a local address.
fn addresses(table: &str, own: &HashSet<String>) -> Vec<(IpAddr, u16)> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (*words.get(1)?, *words.get(3)?, *words.get(9)?);
        (state == LISTENS && own.contains(inode)).then(|| address(local))?
    };
    table.lines().filter_map(row).collect()
}

/// Parses `0100007F:18EB`: words of four bytes in native byte order, and a port.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (words, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let (words, rest) = words.as_bytes().as_chunks::<8>();
    let mut bytes = Vec::with_capacity(16);
    for word in words {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    if !rest.is_empty() {
        return None;
    }
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::from(four),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?),
    };
    let here = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    Some((
        if address.is_unspecified() {
            here
        } else {
            address
        },
        port,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_config::ServerAddress;

    /// A container whose first process is a shell was unhealthy for ever: the shell listens
    /// nowhere.
    #[test]
    fn a_server_is_found_below_the_shell_that_started_it() {
        assert_eq!(parent_of("71 (a) b (c) S 70 71 71 0 -1"), Some(70));
        assert_eq!(parent_of("71 (a"), None);
        let parents = [(1, 0), (9, 1), (7, 1), (8, 7), (20, 19), (19, 20)];
        assert_eq!(descendants(1, &parents), [9, 7, 8]);
        assert_eq!(
            descendants(20, &parents),
            [19],
            "a ring of ids that were used again ends"
        );
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let own = std::process::id();
        assert!(parents_of_here(own));
        let found = places(own, &Target::from(ServerAddress::default())).expect("our own process");
        assert!(found.iter().any(|place| place.port == port));
    }

    fn parents_of_here(own: u32) -> bool {
        parents().iter().any(|(pid, _)| *pid == own)
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_are_words_in_the_machines_order() {
        let own = HashSet::from(["77".to_owned()]);
        let row = |local: &str, state: &str, inode: u32| {
            format!("   0: {local} 00000000:0000 {state} 00000000:00000000 00:0 0 0 0 {inode} 1\n")
        };
        let table = [
            row("0100007F:18EB", "0A", 77),
            row("00000000:18EC", "0A", 77),
            row("0100007F:18ED", "01", 77),
            row("0100007F:18EE", "0A", 78),
            row("00000000000000000000000000000000:18EF", "0A", 77),
            row("B80D0120000000000000000001000000:0001", "0A", 77),
            row("B80D:1", "0A", 77),
        ]
        .concat();
        let found = addresses(&table, &own);
        let found: Vec<String> = found
            .iter()
            .map(|(ip, port)| format!("{ip} {port}"))
            .collect();
        let wanted = [
            "127.0.0.1 6379",
            "127.0.0.1 6380",
            "::1 6383",
            "2001:db8::1 1",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn unix_sockets_are_recognized_by_their_path() {
        let own = HashSet::from(["5".to_owned()]);
        let table = "Num RefCount Protocol Flags Type St Inode Path\n\
                     0: 00000002 00000000 00010000 0001 01 5 /run/a.sock\n\
                     0: 00000002 00000000 00000000 0001 01 5 /run/b.sock\n\
                     0: 00000002 00000000 00010000 0001 01 6 /run/c.sock\n\
                     0: 00000002 00000000 00010000 0001 01 5\n";
        assert_eq!(unix_paths(table, &own), [PathBuf::from("/run/a.sock")]);
    }
}
