//! Which arguments of a command are keys, and what the command does with each.
//!
//! Key specs answer first, as COMMAND INFO shows them. Where they cannot (`unknown`,
//! `incomplete`, flags that depend on options, a count that is no number) the row's own
//! finder (`finders`) does. COMMAND GETKEYS, ACL checks and cluster slots all ask here.
//! The arity was checked before, so the fixed arguments are there. Cost: one pass over the
//! arguments.

use super::{Access, BadKeys, Begin, Find, Flags, KeySpec, Spec};
use crate::base::number;

/// A key argument: its position and how it is used.
pub type KeyAt = (usize, Access);

/// The keys among `args`, the command's name first. Empty for a command without keys, and
/// where an optional part with keys is left out; `BadKeys` if the arguments do not have the
/// command's form.
pub fn keys_of<H>(spec: &Spec<H>, args: &[&[u8]]) -> Result<Vec<KeyAt>, BadKeys> {
    let mut found = Vec::new();
    let varies = spec
        .keys
        .iter()
        .any(|k| k.access.contains(Access::VARIABLE_FLAGS));
    if spec_has_keys(spec) && !varies {
        if by_specs(spec.keys, args, &mut found).is_ok() {
            return Ok(found);
        }
        found.clear();
    }
    match spec.find_keys {
        Some(find) => find(args, &mut found)?,
        None if has_keys(spec) => by_loose_count(spec.keys, args, &mut found)?,
        None => {}
    }
    Ok(found)
}

/// Whether a command can have keys at all.
pub fn has_keys<H>(spec: &Spec<H>) -> bool {
    spec.find_keys.is_some() || spec_has_keys(spec)
}

fn spec_has_keys<H>(spec: &Spec<H>) -> bool {
    spec.keys
        .iter()
        .any(|k| !k.access.contains(Access::NOT_KEY))
}

/// The first key, the last (negative: from the end) and the step, as COMMAND INFO's three
/// old fields say it: the range specs as far as they join; zeros if there are none.
pub fn legacy_range(specs: &[KeySpec]) -> (i64, i64, i64) {
    if let [
        KeySpec {
            begin: Begin::Index(first),
            find: Find::Range { last, step, .. },
            ..
        },
    ] = *specs
    {
        return (first.into(), absolute(first, last), step.into());
    }
    let mut range: Option<(i64, i64)> = None;
    let mut previous = 0;
    for spec in specs {
        let (Begin::Index(first), Find::Range { last, step: 1, .. }) = (spec.begin, spec.find)
        else {
            continue;
        };
        if previous != 0 && previous != i64::from(first) - 1 {
            continue;
        }
        let last = absolute(first, last);
        let (from, to) = range.unwrap_or((i64::MAX, 0));
        // "From the end" is later than every position, as unsigned numbers are.
        let to = if last as u64 > to as u64 { last } else { to };
        range = Some((from.min(first.into()), to));
        previous = to;
    }
    range.map_or((0, 0, 0), |(first, last)| (first, last, 1))
}

fn absolute(first: u16, last: i16) -> i64 {
    i64::from(last) + if last >= 0 { i64::from(first) } else { 0 }
}

/// Whether specs leave keys out that only the whole command line shows, so that clients
/// must ask COMMAND GETKEYS: the `movablekeys` flag.
pub fn are_movable(specs: &[KeySpec]) -> bool {
    let mut previous = 0;
    specs.iter().any(|spec| {
        let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
            return true;
        };
        let joined = step == 1 && (previous == 0 || previous == i64::from(first) - 1);
        previous = absolute(first, last);
        spec.access.contains(Access::INCOMPLETE) || (specs.len() > 1 && !joined)
    })
}

fn by_specs(specs: &[KeySpec], args: &[&[u8]], found: &mut Vec<KeyAt>) -> Result<(), BadKeys> {
    for spec in specs.iter().filter(|k| !k.access.contains(Access::NOT_KEY)) {
        let Some(mut first) = begin(spec.begin, args)? else {
            continue;
        };
        let (last, step) = match spec.find {
            Find::Range { last, step, .. } if last >= 0 => (first + last as isize, step),
            Find::Range {
                last,
                step,
                limit: 0,
            } => (args.len() as isize + last as isize, step),
            Find::Range { last, step, limit } => {
                let share = (args.len() as isize - first) / limit as isize;
                (first + share + last as isize, step)
            }
            Find::KeyNum {
                count_at,
                first: offset,
                step,
            } => {
                let count = args
                    .get((first + count_at as isize) as usize)
                    .ok_or(BadKeys)?;
                let count = number::parse_i64(count)
                    .filter(|&n| n >= 0)
                    .ok_or(BadKeys)?;
                let count = isize::try_from(count).map_err(|_| BadKeys)?;
                first += offset as isize;
                let beyond = (count - 1).checked_mul(step as isize).ok_or(BadKeys)?;
                (first.checked_add(beyond).ok_or(BadKeys)?, step)
            }
            Find::Unknown => return Err(BadKeys),
        };
        if last >= args.len() as isize || last < first || first >= args.len() as isize {
            return Err(BadKeys);
        }
        let positions = (first..=last).step_by(usize::from(step.max(1)));
        found.extend(positions.map(|at| (at as usize, spec.access)));
        if spec.access.contains(Access::INCOMPLETE) {
            return Err(BadKeys);
        }
    }
    Ok(())
}

/// Where a spec's search begins; `None` if its keyword is not there.
fn begin(begin: Begin, args: &[&[u8]]) -> Result<Option<isize>, BadKeys> {
    match begin {
        Begin::Index(at) => Ok(Some(at as isize)),
        Begin::Unknown => Err(BadKeys),
        Begin::Keyword { word, from } => {
            let is_word = |at: &usize| args[*at].eq_ignore_ascii_case(word.as_bytes());
            // The word itself cannot be last (forwards), nor the first argument (backwards).
            let at = if from > 0 {
                (from as usize..args.len().saturating_sub(1)).find(is_word)
            } else {
                let start = args.len() as isize + from as isize;
                (2..=start.max(0) as usize).rev().find(is_word)
            };
            Ok(at.map(|at| at as isize + 1))
        }
    }
}

/// Keys behind a count that is no strict integer (`2x` counts as 2, as C reads it); how
/// they are accessed is then not known. A destination before the count comes last.
fn by_loose_count(
    specs: &[KeySpec],
    args: &[&[u8]],
    found: &mut Vec<KeyAt>,
) -> Result<(), BadKeys> {
    let counted = specs.iter().find_map(|spec| match (spec.begin, spec.find) {
        (
            Begin::Index(at),
            Find::KeyNum {
                count_at,
                first,
                step,
            },
        ) => Some((
            usize::from(at + count_at),
            usize::from(at + first),
            usize::from(step),
        )),
        _ => None,
    });
    let (count_at, first, step) = counted.ok_or(BadKeys)?;
    let count = leading_integer(args.get(count_at).ok_or(BadKeys)?);
    let room = args.len().saturating_sub(first) / step;
    let count = usize::try_from(count)
        .ok()
        .filter(|n| (1..=room).contains(n))
        .ok_or(BadKeys)?;
    found.extend((0..count).map(|n| (first + n * step, Access::empty())));
    if let [
        KeySpec {
            begin: Begin::Index(destination),
            find: Find::Range { .. },
            ..
        },
        ..,
    ] = specs
    {
        found.push((usize::from(*destination), Access::empty()));
    }
    Ok(())
}

/// C's `atoi`, saturating.
fn leading_integer(text: &[u8]) -> i64 {
    let blanks = text.iter().take_while(|&&b| number::is_c_space(b)).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let n = digits
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0i64, |n, &b| {
            n.saturating_mul(10).saturating_add(i64::from(b - b'0'))
        });
    if negative { -n } else { n }
}

/// COMMAND GETKEYS: the keys, or why there are none in Redis's words.
pub fn keys_or_refusal<H>(spec: &Spec<H>, args: &[&[u8]]) -> Result<Vec<KeyAt>, &'static str> {
    if !has_keys(spec) {
        return Err("ERR The command has no key arguments");
    }
    if !spec.arity.admits(args.len()) {
        return Err("ERR Invalid number of arguments specified for command");
    }
    match keys_of(spec, args) {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        _ if spec.flags.contains(Flags::NO_MANDATORY_KEYS) => Ok(Vec::new()),
        _ => Err("ERR Invalid arguments specified for command"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Arity;
    use crate::command::finders::{MODIFY, OVERWRITE, xread};

    fn positions(spec: &Spec<()>, line: &str) -> Result<Vec<usize>, BadKeys> {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        Ok(keys_of(spec, &args)?
            .into_iter()
            .map(|(at, _)| at)
            .collect())
    }

    fn row(name: &'static str, keys: &'static [KeySpec]) -> Spec<()> {
        Spec {
            keys,
            ..Spec::new(name, ())
        }
    }

    const COUNTED_STORE: &[KeySpec] = &[
        KeySpec::one(1, OVERWRITE),
        KeySpec::counted(2, Access::READ),
    ];

    #[test]
    fn ranges_and_steps() {
        let mset = row("mset", const { &[KeySpec::range(1, -1, 2, OVERWRITE)] });
        assert_eq!(positions(&mset, "mset a 1 b 2"), Ok(vec![1, 3]));
        let blpop = row("blpop", const { &[KeySpec::range(1, -2, 1, MODIFY)] });
        assert_eq!(positions(&blpop, "blpop a b 0"), Ok(vec![1, 2]));
        assert_eq!(positions(&blpop, "blpop 0"), Err(BadKeys));
    }

    /// Of `MSETEX 2 a 1 b 2` only the first key was found.
    #[test]
    fn counted_keys_may_stand_apart() {
        let find = Find::KeyNum {
            count_at: 0,
            first: 1,
            step: 2,
        };
        let spec = KeySpec {
            find,
            ..KeySpec::counted(1, OVERWRITE)
        };
        let msetex = row("msetex", Box::leak(Box::new([spec])));
        assert_eq!(positions(&msetex, "msetex 2 a 1 b 2 ex 9"), Ok(vec![2, 4]));
        assert_eq!(positions(&msetex, "msetex 3 a 1 b 2"), Err(BadKeys));
    }

    #[test]
    fn counts_strict_first_then_as_c_reads_them() {
        let store = row("zunionstore", COUNTED_STORE);
        assert_eq!(positions(&store, "zunionstore d 2 a b"), Ok(vec![1, 3, 4]));
        assert_eq!(positions(&store, "zunionstore d 2x a b"), Ok(vec![3, 4, 1]));
        for bad in [
            "d 3 a b",
            "d 0 a b",
            "d -1 a b",
            "d x a b",
            "d 9223372036854775807 a",
        ] {
            assert_eq!(
                positions(&store, &format!("zunionstore {bad}")),
                Err(BadKeys),
                "{bad}"
            );
        }
    }

    #[test]
    fn keywords_forwards_and_backwards() {
        let find = Find::Range {
            last: -1,
            step: 1,
            limit: 2,
        };
        let begin = Begin::Keyword {
            word: "STREAMS",
            from: 1,
        };
        let spec = Box::leak(Box::new([KeySpec {
            access: Access::READ,
            begin,
            find,
            notes: "",
        }]));
        let mut read = row("xread", spec);
        read.find_keys = Some(xread);
        assert_eq!(
            positions(&read, "xread count 1 streams a b 0 0"),
            Ok(vec![4, 5])
        );
        assert_eq!(positions(&read, "xread count 1"), Ok(vec![]));
        assert_eq!(positions(&read, "xread streams a"), Err(BadKeys));
    }

    #[test]
    fn old_fields_join_what_can_be_joined() {
        assert_eq!(legacy_range(&[]), (0, 0, 0));
        assert_eq!(
            legacy_range(&[KeySpec::range(1, -1, 2, OVERWRITE)]),
            (1, -1, 2)
        );
        assert_eq!(legacy_range(COUNTED_STORE), (1, 1, 1));
        let two = [KeySpec::one(1, MODIFY), KeySpec::one(2, MODIFY)];
        assert_eq!(legacy_range(&two), (1, 2, 1));
        let rest = [KeySpec::one(1, MODIFY), KeySpec::range(2, -1, 1, MODIFY)];
        assert_eq!(legacy_range(&rest), (1, -1, 1));
        assert_eq!(legacy_range(&[KeySpec::unknown(MODIFY)]), (0, 0, 0));
        assert!(!are_movable(&two) && !are_movable(&rest) && are_movable(COUNTED_STORE));
    }

    #[test]
    fn refusals_are_worded_as_redis_words_them() {
        let ping = row("ping", &[]);
        assert_eq!(
            keys_or_refusal(&ping, &[b"ping"]),
            Err("ERR The command has no key arguments")
        );
        let mut get = row("get", const { &[KeySpec::one(1, Access::READ)] });
        get.arity = Arity::Exactly(2);
        assert_eq!(
            keys_or_refusal(&get, &[b"get"]),
            Err("ERR Invalid number of arguments specified for command")
        );
        assert_eq!(
            keys_or_refusal(&get, &[b"get", b"k"]),
            Ok(vec![(1, Access::READ)])
        );
        let mut eval = row("eval", const { &[KeySpec::counted(2, MODIFY)] });
        assert_eq!(
            keys_or_refusal(&eval, &[b"eval", b"s", b"0"]),
            Err("ERR Invalid arguments specified for command")
        );
        eval.flags = Flags::NO_MANDATORY_KEYS;
        assert_eq!(keys_or_refusal(&eval, &[b"eval", b"s", b"0"]), Ok(vec![]));
    }
}
