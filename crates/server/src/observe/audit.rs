//! The audit of commands (`parts::observe::audit`): the fields of a record, and refusals while its
//! log is stuck.
//!
//! Invariants
//!   1. Secrets are not recorded (`command::secrets`); names of users and roles are.
//!   2. Commands of the primary's stream are not recorded: the primary has recorded them.
//!   3. With `audit-on-full block` audited commands are refused while the log takes no lines.
//!
//! Cost: a test for a command that the audit does not concern; else O(keys of the command).

use crate::clients::client::{Client, ClientFlags};
use crate::origin::Origin;
use crate::parts::observe::audit::line::Line;
use crate::parts::observe::audit::rules::Rules;
use crate::state::Server;
use crate::state::call::Handler;
use crate::state::script::RunningScript;
use russet_command::Facts;
use russet_command::secrets::Secrets;
use russet_config::AuditOnFull;
use russet_resp::Args;

/// The outcome of a command.
pub enum AuditResult<'a> {
    /// The command ran for so many ticks of the cycle counter; `error`: the code of its error
    /// reply, if any.
    Ran { ticks: u64, error: Option<&'a [u8]> },
    /// The command takes effect later.
    Accepted,
    /// The command was not run; the error's code.
    Refused(&'a [u8]),
}

impl Server {
    /// Applies the audit's settings. An error names the directive that is wrong, and the reason;
    /// then nothing has changed.
    pub(crate) fn configure_audit(&mut self) -> Result<(), String> {
        let config = &self.config;
        let commands = &self.acl.commands;
        let rules = Rules::new(&config.audit_categories, &config.audit_users, commands)
            .map_err(|why| format!("audit-categories: {why}"))?;
        let audit = &mut self.diagnostics.audit;
        audit
            .configure(rules, config)
            .map_err(|error| format!("audit-log: {}", russet_config::system_text(&error)))?;
        self.gates.is_audited = audit.is_on();
        self.watch_audit();
        Ok(())
    }

    /// Begins or ends to refuse audited commands, as the state of the log requires, and updates the
    /// gates' interest. Called by cron, and when a line finds no room.
    pub(crate) fn watch_audit(&mut self) {
        let blocks = self.config.audit_on_full == AuditOnFull::Block;
        let is_stuck = blocks && self.diagnostics.audit.check_stuck();
        if is_stuck != self.gates.refuses_audited {
            self.gates.refuses_audited = is_stuck;
            self.update_interest();
        }
    }

    /// Records that a command was refused, if the audit concerns the command's row. `error`: the
    /// error's line, or its code.
    #[cold]
    pub(crate) fn record_refused(
        &mut self,
        by: (&Client, Option<&RunningScript<'_>>),
        (row, args): (usize, Args<'_>),
        origin: Origin,
        error: &[u8],
    ) {
        if self.diagnostics.audit.concerns(row) {
            let code = error.split(|&byte| byte == b' ').next().unwrap_or(b"ERR");
            self.record_audited(by, (row, args), origin, &AuditResult::Refused(code));
        }
    }

    /// Records a command of a row that the audit concerns. Without effect for users that it does
    /// not concern, for the stream of a primary, which has recorded its commands, and for HELLO
    /// without a login.
    #[cold]
    pub(crate) fn record_audited(
        &mut self,
        (client, script): (&Client, Option<&RunningScript<'_>>),
        (row, args): (usize, Args<'_>),
        origin: Origin,
        result: &AuditResult<'_>,
    ) {
        let user = self.acl.users.name(client.user);
        let is_stream = client.flags.contains(ClientFlags::PRIMARY) || origin == Origin::Primary;
        if is_stream || !self.diagnostics.audit.concerns_user(user) {
            return;
        }
        let row = self.table.row(row);
        let is_login = || args.iter().any(|arg| arg.eq_ignore_ascii_case(b"AUTH"));
        if row.spec.facts.contains(Facts::MAY_LOG_IN) && !is_login() {
            return;
        }
        let identity = &client.identity;
        let mut line = Line::new(self.now.unix_us);
        // A script's client has the identity of its caller, but for the id.
        let id = script.map_or(client.id, |script| script.caller.0.id);
        line.number("client", id.0);
        line.text("addr", identity.peer.to_string().as_bytes());
        line.text("user", user);
        for (field, text) in [
            ("name", &identity.name),
            ("lib", &identity.lib_name),
            ("lib-ver", &identity.lib_ver),
        ] {
            if let Some(text) = text {
                line.text(field, text.as_bytes());
            }
        }
        line.number("db", client.db.0.into());
        line.text("command", row.full_name.as_bytes());
        let secrets = self.table.secrets(row, args);
        let shown = |at: usize| {
            if names_user(&secrets, at) {
                args.at(at)
            } else {
                secrets.redacted(at)
            }
        };
        line.list("args", (1..args.len()).map(shown));
        // Only a command with the right number of arguments shows where its keys are.
        if row.spec.arity.admits(args.len())
            && let Ok(keys) = row.keys(args)
            && keys.len() > 0
        {
            line.list("keys", keys.map(|(at, _)| args.at(at)));
        }
        match origin {
            Origin::Exec => line.text("by", b"exec"),
            Origin::Script => line.text("by", b"script"),
            _ => {}
        }
        let (word, error) = match result {
            AuditResult::Ran { error: None, .. } => ("ok", None),
            AuditResult::Ran { error, .. } => ("error", *error),
            AuditResult::Accepted => ("accepted", None),
            AuditResult::Refused(error) => ("refused", Some(*error)),
        };
        line.text("result", word.as_bytes());
        if let Some(error) = error {
            line.text("error", error);
        }
        if let AuditResult::Ran { ticks, .. } = result {
            line.number("us", self.cycles.micros(*ticks));
        }
        if !self.diagnostics.audit.record(line.finish()) {
            self.watch_audit();
        }
    }
}

/// Whether an argument is the name of a user or role that ACL changes or shows: the audit records
/// it; other logs do not, as in Redis. A password with its sign, given instead of a name, is no
/// name.
fn names_user(secrets: &Secrets<'_, Handler>, at: usize) -> bool {
    let Some((row, args, begin)) = secrets.inner() else {
        return false;
    };
    let Some(at) = at.checked_sub(begin).filter(|&at| at < args.len()) else {
        return false;
    };
    let facts = row.spec.facts;
    let is_name = facts.contains(Facts::NAMES_USER) && at == 2
        || facts.contains(Facts::NAMES_USERS) && at >= 2;
    is_name && !matches!(args.at(at).first(), Some(b'<' | b'>' | b'#' | b'!'))
}
