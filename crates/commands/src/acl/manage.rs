//! ACL SETUSER, DELUSER, LOAD, SAVE: the subcommands that change users.

use russet_acl::{Users, write_file};
use russet_command::CommandError;
use russet_config::system_text;
use russet_server::{Call, CommandResult};

/// `ACL SETUSER name [rule ...]`: changes a user, or creates one without any rights.
///
/// Reply: OK, or an error for the first wrong rule; then nothing has changed. Closes connections
/// with subscriptions to channels that the user may no longer read. O(rules), and O(connections) if
/// the user has gained or lost all rights.
pub(super) fn set(call: &mut Call<'_>) -> CommandResult {
    const BAD_NAME: &str = "ERR Usernames can't contain spaces or null characters";
    let args = call.args;
    let name = args.at(2);
    if !Users::is_name(name) {
        return Err(CommandError::Text(BAD_NAME));
    }
    call.world().set_user(name, args.from(3).iter())?;
    call.reply.ok();
    Ok(())
}

/// `ACL DELUSER name ...`: deletes users and closes their connections.
///
/// Reply: how many existed. O(names * connections). `default` is refused: then none is deleted.
pub(super) fn delete(call: &mut Call<'_>) -> CommandResult {
    const DEFAULT: &str = "ERR The 'default' user cannot be removed";
    let names = call.args.from(2);
    if names.iter().any(|name| name == b"default") {
        return Err(CommandError::Text(DEFAULT));
    }
    let mut world = call.world();
    let deleted = names.iter().filter(|name| world.delete_user(name)).count();
    call.reply.int(deleted as i64);
    Ok(())
}

fn needs_file(call: &Call<'_>) -> Result<(), CommandError> {
    if call.server.config.aclfile.is_empty() {
        Err(CommandError::Text(call.server.config.dialect.no_acl_file()))
    } else {
        Ok(())
    }
}

/// `ACL LOAD`: replaces all users by the users of the file.
///
/// Reply: OK, or all errors in the file; then nothing has changed. Closes connections of deleted
/// users, and connections with subscriptions that their user may no longer have.
pub(super) fn load(call: &mut Call<'_>) -> CommandResult {
    needs_file(call)?;
    call.world()
        .reload_users()
        .map_err(|error| CommandError::owned(format!("ERR {error}")))?;
    call.reply.ok();
    Ok(())
}

/// `ACL SAVE`: writes all users to the file, and replaces the file atomically.
pub(super) fn save(call: &mut Call<'_>) -> CommandResult {
    const FAILED: &str = "ERR There was an error trying to save the ACLs. Please check the server \
                          logs for more information";
    needs_file(call)?;
    let file = &call.server.config.aclfile;
    if let Err(error) = write_file(file.path(), &call.server.acl.users) {
        tracing::warn!("Writing the ACL file for ACL SAVE: {}", system_text(&error));
        return Err(CommandError::Text(FAILED));
    }
    call.reply.ok();
    Ok(())
}
