//! The keys that every row's plan tells, against a reference that reads the key specs anew for
//! each command line, step by step, and collects positions in lists.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::base::number::parse_i64;
use crate::command::keys::KeyAt;
use crate::command::{Access, Begin, Find, KeySpec};
use crate::resp::OwnedArgs;
use crate::server::{CommandTable, Spec};

/// What a command line's keys are; `None`: it has no form of the command.
type Told = Option<Vec<KeyAt>>;

fn reference(spec: &Spec, full_name: &str, args: &[&[u8]]) -> Told {
    let keys: Vec<&KeySpec> = spec
        .keys
        .iter()
        .filter(|k| !k.access.contains(Access::NOT_KEY))
        .collect();
    let varies = keys
        .iter()
        .any(|k| k.access.contains(Access::VARIABLE_FLAGS));
    let by_specs = if keys.is_empty() || varies {
        None
    } else {
        let lists: Option<Vec<Vec<KeyAt>>> = keys.iter().map(|k| by_spec(k, args)).collect();
        lists.map(|lists| lists.concat())
    };
    by_specs.or_else(|| match full_name {
        "set" => {
            let used = match args[3..].iter().any(|word| is(word, "get")) {
                true => Access::RW | Access::ACCESS,
                false => Access::OW,
            };
            Some(vec![(1, used | Access::UPDATE)])
        }
        "bitfield" => Some(bitfield(args)),
        "migrate" => migrate(args),
        "sort" => Some(sort(args)),
        "georadius" => Some(georadius(args, 6)),
        "georadiusbymember" => Some(georadius(args, 5)),
        "sort_ro" => Some(vec![(1, Access::RO | Access::ACCESS)]),
        "xread" | "xreadgroup" => xread(args),
        name => {
            assert!(spec.find_keys.is_none(), "{name}: has a reference");
            if keys.is_empty() {
                return Some(Vec::new());
            }
            by_loose_count(spec.keys, args)
        }
    })
}

/// The key is only read where every operation is a GET.
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

/// The key in its old place, or those behind KEYS, which is looked for where options stand.
fn migrate(args: &[&[u8]]) -> Told {
    let access = Access::RW | Access::ACCESS | Access::DELETE;
    // The specs look for the word anywhere, but first and last.
    if !args[2..args.len() - 1].iter().any(|word| is(word, "keys")) {
        return Some(vec![(3, access)]);
    }
    let mut rest = args.iter().enumerate().skip(6);
    while let Some((at, word)) = rest.next() {
        if is(word, "auth") {
            rest.next();
        } else if is(word, "auth2") {
            rest.nth(1);
        } else if is(word, "keys") {
            let all = (at + 1..args.len()).map(|at| (at, access)).collect();
            return args[3].is_empty().then_some(all);
        }
    }
    Some(vec![(3, access)])
}

/// Half of what stands behind STREAMS, options passed over.
fn xread(args: &[&[u8]]) -> Told {
    let mut at = 1;
    let streams = loop {
        let word = args.get(at)?;
        at += match () {
            _ if is(word, "block") || is(word, "count") => 2,
            _ if is(word, "group") => 3,
            _ if is(word, "noack") => 1,
            _ if is(word, "streams") => break at + 1,
            _ => return None,
        };
    };
    let count = args.len() - streams;
    let keys = streams..streams + count / 2;
    (count > 0 && count.is_multiple_of(2)).then(|| keys.map(|at| (at, Access::empty())).collect())
}

/// The source, and what stands behind the first of each word, in this order.
fn georadius(args: &[&[u8]], options: usize) -> Vec<KeyAt> {
    let behind = |word| {
        let words = args[..args.len() - 1].iter().skip(options);
        let at = options + 1 + words.enumerate().find(|(_, arg)| is(arg, word))?.0;
        Some((at, Access::OW | Access::UPDATE))
    };
    let source = Some((1, Access::RO | Access::ACCESS));
    let destinations = [behind("store"), behind("storedist")];
    source
        .into_iter()
        .chain(destinations.into_iter().flatten())
        .collect()
}

fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// Positions are wide numbers here, so that nothing of what clients send can overflow them.
fn by_spec(spec: &KeySpec, args: &[&[u8]]) -> Told {
    let len = args.len() as i128;
    let first = match spec.begin {
        Begin::Index(at) => i128::from(at),
        Begin::Keyword { word, from } if from > 0 => {
            let mut places = from as usize..args.len().saturating_sub(1);
            match places.find(|at| is(args[*at], word)) {
                Some(at) => at as i128 + 1,
                // Without the word there are no keys, which is no mistake of the form.
                None => return Some(Vec::new()),
            }
        }
        Begin::Keyword { .. } | Begin::Unknown => return None,
    };
    let (first, last, step) = match spec.find {
        Find::Range { last, step, limit } => {
            let last = i128::from(last);
            let last = match limit {
                _ if last >= 0 => first + last,
                0 => len + last,
                _ => first + (len - first) / i128::from(limit) + last,
            };
            (first, last, step)
        }
        Find::KeyNum {
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
        Find::Unknown => return None,
    };
    if last >= len || last < first || spec.access.contains(Access::INCOMPLETE) {
        return None;
    }
    let positions = (0..len)
        .filter(|at| (first..=last).contains(at) && (at - first) % i128::from(step.max(1)) == 0);
    Some(positions.map(|at| (at as usize, spec.access)).collect())
}

/// The count as C's `atoi` reads it; the destination, if there is one, last.
fn by_loose_count(specs: &[KeySpec], args: &[&[u8]]) -> Told {
    let (begin, count_at, first, step) = specs.iter().find_map(|spec| match spec.find {
        Find::KeyNum {
            count_at,
            first,
            step,
        } => Some((spec.begin, count_at, first, step)),
        _ => None,
    })?;
    let Begin::Index(begin) = begin else {
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
    if let Begin::Index(destination) = specs[0].begin
        && matches!(specs[0].find, Find::Range { .. })
    {
        found.push((destination.into(), Access::empty()));
    }
    Some(found)
}

fn sort(args: &[&[u8]]) -> Vec<KeyAt> {
    let mut found = vec![(1, Access::RO | Access::ACCESS)];
    let mut destination = None;
    let mut words = args.iter().enumerate().skip(2);
    while let Some((at, word)) = words.next() {
        if is(word, "limit") {
            words.nth(1);
        } else if is(word, "store") && at + 1 < args.len() {
            // The destination is looked at as a word as well.
            destination = Some((at + 1, Access::OW | Access::UPDATE));
        } else if is(word, "get") || is(word, "by") {
            words.next();
        }
    }
    found.extend(destination);
    found
}

/// Words that matter to finders and counts, more often than others.
fn words() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof![
        3 => proptest::sample::select(vec![
            "1", "2", "3", "0", "-1", "+1", "2x", " 1", "x", "", "9223372036854775807", "4294967297",
        ]),
        2 => proptest::sample::select(vec![
            "get", "STORE", "storeDist", "by", "Limit", "keys", "streams", "k", "a", "overflow",
        ]),
    ];
    vec(word.prop_map(str::to_owned), 0..12)
}

proptest! {
    #[test]
    fn plans_tell_what_the_key_specs_say(words in words()) {
        let table = CommandTable::new(&crate::commands::table());
        for row in table.rows() {
            let mut args: Vec<&[u8]> = row.full_name.split('|').map(str::as_bytes).collect();
            args.extend(words.iter().map(String::as_bytes));
            if !row.spec.arity.admits(args.len()) {
                continue;
            }
            let owned: OwnedArgs = args.iter().copied().collect();
            let keys = row.keys(owned.args());
            let len = keys.as_ref().map_or(0, ExactSizeIterator::len);
            let told = keys.ok().map(Iterator::collect::<Vec<_>>);
            prop_assert_eq!(told.as_ref().map_or(0, Vec::len), len, "{}", row.full_name);
            prop_assert_eq!(told, reference(row.spec, row.full_name, &args), "{}", row.full_name);
        }
    }

    /// What is prefetched are keys wherever the command line has the command's form.
    #[test]
    fn what_plans_tell_ahead_are_keys(words in words()) {
        let table = CommandTable::new(&crate::commands::table());
        for row in table.rows() {
            let name = row.full_name.split('|').map(str::as_bytes);
            let args: OwnedArgs = name.chain(words.iter().map(String::as_bytes)).collect();
            let ahead: Vec<usize> = row.plan.ahead(args.args()).map(|(at, _)| at).collect();
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
