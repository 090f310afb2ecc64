//! The listening sockets that the configuration asks for, at start and for CONFIG SET.
//!
//! Invariant: a change is all or nothing; when it fails the old sockets stay open or are opened
//! again, and the reason is in the log. Sockets that are still wanted stay open, with the clients
//! in their queues.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;

use russet_base::text::Printable;
use russet_config::{Config, system_text};
use russet_net::{
    LISTENERS_MAX, ListenError, Listener, SocketSettings, Transport, bind_tcp, bind_unix,
    unix_address,
};

/// An address of `bind`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WantedSocket {
    /// The configured name, without the `-`.
    name: String,
    port: u16,
    transport: Transport,
    /// `-` prefix: the server starts even if this machine lacks the address.
    optional: bool,
}

/// Opens every socket. Errors are logged.
pub fn open_all(config: &Config) -> Result<Vec<Listener>, OpenError> {
    let mut listeners = Vec::new();
    for (transport, port, error) in [
        (
            Transport::Plain,
            config.port,
            OpenError::Tcp as fn(u16) -> OpenError,
        ),
        (Transport::Tls, config.tls_port, OpenError::Tls),
    ] {
        let opened = resolve_all(&wanted(config, transport))
            .and_then(|resolved| bind_each(config, &resolved));
        listeners.extend(opened.map_err(|LoggedError| error(port))?);
    }
    if !config.unixsocket.is_empty() {
        let mode = (config.unixsocketperm != 0).then_some(config.unixsocketperm);
        match bind_unix(config.unixsocket.path(), mode, backlog(config)) {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                tracing::warn!("Failed opening Unix socket: {}", reason(&error));
                return Err(OpenError::Unix);
            }
        }
        if let Err(why) = give_to_group(config) {
            tracing::warn!("Giving the Unix socket to unixsocketgroup: {why}");
            return Err(OpenError::Unix);
        }
    }
    if listeners.is_empty() {
        return Err(OpenError::Nothing);
    }
    Ok(listeners)
}

/// `unixsocketgroup`: the group that may connect, as far as `unixsocketperm` lets it.
fn give_to_group(config: &Config) -> Result<(), String> {
    let Some(group) = socket_group(config)? else {
        return Ok(());
    };
    std::os::unix::fs::chown(config.unixsocket.path(), None, Some(group))
        .map_err(|e| system_text(&e))
}

/// The number of the group, if the setting names a group.
fn socket_group(config: &Config) -> Result<Option<u32>, String> {
    let name = config.unixsocketgroup.lossy();
    if name.is_empty() {
        return Ok(None);
    }
    match name.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => {
            let groups = std::fs::read_to_string("/etc/group").map_err(|e| system_text(&e))?;
            let found = groups.lines().find_map(|line| {
                let mut parts = line.split(':');
                (parts.next() == Some(&*name)).then(|| parts.nth(1)?.parse().ok())?
            });
            let found = found.ok_or_else(|| format!("there is no group {name}"))?;
            Ok(Some(found))
        }
    }
}

/// Why the server cannot start listening. `Display` is the last line of the log.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("Failed listening on port {0} (tcp), aborting.")]
    Tcp(u16),
    #[error("Failed listening on port {0} (tls), aborting.")]
    Tls(u16),
    #[error("Failed listening on the Unix socket, aborting.")]
    Unix,
    #[error("Configured to not listen anywhere, exiting.")]
    Nothing,
}

/// A failure whose reason is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedError;

/// Replaces the TCP sockets in `listeners` by the sockets that `config` asks for; all or none.
///
/// Sockets that are still wanted stay open, with the clients in their queues. A socket that
/// conflicts with a new socket (all addresses against a single address) is closed first, and
/// reopened if the new socket fails.
pub fn reopen_tcp(config: &Config, listeners: &mut Vec<Listener>) -> Result<(), LoggedError> {
    let wanted = resolve_all(&all_wanted(config))?;
    let mut new = Vec::new();
    for (want, address) in &wanted {
        let place = Some((*address, want.transport));
        if listeners.iter().any(|l| l.place() == place) {
            continue;
        }
        match bind_tcp(*address, want.transport, backlog(config), settings(config)) {
            Ok(listener) => new.push(listener),
            Err(error) if is_in_use(&error) && has_port(listeners, address.port()) => {
                drop(new);
                return reopen_over_old(config, listeners, &wanted);
            }
            Err(error) if want.forgives(&error.error) => {}
            Err(error) => return Err(want.warn(&reason_at(&error, want.port))),
        }
    }
    let is_kept = |l: &Listener| match l.place() {
        Some(place) => wanted.iter().any(|(w, at)| (*at, w.transport) == place),
        None => true,
    };
    listeners.retain(is_kept);
    listeners.extend(new);
    Ok(())
}

/// As [`reopen_tcp`], but closes the old sockets first.
fn reopen_over_old(
    config: &Config,
    listeners: &mut Vec<Listener>,
    wanted: &[(WantedSocket, SocketAddr)],
) -> Result<(), LoggedError> {
    let old: Vec<_> = listeners.iter().filter_map(Listener::place).collect();
    listeners.retain(Listener::is_unix);
    let opened = bind_each(config, wanted);
    match opened {
        Ok(new) => {
            listeners.extend(new);
            Ok(())
        }
        Err(LoggedError) => {
            for (address, transport) in old {
                match bind_tcp(address, transport, backlog(config), settings(config)) {
                    Ok(listener) => listeners.push(listener),
                    Err(error) => {
                        tracing::warn!("Listening again on {address}: {}", reason(&error));
                    }
                }
            }
            Err(LoggedError)
        }
    }
}

/// Replaces the sockets for scrapes by the sockets that `config` asks for; all or none.
pub fn reopen_metrics(config: &Config, listeners: &mut Vec<Listener>) -> Result<(), LoggedError> {
    reopen_tcp(&for_metrics(config), listeners)
}

fn for_metrics(config: &Config) -> Config {
    Config {
        port: config.metrics_port,
        tls_port: 0,
        bind: config.metrics_bind.clone(),
        ..config.clone()
    }
}

/// Replaces the sockets of the console by the sockets that `config` asks for; all or none.
pub fn reopen_console(config: &Config, listeners: &mut Vec<Listener>) -> Result<(), LoggedError> {
    reopen_tcp(&for_console(config), listeners)
}

fn for_console(config: &Config) -> Config {
    let (plain, tls) = if config.console_tls {
        (0, config.console_port)
    } else {
        (config.console_port, 0)
    };
    Config {
        port: plain,
        tls_port: tls,
        bind: config.console_bind.clone(),
        ..config.clone()
    }
}

/// Opens the sockets of the cluster's bus, at the addresses of `bind`. Errors are logged.
pub fn open_bus(config: &Config, port: u16) -> Result<Vec<Listener>, LoggedError> {
    bind_each(config, &resolve_all(&all_wanted(&for_bus(config, port)))?)
}

fn for_bus(config: &Config, port: u16) -> Config {
    let (plain, tls) = if config.tls_cluster {
        (0, port)
    } else {
        (port, 0)
    };
    Config {
        port: plain,
        tls_port: tls,
        ..config.clone()
    }
}

/// Why a start could not listen as configured, a line each. The ports themselves are not opened: a
/// server that runs with this configuration has them. `bus_port` is 0 without a cluster.
pub fn faults(config: &Config, bus_port: u16) -> Vec<String> {
    let mut found = Vec::new();
    let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
    for (bind, port, wanted) in [
        ("bind", "port", wanted(config, Transport::Plain)),
        ("bind", "tls-port", wanted(config, Transport::Tls)),
        (
            "bind",
            "the cluster's bus",
            all_wanted(&for_bus(config, bus_port)),
        ),
        (
            "metrics-bind",
            "metrics-port",
            all_wanted(&for_metrics(config)),
        ),
        (
            "console-bind",
            "console-port",
            all_wanted(&for_console(config)),
        ),
    ] {
        for want in wanted {
            let address = match want.usable_address() {
                Ok(Some(address)) => address,
                Ok(None) => continue,
                Err(why) => {
                    let said = format!("{bind}: can't listen on '{}': {why}", want.name);
                    if !found.contains(&said) {
                        found.push(said);
                    }
                    continue;
                }
            };
            if let Some((other, _)) = taken.iter().find(|(_, known)| collide(*known, address)) {
                found.push(format!("{port}: {other} has {address} already"));
            }
            taken.push((port, address));
        }
    }
    found.extend(unix_faults(config));
    if taken.is_empty() && found.is_empty() && config.unixsocket.is_empty() {
        found.push(OpenError::Nothing.to_string());
    }
    found
}

/// Whether no two sockets can listen on both.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let is_same = one.ip() == other.ip();
    let has_all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.is_ipv6() == other.is_ipv6() && (is_same || has_all)
}

/// As [`faults`], for the Unix socket; whether its folder may be written to is not checked.
fn unix_faults(config: &Config) -> Vec<String> {
    let path = config.unixsocket.path();
    if path.as_os_str().is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Err(error) = unix_address(path) {
        found.push(format!("unixsocket: {}", reason(&error)));
    } else if std::fs::symlink_metadata(path).is_ok_and(|meta| !meta.file_type().is_socket()) {
        let path = path.display();
        found.push(format!("unixsocket: '{path}' is there, and is no socket"));
    }
    found.extend(
        socket_group(config)
            .err()
            .map(|why| format!("unixsocketgroup: {why}")),
    );
    found
}

fn bind_each(
    config: &Config,
    wanted: &[(WantedSocket, SocketAddr)],
) -> Result<Vec<Listener>, LoggedError> {
    let mut listeners = Vec::new();
    for (want, address) in wanted {
        match bind_tcp(*address, want.transport, backlog(config), settings(config)) {
            Ok(listener) => listeners.push(listener),
            Err(error) if want.forgives(&error.error) => {
                want.warn(&reason_at(&error, want.port));
            }
            Err(error) => return Err(want.warn(&reason_at(&error, want.port))),
        }
    }
    Ok(listeners)
}

/// Resolves the addresses. A name that does not resolve is an error even with `-`, which only
/// permits an address that this machine does not have now.
fn resolve_all(wanted: &[WantedSocket]) -> Result<Vec<(WantedSocket, SocketAddr)>, LoggedError> {
    let mut resolved: Vec<(WantedSocket, SocketAddr)> = Vec::new();
    for want in wanted {
        match want.resolve() {
            // Also if a single open socket would serve both: the next start would fail.
            Ok(address) if resolved.iter().any(|(_, known)| *known == address) => {
                return Err(want.warn("bind: Address already in use"));
            }
            Ok(address) => resolved.push((want.clone(), address)),
            Err(why) => return Err(want.warn(&why)),
        }
    }
    // A token is kept for the Unix socket, and half of the other tokens for each transport.
    resolved.truncate(LISTENERS_MAX - 1);
    Ok(resolved)
}

/// All addresses of `bind`, for plain connections and TLS.
fn all_wanted(config: &Config) -> Vec<WantedSocket> {
    let mut all = wanted(config, Transport::Plain);
    all.extend(wanted(config, Transport::Tls));
    all
}

fn wanted(config: &Config, transport: Transport) -> Vec<WantedSocket> {
    let port = match transport {
        Transport::Plain => config.port,
        Transport::Tls => config.tls_port,
    };
    if port == 0 {
        return Vec::new();
    }
    let words = config.bind.0.iter().filter(|word| !word.is_empty());
    words
        .map(|word| {
            let name = word.lossy();
            let optional = name.starts_with('-');
            WantedSocket {
                name: name[usize::from(optional)..].to_owned(),
                port,
                transport,
                optional,
            }
        })
        .collect()
}

impl WantedSocket {
    /// The first address of the name; a name with a colon is IPv6, any other IPv4.
    fn resolve(&self) -> Result<SocketAddr, String> {
        match self.name.as_str() {
            "*" => return Ok((Ipv4Addr::UNSPECIFIED, self.port).into()),
            "::*" => return Ok((Ipv6Addr::UNSPECIFIED, self.port).into()),
            _ => {}
        }
        let wants_v6 = self.name.contains(':');
        let found = (self.name.as_str(), self.port).to_socket_addrs();
        let mut found = found.map_err(|error| {
            let text = error.to_string();
            // The system's words follow Rust's.
            text.rsplit(": ").next().unwrap_or(&text).to_owned()
        })?;
        found
            .find(|address| address.is_ipv6() == wants_v6)
            .ok_or_else(|| "Name or service not known".to_owned())
    }

    /// The address, if this machine has it: tried with a port that the system chooses. `None`: it
    /// does not, and may.
    fn usable_address(&self) -> Result<Option<SocketAddr>, String> {
        let address = self.resolve()?;
        let trial = SocketAddr::new(address.ip(), 0);
        match bind_tcp(trial, self.transport, 1, SocketSettings::default()) {
            Ok(_) => Ok(Some(address)),
            Err(error) if self.forgives(&error.error) => Ok(None),
            Err(error) => Err(system_text(&error.error)),
        }
    }

    /// Whether this failure is tolerated because the address is optional.
    fn forgives(&self, error: &io::Error) -> bool {
        let Some(code) = error.raw_os_error() else {
            return false;
        };
        let no_family = [
            libc::ENOPROTOOPT,
            libc::EPROTONOSUPPORT,
            libc::ESOCKTNOSUPPORT,
            libc::EPFNOSUPPORT,
            libc::EAFNOSUPPORT,
        ];
        no_family.contains(&code) || self.optional && code == libc::EADDRNOTAVAIL
    }

    fn warn(&self, why: &str) -> LoggedError {
        let WantedSocket { name, port, .. } = self;
        let kind = match self.transport {
            Transport::Plain => "TCP",
            Transport::Tls => "TLS",
        };
        tracing::warn!(
            "Warning: Could not create server {kind} listening socket {name}:{port}: {why}"
        );
        LoggedError
    }
}

fn is_in_use(error: &ListenError) -> bool {
    error.error.kind() == io::ErrorKind::AddrInUse
}

fn has_port(listeners: &[Listener], port: u16) -> bool {
    let addresses = listeners.iter().filter_map(Listener::address);
    addresses.map(|address| address.port()).any(|p| p == port)
}

fn settings(config: &Config) -> SocketSettings {
    SocketSettings {
        mark: config.socket_mark_id,
        multipath: config.mptcp,
    }
}

fn backlog(config: &Config) -> i32 {
    // The table bounds it by an i32.
    i32::try_from(config.tcp_backlog).unwrap_or(i32::MAX)
}

fn reason(error: &ListenError) -> String {
    format!("{}: {}", error.step, system_text(&error.error))
}

/// The failed step and why; of a port that is taken, by which process, as far as that can be seen.
fn reason_at(error: &ListenError, port: u16) -> String {
    let text = reason(error);
    if !is_in_use(error) {
        return text;
    }
    match russet_operator::holder(port) {
        Some((name, pid)) => format!("{text} by {} (process {pid})", Printable(name.as_bytes())),
        None => format!("{text}; as root, ss -ltnp \"sport = :{port}\" names the process"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(bind: &[&str], port: u16) -> Config {
        let mut config = Config {
            port,
            ..Config::default()
        };
        config.bind.0 = bind.iter().map(|&b| b.into()).collect();
        config
    }

    /// A port that was free a moment ago.
    fn free_port() -> u16 {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        socket.local_addr().unwrap().port()
    }

    #[test]
    fn names_are_resolved_by_their_family() {
        let resolve = |name: &str| {
            let want = WantedSocket {
                name: name.to_owned(),
                port: 7,
                transport: Transport::Plain,
                optional: false,
            };
            want.resolve().map(|a| a.to_string())
        };
        assert_eq!(resolve("*").unwrap(), "0.0.0.0:7");
        assert_eq!(resolve("::*").unwrap(), "[::]:7");
        assert_eq!(resolve("127.0.0.1").unwrap(), "127.0.0.1:7");
        assert_eq!(resolve("::1").unwrap(), "[::1]:7");
        assert_eq!(resolve("localhost").unwrap(), "127.0.0.1:7");
        assert!(resolve("no such host").is_err());
    }

    #[test]
    fn an_optional_address_that_is_not_there_is_left_out() {
        let port = free_port();
        // 192.0.2.0/24 is reserved for documentation.
        let listeners = open_all(&config(&["127.0.0.1", "-192.0.2.1"], port)).unwrap();
        assert_eq!(listeners.len(), 1);
        let error = open_all(&config(&["192.0.2.1"], port)).unwrap_err();
        let line = format!("Failed listening on port {port} (tcp), aborting.");
        assert_eq!(error.to_string(), line);
        let unknown = config(&["127.0.0.1", "-no such host"], port);
        assert!(matches!(open_all(&unknown), Err(OpenError::Tcp(_))));
        assert!(matches!(
            open_all(&config(&["*"], 0)),
            Err(OpenError::Nothing)
        ));
    }

    #[test]
    fn a_wanted_socket_stays_open_and_a_failure_changes_nothing() {
        let (port, other) = (free_port(), free_port());
        let mut listeners = open_all(&config(&["127.0.0.1"], port)).unwrap();
        let fd = |l: &Listener| match l {
            Listener::Tcp(l, _) => std::os::fd::AsRawFd::as_raw_fd(l),
            Listener::Unix(l, _) => std::os::fd::AsRawFd::as_raw_fd(l),
        };
        let before = fd(&listeners[0]);
        reopen_tcp(&config(&["127.0.0.1", "127.0.0.2"], port), &mut listeners).unwrap();
        assert_eq!((listeners.len(), fd(&listeners[0])), (2, before));

        assert!(reopen_tcp(&config(&["127.0.0.1", "127.0.0.1"], port), &mut listeners).is_err());
        assert_eq!(listeners.len(), 2);

        let taken = std::net::TcpListener::bind(("127.0.0.1", other)).unwrap();
        assert!(reopen_tcp(&config(&["127.0.0.1"], other), &mut listeners).is_err());
        assert_eq!(fd(&listeners[0]), before);
        let ports: Vec<u16> = listeners
            .iter()
            .map(|l| l.address().unwrap().port())
            .collect();
        assert_eq!(ports, [port, port]);
        drop(taken);
        reopen_tcp(&config(&["127.0.0.1"], other), &mut listeners).unwrap();
        assert_eq!(listeners.len(), 1);
    }

    #[test]
    fn all_addresses_replace_a_single_one_of_the_same_port() {
        let port = free_port();
        let mut listeners = open_all(&config(&["127.0.0.1"], port)).unwrap();
        reopen_tcp(&config(&["*"], port), &mut listeners).unwrap();
        let addresses: Vec<_> = listeners.iter().filter_map(Listener::address).collect();
        assert_eq!(addresses, [(Ipv4Addr::UNSPECIFIED, port).into()]);
    }
}
