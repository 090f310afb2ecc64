//! From a configuration to a running server, in Redis's order, with the log lines that tools wait
//! for.
//!
//!     commands, roles, users -> dir, log, background -> limits, title -> sockets -> node, locks,
//!     pid file -> load -> loop
//!
//! Invariants
//!   1. Renames, roles and users are judged before `dir` is entered; until there is a log, problems
//!      go to the terminal.
//!   2. The locks on data files are held before anything is loaded.
//!   3. A start that fails ends with status 1 and a reason; only the console's port may be missing.
//!
//! Elsewhere: `engine` makes the state, `persist::loading` loads, `listen` opens sockets.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::cluster::NodeStart;
use crate::parts::clients::tls::load as load_tls;
use crate::parts::observe::audit::rules::Rules;
use crate::parts::run::reload::Reload;
use crate::parts::run::signals::Signals;
use crate::parts::users;
use crate::parts::users::load::rule_problem;
use crate::process::DataLocks;
use crate::process::file_limit::FileLimit;
use crate::process::pidfile::PidFile;
use crate::process::supervised::Supervisor;
use crate::run::Loop;
use crate::state::Server;
use crate::state::call::{CommandTable, Spec};
use crate::state::world::{Engine, Flow};
use crate::{
    observe::crash,
    process::{self, listen, log},
    sentinel,
    start::opened,
};
use russet_acl::{Commands, Role, Roles, RulesError, Terms, User, parse_file};
use russet_base::memory::alloc;
#[cfg(not(feature = "system-allocator"))]
use russet_base::memory::huge_pages;
use russet_base::processors;
use russet_base::text::Printable;
use russet_command::Flags;
use russet_config::{
    Check, Config, Dialect, FileLine, LogFormat, Problem, PubsubDefault, Run, Sources, Text,
    system_text,
};
use russet_net::Listener;
use russet_net::tls::Materials;
use russet_sentinel::{Setup, from_file};

/// Runs a server until it is asked to stop; returns the exit status. `program` is the name by which
/// the user called the program. To be called while the process has a single thread.
pub fn run(run: Run, program: &OsStr, specs: &[&'static [Spec]]) -> u8 {
    let code = run_configured(run, program, specs);
    if code != 0 {
        log::repeat_log_of_failed_start();
    }
    code
}

fn run_configured(run: Run, program: &OsStr, specs: &[&'static [Spec]]) -> u8 {
    let Run {
        mut config,
        file,
        configured,
        sources,
    } = run;
    let loaded = Box::new(config.clone());
    let table = match command_table(specs, &config) {
        Ok(table) => table,
        Err(problem) => return fail(&problem),
    };
    let sentinel = match sentinel_setup(&config) {
        Ok(setup) => setup,
        Err(problem) => return fail(&problem),
    };
    if let Err(problem) = check_users(&config, &table) {
        return fail(&problem);
    }
    let supervisor = process::supervisor(config.supervised);
    let in_background = config.daemonize && supervisor == Supervisor::Nobody;
    if let Err(problem) = enter_place(&config, in_background) {
        return fail(&problem);
    }
    log::init(&config, in_background);
    crash::install(&config);
    supervisor.log_warnings(config.supervised);
    log_beginning(configured, config.dialect);
    log::enter_service();
    log_built_in(&config);
    super::super::settings::log_compression(&config);
    if config.is_sentinel
        && let Err(why) = sentinel::check_file(file.as_deref())
    {
        tracing::warn!("{why}");
        return 1;
    }
    if !set_up_process(&mut config, program, file.as_deref()) {
        return 1;
    }
    show_logo(&config);
    check_backlog(&config);
    warn_of_read_only_dir(&config);
    warn_of_open_secrets(&config);
    let Some((listeners, metrics_listeners, materials)) = open_sockets(&config) else {
        return 1;
    };
    let console_listeners = open_console(&config);
    let (node, locks) = match take_data_files(&config) {
        Ok(taken) => taken,
        Err(error) => {
            tracing::warn!("{error}");
            return 1;
        }
    };
    // Only now: a second server must not overwrite the pid file of the server that has the port.
    let pidfile = PidFile::write(&config, in_background);
    process::show_title(&config);
    let place = Surroundings {
        listeners,
        metrics_listeners,
        console_listeners,
        materials,
        pidfile: pidfile.clone(),
        supervisor,
        node,
        locks,
        reload: Reload {
            sources: Sources {
                is_running: true,
                ..sources
            },
            loaded,
        },
    };
    let end = serve(config, file, table, sentinel, place);
    finish_process(end, pidfile)
}

/// Removes the pid file and logs the end; returns the exit status.
fn finish_process(end: io::Result<ServeEnd>, pidfile: Option<PidFile>) -> u8 {
    match end {
        Ok(ServeEnd::NotLoaded) => {
            if let Some(pidfile) = pidfile {
                pidfile.remove_silently();
            }
            1
        }
        Ok(ServeEnd::Asked) => {
            if let Some(pidfile) = pidfile {
                pidfile.remove();
            }
            tracing::warn!("Redis is now ready to exit, bye bye...");
            0
        }
        Err(error) => {
            tracing::warn!("The event loop failed: {error}");
            1
        }
    }
}

/// Checks the lines of roles and users.
fn check_users(config: &Config, table: &CommandTable) -> Result<(), Problem> {
    let commands = users::commands_of(table);
    let channels = config.acl_pubsub_default;
    let mut roles = Roles::default();
    for line in &config.roles {
        let (name, role) = parse_role_line(&commands, line, channels)?;
        roles.put(name, role);
    }
    let terms = Terms {
        commands: &commands,
        roles: &roles,
        channels,
    };
    let mut lines = config.users.iter();
    lines.try_for_each(|line| check_user_line(terms, line))
}

/// The sockets of the console; none if another server has the port, because that is no reason not
/// to serve clients.
fn open_console(config: &Config) -> Vec<Listener> {
    let mut listeners = Vec::new();
    if listen::reopen_console(config, &mut listeners).is_err() {
        let port = config.console_port;
        tracing::warn!("There is no console: failed listening on console-port {port}.");
    }
    listeners
}

/// The node of a cluster with its file, and the locks of the data's folders.
fn take_data_files(config: &Config) -> Result<(Option<NodeStart>, DataLocks), String> {
    let is_node = config.cluster_enabled && !config.is_sentinel;
    let node = is_node.then(|| NodeStart::new(config)).transpose();
    let node = node.map_err(|error| error.to_string())?;
    let mut locks = DataLocks::default();
    let held = locks.follow(config);
    held.map_err(|error| error.to_string())?;
    Ok((node, locks))
}

/// The title, limits and priority of the process, and its threads. `false`: the server cannot
/// serve; the reason is in the log.
fn set_up_process(config: &mut Config, program: &OsStr, file: Option<&Path>) -> bool {
    if config.set_proc_title {
        let path = file.map_or(&b""[..], |f| f.as_os_str().as_bytes());
        process::take_title(program.as_bytes(), path);
    }
    match process::raise_file_limit(config.maxclients) {
        FileLimit::Enough => {}
        FileLimit::Clients(clients) => config.maxclients = clients,
        FileLimit::TooLow(limit) => {
            tracing::warn!(
                "Your current 'ulimit -n' of {limit} is not enough for the server to start. \
                 Please increase your open file limit. Exiting."
            );
            return false;
        }
    }
    if let Err(error) = process::apply_oom_score(config) {
        tracing::warn!("Setting oom-score-adj: {}", system_text(&error));
    }
    bind_processors(config);
    // After the fork of a daemon, in which the thread would not exist.
    if config.jemalloc_bg_thread
        && let Err(error) = alloc::give_back_by_thread(true)
    {
        tracing::warn!("Freed memory is given back only while the server works: {error}");
    }
    #[cfg(not(feature = "system-allocator"))]
    if config.huge_pages
        && let Err(error) = huge_pages::grow_by_huge_pages()
    {
        tracing::warn!("The memory has small pages: {error}");
    }
    true
}

/// Moves this thread to the processors of `server-cpulist`, and helpers to theirs when they start.
fn bind_processors(config: &Config) {
    fn list(text: &Text) -> Option<&[u8]> {
        (!text.is_empty()).then_some(&text[..])
    }
    let posts = [
        &config.bio_cpulist,
        &config.bgsave_cpulist,
        &config.aof_rewrite_cpulist,
    ];
    processors::set_cpu_lists(posts.map(list));
    let of_loop = list(&config.server_cpulist).map(processors::bind);
    if let Some(Err(error)) = of_loop {
        tracing::warn!("Setting server-cpulist: {}", system_text(&error));
    }
}

/// The sockets for clients and for scrapes, and the materials of TLS. `None`: the reason is in the
/// log.
fn open_sockets(config: &Config) -> Option<(Vec<Listener>, Vec<Listener>, Option<Materials>)> {
    let Ok(materials) = load_tls(config) else {
        tracing::warn!("Failed to configure TLS. Check logs for more info.");
        return None;
    };
    let listeners = match listen::open_all(config) {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::warn!("{error}");
            return None;
        }
    };
    let mut metrics_listeners = Vec::new();
    if listen::reopen_metrics(config, &mut metrics_listeners).is_err() {
        let port = config.metrics_port;
        tracing::warn!("Failed listening on metrics-port {port}, aborting.");
        return None;
    }
    Some((listeners, metrics_listeners, materials))
}

/// The commands of a Sentinel, or of any other server.
fn rows(specs: &[&'static [Spec]], is_sentinel: bool) -> CommandTable {
    let is_wanted = |spec: &Spec| {
        if is_sentinel {
            spec.flags.contains(Flags::SENTINEL)
        } else {
            !spec.flags.contains(Flags::ONLY_SENTINEL)
        }
    };
    CommandTable::of(specs, is_wanted)
}

/// The commands, renamed by `rename-command`.
pub fn command_table(specs: &[&'static [Spec]], config: &Config) -> Result<CommandTable, Problem> {
    let mut table = rows(specs, config.is_sentinel);
    for line in &config.renamed_commands {
        rename(&mut table, line)?;
    }
    Ok(table)
}

/// The setup in the lines of a Sentinel; `None`: the process is none.
fn sentinel_setup(config: &Config) -> Result<Option<Setup>, Problem> {
    if !config.is_sentinel {
        return Ok(None);
    }
    let dir = config.dir.0.path();
    let is_executable = |path: &[u8]| sentinel::is_executable(dir, path);
    from_file(&config.sentinel_lines, &is_executable).map(Some)
}

fn rename(table: &mut CommandTable, line: &FileLine) -> Result<(), Problem> {
    let [old, new] = &line.words[..] else {
        return Ok(());
    };
    table
        .rename(old, new)
        .map_err(|why| Problem::at(&line.origin, why))
}

/// `--check-config`: returns the text to print and the exit status.
pub fn check(mut check: Check, specs: &[&'static [Spec]]) -> (String, i32) {
    let mut table = rows(specs, check.sentinel_lines.is_some());
    for line in std::mem::take(&mut check.renamed_commands) {
        if let Err(problem) = rename(&mut table, &line) {
            check.add(problem);
        }
    }
    if let Some(lines) = &check.sentinel_lines
        && let dir = check.whole.dir.0.path()
        && let Err(problem) = from_file(lines, &|path| sentinel::is_executable(dir, path))
    {
        check.add(problem);
    }
    let commands = users::commands_of(&table);
    let channels = check.whole.acl_pubsub_default;
    if let Some(line) = check.users.iter().chain(&check.roles).next()
        && !check.whole.aclfile.is_empty()
    {
        let why = "users and roles stand in the configuration or in the aclfile, not in both";
        check.add(Problem::at(&line.origin.clone(), why));
    }
    let mut roles = Roles::default();
    for line in std::mem::take(&mut check.roles) {
        let looked_at = parse_role_line(&commands, &line, channels).and_then(|(name, _)| {
            let mut role = Role::new(channels);
            let applied = role.apply_all(rules(&line), &commands, channels);
            applied.map_err(|error| declaration_problem("role", &line, &error))?;
            roles.put(name, role);
            Ok(())
        });
        if let Err(problem) = looked_at {
            check.add(problem);
        }
    }
    let terms = Terms {
        commands: &commands,
        roles: &roles,
        channels,
    };
    for line in std::mem::take(&mut check.users) {
        let looked_at = check_user_line(terms, &line).and_then(|()| {
            let mut user = User::new(channels);
            let applied = user.apply_all(rules(&line), terms);
            applied.map_err(|error| declaration_problem("user", &line, &error))
        });
        if let Err(problem) = looked_at {
            check.add(problem);
        }
    }
    if let Some(file) = check.file.take()
        && let Some(name) = opened::become_service_user(&file)
    {
        check.notes.push(format!(
            "note: files are tried as the service's user '{name}', not as root"
        ));
        if let Some(why) = opened::unreadable(&file) {
            check.add(Problem::Whole(why));
        }
    }
    for fault in opened::faults(&check.whole) {
        check.add(check.problem_of(&fault));
    }
    let whole = &check.whole;
    if let Err(why) = Rules::new(&whole.audit_categories, &whole.audit_users, &commands) {
        check.add(Problem::Whole(format!("audit-categories: {why}")));
    }
    let aclfile = &check.whole.aclfile;
    if !aclfile.is_empty()
        && let Err(error) = parse_file(
            &aclfile.lossy(),
            aclfile.path(),
            &commands,
            channels,
            check.whole.dialect,
        )
    {
        check.add(check.problem_of(&format!("aclfile: {error}")));
    }
    check.report()
}

/// The words of a `user` or `role` line after the name.
fn rules(line: &FileLine) -> impl Iterator<Item = &[u8]> {
    line.words.iter().skip(1).map(|rule| &rule[..])
}

/// Whether the rules of a `user` line are well-formed: command names are resolved when all commands
/// are known.
fn check_user_line(terms: Terms<'_>, line: &FileLine) -> Result<(), Problem> {
    let looked_at = User::parse_known_rules(rules(line), terms);
    looked_at.map_err(|error| declaration_problem("user", line, &error))
}

/// As [`check_user_line`], of a `role` line: the role's name, and the role as far as its commands
/// are known.
fn parse_role_line<'a>(
    commands: &Commands,
    line: &'a FileLine,
    channels: PubsubDefault,
) -> Result<(&'a [u8], Role), Problem> {
    let name = line.words.first().map_or(&b""[..], |name| &name[..]);
    if let Err(why) = Roles::check_name(name) {
        let text = format!("Error in role declaration '{}': {why}", Printable(name));
        return Err(Problem::at(&line.origin, text));
    }
    let looked_at = Role::parse_known_rules(rules(line), commands, channels);
    let role = looked_at.map_err(|error| declaration_problem("role", line, &error))?;
    Ok((name, role))
}

fn declaration_problem(what: &str, line: &FileLine, error: &RulesError) -> Problem {
    let why = rule_problem(error);
    Problem::at(&line.origin, format!("Error in {what} declaration {why}"))
}

/// Prints why a server does not start; returns the exit status.
pub fn fail(problem: &Problem) -> u8 {
    match problem {
        Problem::Unreadable { .. } => {
            // There is no log yet; this has the form of a log line.
            let mut line = String::new();
            // Writing to a String does not fail.
            let _ = log::write_stamp(&mut line);
            let problem = problem.to_string();
            let _ = writeln!(io::stdout(), "{line}# {}", Printable(problem.as_bytes()));
        }
        // Without a reader there is no other place to report it.
        _ => {
            let _ = write!(io::stderr(), "{problem}");
        }
    }
    1
}

/// `dir`, the log file and `daemonize`: failures here must be reported on the terminal.
fn enter_place(config: &Config, in_background: bool) -> Result<(), Problem> {
    let dir = config.dir.0.path();
    std::env::set_current_dir(dir)
        .map_err(|error| Problem::Whole(opened::no_entry("Can't", dir, &error)))?;
    log::check_file(config).map_err(|error| {
        Problem::Whole(format!("Can't open the log file: {}", system_text(&error)))
    })?;
    if in_background {
        process::enter_background().map_err(|error| {
            Problem::Whole(format!(
                "Can't go into the background: {}",
                system_text(&error)
            ))
        })?;
    }
    Ok(())
}

fn log_beginning(configured: bool, dialect: Dialect) {
    let (russet, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
    let (product, version) = (dialect.product(), dialect.version());
    tracing::info!("oO0OoO0OoO0Oo {product} is starting oO0OoO0OoO0Oo");
    tracing::info!(
        "{product} version={version}, russet={russet}, bits=64, pid={pid}, just started"
    );
    if configured {
        tracing::info!("Configuration loaded")
    } else {
        tracing::warn!(
            "Warning: no config file specified, using the default config. To specify one: \
             russet /path/to/redis.conf"
        )
    }
}

/// Logs `loadmodule` lines that load nothing.
fn log_built_in(config: &Config) {
    for line in &config.built_in {
        if let Some(path) = line.words.first() {
            let path = path.lossy();
            tracing::info!("Module {path} is not loaded: its commands are built in");
        }
    }
}

/// The logo on a terminal or if always wanted; otherwise, and in a JSON log, a single line.
fn show_logo(config: &Config) {
    let mode = config.mode();
    let port = match config.port {
        0 => config.tls_port,
        port => port,
    };
    let on_terminal = log::is_terminal() && !config.syslog_enabled;
    // Programs read JSON lines.
    let is_plain = config.log_format == LogFormat::Redis;
    if !is_plain || !config.always_show_logo && !on_terminal {
        tracing::info!("Running mode={mode}, port={port}.");
        return;
    }
    let (russet, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
    let (product, version) = (config.dialect.product(), config.dialect.version());
    log::raw(&format!(
        "
      .---.      russet {russet}, 64 bit
   .-'  .  '-.   speaks {product} {version}
  /  .-'|'-.  \\
 |  '-._|_.-'  | Running in {mode} mode
  \\     |     /  Port: {port}
   '-.  |  .-'   PID: {pid}
      '-|-'

"
    ));
}

/// The kernel silently cuts the backlog to its own limit.
fn check_backlog(config: &Config) {
    let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let limit = limit.ok().and_then(|text| text.trim().parse::<u32>().ok());
    if let Some(limit) = limit.filter(|&limit| limit > 0 && limit < config.tcp_backlog) {
        let backlog = config.tcp_backlog;
        tracing::warn!(
            "The TCP backlog of {backlog} is cut to {limit} by /proc/sys/net/core/somaxconn."
        );
    }
}

/// Logs which clients on other machines are admitted while the default user has no password.
fn log_access(server: &Server) {
    let config = &server.config;
    if let Some(why) = config.unanswered_metrics() {
        tracing::warn!("WARNING: {why}.");
    }
    let is_near = |word: &Text| {
        let name = word.lossy();
        let name = name.trim_start_matches('-');
        let address = name.parse::<std::net::IpAddr>();
        name == "localhost" || address.is_ok_and(|address| address.is_loopback())
    };
    let has_ports = config.port != 0 || config.tls_port != 0;
    let is_far = has_ports && !config.bind.0.iter().all(is_near);
    if !is_far || !server.acl.users.default().no_password() {
        return;
    }
    match (config.protected_mode, config.remote_admin_without_auth) {
        (true, _) => tracing::info!(
            "No password is set: clients from other machines are refused (protected-mode). To let \
             them in, set requirepass or users; in a closed network, protected-mode no."
        ),
        (false, false) => tracing::warn!(
            "No password is set: every client that reaches this server may read, change and delete its data. \
             Administration is refused from other machines (remote-admin-without-auth no). Set \
             requirepass or users unless the network is closed."
        ),
        (false, true) => tracing::warn!(
            "No password is set: every client that reaches this server may read, change and delete its data, \
             and take over the server. Set requirepass or users, or remote-admin-without-auth no."
        ),
    }
}

/// A server serves without its folder, until it is to save.
fn warn_of_read_only_dir(config: &Config) {
    let dir = config.dir.0.path();
    if opened::needs_dir(config) && !opened::is_writable(Path::new(".")) {
        tracing::warn!(
            "WARNING: the folder '{}' cannot be written to: nothing will be saved there, and writes \
             are refused from the first failed save on. {}",
            dir.display(),
            opened::owners_text(Path::new("."))
        );
    }
}

/// A file with a password that every user of the machine may read is no secret.
fn warn_of_open_secrets(config: &Config) {
    for file in config.secret_files() {
        let mode = std::fs::metadata(&file).map(|meta| meta.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o004 != 0) {
            let file = file.display();
            tracing::warn!(
                "The password's file '{file}' may be read by every user of this machine."
            );
        }
    }
}

/// How the service ended.
enum ServeEnd {
    /// The server was asked to stop.
    Asked,
    /// The server did not begin: the data cannot be loaded.
    NotLoaded,
}

/// The surroundings of a server: the listeners and the supervisor.
struct Surroundings {
    listeners: Vec<Listener>,
    metrics_listeners: Vec<Listener>,
    console_listeners: Vec<Listener>,
    materials: Option<Materials>,
    pidfile: Option<PidFile>,
    supervisor: Supervisor,
    /// Of a node of a cluster.
    node: Option<NodeStart>,
    locks: DataLocks,
    /// For SIGHUP.
    reload: Reload,
}

/// Builds the engine and the loop, loads the persisted data, reports readiness, and serves.
fn serve(
    config: Config,
    file: Option<std::path::PathBuf>,
    table: CommandTable,
    sentinel: Option<Setup>,
    place: Surroundings,
) -> io::Result<ServeEnd> {
    let Surroundings {
        listeners,
        metrics_listeners,
        console_listeners,
        materials,
        pidfile,
        supervisor,
        node,
        locks,
        reload,
    } = place;
    let signals = Arc::new(Signals::default());
    let mut engine = Engine::new(config, table, Arc::clone(&signals));
    let persist = &mut engine.server.persist;
    persist.saving.on_disk = true;
    persist.locks = locks;
    engine.server.identity.reload = file.is_some().then_some(reload);
    engine.server.identity.config_file = file;
    let server = &mut engine.server;
    if server.acl.load(&mut server.config).is_err() {
        return Ok(ServeEnd::NotLoaded);
    }
    if let Err(why) = server.configure_audit() {
        tracing::warn!("{why}");
        return Ok(ServeEnd::NotLoaded);
    }
    log_access(server);
    engine.server.connections.tls.install(materials);
    let kinds = kinds_of(&listeners);
    engine.server.connections.listeners = listeners;
    engine.server.connections.scrapes.listeners = metrics_listeners;
    engine.server.connections.console.pool.listeners = console_listeners;
    let mut looping = Loop::new(engine, mio::Poll::new()?)?;
    looping.let_helpers_wake();
    let wake = looping.wake().clone();
    looping.engine.server.tasks.set_wake(wake.clone());
    looping.start_io_threads();
    looping.listen()?;
    signals.watch(wake, pidfile)?;
    if let Some(begun) = node
        && !begin_node(&mut looping.engine, begun)?
    {
        return Ok(ServeEnd::NotLoaded);
    }
    match begin_data(&mut looping, sentinel)? {
        Flow::GoOn => {}
        Flow::Stop => return Ok(ServeEnd::Asked),
        Flow::Fail => return Ok(ServeEnd::NotLoaded),
    }
    let Engine {
        keyspace, server, ..
    } = &mut looping.engine;
    if !server.cluster_loaded(keyspace) {
        return Ok(ServeEnd::NotLoaded);
    }
    server.tend_changes(keyspace);
    for kind in kinds {
        tracing::info!("Ready to accept connections {kind}");
    }
    if let Err(why) = server.begin_quorum(keyspace) {
        tracing::warn!("{why}");
        return Ok(ServeEnd::NotLoaded);
    }
    if !server.is_sentinel() {
        server.follow_configured(keyspace);
    }
    supervisor.announce_ready();
    log::has_started();
    looping.run()?;
    stop_service(looping, &supervisor);
    Ok(ServeEnd::Asked)
}

/// The kinds of sockets that clients connect to, as the log names them.
fn kinds_of(listeners: &[Listener]) -> Vec<&'static str> {
    let is_there = [
        ("tcp", listeners.iter().any(|l| !l.is_unix() && !l.is_tls())),
        ("tls", listeners.iter().any(Listener::is_tls)),
        ("unix", listeners.iter().any(Listener::is_unix)),
    ];
    let kinds = is_there.into_iter().filter(|(_, is_there)| *is_there);
    kinds.map(|(kind, _)| kind).collect()
}

/// Begins a node of a cluster, and listens for its bus. `false`: the reason is in the log.
fn begin_node(engine: &mut Engine, begun: NodeStart) -> io::Result<bool> {
    let Engine {
        keyspace, server, ..
    } = engine;
    if !server.begin_cluster(keyspace, begun) {
        return Ok(false);
    }
    let registry = server.connections.registry.as_ref();
    if let (Some(driver), Some(registry)) = (&mut server.cluster, registry) {
        driver.listen(registry)?;
    }
    Ok(true)
}

/// Begins the watch of a Sentinel, or loads the data of a server.
fn begin_data(looping: &mut Loop, sentinel: Option<Setup>) -> io::Result<Flow> {
    let server = &mut looping.engine.server;
    if let Some(setup) = sentinel {
        return Ok(if server.begin_sentinel(&setup) {
            Flow::GoOn
        } else {
            Flow::Fail
        });
    }
    tracing::info!("Server initialized");
    match looping.engine.begin_loading_data() {
        Ok(()) => looping.load(),
        Err(_) => Ok(Flow::Fail),
    }
}

/// Writes out the log, closes the sockets and removes their files.
fn stop_service(mut looping: Loop, supervisor: &Supervisor) {
    // The last turn's effects are persisted as well; a failure is logged.
    let Engine {
        keyspace, server, ..
    } = &mut looping.engine;
    if server.persist.aof.finish(&server.now, &server.stream) {
        server.end_quorum(keyspace);
    }
    let paths = looping.stop();
    supervisor.announce_stopping();
    for path in paths {
        tracing::info!("Removing the unix socket file.");
        // The file may be gone already.
        let _ = std::fs::remove_file(path);
    }
}
