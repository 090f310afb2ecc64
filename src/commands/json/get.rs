//! GET and MGET: values as JSON text.
//!
//! Cost: O(values that the paths visit), and the size of the reply.

use super::count;
use super::printing::{self, Form};
use super::reply::write_expanded;
use super::row::{
    READ_KEY, READING, READS, compiled, each_match, each_result, missing, path_at, read, utf8,
    whole,
};
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Access, Arity, CommandError, KeySpec};
use russet_json::{Composer, Document, Format, Path, PathCache, Value};
use russet_resp::{Args, Reply};

const NOT_IN_RESP2: CommandError =
    CommandError::Text("ERR FORMAT argument is not supported on RESP2");
const BAD_FORMAT: CommandError = CommandError::Text("ERR wrong reply format");

pub(super) const GET: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    work: count::SHOWN,
    ..Spec::new("json.get", get)
};

/// The options of GET, which may stand before and after its paths.
pub(super) struct GetOptions<'a> {
    format: Format<'a>,
    /// Values of the protocol instead of text, down to this depth.
    depth: Option<usize>,
    pub(super) paths: Vec<&'a str>,
    /// Whether the reply is an object, a member for each path.
    is_object: bool,
}

impl<'a> GetOptions<'a> {
    const WORDS: [&'static str; 5] = ["INDENT", "NEWLINE", "SPACE", "FORMAT", "NOESCAPE"];

    pub(super) fn parse(
        args: Args<'a>,
        is_resp3: bool,
        name: &str,
    ) -> Result<GetOptions<'a>, CommandError> {
        let mut options = GetOptions {
            format: Format::default(),
            depth: None,
            paths: Vec::new(),
            is_object: false,
        };
        let mut at = 2;
        while at < args.len() {
            let word = Self::WORDS.into_iter().find(|word| args.is(at, word));
            let Some(word) = word else {
                options.is_object = !options.paths.is_empty();
                options.paths.push(path_at(args, at)?);
                at += 1;
                continue;
            };
            if word == "NOESCAPE" {
                at += 1;
                continue;
            }
            if word == "FORMAT" && !is_resp3 {
                return Err(NOT_IN_RESP2);
            }
            let Some(value) = args.get(at + 1) else {
                return Err(CommandError::WrongArity(name.to_owned()));
            };
            utf8(value)?;
            match word {
                "INDENT" => options.format.indent = value,
                "NEWLINE" => options.format.newline = value,
                "SPACE" => options.format.space = value,
                // In capitals, unlike other words.
                _ if value == b"STRING" => options.depth = None,
                _ if value == b"EXPAND1" => options.depth = Some(0),
                _ if value == b"EXPAND" => options.depth = Some(usize::MAX),
                _ => return Err(BAD_FORMAT),
            }
            at += 2;
        }
        if options.paths.is_empty() {
            options.paths.push(".");
        }
        Ok(options)
    }
}

/// `JSON.GET key [INDENT text] [NEWLINE text] [SPACE text] [NOESCAPE] [FORMAT STRING | EXPAND1 |
/// EXPAND] [path ...]`: the values at paths as JSON text. NOESCAPE has no effect.
///
/// Reply: bulk string: of JSONPath an array of the matches, of a legacy path the first of them; of
/// several paths an object, a member for each, in the order given, all as arrays if one of the
/// paths is JSONPath. EXPAND and EXPAND1, RESP3 alone: an array for each path, of values of the
/// protocol.
fn get(call: &mut Call<'_>) -> CommandResult {
    if let Some(outcome) = printing::printed(call) {
        return outcome;
    }
    let (args, key) = (call.args, call.args.at(1));
    let reply = &mut *call.reply;
    let options = if is_plain(args) {
        None
    } else {
        Some(GetOptions::parse(args, reply.resp3(), call.name)?)
    };
    let Some(json) = read(&mut call.db, key)? else {
        reply.null();
        return Ok(());
    };
    let paths = &mut call.server.json_paths;
    let shared = match &options {
        None => printing::shared(&json, &[path_at(args, 2)?], paths),
        Some(options) => printing::shared(&json, &options.paths, paths),
    };
    if let Some(document) = shared {
        let is_expanded = options.is_some_and(|options| options.depth.is_some());
        let form = if is_expanded {
            Form::Values(write_expansion)
        } else {
            Form::Text
        };
        return printing::print(call, vec![Some(document)], form);
    }
    match options {
        None => reply.bulk_owned(plain_text(path_at(args, 2)?, paths, &json)?),
        Some(options) => match options.depth {
            None => reply.bulk_owned(texts(&options, paths, json.root())?),
            Some(depth) => expand(&options, depth, paths, json.root(), reply)?,
        },
    }
    Ok(())
}

/// Whether there is one path, or none, and no option.
fn is_plain(args: Args<'_>) -> bool {
    let is_option = |at| GetOptions::WORDS.iter().any(|word| args.is(at, word));
    args.len() == 2 || (args.len() == 3 && !is_option(2))
}

/// The text of a command that replies one.
pub(super) fn text(
    (args, is_resp3, name): (Args<'_>, bool, &str),
    paths: &mut PathCache,
    document: &Document,
) -> Result<Vec<u8>, CommandError> {
    if is_plain(args) {
        return plain_text(path_at(args, 2)?, paths, document);
    }
    let options = GetOptions::parse(args, is_resp3, name)?;
    texts(&options, paths, document.root())
}

/// The text of what one path finds.
fn plain_text(
    text: &str,
    paths: &mut PathCache,
    document: &Document,
) -> Result<Vec<u8>, CommandError> {
    let path = compiled(paths, text)?;
    // A whole document's text is about as long as its bytes; parts are mostly short.
    let bytes = if path.is_root() {
        document.memory_bytes()
    } else {
        0
    };
    let mut out = Vec::with_capacity(64 + bytes + bytes / 2);
    if !print_matches(&path, document.root(), &Format::default(), &mut out)? {
        return Err(missing(path.text()));
    }
    Ok(out)
}

/// Appends what a path finds: of JSONPath an array of the matches, of a legacy path the first.
/// `false`: a legacy path matches nothing.
fn print_matches(
    path: &Path,
    root: Value<'_>,
    format: &Format<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, CommandError> {
    if path.is_legacy() {
        let mut is_found = false;
        each_result(path, root, |found| {
            is_found = true;
            found.print(format, out);
        })?;
        return Ok(is_found);
    }
    let mut array = Composer::array(format, out);
    each_result(path, root, |found| array.element(found))?;
    array.end();
    Ok(true)
}

/// The text of what the paths find: of several an object, in the order given.
fn texts(
    options: &GetOptions<'_>,
    paths: &mut PathCache,
    root: Value<'_>,
) -> Result<Vec<u8>, CommandError> {
    let mut out = Vec::new();
    let format = &options.format;
    if let ([text], false) = (&options.paths[..], options.is_object) {
        let path = compiled(paths, text)?;
        if !print_matches(&path, root, format, &mut out)? {
            return Err(missing(path.text()));
        }
        return Ok(out);
    }
    let as_arrays = options.paths.iter().any(|text| !Path::is_legacy_text(text));
    let mut object = Composer::object(format, &mut out);
    for (at, name) in options.paths.iter().enumerate() {
        if options.paths[..at].contains(name) {
            continue;
        }
        let path = compiled(paths, name)?;
        if as_arrays {
            let mut array = object.member_array(name);
            each_match(&path, root, |found| array.element(found))?;
            array.end();
            continue;
        }
        let mut is_found = false;
        each_result(&path, root, |found| {
            is_found = true;
            object.member(name, found);
        })?;
        if !is_found {
            // The path as it was given, unlike elsewhere.
            return Err(missing(name));
        }
    }
    object.end();
    Ok(out)
}

/// The reply of a command that has its values expanded.
fn write_expansion(
    args: Args<'_>,
    name: &str,
    document: &Document,
    paths: &mut PathCache,
    reply: &mut Reply,
) -> CommandResult {
    let options = GetOptions::parse(args, reply.resp3(), name)?;
    let depth = options.depth.unwrap_or(0);
    expand(&options, depth, paths, document.root(), reply)
}

/// Replies an array for each path, of its matches as values of the protocol.
fn expand(
    options: &GetOptions<'_>,
    depth: usize,
    paths: &mut PathCache,
    root: Value<'_>,
    reply: &mut Reply,
) -> CommandResult {
    let compiled: Result<Vec<_>, _> = options.paths.iter().map(|t| compiled(paths, t)).collect();
    let compiled = compiled?;
    whole(reply, |reply| {
        reply.array(compiled.len());
        for path in &compiled {
            let place = reply.defer();
            let mut results = 0;
            each_match(path, root, |found| {
                results += 1;
                write_expanded(reply, found, depth);
            })?;
            reply.finish_array(place, results);
        }
        Ok(())
    })
}

pub(super) const MGET: Spec = Spec {
    arity: Arity::AtLeast(3),
    keys: &[KeySpec::range(1, -2, 1, Access::READ)],
    handler: mget,
    name: "json.mget",
    work: count::EACH_KEY,
    ..GET
};

/// `JSON.MGET key ... path`: the values at a path of several documents.
///
/// Reply: array of bulk strings as of GET; null for a missing key, one of another type, and a path
/// that is wrong, or legacy and matches nothing.
fn mget(call: &mut Call<'_>) -> CommandResult {
    if let Some(outcome) = printing::printed(call) {
        return outcome;
    }
    let args = call.args;
    let keys = args.len() - 2;
    let text = path_at(args, keys + 1)?;
    let path = compiled(&mut call.server.json_paths, text).ok();
    let mark = call.reply.mark();
    call.reply.array(keys);
    for key in args.from(1).first(keys).iter() {
        let json = read(&mut call.db, key).ok().flatten();
        let paths = &mut call.server.json_paths;
        if let Some(json) = &json
            && printing::shared(json, &[text], paths).is_some()
        {
            call.reply.truncate(mark);
            return mget_long(call);
        }
        let text = path.as_deref().zip(json);
        let text = text.and_then(|(path, json)| found_text(path, &json));
        match text {
            Some(text) => call.reply.bulk_owned(text),
            None => call.reply.null(),
        }
    }
    Ok(())
}

/// MGET of which a document takes long to print.
#[cold]
fn mget_long(call: &mut Call<'_>) -> CommandResult {
    let keys = call.args.len() - 2;
    let mut documents = Vec::with_capacity(keys);
    for key in call.args.from(1).first(keys).iter() {
        let json = read(&mut call.db, key).ok().flatten();
        documents.push(json.map(|json| json.share().unwrap_or_else(|| Document::clone(&json))));
    }
    printing::print(call, documents, Form::Texts)
}

/// The texts of MGET with these arguments.
pub(super) fn mget_texts(
    args: Args<'_>,
    paths: &mut PathCache,
    documents: &[Option<Document>],
) -> Result<Vec<Option<Vec<u8>>>, CommandError> {
    let path = compiled(paths, path_at(args, args.len() - 1)?).ok();
    let text = |document: &Option<Document>| found_text(path.as_deref()?, document.as_ref()?);
    Ok(documents.iter().map(text).collect())
}

/// The text of what a path finds; `None`: it is legacy and matches nothing, or takes too long.
fn found_text(path: &Path, document: &Document) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let is_found = print_matches(path, document.root(), &Format::default(), &mut text);
    is_found.unwrap_or(false).then_some(text)
}
