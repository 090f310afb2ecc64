//! `SET name option value ...`: the settings of a primary.
//!
//! Options are applied in their order; a refused option leaves the options before it in force, and
//! saved.

use super::{Call, CallResult, error, error_naming};
use crate::instances::Primary;
use crate::shared::{Reporter, Shared};
use crate::time::MS_MAX;
use russet_base::numbers::number::parse_i64;
use russet_host::Level;
use russet_resp::CommandError;

pub(super) fn set(call: &mut Call<'_>) -> CallResult {
    call.primary(call.args[2])?;
    let is_executable = call.host.is_executable;
    let primaries = &mut call.sentinel.primaries;
    let primary = primaries.get_mut(call.args[2]).expect("looked up above");
    let shared = &mut call.sentinel.shared;
    let mut rest = &call.args[3..];
    let mut has_changes = false;
    while !rest.is_empty() {
        match set_one(shared, primary, rest, is_executable) {
            Ok(used) => {
                report(shared, primary, &rest[..used]);
                rest = &rest[used..];
                has_changes = true;
            }
            Err(refusal) => {
                if has_changes {
                    shared.out.persist();
                }
                return Err(refusal);
            }
        }
    }
    call.ok_when_saved()
}

/// `+set master name ip port option value ...`, without a password.
fn report(shared: &mut Shared, primary: &Primary, words: &[&[u8]]) {
    let mut words = words.to_vec();
    if words[0].eq_ignore_ascii_case(b"auth-pass") {
        words[1] = b"******";
    }
    let text = [b" ", &words.join(&b' ')[..]].concat();
    let reporter = Reporter::new(primary, shared);
    reporter.primary(shared, Level::Warning, "+set", text);
}

fn invalid(value: &[u8], option: &[u8]) -> CommandError {
    let before = [b"ERR Invalid argument '", value, b"' for SENTINEL SET '"].concat();
    error_naming(&String::from_utf8_lossy(&before), option, "'")
}

/// Applies the first option; returns how many words it has.
fn set_one(
    shared: &mut Shared,
    primary: &mut Primary,
    words: &[&[u8]],
    is_executable: &dyn Fn(&[u8]) -> bool,
) -> Result<usize, CommandError> {
    let option = words[0].to_ascii_lowercase();
    let unknown = || {
        const UNKNOWN: &str = "ERR Unknown option or number of arguments for SENTINEL SET '";
        error_naming(UNKNOWN, words[0], "'")
    };
    let &value = words.get(1).ok_or_else(unknown)?;
    let at_least = |min: i64| {
        let number = parse_i64(value).filter(|&n| n >= min);
        number
            .map(|n| n.min(MS_MAX))
            .ok_or_else(|| invalid(value, words[0]))
    };
    let settings = &mut primary.settings;
    match option.as_slice() {
        b"down-after-milliseconds" => settings.down_after_ms = at_least(1)?,
        b"failover-timeout" => settings.failover_timeout_ms = at_least(1)?,
        b"parallel-syncs" => settings.parallel_syncs = at_least(1)?,
        b"quorum" => settings.quorum = at_least(1)? as usize,
        b"master-reboot-down-after-period" | b"primary-reboot-down-after-period" => {
            settings.reboot_down_after_ms = at_least(0)?;
        }
        b"notification-script" => {
            const NOT_THERE: &str = "ERR Notification script seems non existing or non executable";
            check_script(shared, value, is_executable, NOT_THERE)?;
            settings.notification_script = value.to_vec();
        }
        b"client-reconfig-script" => {
            const NOT_THERE: &str =
                "ERR Client reconfiguration script seems non existing or non executable";
            check_script(shared, value, is_executable, NOT_THERE)?;
            settings.reconfig_script = value.to_vec();
        }
        b"auth-pass" => {
            settings.auth_pass = value.to_vec();
            drop_links(shared, primary);
        }
        b"auth-user" => {
            settings.auth_user = value.to_vec();
            drop_links(shared, primary);
        }
        b"rename-command" => {
            let &theirs = words.get(2).ok_or_else(unknown)?;
            if value.is_empty() || theirs.is_empty() {
                return Err(invalid(b"", words[0]));
            }
            let renames = &mut settings.renames;
            renames.retain(|(ours, _)| !ours.eq_ignore_ascii_case(value));
            if !value.eq_ignore_ascii_case(theirs) {
                renames.push((value.to_vec(), theirs.to_vec()));
            }
            return Ok(3);
        }
        _ => return Err(unknown()),
    }
    Ok(2)
}

fn check_script(
    shared: &Shared,
    path: &[u8],
    is_executable: &dyn Fn(&[u8]) -> bool,
    not_there: &str,
) -> Result<(), CommandError> {
    const DENIED: &str = "ERR Reconfiguration of scripts path is denied for security reasons. Check \
                          the deny-scripts-reconfig configuration directive in your Sentinel \
                          configuration";
    if shared.globals.deny_scripts_reconfig {
        return Err(error(DENIED));
    }
    if path.is_empty() || is_executable(path) {
        Ok(())
    } else {
        Err(error(not_there))
    }
}

/// The links to the data nodes begin anew, with the new password.
fn drop_links(shared: &mut Shared, primary: &Primary) {
    let replicas = primary.replicas.values();
    let replicas = replicas.map(|replica| replica.node.watch.link);
    for link in replicas.chain([primary.node.watch.link]) {
        shared.links.close_both(link, &mut shared.out);
    }
}
