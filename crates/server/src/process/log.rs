//! The log: Redis's line, pairs (`logfmt`), or a JSON object a line, to standard output, a file,
//! syslog.
//!
//!     4711:M 20 Nov 2026 08:00:00.123 * Server initialized
//!
//! The marks are Redis's levels: `.` debug (trace! here), `-` verbose (debug!), `*` notice (info!),
//! `#` warning (warn! and error!). Fields follow the message as ` name=value`. An event is a single
//! line, whatever clients or directives put into it: control characters are written as `\n` or
//! `\x1b`. Bytes that may not be UTF-8 must be wrapped by the caller ([`Printable`]). JSON lines
//! have the form of `tracing-subscriber`.
//!
//! A log file is opened for every line, so that log rotation works without a signal. Standard
//! output is only appended to. A line is a single write: lines of different threads do not mix, and
//! a forked child finds no lock held by another thread. Lines before [`init`] are lost.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, reload};

use russet_base::clock;
use russet_base::sys::Syslog;
use russet_base::text::Printable;
use russet_config::{Choice, Config, Dialect, LogFormat, LogLevel, LogTimestamp, SyslogFacility};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
static OUTPUT: OnceLock<Output> = OnceLock::new();
/// Read once: using it needs neither a lock nor memory, so a crash report can use it, too.
static ZONE: OnceLock<TimeZone> = OnceLock::new();
static FORMAT: AtomicU8 = AtomicU8::new(0);
static TIMESTAMP: AtomicU8 = AtomicU8::new(0);
/// The serving process; 0 until it is known.
static MAIN_PID: AtomicU32 = AtomicU32::new(0);
/// The process is a Sentinel.
static IS_SENTINEL: AtomicBool = AtomicBool::new(false);
/// The process speaks Valkey's dialect.
static IS_VALKEY: AtomicBool = AtomicBool::new(false);

/// The last lines of a start whose log is a file; `None` once it serves.
static STARTING: Mutex<Option<VecDeque<Vec<u8>>>> = Mutex::new(Some(VecDeque::new()));
static HAS_STARTED: AtomicBool = AtomicBool::new(false);
/// Lines that are kept of a start.
const STARTING_LINES: usize = 6;

/// Where lines go.
#[derive(Debug)]
struct Output {
    /// `None`: standard output.
    file: Option<PathBuf>,
    /// Discard output (daemonized without a log file).
    silent: bool,
}

/// Sets up the log for the whole process. To be called once, after daemonizing and after entering
/// `dir`.
pub fn init(config: &Config, daemonized: bool) {
    let logfile = &config.logfile;
    let output = Output {
        file: (!logfile.is_empty()).then(|| absolute(logfile)),
        silent: daemonized && logfile.is_empty(),
    };
    let syslog = config
        .syslog_enabled
        .then(|| Syslog::open(&config.syslog_ident, facility(config.syslog_facility)));
    IS_SENTINEL.store(config.is_sentinel, Ordering::Relaxed);
    IS_VALKEY.store(config.dialect == Dialect::Valkey, Ordering::Relaxed);
    set_format(config.log_format);
    set_timestamp(config.log_timestamp_format);
    OUTPUT.set(output).expect("the log is set up once");
    zone();
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines::new())
        .fmt_fields(JsonFields::new())
        .with_writer(ToOutput);
    let (filter, handle) = reload::Layer::new(filter(config.loglevel));
    let subscriber =
        Registry::default().with(lines.and_then(syslog.map(ToSyslog)).with_filter(filter));
    tracing::subscriber::set_global_default(subscriber).expect("the log is set up once");
    // Set once, beside OUTPUT.
    let _ = LEVEL.set(handle);
}

/// From now on this process logs as the server: `PID:M`, not `PID:C`.
pub fn enter_service() {
    MAIN_PID.store(std::process::id(), Ordering::Relaxed);
}

/// CONFIG SET loglevel. No effect in a process without a log.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // The subscriber lives as long as the process.
        let _ = handle.reload(filter(level));
    }
}

/// The dialect of the process's lines.
pub fn dialect() -> Dialect {
    if IS_VALKEY.load(Ordering::Relaxed) {
        Dialect::Valkey
    } else {
        Dialect::Redis
    }
}

/// The primary's name in a line: the word of the dialect, in the case of the text around it.
#[derive(Clone, Copy, Debug)]
pub enum Primary {
    Upper,
    Title,
    Lower,
}

/// `MASTER` or `PRIMARY`; `Master` or `Primary` at the beginning; `master` or `primary` inside.
pub const MASTER: Primary = Primary::Upper;
pub const MASTER_FIRST: Primary = Primary::Title;
pub const MASTER_INSIDE: Primary = Primary::Lower;

impl fmt::Display for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [upper, title, lower] = dialect().primary_words();
        f.write_str(match self {
            Primary::Upper => upper,
            Primary::Title => title,
            Primary::Lower => lower,
        })
    }
}

/// CONFIG SET log-format.
pub fn set_format(format: LogFormat) {
    store(&FORMAT, format);
}

/// CONFIG SET log-timestamp-format.
pub fn set_timestamp(format: LogTimestamp) {
    store(&TIMESTAMP, format);
}

/// Stores a choice by its index.
fn store<C: Choice>(to: &AtomicU8, choice: C) {
    let place = C::NAMES.iter().position(|&(_, value)| value == choice);
    let place = u8::try_from(place.expect("it has a name")).expect("few of them");
    to.store(place, Ordering::Relaxed);
}

fn stored<C: Choice>(from: &AtomicU8) -> C {
    C::NAMES[usize::from(from.load(Ordering::Relaxed))].1
}

/// Checks that the log file can be written; the error is the system's.
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

/// The server serves: from now on the log's file alone has its lines.
pub fn has_started() {
    HAS_STARTED.store(true, Ordering::Relaxed);
    if let Ok(mut lines) = STARTING.lock() {
        *lines = None;
    }
}

/// The start has failed: standard error gets the last lines of a log that is a file, so that the
/// journal or the terminal has the reason.
pub fn repeat_log_of_failed_start() {
    let lines = STARTING.lock().ok().and_then(|mut lines| lines.take());
    for line in lines.unwrap_or_default() {
        let _ = io::stderr().write_all(&line);
    }
}

/// Whether the log is standard output and that is a terminal.
pub fn is_terminal() -> bool {
    use std::io::IsTerminal;
    let output = OUTPUT.get();
    output.is_some_and(|o| o.file.is_none() && !o.silent) && io::stdout().is_terminal()
}

/// A descriptor for a crash report, without allocating; `None`: output is discarded.
pub(crate) fn crash_fd() -> Option<i32> {
    use std::os::fd::IntoRawFd;
    let output = OUTPUT.get()?;
    match &output.file {
        Some(path) => open(path).ok().map(IntoRawFd::into_raw_fd),
        None if output.silent => None,
        None => Some(1),
    }
}

fn zone() -> &'static TimeZone {
    ZONE.get_or_init(TimeZone::system)
}

/// The start of a line, `PID:M time `, also for crash reports. As in Redis the role is `X` in a
/// Sentinel, `C` in children and until the configuration is loaded.
pub(crate) fn write_stamp(to: &mut impl fmt::Write) -> fmt::Result {
    let pid = std::process::id();
    let role = match MAIN_PID.load(Ordering::Relaxed) == pid {
        true if IS_SENTINEL.load(Ordering::Relaxed) => 'X',
        true => 'M',
        false => 'C',
    };
    write!(to, "{pid}:{role} ")?;
    write_time(to, stored(&TIMESTAMP))?;
    to.write_char(' ')
}

fn write_time(to: &mut impl fmt::Write, format: LogTimestamp) -> fmt::Result {
    let unix_us = clock::unix_us();
    // A clock beyond the year 9999 shows 1970.
    let now = Timestamp::from_microsecond(unix_us).unwrap_or(Timestamp::UNIX_EPOCH);
    let time = zone().to_datetime(now);
    let (date, clock) = (time.date(), time.time());
    match format {
        LogTimestamp::Legacy => {}
        LogTimestamp::Milliseconds => return write!(to, "{}", unix_us / 1000),
        LogTimestamp::Iso8601 => {
            let offset_s = zone().to_offset(now).seconds();
            let (sign, minutes) = (if offset_s < 0 { '-' } else { '+' }, offset_s.abs() / 60);
            return write!(
                to,
                "{date}T{:02}:{:02}:{:02}.{:03}{sign}{:02}:{:02}",
                clock.hour(),
                clock.minute(),
                clock.second(),
                clock.millisecond(),
                minutes / 60,
                minutes % 60,
            );
        }
    }
    write!(
        to,
        "{:02} {} {} {:02}:{:02}:{:02}.{:03}",
        time.day(),
        MONTHS[time.month() as usize - 1],
        time.year(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond(),
    )
}

impl Output {
    fn write(&self, bytes: &[u8]) {
        // A full disk or a closed pipe must not stop the server, and the error cannot be reported
        // anywhere.
        let _ = match &self.file {
            Some(path) => {
                keep_of_start(bytes);
                open(path).and_then(|mut file| file.write_all(bytes))
            }
            None if self.silent => Ok(()),
            None => write_all(rustix::stdio::stdout(), bytes),
        };
    }
}

/// See [`repeat_log_of_failed_start`].
fn keep_of_start(line: &[u8]) {
    if HAS_STARTED.load(Ordering::Relaxed) {
        return;
    }
    if let Ok(mut lines) = STARTING.try_lock()
        && let Some(lines) = &mut *lines
    {
        if lines.len() == STARTING_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_vec());
    }
}

/// Bypasses the buffer of `std::io::stdout`, which has a lock.
fn write_all(to: impl std::os::fd::AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&to, bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// A relative name refers to the server's folder at start, even after CONFIG SET dir.
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

pub(crate) fn facility(facility: SyslogFacility) -> i32 {
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

/// Formats events as `log-format` asks.
struct Lines {
    json: Format<Json>,
}

impl Lines {
    fn new() -> Lines {
        let json = Format::default().json();
        Lines {
            json: json.flatten_event(true).with_target(false),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match stored(&FORMAT) {
            LogFormat::Json => return self.json.format_event(context, to, event),
            LogFormat::Logfmt => return write_pairs(&mut to, event),
            LogFormat::Redis => {}
        }
        let mark = match *event.metadata().level() {
            Level::ERROR | Level::WARN => '#',
            Level::INFO => '*',
            Level::DEBUG => '-',
            Level::TRACE => '.',
        };
        write_stamp(&mut to)?;
        write!(to, "{mark} ")?;
        event.record(&mut Plain(OneLine(&mut to)));
        writeln!(to)
    }
}

/// `pid=1 role=primary timestamp="..." level=notice message="..."`, with fixed names.
fn write_pairs(to: &mut Writer<'_>, event: &Event<'_>) -> fmt::Result {
    let pid = std::process::id();
    let role = match MAIN_PID.load(Ordering::Relaxed) == pid {
        true if IS_SENTINEL.load(Ordering::Relaxed) => "sentinel",
        true => "primary",
        false => "RDB/AOF",
    };
    let level = match *event.metadata().level() {
        Level::ERROR | Level::WARN => "warning",
        Level::INFO => "notice",
        Level::DEBUG => "verbose",
        Level::TRACE => "debug",
    };
    write!(to, "pid={pid} role={role} timestamp=\"")?;
    write_time(to, stored(&TIMESTAMP))?;
    let mut message = String::new();
    event.record(&mut Plain(OneLine(&mut message)));
    // A quote would end the text for a parser; Valkey, too, replaces it by an apostrophe.
    writeln!(
        to,
        "\" level={level} message=\"{}\"",
        message.replace('"', "'")
    )
}

/// Writes formatted lines to the output.
struct ToOutput;

impl<'a> MakeWriter<'a> for ToOutput {
    type Writer = ToOutput;

    fn make_writer(&'a self) -> ToOutput {
        ToOutput
    }
}

impl Write for ToOutput {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(output) = OUTPUT.get() {
            output.write(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends events to syslog too, whatever `log-format` is.
struct ToSyslog(Syslog);

impl<S: Subscriber> Layer<S> for ToSyslog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = String::new();
        event.record(&mut Plain(OneLine(&mut line)));
        self.0.write(priority(event.metadata()), &line);
    }
}

fn priority(event: &Metadata<'_>) -> i32 {
    match *event.level() {
        Level::ERROR | Level::WARN => libc::LOG_WARNING,
        Level::INFO => libc::LOG_NOTICE,
        Level::DEBUG => libc::LOG_INFO,
        Level::TRACE => libc::LOG_DEBUG,
    }
}

/// Writes an event's message, which `tracing` records first, and its fields.
struct Plain<W>(OneLine<W>);

impl<W: fmt::Write> Visit for Plain<W> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to the line buffer does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Passes text on with its control characters escaped.
struct OneLine<W>(W);

impl<W: fmt::Write> fmt::Write for OneLine<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write!(self.0, "{}", Printable(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// The output of `log`, through a separate subscriber.
    fn written(format: LogFormat, log: impl FnOnce()) -> String {
        static ONE_FORMAT: Mutex<()> = Mutex::new(());
        let _held = ONE_FORMAT.lock();
        set_format(format);
        let text = Arc::new(Mutex::new(Vec::new()));
        let lines = tracing_subscriber::fmt::layer()
            .event_format(Lines::new())
            .fmt_fields(JsonFields::new())
            .with_writer(Arc::clone(&text).into_writer());
        tracing::subscriber::with_default(Registry::default().with(lines), log);
        set_format(LogFormat::Redis);
        String::from_utf8(text.lock().unwrap().clone()).unwrap()
    }

    /// A writer that several events can share.
    trait IntoWriter {
        fn into_writer(self) -> impl for<'a> MakeWriter<'a> + 'static;
    }

    impl IntoWriter for Arc<Mutex<Vec<u8>>> {
        fn into_writer(self) -> impl for<'a> MakeWriter<'a> + 'static {
            move || SharedWriter(Arc::clone(&self))
        }
    }

    struct SharedWriter(Arc<Mutex<Vec<u8>>>);

    impl Write for SharedWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_process_time_mark_and_message() {
        enter_service();
        let line = written(LogFormat::Redis, || {
            tracing::info!(client = 7, "Closing \"idle\" client")
        });
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
    fn pairs_have_the_same_names_each_time() {
        let line = written(LogFormat::Logfmt, || tracing::warn!(n = 1, "a \"b\"\n"));
        let pid = std::process::id();
        assert!(line.starts_with(&format!("pid={pid} role=")), "{line}");
        assert!(line.contains(" timestamp=\""), "{line}");
        let end = "\" level=warning message=\"a 'b'\\n n=1\"\n";
        assert!(line.ends_with(end), "{line}");
    }

    #[test]
    fn times_are_written_in_three_forms() {
        let text = |format| {
            let mut text = String::new();
            write_time(&mut text, format).expect("a String");
            text
        };
        let iso = text(LogTimestamp::Iso8601);
        assert!(iso.parse::<Timestamp>().is_ok() && iso.len() == 29, "{iso}");
        let millis: i64 = text(LogTimestamp::Milliseconds).parse().expect("a number");
        assert!((clock::unix_us() / 1000 - millis).abs() < 60_000);
    }

    #[test]
    fn an_event_is_one_line_whatever_stands_in_it() {
        let name = "a\r\n1:M 01 Jan 2026 * bye\u{1b}[2J\u{9b}\0é";
        let line = written(
            LogFormat::Redis,
            || tracing::warn!(name, %name, "name {name}"),
        );
        let shown = r"a\r\n1:M 01 Jan 2026 * bye\x1b[2J\xc2\x9b\x00é";
        let expected = format!("# name {shown} name={shown} name={shown}\n");
        assert!(line.ends_with(&expected), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_json_line_is_one_object() {
        let line = written(LogFormat::Json, || {
            tracing::warn!(client = 7, "Closing \"idle\"\n\u{1}")
        });
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "WARN");
        assert_eq!(value["message"], "Closing \"idle\"\n\u{1}");
        assert_eq!(value["client"], 7);
        let time: Timestamp = value["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(time > Timestamp::from_second(1_700_000_000).unwrap());
    }
}
