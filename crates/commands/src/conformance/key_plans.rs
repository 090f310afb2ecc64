//! Checks the keys found by every row's plan against a reference that interprets the key specs for
//! each command line, step by step, and collects positions in lists.

use proptest::collection::vec;
use proptest::prelude::*;

use russet_base::numbers::number::parse_i64;
use russet_command::keys::KeyAt;
use russet_command::{Access, BeginSearch, KeyExtent, KeySpec};
use russet_resp::OwnedArgs;
use russet_server::{CommandTable, Spec};

/// The keys of a command line; `None` if it does not have the command's form.
type ReportedKeys = Option<Vec<KeyAt>>;

fn reference(spec: &Spec, full_name: &str, args: &[&[u8]]) -> ReportedKeys {
    let keys: Vec<&KeySpec> = spec
        .keys
        .iter()
        .filter(|k| !k.access.contains(Access::NOT_KEY))
        .collect();
    match full_name {
        "set" => {
            let has = |words: &[&str]| args[3..].iter().any(|arg| words.iter().any(|w| is(arg, w)));
            let used = match has(&["get"]) {
                true => Access::RW | Access::ACCESS,
                false if has(&["ifeq", "ifne", "ifdeq", "ifdne"]) => Access::RW,
                false => Access::OW,
            };
            Some(vec![(1, used | Access::UPDATE)])
        }
        "delex" => {
            let words = [&b"ifeq"[..], b"ifne", b"ifdeq", b"ifdne"];
            let is_word = |arg: &&[u8]| words.iter().any(|word| arg.eq_ignore_ascii_case(word));
            let used = if args[2..].iter().any(is_word) {
                Access::RW
            } else {
                Access::RM
            };
            Some(vec![(1, used | Access::DELETE)])
        }
        // Without MEMORY there is no key.
        "json.debug" => Some(by_spec(keys[0], args).unwrap_or_default()),
        "bitfield" => Some(bitfield(args)),
        "migrate" => migrate(args),
        "sort" => Some(source_and(args, 2, &["get", "by"], &["store"])),
        "georadius" => Some(source_and(args, 6, &["count"], &["store", "storedist"])),
        "georadiusbymember" => Some(source_and(args, 5, &["count"], &["store", "storedist"])),
        "sort_ro" => Some(vec![(1, Access::READ)]),
        "xread" | "xreadgroup" => xread(args),
        name => {
            assert!(spec.find_keys.is_none(), "{name}: has a reference");
            if keys.is_empty() {
                return Some(Vec::new());
            }
            let lists: Option<Vec<Vec<KeyAt>>> = keys.iter().map(|k| by_spec(k, args)).collect();
            let by_specs = lists
                .map(|lists| lists.concat())
                .filter(|all| !all.is_empty());
            by_specs.or_else(|| by_loose_count(spec.keys, args))
        }
    }
}

/// The key is read-only if every operation is a GET.
fn bitfield(args: &[&[u8]]) -> Vec<KeyAt> {
    let mut rest = &args[2..];
    let reads = loop {
        match rest {
            [] => break true,
            [word, _, _, tail @ ..] if is(word, "get") => rest = tail,
            [word, _, tail @ ..] if is(word, "overflow") => rest = tail,
            _ => break false,
        }
    };
    let used = if reads {
        Access::RO
    } else {
        Access::RW | Access::UPDATE
    };
    vec![(1, used | Access::ACCESS)]
}

/// The key in the old position, or the keys after KEYS, found among the options.
fn migrate(args: &[&[u8]]) -> ReportedKeys {
    let access = Access::RW | Access::ACCESS | Access::DELETE;
    let mut at = 6;
    while at < args.len() {
        let left = args.len() - at - 1;
        if is(args[at], "keys") {
            let all = (at + 1..args.len()).map(|at| (at, access)).collect();
            return args[3].is_empty().then_some(all);
        }
        at += match () {
            _ if is(args[at], "auth") && left >= 1 => 2,
            _ if is(args[at], "auth2") && left >= 2 => 3,
            _ => 1,
        };
    }
    Some(vec![(3, access)])
}

/// The first half of the arguments after STREAMS; skips options and unknown words.
fn xread(args: &[&[u8]]) -> ReportedKeys {
    let mut at = 1;
    while at < args.len() {
        let (word, left) = (args[at], args.len() - at - 1);
        if is(word, "streams") && left >= 1 {
            let keys = at + 1..at + 1 + left / 2;
            return left
                .is_multiple_of(2)
                .then(|| keys.map(|at| (at, Access::READ)).collect());
        }
        at += match () {
            _ if (is(word, "block") || is(word, "count")) && left >= 1 => 2,
            _ if is(word, "group") && left >= 2 => 3,
            _ => 1,
        };
    }
    Some(Vec::new())
}

/// The source, and the operand of the last option that names a destination; operands of other
/// options do not count.
fn source_and(
    args: &[&[u8]],
    options: usize,
    with_operand: &[&str],
    destinations: &[&str],
) -> Vec<KeyAt> {
    let mut found = vec![(1, Access::READ)];
    let mut destination = None;
    let mut at = options;
    while at < args.len() {
        let left = args.len() - at - 1;
        let is_one_of = |words: &[&str]| words.iter().any(|word| is(args[at], word));
        if is(args[at], "limit") && options == 2 && left >= 2 {
            at += 2;
        } else if is_one_of(destinations) && left >= 1 {
            at += 1;
            destination = Some((at, Access::OW | Access::UPDATE));
        } else if is_one_of(with_operand) && left >= 1 {
            at += 1;
        }
        at += 1;
    }
    found.extend(destination);
    found
}

fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// Positions use a wide integer type, so that no input can overflow them.
fn by_spec(spec: &KeySpec, args: &[&[u8]]) -> ReportedKeys {
    let len = args.len() as i128;
    let first = match spec.begin {
        BeginSearch::Index(at) => i128::from(at),
        BeginSearch::Keyword { word, from } if from > 0 => {
            let mut places = from as usize..args.len().saturating_sub(1);
            match places.find(|at| is(args[*at], word)) {
                Some(at) => at as i128 + 1,
                // No keyword means no keys; the form is still valid.
                None => return Some(Vec::new()),
            }
        }
        BeginSearch::Keyword { .. } | BeginSearch::Unknown => return None,
    };
    let (first, last, step) = match spec.find {
        KeyExtent::Range { last, step, limit } => {
            let last = i128::from(last);
            let last = match limit {
                _ if last >= 0 => first + last,
                0 => len + last,
                _ => first + (len - first) / i128::from(limit) + last,
            };
            (first, last, step)
        }
        KeyExtent::KeyNum {
            count_at,
            first: offset,
            step,
        } => {
            let count = args.get((first + i128::from(count_at)) as usize)?;
            let count = parse_i64(count).filter(|&n| n > 0)?;
            let first = first + i128::from(offset);
            let last = first + (i128::from(count) - 1) * i128::from(step);
            (first, last, step)
        }
        KeyExtent::Unknown => return None,
    };
    if last + 1 == first && matches!(spec.find, KeyExtent::Range { .. }) {
        return Some(Vec::new());
    }
    if last >= len || last < first || spec.access.contains(Access::INCOMPLETE) {
        return None;
    }
    let positions = (0..len)
        .filter(|at| (first..=last).contains(at) && (at - first) % i128::from(step.max(1)) == 0);
    Some(positions.map(|at| (at as usize, spec.access)).collect())
}

/// The count as read by C's `atoi`; an optional destination comes last.
fn by_loose_count(specs: &[KeySpec], args: &[&[u8]]) -> ReportedKeys {
    let (begin, count_at, first, step) = specs.iter().find_map(|spec| match spec.find {
        KeyExtent::KeyNum {
            count_at,
            first,
            step,
        } => Some((spec.begin, count_at, first, step)),
        _ => None,
    })?;
    let BeginSearch::Index(begin) = begin else {
        return None;
    };
    let text = String::from_utf8_lossy(args.get(usize::from(begin + count_at))?).into_owned();
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text[sign..].find(|c: char| !c.is_ascii_digit());
    let count: i128 = text[..sign + digits.unwrap_or(text.len() - sign)]
        .parse()
        .unwrap_or(0);
    let first = i128::from(begin + first);
    if count < 1 || first + count * i128::from(step) > args.len() as i128 {
        return None;
    }
    let mut found: Vec<KeyAt> = (0..count)
        .map(|n| ((first + n * i128::from(step)) as usize, Access::empty()))
        .collect();
    if let BeginSearch::Index(destination) = specs[0].begin
        && matches!(specs[0].find, KeyExtent::Range { .. })
    {
        found.push((destination.into(), Access::empty()));
    }
    Some(found)
}

/// Random words, mostly words that matter to finders and counts.
fn words() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof![
        3 => proptest::sample::select(vec![
            "1", "2", "3", "0", "-1", "+1", "2x", " 1", "x", "", "9223372036854775807", "4294967297",
        ]),
        2 => proptest::sample::select(vec![
            "get", "STORE", "storeDist", "by", "Limit", "keys", "streams", "k", "a", "overflow",
            "count", "group", "noack", "auth", "auth2",
        ]),
    ];
    vec(word.prop_map(str::to_owned), 0..12)
}

proptest! {
    #[test]
    fn plans_agree_with_the_key_specs(words in words()) {
        let table = CommandTable::new(&crate::table());
        for row in table.rows() {
            let mut args: Vec<&[u8]> = row.full_name.split('|').map(str::as_bytes).collect();
            args.extend(words.iter().map(String::as_bytes));
            if !row.spec.arity.admits(args.len()) {
                continue;
            }
            let owned: OwnedArgs = args.iter().copied().collect();
            let keys = row.keys(owned.args());
            let len = keys.as_ref().map_or(0, ExactSizeIterator::len);
            let reported = keys.ok().map(Iterator::collect::<Vec<_>>);
            prop_assert_eq!(reported.as_ref().map_or(0, Vec::len), len, "{}", row.full_name);
            prop_assert_eq!(reported, reference(row.spec, row.full_name, &args), "{}", row.full_name);
        }
    }

    /// Prefetched arguments are keys if the command line has the command's form.
    #[test]
    fn positions_that_plans_give_ahead_are_keys(words in words()) {
        let table = CommandTable::new(&crate::table());
        for row in table.rows() {
            let name = row.full_name.split('|').map(str::as_bytes);
            let args: OwnedArgs = name.chain(words.iter().map(String::as_bytes)).collect();
            let ahead: Vec<usize> = row.plan.fixed_keys(args.args()).map(|(at, _)| at).collect();
            prop_assert!(ahead.iter().all(|&at| at < args.args().len()));
            if row.spec.arity.admits(args.args().len())
                && let Ok(keys) = row.keys(args.args())
            {
                let keys: Vec<usize> = keys.map(|(at, _)| at).collect();
                prop_assert!(ahead.iter().all(|at| keys.contains(at)), "{}", row.full_name);
            }
        }
    }
}
