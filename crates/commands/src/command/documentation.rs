//! COMMAND DOCS: a command's documentation as the protocol shows it.
//!
//! Fields come in Redis's order, and the reply leaves out an empty field: clients see both. Maps
//! are flat arrays in RESP2. A subcommand without a row is not shown, even if it is documented.
//!
//! Cost: O(size of the documentation); no reply is cached.
//!
//! Decided elsewhere: the texts: `commands/<group>/docs.txt`; their form: `russet_command::docs`.

use crate::docs_for;
use russet_command::Spec;
use russet_command::docs::{Arg, ArgFlags, Doc, DocFlags, Group};
use russet_resp::Reply;

/// Writes the name and the documentation of a command with all subcommands; returns false and
/// writes nothing if the command has no documentation.
pub(super) fn write_docs<H>(reply: &mut Reply, full_name: &str, spec: &Spec<H>) -> bool {
    let Some(doc) = docs_for(full_name) else {
        return false;
    };
    reply.bulk(full_name.as_bytes());
    let texts = texts(doc);
    let given = texts.iter().filter(|(_, text)| !text.is_empty()).count();
    let rest = [
        !doc.flags.is_empty(),
        !doc.history.is_empty(),
        !doc.args.is_empty(),
        !spec.subcommands.is_empty(),
    ];
    reply.map(given + rest.iter().filter(|&&given| given).count());
    write_texts(reply, &texts[..5]);
    if !doc.flags.is_empty() {
        reply.bulk(b"doc_flags");
        reply.set(doc.flags.iter().count());
        for (flag, name) in [
            (DocFlags::DEPRECATED, "deprecated"),
            (DocFlags::SYSCMD, "syscmd"),
        ] {
            if doc.flags.contains(flag) {
                reply.simple(name);
            }
        }
    }
    write_texts(reply, &texts[5..]);
    if !doc.history.is_empty() {
        reply.bulk(b"history");
        reply.set(doc.history.len());
        for (version, change) in &doc.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
    }
    if !doc.args.is_empty() {
        reply.bulk(b"arguments");
        write_args(reply, &doc.args);
    }
    if !spec.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        let place = reply.defer();
        let mut written = 0;
        for sub in spec.subcommands {
            let name = format!("{full_name}|{}", sub.name);
            written += usize::from(write_docs(reply, &name, sub));
        }
        reply.finish_map(place, written);
    }
    true
}

/// The plain text fields; doc_flags come before the last two.
fn texts(doc: &Doc) -> [(&'static str, &'static str); 7] {
    let (group, module) = match doc.group.module() {
        "" => (doc.group.name(), ""),
        module => (Group::Module.name(), module),
    };
    [
        ("summary", doc.summary),
        ("since", doc.since),
        ("group", group),
        ("module", module),
        ("complexity", doc.complexity),
        ("deprecated_since", doc.deprecated_since),
        ("replaced_by", doc.replaced_by),
    ]
}

fn write_texts(reply: &mut Reply, texts: &[(&str, &str)]) {
    for (name, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
}

fn write_args(reply: &mut Reply, args: &[Arg]) {
    reply.array(args.len());
    for arg in args {
        write_arg(reply, arg);
    }
}

fn write_arg(reply: &mut Reply, arg: &Arg) {
    let optional_fields = [
        arg.key_spec.is_some(),
        arg.token.is_some(),
        !arg.since.is_empty(),
        !arg.deprecated_since.is_empty(),
        !arg.flags.is_empty(),
    ];
    // Name and type, then either the nested arguments or the display text.
    reply.map(3 + optional_fields.iter().filter(|&&given| given).count());
    write_texts(reply, &[("name", &arg.name), ("type", arg.kind.name())]);
    if !arg.kind.is_nested() {
        let display = match arg.display {
            "" => &arg.name,
            display => display,
        };
        write_texts(reply, &[("display_text", display)]);
    }
    if let Some(spec) = arg.key_spec {
        reply.bulk(b"key_spec_index");
        reply.int(spec.into());
    }
    if let Some(token) = arg.token {
        reply.bulk(b"token");
        reply.bulk(token.as_bytes());
    }
    write_texts(
        reply,
        &[
            ("since", arg.since),
            ("deprecated_since", arg.deprecated_since),
        ],
    );
    if !arg.flags.is_empty() {
        reply.bulk(b"flags");
        reply.set(arg.flags.iter().count());
        for (flag, name) in ARG_FLAGS {
            if arg.flags.contains(flag) {
                reply.simple(name);
            }
        }
    }
    if arg.kind.is_nested() {
        reply.bulk(b"arguments");
        write_args(reply, &arg.args);
    }
}

const ARG_FLAGS: [(ArgFlags, &str); 3] = [
    (ArgFlags::OPTIONAL, "optional"),
    (ArgFlags::MULTIPLE, "multiple"),
    (ArgFlags::MULTIPLE_TOKEN, "multiple_token"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn docs(resp3: bool, name: &str, spec: &Spec<()>) -> String {
        let mut reply = Reply::new();
        reply.set_resp3(resp3);
        assert!(write_docs(&mut reply, name, spec));
        String::from_utf8(reply.pending()).unwrap()
    }

    #[test]
    fn fields_come_in_the_order_of_redis() {
        let text = docs(true, "getset", &Spec::new("getset", ()));
        let names = [
            "%8",
            "\r\nsummary\r\n",
            "\r\nsince\r\n$5\r\n1.0.0\r\n",
            "\r\ngroup\r\n$6\r\nstring\r\n",
            "\r\ncomplexity\r\n",
            "\r\ndoc_flags\r\n~1\r\n+deprecated\r\n",
            "\r\ndeprecated_since\r\n$5\r\n6.2.0\r\n",
            "\r\nreplaced_by\r\n",
            "\r\narguments\r\n*2\r\n%4\r\n",
        ];
        let places: Vec<_> = names
            .iter()
            .map(|name| text.find(name).expect(name))
            .collect();
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn maps_are_flat_arrays_in_the_old_protocol() {
        let text = docs(false, "echo", &Spec::new("echo", ()));
        assert!(
            text.starts_with("$4\r\necho\r\n*10\r\n$7\r\nsummary\r\n"),
            "{text}"
        );
        let message = "*1\r\n*6\r\n$4\r\nname\r\n$7\r\nmessage\r\n$4\r\ntype\r\n$6\r\nstring\r\n\
            $12\r\ndisplay_text\r\n$7\r\nmessage\r\n";
        assert!(text.ends_with(message), "{text}");
    }

    #[test]
    fn only_subcommands_with_a_row_are_shown() {
        let config = Spec {
            subcommands: const { &[Spec::new("get", ())] },
            ..Spec::new("config", ())
        };
        let text = docs(true, "config", &config);
        assert!(
            text.contains("\r\nsubcommands\r\n%1\r\n$10\r\nconfig|get\r\n"),
            "{text}"
        );
        assert!(!write_docs(
            &mut Reply::new(),
            "nosuch",
            &Spec::new("nosuch", ())
        ));
    }
}
