//! `russet_acl` with the table of commands, which the crate's own tests lack: the names that rules
//! may use, rules of users, ACL files.

mod files;
mod users;

use russet_acl::reserved_names;
use russet_server::{CommandTable, commands_of};

#[test]
fn no_command_of_the_table_is_reserved() {
    let table = CommandTable::new(&crate::table());
    let built = |name: &&str| table.find_full(name.as_bytes()).is_some();
    let built: Vec<&str> = reserved_names().filter(built).collect();
    assert_eq!(built, Vec::<&str>::new());
    assert_eq!(commands_of(&table).reserved_len(), reserved_names().count());
}
