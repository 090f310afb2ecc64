//! The log: Redis's line, or one JSON object a line, to standard output, a file, syslog.
//!
//!     4711:M 20 Nov 2026 08:00:00.123 * Server initialized
//!
//! The marks are Redis's levels: `.` debug (trace! here), `-` verbose (debug!), `*` notice
//! (info!), `#` warning (warn! and error!). Fields follow the message as ` name=value`.
//!
//! A log file is opened for every line, so that a file moved away by a log rotator is
//! followed without a signal. Standard output is only appended to. Lines before
//! [`init`] are lost.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry, reload};

use crate::base::clock;
use crate::base::sys::{self, Syslog};
use crate::config::{Config, LogFormat, LogLevel, SyslogFacility};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
static OUTPUT: OnceLock<Output> = OnceLock::new();
static JSON: AtomicBool = AtomicBool::new(false);
/// The process that serves; 0 until it is known which one that is.
static MAIN_PID: AtomicU32 = AtomicU32::new(0);

/// Where lines go.
#[derive(Debug)]
struct Output {
    /// `None`: standard output.
    file: Option<PathBuf>,
    /// Nobody looks at standard output (daemonized without a log file).
    silent: bool,
    syslog: Option<Syslog>,
    /// Held while a line is written: lines of two threads do not mix.
    lock: Mutex<()>,
}

/// Sets the log up for the whole process. To be called once, after daemonizing and after
/// entering `dir`.
pub fn init(config: &Config, daemonized: bool) {
    let logfile = &config.logfile;
    let output = Output {
        file: (!logfile.is_empty()).then(|| absolute(logfile)),
        silent: daemonized && logfile.is_empty(),
        syslog: config
            .syslog_enabled
            .then(|| Syslog::open(&config.syslog_ident, facility(config.syslog_facility))),
        lock: Mutex::new(()),
    };
    set_format(config.log_format);
    OUTPUT.set(output).expect("the log is set up once");
    let (filter, handle) = reload::Layer::new(filter(config.loglevel));
    let subscriber = Registry::default().with(Lines.with_filter(filter));
    tracing::subscriber::set_global_default(subscriber).expect("the log is set up once");
    // Set once, beside OUTPUT.
    let _ = LEVEL.set(handle);
}

/// From now on lines of this process are the server's: `PID:M`, not `PID:C`.
pub fn enter_service() {
    MAIN_PID.store(std::process::id(), Ordering::Relaxed);
}

/// CONFIG SET loglevel. Nothing happens in a process without a log.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // The subscriber lives as long as the process.
        let _ = handle.reload(filter(level));
    }
}

/// CONFIG SET log-format.
pub fn set_format(format: LogFormat) {
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

/// Whether the log file can be written to; the error in the system's words.
pub fn check_file(config: &Config) -> io::Result<()> {
    if config.logfile.is_empty() {
        return Ok(());
    }
    open(&absolute(&config.logfile)).map(drop)
}

/// Prints text without time and level: the logo, a crash report.
pub fn raw(text: &str) {
    if let Some(output) = OUTPUT.get() {
        output.write(text.as_bytes());
    }
}

/// Whether lines go to standard output, and that is a terminal.
pub fn is_terminal() -> bool {
    use std::io::IsTerminal;
    let output = OUTPUT.get();
    output.is_some_and(|o| o.file.is_none() && !o.silent) && io::stdout().is_terminal()
}

/// A descriptor to write a crash report to, without allocating; `None`: nobody would see it.
pub(super) fn crash_fd() -> Option<i32> {
    use std::os::fd::IntoRawFd;
    let output = OUTPUT.get()?;
    match &output.file {
        Some(path) => open(path).ok().map(IntoRawFd::into_raw_fd),
        None if output.silent => None,
        None => Some(1),
    }
}

/// The start of a line, `PID:M time `, as a crash report has it too. As in Redis the role is
/// `C` in children and until the configuration is loaded.
pub(super) fn write_stamp(to: &mut impl fmt::Write) -> fmt::Result {
    let us = clock::unix_us();
    let time = sys::local_time(us.div_euclid(1_000_000));
    let pid = std::process::id();
    let role = match MAIN_PID.load(Ordering::Relaxed) == pid {
        true => 'M',
        false => 'C',
    };
    write!(
        to,
        "{pid}:{role} {:02} {} {} {:02}:{:02}:{:02}.{:03} ",
        time.day,
        MONTHS[time.month],
        time.year,
        time.hour,
        time.minute,
        time.second,
        us.rem_euclid(1_000_000) / 1000
    )
}

impl Output {
    fn write(&self, bytes: &[u8]) {
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk or a closed pipe must not stop the server, and there is nowhere
        // to tell of it.
        let _ = match &self.file {
            Some(path) => open(path).and_then(|mut file| file.write_all(bytes)),
            None if self.silent => Ok(()),
            None => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
        };
    }
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// A relative name means the server's folder at start, whatever CONFIG SET dir says later.
fn absolute(logfile: &[u8]) -> PathBuf {
    let path = Path::new(OsStr::from_bytes(logfile));
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}

fn facility(facility: SyslogFacility) -> i32 {
    match facility {
        SyslogFacility::User => libc::LOG_USER,
        SyslogFacility::Local0 => libc::LOG_LOCAL0,
        SyslogFacility::Local1 => libc::LOG_LOCAL1,
        SyslogFacility::Local2 => libc::LOG_LOCAL2,
        SyslogFacility::Local3 => libc::LOG_LOCAL3,
        SyslogFacility::Local4 => libc::LOG_LOCAL4,
        SyslogFacility::Local5 => libc::LOG_LOCAL5,
        SyslogFacility::Local6 => libc::LOG_LOCAL6,
        SyslogFacility::Local7 => libc::LOG_LOCAL7,
    }
}

/// Turns events into lines.
struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(output) = OUTPUT.get() else {
            return;
        };
        let mut parts = Parts::default();
        event.record(&mut parts);
        let level = *event.metadata().level();
        if let Some(syslog) = &output.syslog {
            syslog.write(priority(level), &parts.plain());
        }
        let line = match JSON.load(Ordering::Relaxed) {
            false => redis_line(level, &parts),
            true => json_line(level, &parts),
        };
        output.write(line.as_bytes());
    }
}

/// An event's message and fields.
#[derive(Default)]
struct Parts {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Parts {
    fn plain(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.fields {
            // Writing to a String does not fail.
            let _ = write!(text, " {name}={value}");
        }
        text
    }
}

impl Visit for Parts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields.push((name, format!("{value:?}"))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_owned(),
            name => self.fields.push((name, value.to_owned())),
        }
    }
}

fn priority(level: Level) -> i32 {
    match level {
        Level::ERROR | Level::WARN => libc::LOG_WARNING,
        Level::INFO => libc::LOG_NOTICE,
        Level::DEBUG => libc::LOG_INFO,
        Level::TRACE => libc::LOG_DEBUG,
    }
}

fn redis_line(level: Level, parts: &Parts) -> String {
    let mark = match level {
        Level::ERROR | Level::WARN => '#',
        Level::INFO => '*',
        Level::DEBUG => '-',
        Level::TRACE => '.',
    };
    let mut line = String::new();
    // Writing to a String does not fail.
    let _ = write_stamp(&mut line);
    let _ = writeln!(line, "{mark} {}", parts.plain());
    line
}

fn json_line(level: Level, parts: &Parts) -> String {
    let name = match level {
        Level::ERROR | Level::WARN => "warning",
        Level::INFO => "notice",
        Level::DEBUG => "verbose",
        Level::TRACE => "debug",
    };
    let us = clock::unix_us();
    let pid = std::process::id();
    let (s, ms) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000) / 1000);
    let mut line =
        format!("{{\"time\":{s}.{ms:03},\"pid\":{pid},\"level\":\"{name}\",\"message\":");
    write_json(&mut line, &parts.message);
    for (name, value) in &parts.fields {
        line.push(',');
        write_json(&mut line, name);
        line.push(':');
        write_json(&mut line, value);
    }
    line.push_str("}\n");
    line
}

/// A JSON string.
fn write_json(to: &mut String, text: &str) {
    to.push('"');
    for c in text.chars() {
        match c {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            c if c.is_control() => {
                // Writing to a String does not fail.
                let _ = write!(to, "\\u{:04x}", c as u32);
            }
            c => to.push(c),
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        Parts {
            message: "Closing \"idle\" client".to_owned(),
            fields: vec![("client", "7".to_owned())],
        }
    }

    #[test]
    fn a_line_is_process_time_mark_and_message() {
        enter_service();
        let line = redis_line(Level::INFO, &parts());
        let pid = std::process::id();
        assert!(line.starts_with(&format!("{pid}:M ")), "{line}");
        assert!(
            line.ends_with(" * Closing \"idle\" client client=7\n"),
            "{line}"
        );
        let words: Vec<&str> = line.split(' ').collect();
        assert!(MONTHS.contains(&words[2]), "{line}");
        assert_eq!(words[4].len(), "08:00:00.123".len());
    }

    #[test]
    fn a_json_line_is_one_object() {
        let line = json_line(Level::WARN, &parts());
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "warning");
        assert_eq!(value["message"], "Closing \"idle\" client");
        assert_eq!(value["client"], "7");
        assert!(value["time"].as_f64().unwrap() > 1.7e9);
    }

    #[test]
    fn control_characters_are_escaped_in_json() {
        let mut text = String::new();
        write_json(&mut text, "a\u{1}\\\n");
        assert_eq!(text, r#""a\u0001\\\n""#);
    }
}
