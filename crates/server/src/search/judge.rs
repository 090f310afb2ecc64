//! Definitions of files, logs and primaries are judged by the same bounds as definitions that
//! clients send. A definition that does not pass is kept aside as commands
//! (`parts::search::refused`), and the server starts without the index, because a definition that
//! would end this server must not end each start.

use super::documents::check_path;
use crate::parts::search::{Indexes, Line};
use crate::state::call::Call;
use russet_search::file::Definition;
use russet_search::schema::parse::{self, JsonPath};
use russet_search::schema::words;

/// A path with a syntax error finds nothing, as on the server that made the definition.
fn any_path(text: &[u8]) -> Option<JsonPath> {
    check_path(text).or(Some(JsonPath::Unordered))
}

/// The definitions that pass, and the commands of each that does not.
pub(super) fn judged(all: Vec<Definition>) -> (Vec<Definition>, Vec<Vec<Line>>) {
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for definition in all {
        let create = create_of(&definition);
        let own: Vec<&[u8]> = create.iter().skip(2).map(Vec::as_slice).collect();
        let passes = definition.unread_filter.is_none()
            && parse::create(&definition.name, &own, &any_path).is_ok();
        if passes {
            taken.push(definition);
        } else {
            refused.push(lines_of(&definition, create));
        }
    }
    (taken, refused)
}

fn create_of(definition: &Definition) -> Line {
    let mut create = vec![b"FT._CREATEIFNX".to_vec(), definition.name.clone()];
    if let Some(filter) = &definition.unread_filter {
        create.extend([b"FILTER".to_vec(), filter.clone()]);
    }
    create.append(&mut words(&definition.schema));
    create
}

fn lines_of(definition: &Definition, create: Line) -> Vec<Line> {
    let line = |words: &[&[u8]]| -> Line { words.iter().map(|word| word.to_vec()).collect() };
    let name = definition.name.as_slice();
    let mut lines = vec![create];
    for (term, groups) in &definition.synonyms {
        let update =
            |group: &Vec<u8>| line(&[b"FT.SYNUPDATE", name, group, b"SKIPINITIALSCAN", term]);
        lines.extend(groups.iter().map(update));
    }
    let aliases = definition.aliases.iter();
    lines.extend(aliases.map(|alias| line(&[b"FT._ALIASADDIFNX", alias, name])));
    lines
}

impl Indexes {
    /// Keeps the commands of an index aside, and names it in the log.
    pub(super) fn keep_aside(&mut self, lines: Vec<Line>) {
        let Some(name) = lines.first().and_then(|line| line.get(1)).cloned() else {
            return;
        };
        warn_of(&name, "it is not taken by this release");
        for line in lines {
            self.refuse(&name, line);
        }
    }
}

impl Call<'_> {
    /// Keeps aside a command about an index that another server has accepted and this server does
    /// not accept; the command has no other effect. `false`: a client sent the command, which is
    /// refused.
    pub fn try_keep_aside(&mut self, name: &[u8], why: &[u8]) -> bool {
        if !self.was_taken_before() {
            return false;
        }
        warn_of(name, &String::from_utf8_lossy(why));
        let line = self.args.iter().map(<[u8]>::to_vec).collect();
        self.server.search.refuse(name, line);
        self.server.update_listeners(self.db.keyspace());
        self.db.add_dirty(1);
        self.reply.ok();
        true
    }
}

fn warn_of(name: &[u8], why: &str) {
    let name = String::from_utf8_lossy(name);
    tracing::warn!(
        "The definition of index '{name}' is kept aside, and the index is not made: {why}"
    );
}
