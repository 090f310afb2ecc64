//! GET and MGET: values as JSON text.
//!
//! Cost: O(values that the paths visit), and the size of the reply.

use super::count;
use super::printing::{self, Form, Means, share};
use super::reply::write_expanded;
use super::row::{
    READ_KEY, READING, READS, compiled, each_match, each_result, missing, path_at, plain, read,
    utf8, whole,
};
use russet_command::{Access, Arity, CommandError, KeySpec};
use russet_json::{Budget, Composer, Document, EvalError, Format, Path, Value};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, Spec};

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

/// The options of GET, which may stand before and after the paths.
pub(super) struct GetOptions<'a> {
    format: Format<'a>,
    /// Values of the protocol instead of text, down to this depth.
    depth: Option<usize>,
    pub(super) paths: Vec<&'a str>,
    /// Whether the reply is an object with a member for each path.
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
/// Reply: bulk string: of JSONPath an array of the matches, of a legacy path the first match; of
/// several paths an object with a member for each path, in the order given, all as arrays if any of
/// the paths is JSONPath. EXPAND and EXPAND1, RESP3 alone: an array for each path, of values of the
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
    let budget = &Budget::brief();
    let means = &mut Means { paths, budget };
    let depth = options.as_ref().and_then(|options| options.depth);
    let outcome = match &options {
        None => plain_text(path_at(args, 2)?, means, &json).map(|text| reply.bulk_owned(text)),
        Some(options) => match depth {
            None => texts(options, means, json.root()).map(|text| reply.bulk_owned(text)),
            Some(depth) => expand(options, depth, means, json.root(), reply),
        },
    };
    if outcome.is_ok() || !budget.is_spent() {
        return outcome;
    }
    let document = share(&json);
    let form = depth.map_or(Form::Text, |_| Form::Values(write_expansion));
    printing::print(call, vec![Some(document)], form)
}

/// Whether there is at most one path, and no option.
fn is_plain(args: Args<'_>) -> bool {
    let is_option = |at| GetOptions::WORDS.iter().any(|word| args.is(at, word));
    args.len() == 2 || (args.len() == 3 && !is_option(2))
}

/// The text that a command replies.
pub(super) fn text(
    (args, is_resp3, name): (Args<'_>, bool, &str),
    means: &mut Means<'_>,
    document: &Document,
) -> Result<Vec<u8>, CommandError> {
    if is_plain(args) {
        return plain_text(path_at(args, 2)?, means, document);
    }
    let options = GetOptions::parse(args, is_resp3, name)?;
    texts(&options, means, document.root())
}

/// The text of the values that one path finds.
fn plain_text(
    text: &str,
    means: &mut Means<'_>,
    document: &Document,
) -> Result<Vec<u8>, CommandError> {
    let path = compiled(means.paths, text)?;
    // A whole document's text is about as long as its bytes; parts are mostly short.
    let bytes = if path.is_root() {
        document.memory_bytes()
    } else {
        0
    };
    let mut out = Vec::with_capacity(64 + bytes + bytes / 2);
    let format = &Format::default();
    if !print_matches(&path, document.root(), means.budget, format, &mut out)? {
        return Err(missing(path.text()));
    }
    Ok(out)
}

/// Appends the result of a path: of JSONPath an array of the matches, of a legacy path the first
/// match. `false`: a legacy path matches nothing.
fn print_matches(
    path: &Path,
    root: Value<'_>,
    budget: &Budget,
    format: &Format<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, CommandError> {
    if path.is_legacy() {
        let mut is_found = false;
        each_result(path, root, budget, |found| {
            is_found = true;
            let before = out.len();
            found.print(format, out);
            budget.spend_result(out.len() - before)
        })?;
        return Ok(is_found);
    }
    let mut array = Composer::array(format, out);
    let add = |found: Value<'_>| add_element(&mut array, found, budget);
    each_result(path, root, budget, add)?;
    array.end();
    Ok(true)
}

/// Appends an element, and pays for the element's text.
fn add_element(
    array: &mut Composer<'_, '_>,
    found: Value<'_>,
    budget: &Budget,
) -> Result<(), EvalError> {
    let before = array.text_len();
    array.element(found);
    budget.spend_result(array.text_len() - before)
}

/// The text of the values that the paths find: of several paths an object, in the order given.
fn texts(
    options: &GetOptions<'_>,
    means: &mut Means<'_>,
    root: Value<'_>,
) -> Result<Vec<u8>, CommandError> {
    let (mut out, budget) = (Vec::new(), means.budget);
    let format = &Format {
        bytes_max: Some(budget.text_left()),
        ..options.format
    };
    if let ([text], false) = (&options.paths[..], options.is_object) {
        let path = compiled(means.paths, text)?;
        if !print_matches(&path, root, budget, format, &mut out)? {
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
        let path = compiled(means.paths, name)?;
        if as_arrays {
            let mut array = object.member_array(name);
            let add = |found: Value<'_>| add_element(&mut array, found, budget);
            each_match(&path, root, budget, add)?;
            array.end();
            continue;
        }
        let mut is_found = false;
        each_result(&path, root, budget, |found| {
            is_found = true;
            let before = object.text_len();
            object.member(name, found);
            budget.spend_result(object.text_len() - before)
        })?;
        if !is_found {
            // The path as it was given, unlike elsewhere.
            return Err(missing(name));
        }
    }
    object.end();
    Ok(out)
}

/// Writes the reply of a command with expanded values.
fn write_expansion(
    args: Args<'_>,
    name: &str,
    document: &Document,
    means: &mut Means<'_>,
    reply: &mut Reply,
) -> CommandResult {
    let options = GetOptions::parse(args, reply.resp3(), name)?;
    let depth = options.depth.unwrap_or(0);
    expand(&options, depth, means, document.root(), reply)
}

/// Writes an array for each path, with the matches as values of the protocol.
fn expand(
    options: &GetOptions<'_>,
    depth: usize,
    means: &mut Means<'_>,
    root: Value<'_>,
    reply: &mut Reply,
) -> CommandResult {
    let (texts, budget) = (options.paths.iter(), means.budget);
    let compiled: Result<Vec<_>, _> = texts.map(|text| compiled(means.paths, text)).collect();
    let compiled = compiled?;
    whole(reply, |reply| {
        reply.array(compiled.len());
        for path in &compiled {
            let place = reply.defer();
            let mut results = 0;
            each_match(path, root, budget, |found| {
                results += 1;
                let before = reply.pending_len();
                write_expanded(reply, found, depth);
                budget.spend_result(reply.pending_len() - before)
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
/// Reply: array of bulk strings as of GET; null for a missing key, for a key of another type, for a
/// wrong path, and for a legacy path that matches nothing.
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
    let budget = &Budget::brief();
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
        let text = text.and_then(|(path, json)| found_text(path, &json, budget));
        if budget.is_spent() {
            call.reply.truncate(mark);
            return mget_long(call);
        }
        match text {
            Some(text) => call.reply.bulk_owned(text),
            None => call.reply.null(),
        }
    }
    Ok(())
}

/// MGET that takes long.
#[cold]
fn mget_long(call: &mut Call<'_>) -> CommandResult {
    let keys = call.args.len() - 2;
    let mut documents = Vec::with_capacity(keys);
    for key in call.args.from(1).first(keys).iter() {
        let json = read(&mut call.db, key).ok().flatten();
        documents.push(json.map(|json| share(&json)));
    }
    printing::print(call, documents, Form::Texts)
}

/// The texts of MGET with these arguments.
pub(super) fn mget_texts(
    args: Args<'_>,
    means: &mut Means<'_>,
    documents: &[Option<Document>],
) -> Result<Vec<Option<Vec<u8>>>, CommandError> {
    let (path, budget) = (path_at(args, args.len() - 1)?, means.budget);
    let path = compiled(means.paths, path).ok();
    let text =
        |document: &Option<Document>| found_text(path.as_deref()?, document.as_ref()?, budget);
    let texts = documents.iter().map(text).collect();
    // All keys share a budget, and MGET never replies some of the keys alone.
    if budget.is_spent() {
        return Err(plain(EvalError::TooMuchWork));
    }
    Ok(texts)
}

/// The text of the values that a path finds; `None`: the path is legacy and matches nothing, or
/// takes too long.
fn found_text(path: &Path, document: &Document, budget: &Budget) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let format = &Format::default();
    let is_found = print_matches(path, document.root(), budget, format, &mut text);
    is_found.unwrap_or(false).then_some(text)
}
