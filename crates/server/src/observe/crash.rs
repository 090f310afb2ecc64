//! The crash report, written before a broken process ends.
//!
//! A panic or a fatal signal prints, between two lines that tools look for, the cause, the version,
//! the command and client being served, the registers (a signal's only: a panic is not at the place
//! of a fault), INFO as it was lately, and a backtrace; then the process ends by the signal. Until
//! the backtrace a signal's report allocates nothing and asks nothing of the server, whose data may
//! be broken: INFO is a text that cron renews (`Engine::keep_info`). The backtrace may allocate: a
//! lock held at the crash would block it, so an alarm bounds it. A crash within the report ends the
//! process at once.

mod kept;

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::IpAddr;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use kept::CrashBuffer;

use crate::clients::client::Client;
use crate::process::log;
use russet_base::clock;
use russet_base::registers::Registers;
use russet_base::sys::{self, FixedText, SignalFacts};
use russet_config::Config;
use russet_net::Address;

/// The row of the running command, plus 1; 0: none.
static COMMAND: AtomicU32 = AtomicU32::new(0);
static COMMAND_NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();

/// The client being served; zero: none yet.
static CLIENT: AtomicU64 = AtomicU64::new(0);
/// The client's address as 128 bits of IPv6 and a port; port 0: a Unix socket.
static ADDRESS_HIGH: AtomicU64 = AtomicU64::new(0);
static ADDRESS_LOW: AtomicU64 = AtomicU64::new(0);
static PORT: AtomicU32 = AtomicU32::new(0);

/// INFO's default sections.
static INFO: CrashBuffer = CrashBuffer::new();

static REPORTING: AtomicBool = AtomicBool::new(false);
static EXIT_ON_PANIC: AtomicBool = AtomicBool::new(false);

/// Frames of a backtrace that are named: the frames of the crash, and the frames that lead to it.
const INNERMOST: usize = 64;
const OUTERMOST: usize = 16;
/// Frames that are walked.
const FRAMES_MAX: usize = 1_000_000;

/// Time limit of a backtrace, seconds.
const BACKTRACE_LIMIT_S: u32 = 20;

/// Enables reports of panics and, with `crash-log-enabled`, of fatal signals. To be called by the
/// thread that runs the loop.
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

/// The names of the rows for [`enter_command`]. Only the first call counts.
pub(crate) fn set_command_names(names: impl Iterator<Item = &'static str>) {
    COMMAND_NAMES.get_or_init(|| names.collect());
}

/// Records the running command; returns the outer command, for [`leave_command`].
#[inline]
pub(crate) fn enter_command(row: usize) -> u32 {
    let outer = COMMAND.load(Relaxed);
    COMMAND.store(row as u32 + 1, Relaxed);
    outer
}

/// The row and name of the running command.
pub fn running() -> Option<(usize, &'static str)> {
    let row = (COMMAND.load(Relaxed) as usize).checked_sub(1)?;
    Some((row, COMMAND_NAMES.get()?.get(row)?))
}

/// The client served last, as the end of a log line; empty: none yet.
pub(crate) fn last_client() -> String {
    let id = CLIENT.load(Relaxed);
    if id == 0 {
        return String::new();
    }
    let mut address = FixedText::new();
    // Text that does not fit is cut; writing does not fail.
    let _ = write_address(&mut address);
    let address = String::from_utf8_lossy(address.as_bytes()).into_owned();
    format!(", client id={id} addr={address}")
}

/// A frame of a stack: the function, with its place where the program has line tables, or the
/// address.
pub fn name_of(frame: usize) -> String {
    let mut text = String::new();
    backtrace::resolve(frame as *mut _, |symbol| {
        if let Some(name) = symbol.name() {
            let _ = write!(
                text,
                "{}{name:#}",
                if text.is_empty() { "" } else { ", in " }
            );
        }
        if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
            let _ = write!(text, " at {}:{line}", file.display());
        }
    });
    if text.is_empty() {
        text = format!("{frame:#x}");
    }
    text
}

/// The command has ended, and the outer one continues.
#[inline]
pub(crate) fn leave_command(outer: u32) {
    COMMAND.store(outer, Relaxed);
}

#[inline]
pub(crate) fn record_client(client: &Client) {
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

/// Replaces the report's INFO, which was true at this Unix time.
pub(crate) fn renew_info(text: &str, unix_us: i64) {
    INFO.renew(text, unix_us as u64);
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
        let (product, version) = (log::dialect().product(), log::dialect().version());
        write!(
            line,
            "{product} {version} crashed by signal: {signal}, si_code: {code}"
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
    write_context(fd);
    write_registers(fd, &facts.registers);
    write_rest(fd);
}

fn on_panic(info: &PanicHookInfo<'_>) {
    if !REPORTING.swap(true, Relaxed) {
        // Without a log: standard error.
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
    write_context(fd);
    write_rest(fd);
}

fn write_start(fd: i32) {
    sys::write_fd(
        fd,
        b"\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n",
    );
}

/// Version, command and client.
fn write_context(fd: i32) {
    write_line(fd, |line| {
        let russet = env!("CARGO_PKG_VERSION");
        let (system, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        write!(line, "russet {russet} for {system} {arch}")
    });
    match running() {
        Some((_, name)) => write_line(fd, |line| write!(line, "Running command: {name}")),
        None => write_line(fd, |line| line.write_str("Running command: none")),
    }
    let client = CLIENT.load(Relaxed);
    if client > 0 {
        write_line(fd, |line| {
            write!(line, "Last served client: id={client} addr=")?;
            write_address(line)
        });
    }
}

/// Four to a line.
fn write_registers(fd: i32, registers: &Registers) {
    sys::write_fd(fd, b"\n------ REGISTERS ------\n");
    if registers.all().is_empty() {
        sys::write_fd(fd, b"not known on this system\n");
    }
    for four in registers.all().chunks(4) {
        let mut line = FixedText::new();
        for (name, value) in four {
            // Text that does not fit is cut; writing does not fail.
            let _ = write!(line, "{name:>7}:{value:016x}");
        }
        sys::write_fd(fd, line.as_bytes());
        sys::write_fd(fd, b"\n");
    }
}

/// INFO as it was at the last renewal.
fn write_info(fd: i32) {
    sys::write_fd(fd, b"\n------ INFO OUTPUT ------\n");
    let Some(then_us) = INFO.unix_us() else {
        return sys::write_fd(
            fd,
            b"none yet: the crash came before its first second of service\n",
        );
    };
    let age_ms = (clock::unix_us() as u64).saturating_sub(then_us) / 1000;
    write_line(fd, |line| write!(line, "INFO as it was {age_ms} ms ago"));
    INFO.read(|piece| sys::write_fd(fd, piece));
}

/// The end of every report: INFO, backtrace, last line.
fn write_rest(fd: i32) {
    write_info(fd);
    sys::die_within(BACKTRACE_LIMIT_S);
    sys::write_fd(fd, b"\n------ STACK TRACE ------\n");
    write_frames(&mut |text| sys::write_fd(fd, text.as_bytes()));
    sys::write_fd(
        fd,
        b"\n------ STACK TRACE DONE ------\n\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n\n\
          Please report the crash together with this text.\n",
    );
}

/// Writes the stack's innermost and outermost frames. An overflowed stack has tens of thousands
/// between them, which take too long to name.
#[inline(never)]
fn write_frames(write: &mut dyn FnMut(&str)) {
    let (mut inner, mut outer) = (Vec::with_capacity(INNERMOST), VecDeque::new());
    let mut count = 0;
    backtrace::trace(|frame| {
        count += 1;
        if inner.len() < INNERMOST {
            inner.push(frame.clone());
        } else {
            if outer.len() == OUTERMOST {
                outer.pop_front();
            }
            outer.push_back(frame.clone());
        }
        count < FRAMES_MAX
    });
    let first_outer = count - outer.len();
    let inner = inner.into_iter().enumerate();
    let outer = (first_outer..).zip(outer);
    for (number, frame) in inner.chain(outer) {
        if number == first_outer && number > INNERMOST {
            let left_out = number - INNERMOST;
            write(&format!("      ... {left_out} frames are left out ...\n"));
        }
        let mut is_named = false;
        backtrace::resolve_frame(&frame, |symbol| {
            is_named = true;
            let name = symbol.name().map(|name| name.to_string());
            write(&format!("{number:4}: {}\n", name.as_deref().unwrap_or("?")));
            if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
                write(&format!("          at {}:{line}\n", file.display()));
            }
        });
        if !is_named {
            write(&format!("{number:4}: {:p}\n", frame.ip()));
        }
    }
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
    // Text that does not fit is cut; writing does not fail.
    let _ = log::write_stamp(&mut line)
        .and_then(|()| line.write_str("# "))
        .and_then(|()| text(&mut line));
    sys::write_fd(fd, line.as_bytes());
    sys::write_fd(fd, b"\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_keyspace::ClientId;

    fn address_of(peer: Address) -> String {
        record_client(&Client::new(ClientId(7), peer.clone(), peer, -1, 0));
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

    #[inline(never)]
    fn at_depth(depth: usize, run: &mut dyn FnMut()) {
        match depth {
            0 => run(),
            _ => at_depth(depth - 1, run),
        }
        std::hint::black_box(depth);
    }

    /// Regression: naming all 60,000 frames of a full stack took until the alarm ended the report.
    #[test]
    fn a_deep_stack_is_shown_by_its_ends() {
        const DEPTH: usize = 20_000;
        let mut text = String::new();
        let deep = || at_depth(DEPTH, &mut || write_frames(&mut |part| text.push_str(part)));
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("deep".into());
            let thread = thread.stack_size(64 << 20).spawn_scoped(scope, deep);
            thread.expect("a thread").join().expect("no panic");
        });
        let numbered = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
        let reported = text.lines().filter(numbered).count();
        assert!(
            (INNERMOST + OUTERMOST..200).contains(&reported),
            "{reported} lines"
        );
        assert!(
            text.contains("at_depth") && text.contains("frames are left out"),
            "{text}"
        );
        let (mut last, mut short) = (0, String::new());
        write_frames(&mut |part| short.push_str(part));
        for line in short.lines().filter(numbered) {
            let number = line.trim_start().split(':').next().unwrap_or("");
            let number: usize = number.parse().expect("a number");
            assert!(number == last || number == last + 1, "{short}");
            last = number;
        }
    }
}
