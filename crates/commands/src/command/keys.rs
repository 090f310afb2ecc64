//! COMMAND GETKEYS: the keys of a full command, or the reason why it has none.

use russet_command::keys::Keys;
use russet_command::{CommandError, Flags, KeyPlan, Spec};
use russet_resp::Args;
use russet_server::CommandTable;

/// The keys of the command line `args`.
pub(super) fn keys_in(table: &CommandTable, args: Args<'_>) -> Result<Keys, CommandError> {
    const UNKNOWN: CommandError = CommandError::Text("ERR Invalid command specified");
    let mut row = table.find(args.at(0)).ok_or(UNKNOWN)?;
    if !row.subcommands.is_empty() && args.len() > 1 {
        row = table.find_subcommand(row, args.at(1)).ok_or(UNKNOWN)?;
    }
    keys_or_refusal(row.spec, &row.plan, args).map_err(CommandError::Text)
}

fn keys_or_refusal<H>(
    spec: &Spec<H>,
    plan: &KeyPlan,
    args: Args<'_>,
) -> Result<Keys, &'static str> {
    if !plan.has_keys() {
        return Err("ERR The command has no key arguments");
    }
    if !spec.arity.admits(args.len()) {
        return Err("ERR Invalid number of arguments specified for command");
    }
    match plan.keys(args) {
        Ok(keys) if keys.len() > 0 => Ok(keys),
        _ if spec.flags.contains(Flags::NO_MANDATORY_KEYS) => Ok(Keys::NONE),
        _ => Err("ERR Invalid arguments specified for command"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_command::keys::KeyAt;
    use russet_command::{Access, Arity, KeySpec};
    use russet_resp::OwnedArgs;

    fn keys_of_line(spec: &Spec<()>, line: &str) -> Result<Vec<KeyAt>, &'static str> {
        let args: OwnedArgs = line.split(' ').map(str::as_bytes).collect();
        let keys = keys_or_refusal(spec, &KeyPlan::of(spec), args.args())?;
        Ok(keys.collect())
    }

    #[test]
    fn refusals_are_worded_as_redis_words_them() {
        const NO_KEYS: &str = "ERR The command has no key arguments";
        const BAD_ARITY: &str = "ERR Invalid number of arguments specified for command";
        const BAD_FORM: &str = "ERR Invalid arguments specified for command";
        assert_eq!(keys_of_line(&Spec::new("ping", ()), "ping"), Err(NO_KEYS));
        let get = Spec {
            arity: Arity::Exactly(2),
            keys: const { &[KeySpec::one(1, Access::READ)] },
            ..Spec::new("get", ())
        };
        assert_eq!(keys_of_line(&get, "get"), Err(BAD_ARITY));
        assert_eq!(keys_of_line(&get, "get k"), Ok(vec![(1, Access::READ)]));
        let mut eval = Spec {
            keys: const { &[KeySpec::counted(2, Access::RW)] },
            ..Spec::new("eval", ())
        };
        assert_eq!(keys_of_line(&eval, "eval s 0"), Err(BAD_FORM));
        eval.flags = Flags::NO_MANDATORY_KEYS;
        assert_eq!(keys_of_line(&eval, "eval s 0"), Ok(vec![]));
    }
}
