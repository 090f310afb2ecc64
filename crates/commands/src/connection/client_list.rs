//! CLIENT LIST and CLIENT INFO: a line per connection.
//!
//! Cost: O(connections) for the filter, and a line for each connection that it selects.

use super::client_filter::{self, Filter};
use super::client_flags::USUAL;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError, Facts, Flags};
use russet_keyspace::ClientId;
use russet_server::{Call, ClientKind, CommandResult, Spec, client_line};

const TIPS: &[&str] = &["nondeterministic_output"];

pub(super) const INFO: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: USUAL,
    categories: Category::CONNECTION,
    tips: TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("info", info)
};

/// `CLIENT INFO`: this connection's line, as verbatim text.
fn info(call: &mut Call<'_>) -> CommandResult {
    let line = line_of(call, call.client.id);
    call.reply.verbatim("txt", &line);
    Ok(())
}

pub(super) const LIST: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: USUAL.union(Flags::ADMIN),
    categories: Category::CONNECTION,
    tips: TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("list", list)
};

/// `CLIENT LIST [TYPE type | ID id ...]`, and the filters of `client_filter`.
///
/// Reply: verbatim text (bulk string in RESP2), a line per connection, oldest first; with ID in the
/// order given, without unknown IDs, unless the dialect takes them as a filter. O(connections).
fn list(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let mut text = Vec::new();
    let ids_only = || args.from(3).iter().all(|word| !is_condition(word));
    let is_filter = call.server.config.dialect.ids_are_filters();
    if args.len() > 3 && args.is(2, "ID") && !is_filter && ids_only() {
        for id in args.from(3).iter() {
            let id = parse_i64(id).ok_or(CommandError::Text("ERR Invalid client ID"))?;
            text.extend(line_of(call, ClientId(id as u64)));
        }
    } else {
        let filter = Filter::parse(call.server, args, 2, false)?;
        for id in everybody(call, &filter) {
            text.extend(line_of(call, id));
        }
    }
    call.reply.verbatim("txt", &text);
    Ok(())
}

/// The type with this name.
pub(super) fn client_kind(name: &[u8]) -> Result<ClientKind, CommandError> {
    ClientKind::named(name)
        .ok_or_else(|| CommandError::naming("ERR Unknown client type '", name, "'"))
}

/// Whether a word begins another condition: Redis allows none in a list of IDs.
fn is_condition(word: &[u8]) -> bool {
    let word = word.to_ascii_uppercase();
    let name = word.strip_prefix(b"NOT-").unwrap_or(&word);
    client_filter::NAMES.contains(&name)
}

/// All connections that the filter selects, oldest first.
fn everybody(call: &Call<'_>, filter: &Filter<'_>) -> Vec<ClientId> {
    let own = (!filter.skip_me).then_some((&*call.client, &*call.reply));
    let clients = call.server.clients.all(own).map(|(client, _)| client);
    let fitting = clients.filter(|client| filter.fits(call.server, client));
    let mut ids: Vec<ClientId> = fitting.map(|client| client.id).collect();
    ids.sort_unstable();
    ids
}

/// A connection's line with the line end; empty if no connection has this ID.
fn line_of(call: &Call<'_>, id: ClientId) -> Vec<u8> {
    let own = (&*call.client, &*call.reply);
    let Some((client, reply)) = call.server.clients.find(id, Some(own)) else {
        return Vec::new();
    };
    let running = (id == call.client.id).then_some(call.args);
    let mut line = client_line(call.server, client, reply, running);
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn everybody_is_listed_oldest_first() {
        let mut t = Testbed::new();
        t.connect();
        let list = t.run("CLIENT LIST");
        let (first, second) = (list.find("\nid=1 "), list.find("\nid=2 "));
        assert!(first.is_some() && first < second, "{list}");
        assert_eq!(t.run("CLIENT LIST ID 2 7 2").matches("id=2 ").count(), 2);
        assert_eq!(t.run("CLIENT LIST ID 7"), "$0\r\n\r\n");
        assert_eq!(t.run("CLIENT LIST TYPE PUBSUB"), "$0\r\n\r\n");
        assert_eq!(t.run("CLIENT LIST TYPE normal").matches("id=").count(), 2);
    }

    #[test]
    fn a_line_has_the_fields_of_redis_in_their_order() {
        let mut t = Testbed::new();
        t.run("SELECT 3");
        t.run("WATCH a b");
        let line = t.run("CLIENT INFO");
        let line = line.split("\r\n").nth(1).expect("the text");
        let names: Vec<&str> = line
            .split(' ')
            .map(|f| f.split('=').next().expect("a name"))
            .collect();
        let expected = "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf \
             qbuf-free argv-mem multi-mem rbs rbp obl oll omem omem-shared omem-unshared tot-mem \
             events cmd user redir resp lib-name lib-ver io-thread tot-net-in tot-net-out \
             tot-cmds read-events avg-pipeline-len-sum avg-pipeline-len-cnt";
        assert_eq!(names.join(" "), expected);
        assert!(
            line.contains(" flags=U db=3 ") && line.contains(" watch=2 "),
            "{line}"
        );
        assert!(line.contains(" cmd=client|info user=default "), "{line}");
        t.run("CLIENT CAPA redirect");
        let line = t.run("CLIENT INFO");
        assert!(line.contains(" flags=U capa=r db=3 "), "{line}");
    }

    #[test]
    fn wrong_filters_are_refused_as_redis_does() {
        let mut t = Testbed::new();
        for (command, error) in [
            ("CLIENT LIST X", "-ERR syntax error\r\n"),
            ("CLIENT LIST ID", "-ERR syntax error\r\n"),
            ("CLIENT LIST ID x", "-ERR Invalid client ID\r\n"),
            ("CLIENT LIST TYPE x", "-ERR Unknown client type 'x'\r\n"),
        ] {
            assert_eq!(t.run(command), error, "{command}");
        }
    }
}
