//! The crash report: what a broken process still says before it ends.
//!
//! A panic or a fatal signal prints, between two lines that tools look for, what happened,
//! the version, the command and client that were being served, and a backtrace; then the
//! process ends by the signal. The first half of a signal's report allocates nothing. The
//! backtrace may: a lock that the crash left held would stop it, so an alarm bounds it. A
//! crash within the report ends the process at once.

use std::fmt::Write;
use std::net::IpAddr;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::client::Client;
use super::log;
use crate::base::sys::{self, FixedText, SignalFacts};
use crate::config::{self, Config};
use crate::net::Address;

/// The row of the command that runs, plus one; zero: none.
static COMMAND: AtomicU32 = AtomicU32::new(0);
static COMMAND_NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();

/// The client that is being served; zero: none yet.
static CLIENT: AtomicU64 = AtomicU64::new(0);
/// Its address as 128 bits of IPv6 and a port; port zero: a Unix socket.
static ADDRESS_HIGH: AtomicU64 = AtomicU64::new(0);
static ADDRESS_LOW: AtomicU64 = AtomicU64::new(0);
static PORT: AtomicU32 = AtomicU32::new(0);

static REPORTING: AtomicBool = AtomicBool::new(false);
static EXIT_ON_PANIC: AtomicBool = AtomicBool::new(false);

/// Seconds that a backtrace may take.
const BACKTRACE_LIMIT_S: u32 = 20;

/// Has panics and, as `crash-log-enabled` says, fatal signals reported. For the thread
/// that runs the loop.
pub fn install(config: &Config) {
    EXIT_ON_PANIC.store(config.use_exit_on_panic, Relaxed);
    std::panic::set_hook(Box::new(on_panic));
    catch_signals(config.crash_log_enabled);
}

/// CONFIG SET crash-log-enabled.
pub fn catch_signals(on: bool) {
    if !on {
        sys::release_fatal();
    } else if let Err(error) = sys::catch_fatal(on_signal) {
        tracing::warn!("Crashes will not be reported: {error}");
    }
}

/// The names of the rows that [`note_command`] speaks of. The first call counts.
pub(super) fn set_command_names(names: impl Iterator<Item = &'static str>) {
    COMMAND_NAMES.get_or_init(|| names.collect());
}

/// The command that runs from here on; gives the note of the one that runs it, for
/// [`note_back`].
#[inline]
pub(super) fn note_command(row: usize) -> u32 {
    let outer = COMMAND.load(Relaxed);
    COMMAND.store(row as u32 + 1, Relaxed);
    outer
}

/// The command is over, and the one that ran it goes on.
#[inline]
pub(super) fn note_back(outer: u32) {
    COMMAND.store(outer, Relaxed);
}

#[inline]
pub(super) fn note_client(client: &Client) {
    CLIENT.store(client.id.0, Relaxed);
    let (bits, port) = match &client.identity.peer {
        Address::Tcp(address) => {
            let ip = match address.ip() {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            (ip.to_bits(), u32::from(address.port()))
        }
        Address::Unix(_) | Address::Unknown => (0, 0),
    };
    ADDRESS_HIGH.store((bits >> 64) as u64, Relaxed);
    ADDRESS_LOW.store(bits as u64, Relaxed);
    PORT.store(port, Relaxed);
}

fn on_signal(facts: SignalFacts) {
    if REPORTING.swap(true, Relaxed) {
        return;
    }
    let Some(fd) = log::crash_fd() else {
        return;
    };
    write_start(fd);
    write_line(fd, |line| {
        let (signal, code) = (facts.signal, facts.code);
        let version = config::REDIS_VERSION;
        write!(
            line,
            "Redis {version} crashed by signal: {signal}, si_code: {code}"
        )
    });
    match facts.sender {
        Some((pid, uid)) => {
            write_line(fd, |line| write!(line, "Killed by PID: {pid}, UID: {uid}"));
        }
        None => write_line(fd, |line| {
            write!(line, "Accessing address: {:#x}", facts.address)
        }),
    }
    write_rest(fd);
}

fn on_panic(info: &PanicHookInfo<'_>) {
    if !REPORTING.swap(true, Relaxed) {
        // Without a log there is a terminal.
        report_panic(log::crash_fd().unwrap_or(2), info);
    }
    if EXIT_ON_PANIC.load(Relaxed) {
        std::process::exit(1);
    }
    sys::end_by_signal(libc::SIGABRT);
}

fn report_panic(fd: i32, info: &PanicHookInfo<'_>) {
    write_start(fd);
    write_line(fd, |line| line.write_str("=== ASSERTION FAILED ==="));
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("a panic without a message");
    match info.location() {
        Some(at) => write_line(fd, |line| {
            write!(line, "==> {}:{} '{text}' is not true", at.file(), at.line())
        }),
        None => write_line(fd, |line| write!(line, "==> '{text}' is not true")),
    }
    write_rest(fd);
}

fn write_start(fd: i32) {
    sys::write_fd(
        fd,
        b"\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n",
    );
}

/// What every report has: version, what was being done, backtrace, end.
fn write_rest(fd: i32) {
    write_line(fd, |line| {
        let russet = env!("CARGO_PKG_VERSION");
        let (system, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        write!(line, "russet {russet} for {system} {arch}")
    });
    let running = COMMAND.load(Relaxed) as usize;
    let names = COMMAND_NAMES.get().map_or(&[][..], Vec::as_slice);
    match running.checked_sub(1).and_then(|row| names.get(row)) {
        Some(name) => write_line(fd, |line| write!(line, "Running command: {name}")),
        None => write_line(fd, |line| line.write_str("Running command: none")),
    }
    let client = CLIENT.load(Relaxed);
    if client > 0 {
        write_line(fd, |line| {
            write!(line, "Last served client: id={client} addr=")?;
            write_address(line)
        });
    }
    sys::die_within(BACKTRACE_LIMIT_S);
    sys::write_fd(fd, b"\n------ STACK TRACE ------\n");
    let trace = backtrace::Backtrace::new();
    sys::write_fd(fd, format!("{trace:?}").as_bytes());
    sys::write_fd(
        fd,
        b"\n------ STACK TRACE DONE ------\n\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n\n\
          Please report the crash together with this text.\n",
    );
}

fn write_address(line: &mut FixedText) -> std::fmt::Result {
    let high = u128::from(ADDRESS_HIGH.load(Relaxed)) << 64;
    let ip = std::net::Ipv6Addr::from_bits(high | u128::from(ADDRESS_LOW.load(Relaxed)));
    match (PORT.load(Relaxed), ip.to_ipv4_mapped()) {
        (0, _) => line.write_str("unixsocket"),
        (port, Some(ip)) => write!(line, "{ip}:{port}"),
        (port, None) => write!(line, "[{ip}]:{port}"),
    }
}

/// A log line, without allocating.
fn write_line(fd: i32, text: impl FnOnce(&mut FixedText) -> std::fmt::Result) {
    let mut line = FixedText::new();
    // What does not fit is cut; writing does not fail.
    let _ = log::write_stamp(&mut line)
        .and_then(|()| line.write_str("# "))
        .and_then(|()| text(&mut line));
    sys::write_fd(fd, line.as_bytes());
    sys::write_fd(fd, b"\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::ClientId;

    fn address_of(peer: Address) -> String {
        note_client(&Client::new(ClientId(7), peer.clone(), peer, -1, 0));
        let mut line = FixedText::new();
        write_address(&mut line).unwrap();
        String::from_utf8(line.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn an_address_survives_being_kept_in_numbers() {
        for text in ["127.0.0.1:80", "[2001:db8::1]:6379"] {
            assert_eq!(address_of(Address::Tcp(text.parse().unwrap())), text);
        }
        assert_eq!(address_of(Address::Unix("/tmp/s".into())), "unixsocket");
    }
}
